#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "common/base/mutex.h"
#include "coordinator/monitoring/monitoring.h"
#include "portolan/v1/monitor_service.pb.h"

namespace portolan {

// FollowEvents. Reads what is there already page by page, each when the one before is written; then
// takes events as they come. A reader that is too slow for these has no more than kMaxQueued of
// them kept: the reactor stops taking them, and when what it holds is written it reads pages again
// from there. So nothing is left out, and memory is bounded however slow the reader.
//
//   paging --last page is written--> following --queue is full--> paging
//
// Owns itself until gRPC is done with it and no callback holds it. Borrows the monitoring.
class EventStream final : public grpc::ServerWriteReactor<v1::ExposureEvent>,
                          public std::enable_shared_from_this<EventStream> {
 public:
  static constexpr size_t kMaxQueued = 1'000;
  static constexpr size_t kPage = 200;

  static EventStream* Start(Monitoring& monitoring, EventQuery query);

 private:
  EventStream(Monitoring& monitoring, EventQuery query);
  // Does what is to be done next: exactly one of write, read, follow, end; or nothing, while one of
  // these is under way.
  void Pump() EXCLUDES(mu_);
  void ReadPage(uint64_t after);
  void Follow(uint64_t after) EXCLUDES(mu_);
  void OnPage(absl::StatusOr<EventPage> page) EXCLUDES(mu_);
  void OnEvents(uint64_t turn, absl::StatusOr<std::vector<StoredEvent>> events) EXCLUDES(mu_);
  void End(const absl::Status& status) EXCLUDES(mu_);  // at once, whatever is queued
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  Monitoring& monitoring_;
  const EventQuery query_;
  std::shared_ptr<EventStream> self_;
  v1::ExposureEvent message_;  // gRPC's while writing

  Mutex mu_;
  std::deque<StoredEvent> queue_ GUARDED_BY(mu_);
  uint64_t after_ GUARDED_BY(mu_);  // the last that was taken from the queue
  bool writing_ GUARDED_BY(mu_) = false;
  bool reading_ GUARDED_BY(mu_) = false;  // a page is asked for
  bool more_ GUARDED_BY(mu_) = true;      // paging: there may be another page
  bool following_ GUARDED_BY(mu_) = false;
  bool overflowed_ GUARDED_BY(mu_) = false;  // following: events were not taken
  uint64_t turn_ GUARDED_BY(mu_) = 0;  // counts Follow calls: updates of an older one are ignored
  std::optional<uint64_t> follower_ GUARDED_BY(mu_);  // to be unfollowed
  std::optional<absl::Status> end_ GUARDED_BY(mu_);   // once the queue is written
  bool finished_ GUARDED_BY(mu_) = false;
};

}  // namespace portolan
