#include "common/rpc/connection.h"

#include <grpc/support/time.h>
#include <pthread.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace portolan {
namespace {

constexpr Duration kSlice = std::chrono::milliseconds(100);

// A time span: gRPC adds it to its own clock.
gpr_timespec In(Duration d) {
  return gpr_time_from_nanos(std::chrono::duration_cast<std::chrono::nanoseconds>(d).count(),
                             GPR_TIMESPAN);
}

}  // namespace

bool WaitForConnection(grpc::Channel& channel, Duration timeout, const Clock& clock,
                       const std::function<bool()>& stop) {
  const Time end = clock.Now() + timeout;
  while (true) {
    const grpc_connectivity_state state = channel.GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return true;
    const Duration left = end - clock.Now();
    if (left <= Duration::zero() || state == GRPC_CHANNEL_SHUTDOWN || (stop && stop()))
      return false;
    // It polls the channel, which is what this is for.
    (void)channel.WaitForStateChange(state, In(std::min(left, kSlice)));
  }
}

ConnectionPoller::ConnectionPoller(const Clock& clock) : clock_(clock) {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "connecting");
}

ConnectionPoller::~ConnectionPoller() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void ConnectionPoller::Want(std::shared_ptr<grpc::Channel> channel, Duration timeout) {
  const Time until = clock_.Now() + timeout;
  MutexLock lock(mu_);
  grpc::Channel* const key = channel.get();
  Wish& wish = wanted_[key];
  wish = {std::move(channel), std::max(wish.until, until)};
  changed_.NotifyAll();
}

void ConnectionPoller::Run() {
  // Whom the queue will tell of a change, or that a slice has passed.
  std::map<void*, std::shared_ptr<grpc::Channel>> watched;
  grpc::CompletionQueue queue;
  while (true) {
    std::vector<std::shared_ptr<grpc::Channel>> fresh;
    {
      MutexLock lock(mu_);
      while (!stop_ && wanted_.empty() && watched.empty()) changed_.Wait(mu_);
      if (stop_) break;
      const Time now = clock_.Now();
      std::erase_if(wanted_, [&](const auto& item) { return item.second.until <= now; });
      for (const auto& [key, wish] : wanted_) {
        if (watched.count(key) == 0) fresh.push_back(wish.channel);
      }
    }
    for (std::shared_ptr<grpc::Channel>& channel : fresh) {
      const grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
      if (state == GRPC_CHANNEL_READY || state == GRPC_CHANNEL_SHUTDOWN) {
        MutexLock lock(mu_);
        wanted_.erase(channel.get());
        continue;
      }
      void* const tag = channel.get();
      channel->NotifyOnStateChange(state, In(kSlice), &queue, tag);
      watched.emplace(tag, std::move(channel));
    }
    if (watched.empty()) continue;
    void* tag = nullptr;
    bool changed = false;
    if (queue.AsyncNext(&tag, &changed, In(kSlice)) == grpc::CompletionQueue::GOT_EVENT)
      watched.erase(tag);
  }
  queue.Shutdown();
  void* tag = nullptr;
  bool changed = false;
  while (queue.Next(&tag, &changed)) watched.erase(tag);
}

}  // namespace portolan
