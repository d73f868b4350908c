#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/net/ip_set.h"
#include "coordinator/store/store.h"

namespace portolan {

// Which hosts of a scan answer everywhere, as seen from which lane. Immutable.
class HostMarks {
 public:
  static absl::StatusOr<std::shared_ptr<const HostMarks>> Read(Store& store,
                                                               const std::vector<LaneId>& lanes);
  // Such a finding about the address; nullopt: there is none.
  std::optional<HostFindingKind> Of(LaneId lane, const IpAddress& address) const;
  // All such addresses. Null: there is none.
  const std::shared_ptr<const std::map<LaneId, IpSet>>& covered() const { return covered_; }

 private:
  using Marks = std::vector<std::pair<IpAddress, HostFindingKind>>;  // ascending
  std::map<LaneId, Marks> marks_;
  std::shared_ptr<const std::map<LaneId, IpSet>> covered_;
};

// The marks of scans that were asked for lately, read anew when there are more of them.
// Thread-safe; blocks on the store.
class HostMarksCache {
 public:
  explicit HostMarksCache(Store& store) : store_(store) {}
  absl::StatusOr<std::shared_ptr<const HostMarks>> Get(const ScanId& scan,
                                                       const std::vector<LaneId>& lanes);

 private:
  struct Entry {
    ScanId scan;
    std::vector<Store::FindingCounts> counts;
    std::shared_ptr<const HostMarks> marks;
  };
  Store& store_;
  Mutex mutex_;
  std::list<Entry> entries_ GUARDED_BY(mutex_);  // the latest used first
};

}  // namespace portolan
