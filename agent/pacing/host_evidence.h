#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "common/base/time.h"

namespace portolan {

// What one address has shown as a whole, on one thread of an agent: whether so much of it is open
// that it may answer everywhere, and whether it still answers at all. Kept beside the address's
// pace, so small. `scan`: a number of the scan that asks, never 0; what may be probed for one scan
// may be excluded from another. Pure; not thread-safe.
class HostEvidence {
 public:
  static constexpr uint32_t kSuspiciousOpens = 8;
  // Between the end of an inquiry after an address and the next one, for a scan that waits for
  // answers so long: as long, but at most kLongestPause.
  static constexpr Duration kLongestPause = std::chrono::seconds(1);
  static Duration PauseFor(Duration timeout) { return std::min(timeout, kLongestPause); }

  // ---- what was seen ----
  // A port of the scan answered, open or closed. It can be asked whether the host still answers.
  void OnAnswer(uint16_t port, uint32_t scan, Time now) {
    port_ = port;
    port_of_ = scan;
    OnOtherAnswer(now);
  }
  // A port that is none of the scan's answered.
  void OnOtherAnswer(Time now) {
    if (silent_) outage_end_ = now;
    silent_ = false;
    answered_ = now;
    silences_ = 0;
    tries_.answered += tries_.answered < UINT32_MAX;
  }
  void OnSilence() {
    silences_ += silences_ < UINT32_MAX;
    tries_.silent += tries_.silent < UINT32_MAX;
  }
  // A port of the scan got its verdict. Scans have ascending numbers.
  void OnVerdict(bool open, uint32_t scan) {
    if (scan > newest_scan_) {
      newest_scan_ = scan;
      newest_ = Count();
    }
    all_.Add(open);
    newest_.Add(open);
  }

  // ---- does it answer everywhere? ----
  // Enough is open for ports that nobody serves to be asked; not again until twice as many are.
  // Judged by all that was seen, since one scan may see little of an address at a time; and by the
  // newest scan (and what others see meanwhile), since all that was closed in earlier ones would
  // outweigh the ports of a host that answers everywhere from now on.
  bool ShouldConfirm(uint32_t scan) const {
    return (all_.Suspicious() || newest_.Suspicious()) && everywhere_told_ != scan && !confirming_;
  }
  void OnConfirming() { confirming_ = true; }
  // `confirmed`: was told for this scan.
  void OnConfirmed(bool confirmed, uint32_t scan) {
    confirming_ = false;
    if (confirmed) {
      everywhere_told_ = scan;
    } else {
      all_.Later();
      newest_.Later();
    }
  }

  // ---- does it still answer? ----
  enum class Doubt : uint8_t {
    kNone,     // it has answered since the attempt was started, or never: the silence is the port's
    kAsk,      // it has not: ask the sentinel
    kAsking,   // that is under way
    kStopped,  // it was asked since, and was silent; or it answers again, and did not then
  };
  // About silence that met an attempt that was started then.
  Doubt About(Time started, uint32_t scan) const {
    if (answered_ == Time::min()) return Doubt::kNone;
    if (!silent_ && started > outage_begin_ && started < outage_end_) return Doubt::kStopped;
    if (answered_ >= started) return Doubt::kNone;
    if (asking_ != 0) return Doubt::kAsking;
    if (silent_ && stopped_ >= started) return Doubt::kStopped;
    return port_of_ == scan ? Doubt::kAsk : Doubt::kNone;
  }
  uint16_t sentinel() const { return port_; }
  // When the next inquiry may begin.
  Time next_inquiry() const { return next_inquiry_; }
  // The caller's name of the inquiry that is under way; 0: none.
  uint64_t inquiry() const { return asking_; }
  void OnAsking(uint64_t inquiry) { asking_ = inquiry; }
  // `silent_from`: the last try of several that all met silence was started then; nullopt: it
  // answered, or could not be asked.
  void OnAsked(std::optional<Time> silent_from, Time now, Duration pause) {
    asking_ = 0;
    next_inquiry_ = now + pause;
    if (!silent_from.has_value()) return;
    stopped_ = *silent_from;
    if (!silent_) outage_begin_ = answered_;
    silent_ = true;
  }
  bool StoppedWasTold(uint32_t scan) const { return stopped_told_ == scan; }
  void OnStoppedTold(uint32_t scan) { stopped_told_ = scan; }

  // Of the newest scan where that is what makes suspicious, else of all that was seen.
  uint32_t opens() const { return Shown().opens; }
  uint32_t outcomes() const { return Shown().outcomes; }
  // Attempts that met silence since the last answer.
  uint32_t silences() const { return silences_; }
  Time answered() const { return answered_; }  // last; Time::min(): never
  // How many times as likely it is that a port there answers as that it is silent, by the attempts
  // so far; 1 where that is not known, or where silence is as usual.
  double AnswerOdds() const {
    if (tries_.answered < kEnoughAnswers) return 1;
    return std::max(1.0, tries_.answered / (1.0 + tries_.silent));
  }

 private:
  // Verdicts about ports.
  struct Count {
    uint32_t opens = 0, outcomes = 0;
    uint32_t confirm_at = kSuspiciousOpens;  // opens
    void Add(bool open) {
      outcomes += outcomes < UINT32_MAX;
      opens += open && opens < UINT32_MAX;
    }
    bool MostAreOpen() const { return opens > outcomes / 2 && opens >= kSuspiciousOpens; }
    bool Suspicious() const { return MostAreOpen() && opens >= confirm_at; }
    void Later() { confirm_at = opens < UINT32_MAX / 2 ? 2 * opens : UINT32_MAX; }
  };
  // Of attempts, in all.
  struct Tries {
    uint32_t answered = 0, silent = 0;
  };
  static constexpr uint32_t kEnoughAnswers = 8;
  const Count& Shown() const { return newest_.MostAreOpen() ? newest_ : all_; }

  Time answered_ = Time::min();
  Time next_inquiry_ = Time::min();
  // While `silent_`: when the sentinel was last proven silent. Its answers ended and began again at
  // `outage_begin_` and `outage_end_`, the last time; what was started between was not answered.
  Time stopped_ = Time::min();
  Time outage_begin_ = Time::min(), outage_end_ = Time::min();
  uint64_t asking_ = 0;
  Count all_, newest_;
  Tries tries_;
  uint32_t newest_scan_ = 0;
  uint32_t silences_ = 0;
  uint32_t port_of_ = 0;  // the scan in which `port_` answered
  uint32_t everywhere_told_ = 0, stopped_told_ = 0;
  uint16_t port_ = 0;
  bool confirming_ = false;
  bool silent_ = false;
};

}  // namespace portolan
