#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/net/name_lookup.h"

namespace portolan {

// What a lookup of names has done since it was made, for metrics.
struct NameLookupStats {
  static constexpr double kBucketsS[] = {0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300};

  // Names that were answered. Those of a list count when all of it is.
  uint64_t found = 0, no_such_name = 0, no_address = 0, could_not_ask = 0;
  uint64_t cancelled = 0;  // names of lists that were cancelled before they were answered
  uint64_t under_way = 0;  // names, of lists that are being looked up, without an answer so far
  // How long the lists took that were answered: counts by kBucketsS, and one more for those that
  // took longer.
  std::array<uint64_t, std::size(kBucketsS) + 1> list_buckets{};
  double list_seconds_total = 0;
};

// Counts what another lookup does. Thread-safe; borrows both, and must outlive its requests.
class CountedNameLookup final : public NameLookup {
 public:
  CountedNameLookup(NameLookup& inner, const Clock& clock) : inner_(inner), clock_(clock) {}

  std::unique_ptr<Request> Start(std::vector<std::string> names, Progress progress,
                                 Done done) override;
  NameLookupStats stats() const EXCLUDES(mu_);

 private:
  // One list. Guarded by mu_ of its owner.
  struct List {
    Time started;
    uint64_t names = 0, answered = 0;
    bool ended = false;
  };
  class Handle;

  void OnProgress(List& list, size_t done) EXCLUDES(mu_);
  void OnDone(List& list, const std::vector<NameAnswer>& answers) EXCLUDES(mu_);
  void OnDestroyed(List& list) EXCLUDES(mu_);

  NameLookup& inner_;
  const Clock& clock_;
  mutable Mutex mu_;
  NameLookupStats stats_ GUARDED_BY(mu_);
};

}  // namespace portolan
