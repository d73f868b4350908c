#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/render/output.h"
#include "cli/render/record.h"

namespace portolan {

// Writes the record of a scan: its observations as they come, then what ends it. One thread. Errors
// are the output's.
class ResultRenderer {
 public:
  virtual ~ResultRenderer() = default;
  // `row`'s texts must outlive the renderer (see TextPool).
  virtual absl::Status Add(const ResultRow& row) = 0;
  virtual absl::Status Finish(const ScanRecordEnd& end) = 0;
};

// A line an observation: {"type":"observation", ...}; then a line a finding about a host:
// {"type":"host-finding", ...}; at the end {"type":"summary", ...}. Holds nothing back.
std::unique_ptr<ResultRenderer> MakeJsonRenderer(std::string scan_id, Output& out);

// RFC 4180 with a header line and \n ends of line; empty where a value is not known. The ledger and
// the findings about hosts are not part of it (a reader expects rows of one kind), but for the
// column that marks the open ports of hosts that answer everywhere: the caller shows them
// elsewhere.
std::unique_ptr<ResultRenderer> MakeCsvRenderer(std::string scan_id, Output& out);

struct TableOptions {
  bool color = false;
  // The column VANTAGE: for scans that more than one vantage may have helped with.
  bool show_vantage = false;
  // Rows that are held back to find out how wide the columns must be.
  size_t width_sample = 2000;
};
// For people: grouped by address as rows come, one line a port; then a line each finding about a
// host; ends with the ledger.
std::unique_ptr<ResultRenderer> MakeTableRenderer(const TableOptions& options, Output& out);

// ---- each-vantage scans: a column a vantage ----

// What one vantage says of a port.
struct VantageCell {
  State state = State::kOpen;
  std::string_view reason;
  std::optional<uint32_t> rtt_us;
};
struct PortRow {
  IpAddress ip;
  uint16_t port = 0;
  std::string_view name, names;                   // as of a ResultRow
  std::vector<std::optional<VantageCell>> cells;  // by vantage; nullopt: not observed (yet)
  // Whether two vantages observed different states. What was not observed or not probed differs
  // from nothing.
  bool Differs() const;
};

// Writes PortRows as a table; `vantages` are its columns.
class VantageTable {
 public:
  VantageTable(std::vector<std::string> vantages, const TableOptions& options, Output& out);
  absl::Status Add(PortRow row);
  absl::Status Finish(const ScanRecordEnd& end);

 private:
  absl::Status Flush();
  absl::Status Write(const PortRow& row);

  const std::vector<std::string> vantages_;
  const TableOptions options_;
  Output& out_;
  std::vector<PortRow> held_;  // until the widths are known
  bool widths_known_ = false;
  size_t service_width_ = 15;  // of the title
  std::vector<size_t> widths_;
  std::optional<IpAddress> current_;
  bool any_ = false, any_differs_ = false, any_unknown_ = false;
};

}  // namespace portolan
