#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cli/render/result_renderer.h"

namespace portolan {

// Turns observations that come by (address, port) into rows with a cell for each vantage. Where a
// vantage is silent (it saw another state than was asked for) it looks the port up, in bounded
// batches; so a table of open ports also says what those see for whom the port is not open.
class VantageJoin : public ResultRenderer {
 public:
  using Endpoint = std::pair<IpAddress, uint16_t>;
  // Calls `add` for the observations, in all states and from all vantages of the table, of at least
  // these endpoints (ascending). The texts of the rows must outlive the join.
  using Lookup = std::function<absl::Status(const std::vector<Endpoint>&,
                                            const std::function<void(const ResultRow&)>& add)>;

  // A lookup asks for addresses x ports, so a batch is bounded by that product and not by its
  // endpoints alone. Owned by the caller: `table`.
  VantageJoin(std::vector<std::string> vantages, VantageTable& table, Lookup lookup,
              size_t max_product = 4096)
      : vantages_(std::move(vantages)),
        table_(table),
        lookup_(std::move(lookup)),
        max_product_(max_product) {}

  // Rows must be grouped by (address, port), ascending; of a vantage that is no column they are
  // ignored.
  absl::Status Add(const ResultRow& row) override;
  absl::Status Finish(const ScanRecordEnd& end) override;

 private:
  absl::Status Flush();
  void Place(PortRow& target, const ResultRow& row) const;

  const std::vector<std::string> vantages_;
  VantageTable& table_;
  const Lookup lookup_;
  const size_t max_product_;
  std::vector<PortRow> batch_;
  std::vector<uint16_t> ports_;  // of the batch, sorted
  size_t addresses_ = 0;
};

}  // namespace portolan
