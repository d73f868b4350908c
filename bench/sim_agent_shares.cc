#include <algorithm>

#include "bench/sim_agent.h"
#include "common/base/clock.h"

// The pace of agents that keep to their shares of scans.
namespace portolan::bench {
namespace {

constexpr auto kEvery = std::chrono::milliseconds(20);
constexpr double kChunkSeconds = 1;
constexpr double kSmallestChunk = 64;
constexpr size_t kMaxQueued = 64;  // batches that wait to be written
// Of the measured speed: what is older counts half, then a quarter, ...
constexpr double kHalfLifeSeconds = 5;
constexpr double kKnownAfterSeconds = 0.2;

}  // namespace

uint32_t SimAgent::ChunkOf(const std::string& scan) const {
  const auto it = shares_.find(scan);
  if (!options_.by_share || it == shares_.end() || it->second.rate() < 0) return options_.chunk;
  return static_cast<uint32_t>(std::clamp(it->second.rate() * kChunkSeconds, kSmallestChunk,
                                          static_cast<double>(options_.chunk)));
}

double SimAgent::Speed() const {
  if (!options_.by_share) return options_.speed;
  return busy_s_ < kKnownAfterSeconds ? 0 : begun_ / busy_s_;
}

void SimAgent::TickShares() {
  {
    MutexLock lock(mu_);
    if (stopping_) return;
    QueueDue(SystemClock().Now());
  }
  MaybeWrite();
  runner_->PostAfter(kEvery, [this] { TickShares(); });
}

void SimAgent::QueueDue(Time now) {
  if (quiesced_) return;
  std::erase_if(budgets_, [&](const auto& budget) {
    return std::none_of(leases_.begin(), leases_.end(), [&](const auto& lease) {
      return lease.second.scan == budget.first && !lease.second.todo.empty();
    });
  });
  bool work = false;
  for (auto& [token, lease] : leases_) {
    if (lease.todo.empty()) continue;
    const auto share = shares_.find(lease.scan);
    if (share == shares_.end()) continue;
    work = true;
    const double rate = share->second.rate();
    Budget& budget = budgets_.try_emplace(lease.scan, Budget{0, now}).first->second;
    budget.positions += std::max(0.0, rate) * ToSeconds(now - budget.filled);
    budget.filled = now;
    // The order of leases is that of their scans' beginning: a small scan is not behind a large one
    // because each has a budget of its own.
    while (!lease.todo.empty() && queue_.size() < kMaxQueued) {
      const IndexRange range = lease.todo.back();
      const auto size = static_cast<double>(range.size());
      if (rate >= 0 && budget.positions < size) break;
      if (rate >= 0) budget.positions -= size;
      lease.todo.pop_back();
      lease.todo_positions -= range.size();
      lease.unacked += range.size();
      begun_ += size;
      const auto chunk = maker_.Make(scans_[lease.scan].space, range.begin,
                                     static_cast<uint32_t>(range.size()), random_);
      v1::ReportRequest& request = queue_.emplace_back();
      chunk->FillOpens(token, range.begin, 0, UINT32_MAX, request.mutable_batch());
      chunk->FillChunk(token, range.begin, request.mutable_batch()->add_chunks());
    }
  }
  if (work && last_tick_ != Time()) busy_s_ += ToSeconds(now - last_tick_);
  last_tick_ = now;
  if (busy_s_ > kHalfLifeSeconds) busy_s_ /= 2, begun_ /= 2;
}

}  // namespace portolan::bench
