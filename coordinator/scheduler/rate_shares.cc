#include "coordinator/scheduler/rate_shares.h"

#include <algorithm>
#include <cmath>

namespace portolan {
namespace {

constexpr double kRounding = 1 + 1e-9;

}  // namespace

void RateShares::SetTargets(std::vector<Claimant> claimants) {
  for (auto& [agent, e] : entries_) e.target = 0;
  // Water-filling: the smallest caps first; what they leave is divided over the rest.
  std::stable_sort(claimants.begin(), claimants.end(), [](const Claimant& a, const Claimant& b) {
    return (a.cap > 0 ? a.cap : HUGE_VAL) < (b.cap > 0 ? b.cap : HUGE_VAL);
  });
  double left = rate_;
  size_t n = claimants.size();
  for (const Claimant& c : claimants) {
    const double even = left / static_cast<double>(n--);
    const double target = c.cap > 0 ? std::min(c.cap, even) : even;
    entries_[c.agent].target = target;
    left -= target;
  }
  starving_ = 0;
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& e = it->second;
    if (e.target == 0 && e.promised == 0 && e.bound == 0 && !e.expected) {
      it = entries_.erase(it);
      continue;
    }
    starving_ += IsStarving(e);
    ++it;
  }
}

double RateShares::Target(const std::string& agent) const {
  auto it = entries_.find(agent);
  return it == entries_.end() ? 0 : it->second.target;
}

double RateShares::Promised(const std::string& agent) const {
  auto it = entries_.find(agent);
  return it == entries_.end() ? 0 : it->second.promised;
}

Time RateShares::PromisedSince(const std::string& agent) const {
  auto it = entries_.find(agent);
  return it == entries_.end() ? kNever : it->second.since;
}

double RateShares::Free() const {
  return expected_ > 0 || adopted_until_ != kNever ? 0 : std::max(0.0, rate_ - bound_sum_);
}

void RateShares::Update(Entry& e, double promised, double bound) {
  starving_ -= IsStarving(e);
  bound_sum_ += bound - e.bound;
  e.promised = promised;
  e.bound = bound;
  starving_ += IsStarving(e);
  over_ = over_ && bound_sum_ > rate_ * kRounding;
}

bool RateShares::Promise(const std::string& agent, uint64_t revision, Time now) {
  auto it = entries_.find(agent);
  if (it == entries_.end() || it->second.expected) return false;
  Entry& e = it->second;
  double room = e.bound + Free();
  if (over_) room = std::min(room, std::max(0.0, rate_ - (bound_sum_ - e.bound)));
  double wanted = std::min(e.target, room);
  // A crumb would only make an agent probe at a crawl: wait until the others have given up theirs.
  if (e.promised == 0 && wanted < 0.01 * e.target) wanted = 0;
  if (!e.untold) {
    if (wanted == e.promised) return false;
    const bool close = std::abs(wanted - e.promised) <= kTolerance * e.promised;
    if (close && !(wanted < e.promised && (AnyStarving() || over_))) return false;
  }
  Update(e, wanted, std::max(e.bound, wanted));
  for (Entry::Fall& fall : e.falls) fall.to = std::max(fall.to, wanted);
  e.revision = revision;
  e.untold = false;
  e.since = now;
  return true;
}

bool RateShares::Confirm(const std::string& agent, uint64_t revision, Time now) {
  auto it = entries_.find(agent);
  if (it == entries_.end() || it->second.expected) return false;
  Entry& e = it->second;
  const double last = e.falls.empty() ? e.bound : e.falls.back().to;
  if (e.untold || revision < e.revision || last <= e.promised) return false;
  if (e.falls.size() >= kMaxFalls) e.falls.pop_back();
  e.falls.push_back({now + linger_, e.promised});
  next_lapse_ = std::min(next_lapse_, now + linger_);
  return linger_ <= Duration::zero() && Lapse(now);
}

bool RateShares::Lapse(Time now) {
  if (now < next_lapse_) return false;
  bool fell = adopted_until_ <= now;
  if (fell) adopted_until_ = kNever;
  next_lapse_ = adopted_until_;
  for (auto& [agent, e] : entries_) {
    while (!e.falls.empty() && e.falls.front().at <= now) {
      fell = fell || e.falls.front().to < e.bound;
      Update(e, e.promised, std::min(e.bound, e.falls.front().to));
      e.falls.pop_front();
    }
    if (!e.falls.empty()) next_lapse_ = std::min(next_lapse_, e.falls.front().at);
  }
  return fell;
}

