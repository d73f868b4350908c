#include "cli/render/vantage_join.h"

#include <algorithm>

#include "common/base/status.h"

namespace portolan {

void VantageJoin::Place(PortRow& target, const ResultRow& row) const {
  const auto at = std::find(vantages_.begin(), vantages_.end(), row.vantage);
  if (at == vantages_.end()) return;
  target.cells[static_cast<size_t>(at - vantages_.begin())] =
      VantageCell{row.state, row.reason, row.rtt_us};
}

absl::Status VantageJoin::Add(const ResultRow& row) {
  if (std::find(vantages_.begin(), vantages_.end(), row.vantage) == vantages_.end())
    return absl::OkStatus();
  const bool same_ip = !batch_.empty() && batch_.back().ip == row.ip;
  if (!same_ip || batch_.back().port != row.port) {
    auto at = std::lower_bound(ports_.begin(), ports_.end(), row.port);
    const bool new_port = at == ports_.end() || *at != row.port;
    if ((addresses_ + !same_ip) * (ports_.size() + new_port) > max_product_) {
      PORTOLAN_RETURN_IF_ERROR(Flush());
      at = ports_.end();
    }
    if (batch_.empty() || batch_.back().ip != row.ip) ++addresses_;
    if (at == ports_.end() || *at != row.port) ports_.insert(at, row.port);
    batch_.push_back({row.ip, row.port, row.name, row.names, {}});
    batch_.back().cells.resize(vantages_.size());
  }
  Place(batch_.back(), row);
  return absl::OkStatus();
}

absl::Status VantageJoin::Flush() {
  std::vector<Endpoint> missing;
  for (const PortRow& row : batch_) {
    const bool whole = std::all_of(row.cells.begin(), row.cells.end(),
                                   [](const auto& c) { return c.has_value(); });
    if (!whole) missing.emplace_back(row.ip, row.port);
  }
  if (!missing.empty() && lookup_) {
    PORTOLAN_RETURN_IF_ERROR(lookup_(missing, [this](const ResultRow& row) {
      const auto at = std::lower_bound(
          batch_.begin(), batch_.end(), Endpoint(row.ip, row.port),
          [](const PortRow& a, const Endpoint& b) { return Endpoint(a.ip, a.port) < b; });
      if (at != batch_.end() && at->ip == row.ip && at->port == row.port) Place(*at, row);
    }));
  }
  for (PortRow& row : batch_) PORTOLAN_RETURN_IF_ERROR(table_.Add(std::move(row)));
  batch_.clear();
  ports_.clear();
  addresses_ = 0;
  return absl::OkStatus();
}

absl::Status VantageJoin::Finish(const ScanRecordEnd& end) {
  PORTOLAN_RETURN_IF_ERROR(Flush());
  return table_.Finish(end);
}

}  // namespace portolan
