#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cli/render/hosts.h"
#include "cli/render/text.h"
#include "common/base/time.h"
#include "common/net/ip_address.h"
#include "common/scan/observation.h"

// What the renderers show: plain values without the API's types, so that they can be tested without
// gRPC.
namespace portolan {

// Keeps one copy of each text that many rows share (agents, vantages, reasons, names). Views stay
// valid as long as the pool. A scan has few different ones, so the pool stays small however many
// rows pass.
class TextPool {
 public:
  std::string_view Intern(std::string_view text);

 private:
  std::unordered_set<std::string> texts_;
  std::string_view last_;  // rows come in runs
};

// One observation. The views belong to a TextPool.
struct ResultRow {
  std::string_view vantage;
  std::string_view name;  // the first host name that led to the address; empty: none
  // All of them, separated by blanks, which no name holds. Empty: `name` is the only one.
  std::string_view names;
  std::string_view reason;
  std::string_view agent;
  IpAddress ip;
  uint16_t port = 0;
  State state = State::kOpen;
  std::optional<uint32_t> rtt_us;
  WallTime when;
  // The agent's clock could not be believed: `when` is when the coordinator received it.
  bool time_of_receipt = false;
  std::optional<IpAddress> source;
  // An open port of a host that answers everywhere.
  std::optional<HostFindingKind> host_finding;
};

struct LedgerRecord {
  uint64_t planned = 0;
  Ledger counts;
  // Positions that have no outcome yet. 0 once a scan has finished.
  uint64_t ToDo() const {
    const uint64_t done = counts.Done();
    return done < planned ? planned - done : 0;
  }
};

struct LaneLedger {
  std::string vantage;  // empty: any
  LedgerRecord ledger;
};

// What a record of a scan ends with.
struct ScanRecordEnd {
  std::string scan_id;
  std::string name;
  std::string state;           // "complete", "partial", "running", ...
  std::string status_message;  // empty: all is well
  // Names that could not be looked up and were left out: how many, and the first of them with the
  // reason.
  uint64_t names_skipped = 0;
  std::vector<std::pair<std::string, std::string>> skipped_names;
  bool finished = false;
  WallTime created, started, finished_at;  // epoch: not yet
  LedgerRecord total;
  std::vector<LaneLedger> lanes;  // shown when there is more than one
  // Findings about hosts that are part of the record, and what all of the scan's come to; nullopt:
  // not known.
  std::vector<HostRow> hosts;
  std::optional<HostTotals> host_totals;
};

// The causes of not-probed in the order of Ledger::not_probed: "excluded", "agent-scope",
// "no-agent", "attempts", "cancelled".
inline constexpr size_t kNotProbedCauses = 5;
std::string_view NotProbedCause(size_t i);

// "planned 65,535 = open 3 + closed 65,532 + filtered 0 + unreachable 0 + not probed 0", with the
// causes, and "+ to do 12" while it runs. With totals: "open 7,305 (of which 7,212 on 96 hosts that
// answer everywhere)".
std::string LedgerLine(const LedgerRecord& ledger, const HostTotals* hosts = nullptr);
// The members planned, open, ..., not_probed{cause: n}, to_do, extra of a JSON object, as that
// object.
std::string LedgerJson(const LedgerRecord& ledger);
// Names that were left out, with the reason, as a JSON array of {"name", "problem"}.
std::string SkippedNamesJson(const std::vector<std::pair<std::string, std::string>>& names);
// "names skipped 3: a.example (no such name), ..." and a line end; empty: none were.
std::string SkippedNamesText(uint64_t total,
                             const std::vector<std::pair<std::string, std::string>>& names);
// A JSON line that ends a record: {"type":"summary", "scan_id", "name", "state", ..., planned,
// open, ...}.
std::string SummaryJson(const ScanRecordEnd& end);
// The lines for people that end a record: state and times, then the ledger, then a line a lane when
// there are several.
std::string SummaryText(const ScanRecordEnd& end);

}  // namespace portolan