bool RateShares::Release(const std::string& agent) {
  auto it = entries_.find(agent);
  if (it == entries_.end()) return false;
  Entry& e = it->second;
  const bool freed = e.bound > 0 || e.expected;
  if (e.expected) --expected_;
  e.expected = false;
  e.untold = false;
  e.falls.clear();
  Update(e, 0, 0);
  if (e.target == 0) {
    starving_ -= IsStarving(e);
    entries_.erase(it);
  }
  if (entries_.empty()) {
    bound_sum_ = 0;  // no rounding is carried on
    over_ = false;
  }
  return freed;
}

void RateShares::Clear() {
  entries_.clear();
  bound_sum_ = 0;
  starving_ = expected_ = 0;
  over_ = false;
  next_lapse_ = adopted_until_ = kNever;
}

void RateShares::Recount() {
  bound_sum_ = bound_sum();
  starving_ = expected_ = 0;
  for (const auto& [agent, e] : entries_) {
    starving_ += IsStarving(e);
    expected_ += e.expected;
  }
  over_ = bound_sum_ > rate_ * kRounding;
}

void RateShares::Absorb(const RateShares& other) {
  for (const auto& [agent, theirs] : other.entries_) {
    Entry& e = entries_[agent];
    if (e.bound == 0 && !e.expected) {
      const double target = e.target;
      e = theirs;
      e.target = std::max(e.target, target);
    } else if (theirs.bound > 0 || theirs.expected) {
      e.target = std::max(e.target, theirs.target);
      e.expected = e.expected || theirs.expected;
      e.promised = std::min(e.promised, theirs.promised);
      e.bound = std::max(e.bound, theirs.bound);
      e.since = std::max(e.since, theirs.since);
      e.untold = true;
      e.falls.clear();
    }
  }
  linger_ = std::max(linger_, other.linger_);
  next_lapse_ = std::min(next_lapse_, other.next_lapse_);
  if (adopted_until_ == kNever) {
    adopted_until_ = other.adopted_until_;
  } else if (other.adopted_until_ != kNever) {
    adopted_until_ = std::max(adopted_until_, other.adopted_until_);
  }
  Recount();
}

RateShares RateShares::Of(const std::vector<std::string>& agents) const {
  RateShares out(rate_, linger_);
  out.next_lapse_ = next_lapse_;
  out.adopted_until_ = adopted_until_;
  for (const std::string& agent : agents) {
    if (auto it = entries_.find(agent); it != entries_.end()) out.entries_.insert(*it);
  }
  out.Recount();
  return out;
}

void RateShares::AssumeAll(const std::string& agent) {
  Entry& e = entries_[agent];
  if (e.expected) {
    e.expected = false;
    --expected_;
  }
  Update(e, e.promised, rate_);
  e.falls.clear();
  e.revision = UINT64_MAX;  // never confirmed
  over_ = bound_sum_ > rate_ * kRounding;
}

void RateShares::Expect(const std::string& agent) {
  Entry& e = entries_[agent];
  if (!e.expected) ++expected_;
  e.expected = true;
}

void RateShares::Adopt(const std::string& agent, double in_use, Time now) {
  auto it = entries_.find(agent);
  if (it == entries_.end() || !it->second.expected) return;
  Entry& e = it->second;
  e.expected = false;
  --expected_;
  if (!(in_use >= 0)) in_use = rate_;
  const double bound = std::min(in_use, std::max(0.0, rate_ - bound_sum_));
  Update(e, bound, bound);
  e.falls.clear();
  e.revision = 0;
  if (linger_ <= Duration::zero()) return;
  adopted_until_ = now + linger_;
  next_lapse_ = std::min(next_lapse_, adopted_until_);
}

std::vector<std::string> RateShares::Unsettled() const {
  std::vector<std::string> out;
  const double tolerance = AnyStarving() ? 0 : kTolerance;
  const bool some_left = Free() > 0.001 * rate_;
  for (const auto& [agent, e] : entries_) {
    if (e.expected) continue;
    if (e.promised > e.target * (1 + tolerance) ||
        (some_left && e.promised < e.target * (1 - kTolerance)))
      out.push_back(agent);
  }
  return out;
}

std::vector<std::string> RateShares::Agents() const {
  std::vector<std::string> out;
  for (const auto& entry : entries_) out.push_back(entry.first);
  return out;
}

double RateShares::bound_sum() const {
  double sum = 0;
  for (const auto& entry : entries_) sum += entry.second.bound;
  return sum;
}

double RateShares::promised_sum() const {
  double sum = 0;
  for (const auto& entry : entries_) sum += entry.second.promised;
  return sum;
}

}  // namespace portolan
