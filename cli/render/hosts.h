#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/render/text.h"
#include "common/scan/host_finding.h"

namespace portolan {

// A finding about a host as a whole. The views belong to a TextPool.
struct HostRow {
  HostFinding finding;
  std::string_view vantage;
  std::string_view name;  // the first host name that led to the address; empty: none
  std::string_view agent;
  uint64_t open_ports = 0;       // found open there by the scan
  uint32_t ports = 0;            // that the scan asks of it
  std::string_view names{};      // as of a ResultRow
  bool time_of_receipt = false;  // as of a ResultRow, for finding.when
};

// All names of a row, separated by blanks.
template <typename Row>
std::string_view AllNames(const Row& row) {
  return row.names.empty() ? row.name : row.names;
}
// Names that are separated by blanks, as the members "name" (the first) and "names"; nothing when
// there are none.
void AddNames(std::string_view names, JsonObject& object);
// "a.example, b.example", safe for a terminal; after ten only the number of the others.
std::string NamesText(std::string_view names);

// What the findings of a scan make of its ledger.
struct HostTotals {
  uint64_t everywhere_hosts = 0;  // addresses that answer everywhere, from any vantage
  uint64_t everywhere_open = 0;   // of the ledger's open ports: those on them
  uint64_t stopped_hosts = 0;     // addresses that stopped answering
  uint64_t findings = 0;
  uint64_t dropped = 0;  // about so many more were reported and are not kept
  friend bool operator==(const HostTotals&, const HostTotals&) = default;
};
// `rows`: all of a scan, those of one vantage and address together.
HostTotals TotalsOf(const std::vector<HostRow>& rows, uint64_t dropped);

// For people, one line without its end: "198.18.0.7  answers everywhere: 96 of 100 ports open,
// ...".
std::string HostLine(const HostRow& row, bool show_vantage);
// {"type":"host-finding", ...}; `scan_id_json` as JSON.
std::string HostJson(const HostRow& row, std::string_view scan_id_json);
// "7,212 on 96 hosts that answer everywhere"; empty when there is none.
std::string EverywhereText(const HostTotals& totals);
// A line each, with its end: what the user must know beyond the ledger; empty: nothing.
std::string HostNotes(const HostTotals& totals);
std::string HostTotalsJson(const HostTotals& totals);

}  // namespace portolan
