#include "coordinator/results/host_marks.h"

#include <algorithm>

#include "common/base/status.h"

namespace portolan {
namespace {

constexpr size_t kPage = 5'000;
constexpr size_t kCachedMarks = 8;

}  // namespace

absl::StatusOr<std::shared_ptr<const HostMarks>> HostMarks::Read(Store& store,
                                                                 const std::vector<LaneId>& lanes) {
  auto out = std::make_shared<HostMarks>();
  std::map<LaneId, IpSet> covered;
  for (const LaneId lane : lanes) {
    Marks marks;
    std::vector<IpRange> ranges;
    std::optional<Store::FindingKey> after;
    do {
      PORTOLAN_ASSIGN_OR_RETURN(const Store::FindingPage page,
                                store.ReadFindings(lane, after, kPage, false));
      for (const Store::FindingPage::Entry& entry : page.findings) {
        const HostFinding& f = entry.finding.finding;
        // One a host: the kinds come in order.
        if (!CoversOpenPorts(f.kind) || (!marks.empty() && marks.back().first == f.address))
          continue;
        marks.emplace_back(f.address, f.kind);
        ranges.push_back({f.address, f.address});
      }
      after = page.next;
    } while (after.has_value());
    if (marks.empty()) continue;
    out->marks_.emplace(lane, std::move(marks));
    covered.emplace(lane, IpSet::Of(std::move(ranges)));
  }
  if (!covered.empty())
    out->covered_ = std::make_shared<const std::map<LaneId, IpSet>>(std::move(covered));
  return std::shared_ptr<const HostMarks>(std::move(out));
}

std::optional<HostFindingKind> HostMarks::Of(LaneId lane, const IpAddress& address) const {
  const auto of_lane = marks_.find(lane);
  if (of_lane == marks_.end()) return std::nullopt;
  const auto it =
      std::lower_bound(of_lane->second.begin(), of_lane->second.end(), address,
                       [](const auto& mark, const IpAddress& a) { return mark.first < a; });
  if (it == of_lane->second.end() || it->first != address) return std::nullopt;
  return it->second;
}

absl::StatusOr<std::shared_ptr<const HostMarks>> HostMarksCache::Get(
    const ScanId& scan, const std::vector<LaneId>& lanes) {
  // Counted first: marks that come between are read again next time.
  PORTOLAN_ASSIGN_OR_RETURN(std::vector<Store::FindingCounts> counts, store_.CountFindings(lanes));
  for (Store::FindingCounts& c : counts) c.dropped = 0;
  {
    MutexLock lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->scan != scan) continue;
      if (it->counts != counts) {
        entries_.erase(it);
        break;
      }
      entries_.splice(entries_.begin(), entries_, it);
      return entries_.front().marks;
    }
  }
  PORTOLAN_ASSIGN_OR_RETURN(std::shared_ptr<const HostMarks> marks, HostMarks::Read(store_, lanes));
  MutexLock lock(mutex_);
  entries_.push_front({scan, std::move(counts), marks});
  if (entries_.size() > kCachedMarks) entries_.pop_back();
  return marks;
}

}  // namespace portolan
