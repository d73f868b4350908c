#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/pacing/overdue.h"
#include "agent/pacing/rate_meter.h"
#include "agent/pacing/resends.h"
#include "agent/pacing/retry_queue.h"
#include "agent/pacing/target_pacer.h"
#include "agent/pacing/token_bucket.h"
#include "agent/runner/chunk.h"
#include "agent/runner/lease_walk.h"
#include "agent/runner/runner.h"
#include "agent/runner/slots.h"

namespace portolan {

// runner.cc keeps contexts and leases; runner_begin.cc starts attempts, runner_outcome.cc takes
// what becomes of them; runner_chunks.cc collects the verdicts;
// runner_inquiry.cc asks about hosts as a whole.
class Runner::Impl {
 public:
  Impl(ProbeEngine& engine, ReportSink& sink, Scope scope, RunnerOptions options);

  void SetContext(ScanContext context);
  void UpdateOverlay(const std::string& name, std::shared_ptr<const DenyOverlay> overlay);
  void DropContext(const std::string& name);
  std::vector<std::pair<std::string, uint64_t>> KnownScans() const;
  absl::Status Grant(AgentLease granted);
  void Shrink(Token token, const IntervalSet& desired);
  void Revoke(Token token);
  void Forget(Token token);
  void Renew(Token token, Time deadline);
  void GiveBack(Token token);
  void SetDraining(bool draining);
  void SetShare(const std::string& name, double rate);
  void SetTargetFraction(const std::string& name, double fraction);
  void SetScope(Scope scope) { scope_ = std::move(scope); }
  void SetMaxRate(double rate) { bucket_.SetRate(rate > 0 ? rate : -1); }
  void ObserveTable(const TableUse& use, Time now) { table_.Observe(use, now); }
  std::vector<LeaseProgress> Progress() const;

  Time Step(Time now, WallTime wall);
  void OnOutcome(const ProbeOutcome& outcome, Time now, WallTime wall);

  bool idle() const { return chunks_.size() == 0; }
  bool has_work() const;
  size_t open_chunks() const { return chunks_.size(); }
  uint64_t open_positions() const { return open_positions_; }
  const RunnerCounters& counters() const { return counters_; }

 private:
  struct Lease;
  struct Scan {
    uint32_t serial = 0;  // never 0 once it is known
    ScanContext context;
    ChunkLimits limits;
    double fraction = 1;  // of the scan's limits on targets, over all threads
    TargetLimits targets;
    TokenBucket bucket;
    RetryQueue retries;
    std::map<Token, Lease*> unbegun;  // leases with positions that are not begun
  };
  struct Lease {
    std::shared_ptr<Scan> scan;
    LeaseWalk walk;
    uint64_t filling = 0;  // name of the chunk that takes in its positions; 0: none
    uint32_t open_chunks = 0;
  };
  struct OpenChunk {
    Chunk chunk;
    std::shared_ptr<Scan> scan;  // may outlive its context while outcomes are awaited
    Lease* lease;                // null: revoked
  };
  // An attempt in flight. Its name is the engine's cookie.
  struct Attempt : Tried {
    Time started{};
    uint16_t port = 0;
    uint8_t resent = 0;  // SYNs of the kernel's own that have been charged already
    bool paced = false;
    bool in_full = true;  // waits for as long as the scan allows, so that silence may be believed
    TargetPacer::Target target;  // where it is paced
  };
  // A retry that waits for an attempt at the same target to end looks again after so long.
  static constexpr Duration kLookAgain = std::chrono::milliseconds(10);
  enum class Began { kAttempt, kNothing };
  // A question about a host, asked with attempts that are of no position: their `chunk` is the
  // question's name, their `offset` kInquiry and the place among its ports.
  static constexpr uint32_t kInquiry = 0xFFFFFF00;
  static constexpr size_t kMaxInquiries = 65'536;
  struct Inquiry {
    enum class Kind : uint8_t { kConfirm, kSentinel };
    struct Waiting {
      uint64_t chunk;
      uint32_t offset;
      Time started;  // its last attempt
    };
    Kind kind = Kind::kConfirm;
    std::shared_ptr<Scan> scan;
    uint64_t chunk = 0;  // whose lease pays for it; kConfirm: which expects the answer
    IpAddress address;
    std::vector<uint16_t> ports;
    std::vector<ConfirmedPort> confirmed;  // those that were open
    std::vector<Waiting> waiting;          // positions whose silence is doubted
  };
  enum class Answer { kAnswered, kSilent, kUnknown };  // kConfirm: all open, not all, not known

  // runner.cc
  Lease* Find(Token token);
  void NoteUnbegun(Lease& lease);

