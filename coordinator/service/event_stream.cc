#include "coordinator/service/event_stream.h"

#include <utility>

#include "common/base/status.h"
#include "common/rpc/status.h"
#include "coordinator/service/monitor_convert.h"

namespace portolan {

EventStream::EventStream(Monitoring& monitoring, EventQuery query)
    : monitoring_(monitoring), query_(std::move(query)), after_(query_.after) {}

EventStream* EventStream::Start(Monitoring& monitoring, EventQuery query) {
  query.limit = kPage;
  query.newest_first = false;
  std::shared_ptr<EventStream> stream(new EventStream(monitoring, std::move(query)));
  stream->self_ = stream;
  stream->Pump();
  return stream.get();  // gRPC keeps it: OnDone does not come before this returns
}

void EventStream::Pump() {
  enum class Act { kNothing, kWrite, kRead, kFollow, kEnd } act = Act::kNothing;
  std::optional<uint64_t> unfollow;
  StoredEvent event;
  uint64_t after = 0;
  grpc::Status end;
  {
    MutexLock lock(mu_);
    if (writing_ || finished_) return;
    if (!queue_.empty()) {
      event = std::move(queue_.front());
      queue_.pop_front();
      after_ = event.sequence;
      writing_ = true;
      act = Act::kWrite;
    } else if (end_) {
      finished_ = true;
      end = ToGrpc(*end_);
      unfollow = std::exchange(follower_, std::nullopt);
      act = Act::kEnd;
    } else if (following_ && overflowed_) {
      following_ = overflowed_ = false;
      ++turn_;
      unfollow = std::exchange(follower_, std::nullopt);
      reading_ = true;
      act = Act::kRead;
    } else if (!following_ && !reading_) {
      act = more_ ? Act::kRead : Act::kFollow;
      (more_ ? reading_ : following_) = true;
    }
    after = after_;
  }
  if (unfollow) monitoring_.Unfollow(*unfollow);
  switch (act) {
    case Act::kNothing:
      return;
    case Act::kWrite:
      message_.Clear();
      ToProto(event, &message_);
      return StartWrite(&message_);
    case Act::kRead:
      return ReadPage(after);
    case Act::kFollow:
      return Follow(after);
    case Act::kEnd:
      return Finish(end);
  }
}

void EventStream::ReadPage(uint64_t after) {
  EventQuery query = query_;
  query.after = after;
  monitoring_.Events(std::move(query), [self = shared_from_this()](absl::StatusOr<EventPage> page) {
    self->OnPage(std::move(page));
  });
}

void EventStream::OnPage(absl::StatusOr<EventPage> page) {
  {
    MutexLock lock(mu_);
    reading_ = false;
    if (finished_ || end_) {
      // It was cancelled meanwhile.
    } else if (!page.ok()) {
      end_ = page.status();
    } else {
      more_ = page->more && !page->events.empty();
      for (StoredEvent& e : page->events) queue_.push_back(std::move(e));
    }
  }
  Pump();
}

void EventStream::Follow(uint64_t after) {
  const std::shared_ptr<EventStream> self = shared_from_this();  // OnDone may come meanwhile
  EventQuery query = query_;
  query.after = after;
  uint64_t turn = 0;
  {
    MutexLock lock(mu_);
    turn = ++turn_;
  }
  const uint64_t id = monitoring_.Follow(
      std::move(query), [self, turn](absl::StatusOr<std::vector<StoredEvent>> events) {
        self->OnEvents(turn, std::move(events));
      });
  bool stale = false;
  {
    MutexLock lock(mu_);
    stale = finished_ || turn != turn_;
    if (!stale) follower_ = id;
  }
  if (stale) monitoring_.Unfollow(id);
}

void EventStream::OnEvents(uint64_t turn, absl::StatusOr<std::vector<StoredEvent>> events) {
  {
    MutexLock lock(mu_);
    if (turn != turn_ || finished_ || end_) return;
    if (!events.ok()) {
      end_ = events.status();
    } else if (overflowed_ || queue_.size() + events->size() > kMaxQueued) {
      overflowed_ = true;
    } else {
      for (StoredEvent& e : *events) queue_.push_back(std::move(e));
    }
  }
  Pump();
}

void EventStream::End(const absl::Status& status) {
  {
    MutexLock lock(mu_);
    queue_.clear();
    if (!end_) end_ = status;
  }
  Pump();
}

void EventStream::OnWriteDone(bool ok) {
  {
    MutexLock lock(mu_);
    writing_ = false;
  }
  if (ok) return Pump();
  End(Cancelled("the caller has gone"));
}

void EventStream::OnCancel() { End(Cancelled("cancelled by the caller")); }

void EventStream::OnDone() {
  const std::shared_ptr<EventStream> last = std::move(self_);  // may delete this at the end
}

}  // namespace portolan
