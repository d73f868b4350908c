#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/task_runner.h"
#include "common/base/thread_pool.h"
#include "common/net/name_lookup.h"
#include "coordinator/control/scan_request.h"
#include "coordinator/control/scan_status.h"

namespace portolan {

// A call that wants a scan to be created.
struct CreateCall {
  uint64_t id = 0;  // see ScanCreator::Abandon
  ScanRequest request;
  // Makes it idempotent, may be empty; `digest` tells whether a second request of a key is the
  // same.
  std::string key, digest;
  // How many names have been looked up, of how many. Called when the lookup starts, then at most 4
  // times a second and at least every 5 s while it lasts. May be null; must not block.
  std::function<void(size_t done, size_t total)> progress;
  std::function<void(absl::StatusOr<ScanStatus>)> done;
};

// Creates scans, many at a time: checks a request on a planning thread, looks up its names while no
// thread waits for them, plans the scan on a planning thread and submits it. Calls with the same
// key share one creation. A creation whose callers have all gone makes nothing.
//
// Lives on the control thread: every method is called there, and so is every callback, unless said
// otherwise. The environment must outlive it, and the planning threads must have stopped before it
// is destroyed.
class ScanCreator {
 public:
  using Finish = std::function<void(absl::StatusOr<ScanStatus>)>;
  struct Environment {
    TaskRunner& control;
    ThreadPool& planners;
    NameLookup* names;  // null: requests with names are refused
    // The scan that a key made before, with the digest of its request. On a planning thread.
    std::function<absl::StatusOr<std::optional<std::pair<ScanId, std::string>>>(
        const std::string& key)>
        find_request;
    std::function<PlanContext()> context;
    // The scan as it is now.
    std::function<void(const ScanId& id, Finish finish)> describe;
    // Stores a scan and starts it; answers once it is committed.
    std::function<void(std::shared_ptr<const ScanSpec> spec, const std::string& key,
                       const std::string& digest, Finish finish)>
        submit;
    // Cancels and removes a scan that nobody waits for any more.
    std::function<void(const ScanId& id)> discard;
  };
  struct Limits {
    size_t creations = 64;      // under way; not more than the planners' queue holds
    size_t bytes = 256u << 20;  // of their requests' targets and exclusions
    size_t calls_of_a_key = 100;
  };
  ScanCreator(Environment environment, Limits limits);
  ~ScanCreator();

  // Answers `call.done` once, unless the call is abandoned before. ResourceExhausted: too much is
  // under way; otherwise the errors of PreparedScan.
  void Create(CreateCall call);
  // The caller has gone: `done` will not be called. When it was the last one of its creation, the
  // lookup is cancelled and no scan comes of it; one that is being stored already is discarded.
  void Abandon(uint64_t call);
  // Answers every call with `why`, cancels what is under way, and refuses what comes later.
  void Shutdown(const absl::Status& why);

  size_t creations() const { return creations_.size(); }
  size_t names_under_way() const;

 private:
  struct Creation;
  using CreationPtr = std::shared_ptr<Creation>;

  void Prepare(const CreationPtr& creation, ScanRequest request);
  void OnPrepared(const CreationPtr& creation);
  void Plan(const CreationPtr& creation, std::vector<NameAnswer> answers);
  void Submit(const CreationPtr& creation, std::shared_ptr<const ScanSpec> spec);
  void End(const CreationPtr& creation, const absl::StatusOr<ScanStatus>& result);
  void Forget(const CreationPtr& creation);
  // Runs `work` on a planning thread, then `then` on the control thread if the creation is still
  // wanted.
  void OnPlanner(const CreationPtr& creation, std::function<void()> work,
                 std::function<void()> then);
  void Tell(Creation& creation);
  void TellAll();

  const Environment env_;
  const Limits limits_;
  std::optional<absl::Status> shut_down_;
  uint64_t next_ = 1;
  std::map<uint64_t, CreationPtr> creations_;
  std::map<std::string, CreationPtr> by_key_;
  std::map<uint64_t, CreationPtr> by_call_;
  size_t bytes_ = 0;
  bool ticking_ = false;
};

}  // namespace portolan
