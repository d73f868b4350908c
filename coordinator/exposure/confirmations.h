#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "coordinator/exposure/change.h"

namespace portolan {

// When a candidate is believed.
struct ConfirmationOptions {
  uint32_t needed = 2;                        // K: probes that must agree; 0: believe the run
  uint32_t probes = 3;                        // N: of so many with a verdict
  Duration delay = std::chrono::seconds(60);  // before the first probe, and between two
  Duration answer_within = std::chrono::minutes(10);  // from not_before; then it counts as lost
  uint32_t max_lost = 6;                          // lost probes; then the candidate is abandoned
  uint32_t flap_changes = 4;                      // F: more confirmed changes than this
  Duration flap_window = std::chrono::hours(24);  // W: within this is flapping
  Duration stable_for = std::chrono::hours(6);    // without a confirmed change: no longer flapping
  size_t max_active = 10'000;                     // M: candidates in confirmation at once
  size_t max_history = 100'000;  // subjects whose late changes are remembered; others cannot flap
};
// InvalidArgument: K above N, no time between probes, ...
absl::Status CheckConfirmationOptions(const ConfirmationOptions& options);

struct ChangeKey {
  std::string vantage;
  Subject subject;
  friend auto operator<=>(const ChangeKey&, const ChangeKey&) = default;
};

// A probe to be made from `vantage`, not before `not_before`, by an agent that is not in `avoid` if
// there is such a one. A name is probed at all addresses that it has then (JoinOutcomes).
struct ConfirmationProbe {
  ChangeKey key;
  IpAddress address;    // where it was last seen
  uint32_t number = 0;  // 1, 2, ... within the candidate: answers to an older one are ignored
  WallTime not_before;
  std::vector<std::string> avoid;  // sorted
  friend bool operator==(const ConfirmationProbe&, const ConfirmationProbe&) = default;
};

struct ConfirmationAnswer {
  ChangeKey key;
  uint32_t number = 0;
  SubjectOutcome outcome;  // a symbol that is not observed: the probe ended without a verdict
};

enum class SettledAs : uint8_t {
  kConfirmed = 1,  // and told by an event
  kTransient = 2,  // the probes did not see it
  kFlapping = 3,   // confirmed, but counted only: it changes too often
  kAbandoned = 4,  // the probes got no verdict; the next run finds it again if it is true
};
inline constexpr int kSettledKinds = 4;
std::string_view SettledAsName(SettledAs s);  // "transient"

struct SettledChange {
  ChangeCandidate candidate;
  SettledAs as = SettledAs::kConfirmed;
  SubjectOutcome now;  // what it is, when confirmed or flapping
  friend bool operator==(const SettledChange&, const SettledChange&) = default;
};

// What a call to Confirmations asks of its caller.
struct ConfirmationStep {
  std::vector<ConfirmationProbe> probes;  // to be made
  std::vector<SettledChange> settled;     // confirmed and flapping ones move the baseline
  std::vector<ExposureEvent> events;      // to be told
  std::vector<ChangeKey> calm;            // no longer flapping
  void Add(ConfirmationStep other);
  friend bool operator==(const ConfirmationStep&, const ConfirmationStep&) = default;
};

// A candidate in confirmation.
struct PendingChange {
  ChangeCandidate candidate;
  uint32_t agreed = 0, denied = 0, lost = 0;
  uint32_t number = 0;    // of the probe that is out
  WallTime not_before;    // of that probe
  SubjectOutcome latest;  // the last that agreed
  std::vector<TrailStep> trail;
  std::vector<std::string> avoid;  // agents that saw it, sorted
  friend bool operator==(const PendingChange&, const PendingChange&) = default;
};

// The late confirmed changes of a subject.
struct ChangeHistory {
  std::vector<WallTime> changes;  // ascending, at most F + 1
  bool flapping = false;
  WallTime since;       // flapping since
  Symbol told;          // flapping: what the last event said
  SubjectOutcome now;   // flapping: what it is
  uint32_t untold = 0;  // flapping: changes without an event
  friend bool operator==(const ChangeHistory&, const ChangeHistory&) = default;
};

// Turns candidates into events. A pure state machine, for one monitor; all it knows is State.
//
//   Start --> waiting for probe n --agrees--> K agreed?    --> confirmed --> event, or flapping
//                 ^      |       --denies--> N-K+1 denied? --> transient
//                 |      |       --lost----> max_lost + 1? --> abandoned
//                 +------+-- none of these: probe n+1, one delay later
//
// What agrees: of an opening, open; of a closure, anything that is not open (an event's `to` is
// then what the last such probe saw); of a change of reason, open with that reason. Only probes
// from the candidate's own vantage are asked for and counted.
//
// Flapping: the F+1st confirmed change within W and those after it are no events. After
// `stable_for` without one, an event tells the difference from what was last told, if there is one.
// So whoever reads the events alone always ends with the truth.
//
// `now` should not go back; if it does, things take longer and nothing else happens.
class Confirmations {
 public:
  struct State {
    uint64_t next_sequence = 1;
    std::map<ChangeKey, PendingChange> pending;
    std::map<ChangeKey, ChangeHistory> history;
    friend bool operator==(const State&, const State&) = default;
  };

  // CHECKs CheckConfirmationOptions.
  Confirmations(std::string monitor, ConfirmationOptions options);
  void Restore(State state) { state_ = std::move(state); }
  const State& state() const { return state_; }

  // How many of these are not in confirmation yet.
  size_t CountNew(const std::vector<ChangeCandidate>& candidates) const;
  bool HasRoomFor(const std::vector<ChangeCandidate>& candidates) const;
  // Those in confirmation already are left as they are. CHECKs HasRoomFor.
  ConfirmationStep Start(std::vector<ChangeCandidate> candidates, WallTime now);
  // An answer to no outstanding probe is ignored: it was late, repeated, or its candidate is gone.
  ConfirmationStep OnAnswer(const ConfirmationAnswer& answer, WallTime now);
  // Probes that got no answer in time, and subjects that are stable again. Call it every some
  // seconds. O(candidates + history).
  ConfirmationStep Tick(WallTime now);
  // The probes that are out, for a caller that was restarted: it makes them (again).
  std::vector<ConfirmationProbe> Outstanding() const;
  // Candidates (and with `history` also what is remembered) of these keys are dropped without a
  // word.
  void Drop(const std::function<bool(const ChangeKey&)>& which, bool history);

 private:
  ConfirmationProbe Ask(const ChangeKey& key, PendingChange& p, WallTime now) const;
  void Lost(const ChangeKey& key, PendingChange& p, WallTime now, ConfirmationStep& step,
            std::vector<ChangeKey>& done) const;
  void Confirm(const ChangeKey& key, PendingChange& p, WallTime now, ConfirmationStep& step);
  void Tell(const ChangeKey& key, Symbol from, const SubjectOutcome& to,
            std::vector<TrailStep> trail, WallTime now, ConfirmationStep& step);

  std::string monitor_;
  ConfirmationOptions options_;
  State state_;
};

}  // namespace portolan
