#include "bench/event_log.h"

#include "common/base/clock.h"

namespace portolan::bench {

EventLog::EventLog(const std::shared_ptr<grpc::Channel>& channel)
    : stub_(v1::MonitorService::NewStub(channel)), thread_([this] {
        const auto reader = stub_->FollowEvents(&context_, v1::ListEventsRequest());
        for (v1::ExposureEvent event; reader->Read(&event);) {
          const WallTime now = SystemClock().Wall();
          MutexLock lock(mu_);
          entries_.push_back({now, std::move(event)});
        }
        reader->Finish();
      }) {}

EventLog::~EventLog() {
  context_.TryCancel();
  thread_.join();
}

std::vector<EventLog::Entry> EventLog::entries() const {
  MutexLock lock(mu_);
  return entries_;
}

size_t EventLog::size() const {
  MutexLock lock(mu_);
  return entries_.size();
}

}  // namespace portolan::bench
