#include "agent/pacing/target_pacer.h"

#include <algorithm>
#include <bit>

#include "agent/pacing/syn_schedule.h"

namespace portolan {
namespace {

IpAddress PrefixOf(const IpAddress& a) {
  if (a.is_v6()) return IpAddress::V6(a.value() >> 64 << 64);
  return IpAddress::V4(static_cast<uint32_t>(a.value()) & 0xFFFFFF00u);
}

uint64_t Mix(const IpAddress& a) {
  uint64_t z = std::hash<IpAddress>()(a) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  return z ^ (z >> 31);
}

}  // namespace

void TargetPacer::Neighbours::Sample(Duration sample, bool first_of_address) {
  rtt.Sample(sample);
  const float s = static_cast<float>(ToSeconds(sample));
  slowest = s > slowest ? s : slowest - (slowest - s) / 256;
  addresses += first_of_address;
}

// Half more than the slowest of the neighbours takes: their mean says little about a host that was
// not heard yet.
Duration TargetPacer::Neighbours::Timeout() const {
  return std::max(rtt.Timeout(), FromSeconds(1.5F * slowest));
}

TargetPacer::TargetPacer(uint32_t addresses)
    : addresses_(std::bit_ceil(std::max(addresses, kWays))),
      prefixes_(std::max<size_t>(kWays, addresses_.size() / 4)) {}

template <typename Entry>
bool TargetPacer::FindIn(std::vector<Entry>& table, const IpAddress& key, uint32_t& index) {
  const uint32_t sets = static_cast<uint32_t>(table.size()) / kWays;
  const uint32_t first = static_cast<uint32_t>(Mix(key)) & (sets - 1);
  uint32_t place = UINT32_MAX, age = 0;
  for (uint32_t i = first * kWays; i < first * kWays + kWays; ++i) {
    Entry& e = table[i];
    if (e.used && e.key == key) {
      e.stamp = stamp_;
      index = i;
      return true;
    }
    if (e.used && e.attempts > 0) continue;
    const uint32_t its = e.used ? stamp_ - e.stamp : UINT32_MAX;
    if (place == UINT32_MAX || its > age) {
      place = i;
      age = its;
    }
  }
  if (place == UINT32_MAX) return false;
  table[place] = Entry();
  table[place].used = true;
  table[place].key = key;
  table[place].stamp = stamp_;
  index = place;
  return true;
}

bool TargetPacer::Find(const IpAddress& address, Target& target) {
  ++stamp_;
  return FindIn(addresses_, address, target.address) &&
         FindIn(prefixes_, PrefixOf(address), target.prefix);
}

Time TargetPacer::MayStart(const Target& target, const TargetLimits& limits, Time now) const {
  const Time all = uplink_.MayStart(limits.first_rate, now);
  const Time address = addresses_[target.address].pace.MayStart(limits.address, now);
  return std::max({all, address, prefixes_[target.prefix].pace.MayStart(limits.prefix, now)});
}

void TargetPacer::KeepPlace(const Target& target, Time until) {
  Address& a = addresses_[target.address];
  a.kept = std::max(a.kept, until);
}

void TargetPacer::OnStart(Target& target, const TargetLimits& limits, Time now) {
  Address& a = addresses_[target.address];
  Prefix& p = prefixes_[target.prefix];
  target.before_answers = a.rtt.samples() == 0;
  target.overdue = false;
  ++a.attempts;
  ++p.attempts;
  a.pace.OnStart(limits.address, now);
  p.pace.OnStart(limits.prefix, now);
  uplink_.OnStart(limits.first_rate, now);
}

void TargetPacer::OnOverdue(Target& target, Time now) {
  Address& a = addresses_[target.address];
  if (target.overdue || (target.before_answers && a.rtt.samples() > 0)) return;
  target.overdue = true;
  a.pace.OnEnd(now);
}

void TargetPacer::OnAnswer(const Target& target, const Answer& answer, Time now) {
  Address& a = addresses_[target.address];
  Prefix& p = prefixes_[target.prefix];
  // Before anything else: what counts as in flight depends on whether the address has answered.
  End(target, now);
  if (answer.rtt > KernelResendsAfter(0)) a.slow = true;
  if (answer.sent_once) {
    const bool first = a.rtt.samples() == 0;
    a.rtt.Sample(answer.rtt);
    p.rtt.Sample(answer.rtt, first);
    overall_.Sample(answer.rtt, first);
    // What was started before it had answered waits for longer than its answers take.
    if (first) a.pace.OnAllEnded(now);
  }
  p.pace.OnAnswer(answer.times, now);
  a.pace.OnAnswer(answer.times, now, &p.pace);
  uplink_.OnAnswer(answer.times, Proves(p, now), now);
}

void TargetPacer::OnSilence(const Target& target, const TryTimes& times, Time now) {
  Prefix& p = prefixes_[target.prefix];
  End(target, now);
  p.pace.OnSilence(times);
  addresses_[target.address].pace.OnSilence(times);
  uplink_.OnSilence(times, Proves(p, now));
}

void TargetPacer::OnRetry(const Target& target, Time started, Time now) {
  Prefix& p = prefixes_[target.prefix];
  p.pace.OnRetry(started);
  addresses_[target.address].pace.OnRetry(started);
  uplink_.OnRetry(started, Proves(p, now));
}

bool TargetPacer::Proves(Prefix& p, Time now) { return p.pace.slowed() || p.pace.KnowsLoss(now); }

double TargetPacer::LossBefore(const Target& target, Time started) const {
  return std::max(addresses_[target.address].pace.LossBefore(started),
                  prefixes_[target.prefix].pace.LossBefore(started));
}

void TargetPacer::OnNothing(const Target& target, Time now) { End(target, now); }

void TargetPacer::End(const Target& target, Time now) {
  Address& a = addresses_[target.address];
  Prefix& p = prefixes_[target.prefix];
  --a.attempts;
  --p.attempts;
  const bool counts = !target.overdue && !(target.before_answers && a.rtt.samples() > 0);
  if (counts) a.pace.OnEnd(now);
  p.pace.OnEnd(now);
}

double TargetPacer::Loss(const Target& target, Time started, Time now) {
  Pace& prefix = prefixes_[target.prefix].pace;
  const double there = prefix.Loss(started, now);
  const double here = std::max(there, addresses_[target.address].pace.Loss(started, now, &prefix));
  return prefix.KnowsLoss(now) ? here : std::max(here, uplink_.Loss(started, now));
}

Duration TargetPacer::Timeout(const Target& target, Duration least, Duration most) const {
  Duration wait = most;
  const Address& a = addresses_[target.address];
  const Neighbours& p = prefixes_[target.prefix].rtt;
  if (a.rtt.samples() > 0) {
    wait = a.rtt.Timeout();
  } else if (p.addresses >= kEnoughInPrefix) {
    wait = p.Timeout();
  } else if (overall_.addresses >= kEnoughOverall) {
    wait = overall_.Timeout();
  }
  return std::max(std::min(wait, most), std::min(least, most));
}

TargetPacer::Wait TargetPacer::WaitOf(const Target& target, Duration least, Duration most,
                                      bool last_try) {
  Address& a = addresses_[target.address];
  const Duration estimate = Timeout(target, least, most);
  if (a.slow) return {most, estimate};
  if (!last_try) return {estimate, estimate};
  Wait wait{most, a.rtt.samples() > 0 ? estimate : most};
  const bool enough = a.rtt.samples() >= kEnoughOfAddress;
  if (!enough && !prefixes_[target.prefix].pace.slowed() && !uplink_.slowed()) return wait;
  if (enough) {
    a.waits = static_cast<uint8_t>((a.waits + 1) % kPatient);
    if (a.waits == 1) return wait;
  }
  wait.timeout = std::min(most, std::max({KernelResendsAfter(0), 2 * least, 2 * estimate}));
  wait.counts = std::min(wait.counts, wait.timeout);
  return wait;
}

}  // namespace portolan
