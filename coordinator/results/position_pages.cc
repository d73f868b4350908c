#include "coordinator/results/position_pages.h"

#include <algorithm>

#include "common/base/status.h"

namespace portolan {
namespace {

// A filter of at most so many addresses reads just their groups.
constexpr uint64_t kFewAddresses = 4096;
// What one call looks at when it finds nothing: then it gives an empty page and a token. A group
// costs as much as so many positions to read.
constexpr uint64_t kMaxLookedAt = 4'000'000;
constexpr uint64_t kGroupCost = 20'000;

absl::Status BadToken() {
  return InvalidArgument("page token: not one of this listing; begin it anew without a token");
}

}  // namespace

PositionPages::PositionPages(Store& store, LaneGroupCache& groups, const ResultScan& scan,
                             const ResultQuery& query, uint64_t digest, const HostMarks& marks)
    : store_(store), cache_(groups), scan_(scan), query_(query), digest_(digest), marks_(marks) {
  for (const ResultScan::Lane& lane : scan.lanes) {
    if (scan.Selects(lane, query)) lanes_.push_back(lane);
  }
  for (const State s : query.states) states_ |= 1u << static_cast<uint32_t>(s);
  FindGroups();
}

void PositionPages::FindGroups() {
  if (query_.addresses.empty() || query_.addresses.size() > kFewAddresses) return;
  few_groups_ = true;
  for (uint64_t i = 0; i < static_cast<uint64_t>(query_.addresses.size()); ++i) {
    const auto group = scan_.spec->space->GroupOfAddress(query_.addresses.Select(i));
    if (group.has_value()) groups_.push_back(group->range.begin);
  }
  std::sort(groups_.begin(), groups_.end());
  groups_.erase(std::unique(groups_.begin(), groups_.end()), groups_.end());
}

absl::StatusOr<std::optional<ScanSpace::Group>> PositionPages::NextGroup(uint64_t from) {
  const ScanSpace& space = *scan_.spec->space;
  std::optional<uint64_t> next;
  if (few_groups_) {
    const auto it = std::lower_bound(groups_.begin(), groups_.end(), from);
    if (it != groups_.end()) next = *it;
  } else {
    const bool gaps = (states_ & 1u << static_cast<uint32_t>(State::kNotProbed)) != 0;
    for (const ResultScan::Lane& lane : lanes_) {
      PORTOLAN_ASSIGN_OR_RETURN(const std::optional<uint64_t> stored,
                                store_.NextStored(lane.id, from, {true, true, gaps}));
      if (stored.has_value()) next = std::min(next.value_or(UINT64_MAX), *stored);
    }
  }
  if (!next.has_value() || *next >= space.size()) return std::optional<ScanSpace::Group>();
  return std::optional(space.GroupOf(*next));
}

absl::StatusOr<ResultPage> PositionPages::Page(PositionPlace from) {
  const ScanSpace& space = *scan_.spec->space;
  // A token may be forged: it must name a place that there is.
  if (from.group >= space.size()) return BadToken();
  const ScanSpace::Group first = space.GroupOf(from.group);
  if (first.range.begin != from.group || from.natural >= first.range.size() ||
      (from.lane != 0 && from.lane >= lanes_.size()))
    return BadToken();
  while (true) {
    PORTOLAN_ASSIGN_OR_RETURN(const std::optional<ScanSpace::Group> group, NextGroup(from.group));
    if (!group.has_value()) break;
    if (group->range.begin != from.group) from = {group->range.begin, 0, 0};
    PORTOLAN_ASSIGN_OR_RETURN(const bool whole, Walk(*group, from));
    if (whole) from = {group->range.end, 0, 0};
    if (from.group >= space.size()) break;
    if (!whole || page_.observations.size() >= query_.limit || looked_at_ >= kMaxLookedAt) {
      page_.next_page_token = EncodePageToken(digest_, from);
      break;
    }
  }
  PORTOLAN_RETURN_IF_ERROR(AddRows());
  return std::move(page_);
}

absl::StatusOr<bool> PositionPages::Walk(const ScanSpace::Group& group, PositionPlace& from) {
  looked_at_ += kGroupCost;
  std::vector<std::shared_ptr<const LaneGroup>> outcomes;
  bool any = false, by_index = false;
  for (const ResultScan::Lane& lane : lanes_) {
    PORTOLAN_ASSIGN_OR_RETURN(outcomes.emplace_back(), cache_.Get(lane.id, group.range));
    if (outcomes.back() != nullptr && !outcomes.back()->HasAny(states_)) outcomes.back() = nullptr;
    any |= outcomes.back() != nullptr;
    by_index |= outcomes.back() != nullptr && !outcomes.back()->natural();
  }
  if (!any) return true;

  const GroupView view(scan_.spec->space, group);
  const PortSet& ports = scan_.spec->space->blocks()[group.block].ports;
  std::vector<uint32_t> wanted_ports;  // places among the block's; all when the query names none
  for (uint32_t i = 0; i < group.ports && !query_.ports.empty(); ++i) {
    if (query_.ports.Contains(ports.Select(i))) wanted_ports.push_back(i);
  }
  const uint64_t per_address = query_.ports.empty() ? group.ports : wanted_ports.size();
  for (uint64_t rank = from.natural / group.ports; rank < group.addresses; ++rank) {
    const uint64_t base = rank * group.ports;
    ++looked_at_;
    if (!query_.addresses.empty() && !query_.addresses.Contains(view.AtNatural(base).address))
      continue;
    for (uint64_t i = 0; i < per_address; ++i) {
      const uint64_t natural = base + (query_.ports.empty() ? i : wanted_ports[i]);
      if (natural < from.natural) continue;
      looked_at_ += lanes_.size();
      const uint64_t index = by_index ? view.IndexOfNatural(natural) : 0;
      for (size_t lane = natural == from.natural ? from.lane : 0; lane < lanes_.size(); ++lane) {
        if (outcomes[lane] == nullptr) continue;
        const Symbol symbol = outcomes[lane]->At(natural, index);
        if ((states_ & 1u << static_cast<uint32_t>(symbol.state)) == 0) continue;
        if (page_.observations.size() >= query_.limit) {
          from = {group.range.begin, natural, static_cast<uint32_t>(lane)};
          return false;
        }
        Emit(view, natural, by_index ? index : view.IndexOfNatural(natural), lane, symbol,
             *outcomes[lane]);
      }
    }
  }
  return true;
}

void PositionPages::Emit(const GroupView& view, uint64_t natural, uint64_t index, size_t lane,
                         Symbol symbol, const LaneGroup& outcomes) {
  const LaneGroup::Seen* seen = outcomes.SeenBy(index);
  const std::string& of_lane = lanes_[lane].vantage;
  if (of_lane.empty() && !query_.vantages.empty() &&
      (seen == nullptr || std::find(query_.vantages.begin(), query_.vantages.end(),
                                    seen->vantage) == query_.vantages.end())) {
    return;
  }
  const ScanSpace::Endpoint endpoint = view.AtNatural(natural);
  const auto mark =
      symbol.state == State::kOpen ? marks_.Of(lanes_[lane].id, endpoint.address) : std::nullopt;
  if (mark.has_value() && query_.without_everywhere_open) return;
  Observation& o = page_.observations.emplace_back();
  o.host_finding = mark;
  o.lane = lanes_[lane].id;
  o.vantage = of_lane;
  o.address = endpoint.address;
  o.port = endpoint.port;
  o.state = symbol.state;
  o.reason = symbol.reason;
  o.names = scan_.NamesOf(endpoint.address);
  if (seen != nullptr) {
    if (of_lane.empty()) o.vantage = seen->vantage;
    o.when = seen->start;
    o.time_of_receipt = seen->time_of_receipt;
    o.agent = seen->agent;
  }
  if (symbol.state == State::kOpen) open_.emplace_back(page_.observations.size() - 1, index);
}

absl::Status PositionPages::AddRows() {
  for (const ResultScan::Lane& lane : lanes_) {
    std::vector<uint64_t> positions;
    std::unordered_map<uint64_t, size_t> places;
    for (const auto& [place, index] : open_) {
      if (page_.observations[place].lane != lane.id) continue;
      positions.push_back(index);
      places[index] = place;
    }
    if (positions.empty()) continue;
    PORTOLAN_ASSIGN_OR_RETURN(const std::vector<StoredRow> rows,
                              store_.ReadRowsAt(lane.id, positions));
    for (const StoredRow& row : rows)
      scan_.Describe(row, page_.observations[places[row.row.index]]);
  }
  return absl::OkStatus();
}

}  // namespace portolan
