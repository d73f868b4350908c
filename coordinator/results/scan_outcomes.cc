#include "coordinator/results/scan_outcomes.h"

#include <algorithm>

#include "common/base/status.h"

namespace portolan {
namespace {

constexpr size_t kMaxViews = 64;  // 150 KB each at most

}  // namespace

absl::StatusOr<std::unique_ptr<ScanOutcomes>> ScanOutcomes::Open(Store& store,
                                                                 const std::string& scan,
                                                                 size_t max_cached_bytes) {
  PORTOLAN_ASSIGN_OR_RETURN(ResultScan loaded, ResultScan::Load(store, scan));
  return std::unique_ptr<ScanOutcomes>(
      new ScanOutcomes(store, std::move(loaded), max_cached_bytes));
}

const GroupView& ScanOutcomes::ViewOf(const ScanSpace::Group& group) {
  const auto found = views_.find(group.range.begin);
  if (found != views_.end()) return *found->second;
  if (views_.size() >= kMaxViews) views_.clear();
  return *views_
              .emplace(group.range.begin,
                       std::make_unique<const GroupView>(scan_.spec->space, group))
              .first->second;
}

absl::StatusOr<std::optional<ScanOutcomes::Outcome>> ScanOutcomes::At(const std::string& vantage,
                                                                      const IpAddress& address,
                                                                      uint16_t port) {
  const auto lane = std::find_if(scan_.lanes.begin(), scan_.lanes.end(),
                                 [&](const ResultScan::Lane& l) { return l.vantage == vantage; });
  if (lane == scan_.lanes.end()) return std::optional<Outcome>();
  const std::optional<uint64_t> index = scan_.spec->space->IndexOf(address, port);
  if (!index.has_value()) return std::optional<Outcome>();
  const ScanSpace::Group group = scan_.spec->space->GroupOf(*index);
  PORTOLAN_ASSIGN_OR_RETURN(const std::shared_ptr<const LaneGroup> outcomes,
                            groups_.Get(lane->id, group.range));
  if (outcomes == nullptr) return std::optional<Outcome>();
  Outcome out;
  out.symbol = outcomes->At(outcomes->natural() ? ViewOf(group).NaturalOf(*index) : 0, *index);
  if (out.symbol.state == State::kOwed) return std::optional<Outcome>();
  if (const LaneGroup::Seen* seen = outcomes->SeenBy(*index)) {
    out.when = seen->start;
    out.time_of_receipt = seen->time_of_receipt;
    out.agent = seen->agent;
  }
  if (out.symbol.state == State::kOpen) {
    PORTOLAN_ASSIGN_OR_RETURN(const std::vector<StoredRow> rows,
                              store_.ReadRowsAt(lane->id, {*index}));
    for (const StoredRow& row : rows) {
      out.rtt_us = row.row.rtt_us;
      out.when = row.row.when;
      out.time_of_receipt = row.time_of_receipt;
      out.agent = row.agent;
    }
  }
  return std::optional(std::move(out));
}

}  // namespace portolan
