#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace portolan {

// Decides which of several processes may work under one agent name. The process that is registered
// (the holder) keeps the name for as long as it is alive; another one waits, and takes over as soon
// as the holder is known to be gone, after two lease terms at most unless the holder is draining.
// It is refused only on proof that the holder is alive: the holder has confirmed a revision that
// did not exist when the other began to call. A call of the holder alone proves nothing, because
// calls of a process that was killed may arrive late.
//
// Takeover never endangers results: what the former holder reports is judged by its leases' tokens,
// as after the expiry of a lease. Pure; not thread-safe. Holds at most kMaxChallengers processes.
class NameClaim {
 public:
  static constexpr size_t kMaxChallengers = 8;

  // The state of the process that is registered.
  struct Holder {
    bool live = false;           // has called within the lease term
    bool leaving = false;        // it ends by itself as soon as it holds nothing
    uint64_t seen = 0;           // the highest revision that it has confirmed
    Time disconnected = kNever;  // since when it has had no connection; kNever: it has one
  };
  enum class Verdict : uint8_t {
    kTakeOver,  // the caller becomes the holder
    kWait,      // the caller calls again after Answer::wait
    kRefuse,    // the caller must end
  };
  struct Answer {
    Verdict verdict = Verdict::kTakeOver;
    Duration wait{};
    // The holder must be answered now, with a revision of `next_revision` or above: its next call
    // shows whether it is alive.
    bool ask_holder = false;
  };

  // Another process than the holder calls. `next_revision`: higher than any revision that the
  // holder has been answered with, and at most the one that it is answered with next.
  Answer Challenge(const std::string& incarnation, const Holder& holder, uint64_t next_revision,
                   Duration lease_term, Time now);
  // There is a new holder.
  void Clear() { challengers_.clear(); }

 private:
  struct Challenger {
    std::string incarnation;
    Time since, called;
    uint64_t asked_in = 0;  // the revision that proves that the holder is alive; 0: not asked yet
  };
  // nullptr: too many processes call under this name.
  Challenger* Find(const std::string& incarnation, Duration lease_term, Time now);

  std::vector<Challenger> challengers_;
};

}  // namespace portolan
