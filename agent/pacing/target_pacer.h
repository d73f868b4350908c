#pragma once

#include <cstdint>
#include <vector>

#include "agent/pacing/host_evidence.h"
#include "agent/pacing/pace.h"
#include "agent/pacing/rtt_estimator.h"
#include "agent/pacing/uplink.h"
#include "common/net/ip_address.h"

namespace portolan {

// What one scan may ask of its targets, and how long it waits for them.
struct TargetLimits {
  PaceLimit address;
  PaceLimit prefix;  // of each /24 or /64
  // What is sent to all of them together at first, attempts a second (uplink.h); 0: no slow start.
  double first_rate = 0;
};

// What an agent's thread knows of the addresses that it probes: how fast they and their prefixes (a
// /24, a /64) have been probed of late, over all scans, and how fast they answer. Remembers about
// `addresses` of them, those with attempts in flight and those seen last; what is forgotten starts
// anew. O(1) each. Pure; not thread-safe.
class TargetPacer {
 public:
  // An address that is being probed. Good until the next Find, or while attempts are in flight;
  // each attempt keeps its own.
  struct Target {
    uint32_t address = 0;
    uint32_t prefix = 0;
    // How an attempt counts that has been started; set by the pacer.
    bool before_answers = false;  // the address had not answered then
    bool overdue = false;         // it was answered too late to count as in flight
  };

  explicit TargetPacer(uint32_t addresses = 1 << 16);

  // False: all places that it could have are in use by addresses with attempts in flight; try again
  // when some have ended.
  bool Find(const IpAddress& address, Target& target);

  // Attempts a second over all targets that proven losses have brought it down to; infinity: none.
  double slowed_to() const { return uplink_.slowed_to(); }

  // When the next attempt may start, for somebody who is held to `limits`: `now`: at once; kNever:
  // when some attempt there has ended.
  Time MayStart(const Target& target, const TargetLimits& limits, Time now) const;
  // Whether it is by its prefix's losses that nothing may start there now.
  bool IsHeldByLosses(const Target& target, Time now) const {
    return prefixes_[target.prefix].pace.IsHeldByLosses(now);
  }
  // A retry that may not start yet looks again at `until`. Places at its address that become free
  // before then are kept for it: a first try takes them at once, and would leave it none for ever.
  void KeepPlace(const Target& target, Time until);
  // Until when first tries leave the address to retries.
  Time kept_until(const Target& target) const { return addresses_[target.address].kept; }
  void OnStart(Target& target, const TargetLimits& limits, Time now);
  // The attempt has been in flight for longer than answers of its address take (Wait::counts): it
  // goes on, but does not count towards the limit in flight any more.
  void OnOverdue(Target& target, Time now);
  // The attempt has ended: each OnStart must be followed by one of these.
  struct Answer {
    Duration rtt{};
    // no packet was sent twice; else the round trip counts for nothing (Karn)
    bool sent_once = true;
    TryTimes times;
  };
  void OnAnswer(const Target& target, const Answer& answer, Time now);
  void OnSilence(const Target& target, const TryTimes& times, Time now);
  void OnNothing(const Target& target, Time now);
  // After OnSilence: the port will be tried again.
  void OnRetry(const Target& target, Time started, Time now);
  // What share of the attempts that were started there then was lost, as far as answers have
  // proven.
  double Loss(const Target& target, Time started, Time now);
  // The same of an attempt that was judged by Loss before those losses were proven; 0 where none
  // have been since.
  double LossBefore(const Target& target, Time started) const;

  // What the address has shown as a whole. The caller keeps it; it is forgotten with the address.
  HostEvidence& evidence(const Target& target) { return addresses_[target.address].evidence; }

  // How long answers take at most, by estimate: between `least` and `most`. By the address's own
  // round trips; else by those of its prefix, once some addresses there have answered; else by
  // those of all. Before that: `most`. An estimate that is wrong costs a retry and never a port,
  // because the last try before silence is believed waits for longer (WaitOf).
  Duration Timeout(const Target& target, Duration least, Duration most) const;

  struct Wait {
    Duration timeout{};  // of the attempt
    Duration counts{};   // it counts as in flight so long (OnOverdue), at most `timeout`
  };
  // How long an attempt should wait. `last_try`: its silence may be believed. Then it is `most`;
  // but at an address that has answered kEnoughOfAddress times, and where losses have slowed the
  // prefix or the line, so much less that the kernel does not send the SYN a second time, which
  // would spend there what others need: twice the estimate, twice `least`, or 1 s, whichever is the
  // longest. Each kPatient-th attempt at such an address still waits for `most`; once an answer
  // there took longer than 1 s, every attempt does.
  Wait WaitOf(const Target& target, Duration least, Duration most, bool last_try);

 private:
  // Round trips over several addresses.
  struct Neighbours {
    RttEstimator rtt;
    float slowest = 0;       // seconds; sinks slowly towards what is seen
    uint32_t addresses = 0;  // that gave a first sample
    void Sample(Duration rtt, bool first_of_address);
    Duration Timeout() const;
  };
  struct Address {
    IpAddress key;
    bool used = false;
    uint32_t stamp = 0;
    uint32_t attempts = 0;    // started and not ended
    uint8_t waits = 0;        // last tries at an address that has answered enough, modulo kPatient
    Time kept = Time::min();  // for retries, until then
    bool slow = false;        // one of those that waited for long was answered late
    Pace pace{Pace::Losses::kOnceProven};
    RttEstimator rtt;
    HostEvidence evidence;
  };
  struct Prefix {
    IpAddress key;
    bool used = false;
    uint32_t stamp = 0;
    uint32_t attempts = 0;  // started and not ended
    Pace pace;
    Neighbours rtt;
  };
  // A set-associative cache: a key has kWays places, of which the one used least lately is given
  // up.
  template <typename Entry>
  bool FindIn(std::vector<Entry>& table, const IpAddress& key, uint32_t& index);
  void End(const Target& target, Time now);
  // Whether it answers for its losses itself, also while it learns of them anew.
  static bool Proves(Prefix& p, Time now);

  static constexpr uint32_t kWays = 8;
  static constexpr uint32_t kEnoughOfAddress = 4;
  static constexpr uint8_t kPatient = 16;
  static constexpr uint32_t kEnoughInPrefix = 8;
  static constexpr uint32_t kEnoughOverall = 64;

  std::vector<Address> addresses_;
  std::vector<Prefix> prefixes_;
  Neighbours overall_;
  Uplink uplink_;
  uint32_t stamp_ = 0;
};

}  // namespace portolan