  // runner_begin.cc
  void Measure(Time now);
  bool CanBegin(Time now) const;
  void ChargeResends(Time now);
  void ReleaseOverdue(Time now);
  // Starts one attempt of this scan if it may; else lowers `want` to when it may.
  Began BeginOne(const std::shared_ptr<Scan>& scan, Time now, WallTime wall, Time& want);
  // Retries go first, because they keep their chunks waiting, except for ChunkLimits::pass.
  bool RetriesLetPass(const Scan& scan, Time now) const;
  Began BeginRetry(Scan& scan, RetryQueue::Which which, Time now, WallTime wall);
  Began BeginNew(const std::shared_ptr<Scan>& scan, Time now, WallTime wall, Time& want);
  // When this address may be sent something; looks it up for the attempt. A retry that has to wait
  // keeps the next place there, which a first try leaves to it.
  enum class Turn { kNew, kRetry };
  Time MayProbe(const Scan& scan, const IpAddress& address, Turn turn, Attempt& attempt, Time now);
  // Nullopt: may be probed. Else what its position gets without a probe.
  std::optional<Symbol> Refused(const Scan& scan, const ScanSpace::Endpoint& endpoint, Time now);
  bool Launch(Scan& scan, const ScanSpace::Endpoint& endpoint, const Attempt& attempt,
              Time deadline, Time now, Duration hold = Duration::zero());

  // runner_outcome.cc
  // What the outcome says about pace and limits, whatever becomes of its position.
  void Account(const Attempt& attempt, Scan* scan, const ProbeOutcome& outcome, Time now);
  void TakeVerdict(OpenChunk& open, const Attempt& attempt, const ProbeOutcome& outcome, Time now,
                   WallTime wall);
  // Whether the silence of this attempt, the last one of its position so far, would be enough, by
  // the losses that are proven now; adds what it says to `certainty`.
  bool WouldBelieve(const Attempt& attempt, const OpenChunk& open, Time started, Time now,
                    float& certainty);
  // After silence: false when it is to be believed.
  bool TryAgain(OpenChunk& open, const Attempt& attempt, Time now, WallTime wall);
  void TryAfterFailure(OpenChunk& open, const Attempt& attempt, Time now);
  void TryLater(OpenChunk& open, const Tried& tried, Reason cause, Duration delay, Time now);
  void Brake(Time now);

  // runner_chunks.cc
  OpenChunk* Named(uint64_t name);
  uint64_t OpenNew(Lease& lease, uint64_t begin, Time now, WallTime wall);
  void SetLimits(Scan& scan);
  void Unfill(Lease& lease);  // its chunk takes in nothing more
  // Ends the chunk if it is over.
  void EndIfOver(uint64_t name, Time now);
  void End(uint64_t name, Time now);
  void Count(const std::vector<Symbol>& symbols);
  void CheckChunks(Time now);

  // runner_inquiry.cc
  // Null: its chunk or its question has ended.
  Scan* ScanOf(const Attempt& attempt);
  // Null: it is not known, and there is no place for it now. Good until the pacer is asked again.
  HostEvidence* EvidenceOf(const IpAddress& address);
  // After an open port: asks whether the host answers everywhere, when that is due.
  void MaybeConfirm(uint64_t name, OpenChunk& open, const Attempt& attempt, Time now);
  // Silence that would be believed: false when it may be. Else the position waits or has got
  // another verdict.
  bool Doubt(uint64_t name, OpenChunk& open, const Attempt& attempt, Time now, WallTime wall);
  // The host stopped answering before this position could be known.
  void DecideStopped(OpenChunk& open, uint32_t offset, HostEvidence& evidence, Time now,
                     WallTime wall);
  // Of its positions; as often as silence is doubted (silence.h).
  bool IsLastGrant(const OpenChunk& open) const;
  OpenChunk* HomeOf(Inquiry& inquiry, Time now);
  Began BeginInquiry(Scan& scan, const Retry& retry, Time now, WallTime wall);
  void OnInquiryOutcome(const Attempt& attempt, const ProbeOutcome& outcome, Time now,
                        WallTime wall);
  void EndInquiry(uint64_t name, Answer answer, Time silent_from, Time now, WallTime wall);
  void TellEverywhere(const Inquiry& inquiry, OpenChunk& open, const HostEvidence& evidence,
                      WallTime wall);
  void DropInquiries(const Scan& scan);

  ProbeEngine& engine_;
  ReportSink& sink_;
  Scope scope_;
  const RunnerOptions options_;

  // A scan is shared by its context here, its leases and its open chunks.
  std::map<std::string, std::shared_ptr<Scan>> scans_;
  std::map<std::string, double> shares_, fractions_;  // also of scans that have no context yet
  std::map<Token, std::unique_ptr<Lease>> leases_;
  bool draining_ = false;

  Slots<std::unique_ptr<OpenChunk>> chunks_;
  uint64_t open_positions_ = 0;
  Time next_check_ = kNever;  // of the chunks

  Slots<Attempt> attempts_;
  Slots<Inquiry> inquiries_;
  uint32_t next_serial_ = 1;
  Resends resends_;  // of the attempts that were started under a limit
  Overdue overdue_;  // of the attempts that wait for longer than they count as in flight

  TokenBucket bucket_;
  std::vector<std::shared_ptr<Scan>> turns_;  // scans take turns
  size_t turn_ = 0;
  uint32_t turn_left_ = 0;    // attempts before the next scan's turn
  uint32_t free_passes_ = 0;  // positions that this Step may still decide without a probe
  bool room_ = true;          // the sink's, as of this Step

  // After failures on our side that would meet any target, nothing is started for a while.
  Time brake_until_ = Time::min();
  Duration brake_{};

  TableGuard table_;
  TargetPacer pacer_;
  ProbeRateMeter begun_meter_, sent_meter_;
  uint64_t syns_seen_ = 0, syns_in_work_ = 0;  // in all; those while there was something to begin
  RunnerCounters counters_;
};

}  // namespace portolan
