#include <algorithm>
#include <cerrno>

#include "agent/pacing/silence.h"
#include "agent/pacing/syn_schedule.h"
#include "agent/runner/runner_impl.h"

// What an attempt's outcome means for its position: a verdict, or another try.
namespace portolan {
namespace {

constexpr Duration kFirstBackOff = std::chrono::milliseconds(50);
constexpr Duration kLongestBackOff = std::chrono::seconds(2);

Duration BackOff(uint16_t failures) {
  return std::min(kLongestBackOff, kFirstBackOff * (1 << std::min<int>(failures, 6)));
}

// Failures that the next target would meet as well; the others (EADDRNOTAVAIL, EPERM of a local
// firewall) belong to one target.
bool MeetsAnyTarget(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
         error == ENETDOWN;
}

}  // namespace

void Runner::Impl::OnOutcome(const ProbeOutcome& outcome, Time now, WallTime wall) {
  const Attempt attempt = attempts_.Take(outcome.cookie);
  if (attempt.offset >= kInquiry) return OnInquiryOutcome(attempt, outcome, now, wall);
  OpenChunk* open = Named(attempt.chunk);
  Account(attempt, open == nullptr ? nullptr : open->scan.get(), outcome, now);
  if (open == nullptr) return;  // the engine was so late that its chunk has ended without it
  TakeVerdict(*open, attempt, outcome, now, wall);
  EndIfOver(attempt.chunk, now);
}

void Runner::Impl::Account(const Attempt& attempt, Scan* scan, const ProbeOutcome& outcome,
                           Time now) {
  const bool answered = outcome.state == State::kOpen || outcome.state == State::kClosed;
  const TryTimes times{attempt.started, attempt.tries, attempt.silent};
  const bool silent =
      outcome.reason == Reason::kNoResponse && !table_.MayHaveDropped(attempt.started);
  if (attempt.paced && outcome.reason == Reason::kNoResponse)
    pacer_.evidence(attempt.target).OnSilence();
  if (attempt.paced && silent) {
    pacer_.OnSilence(attempt.target, times, now);
  } else if (attempt.paced && !answered) {
    pacer_.OnNothing(attempt.target, now);
  }
  if (attempt.paced && answered) {
    pacer_.OnAnswer(attempt.target, {outcome.rtt, KernelRetransmits(outcome.rtt) == 0, times}, now);
    HostEvidence& evidence = pacer_.evidence(attempt.target);
    const Inquiry* inquiry = attempt.offset >= kInquiry ? inquiries_.Find(attempt.chunk) : nullptr;
    const bool of_scan = inquiry == nullptr || inquiry->kind == Inquiry::Kind::kSentinel;
    if (scan != nullptr && of_scan) {
      evidence.OnAnswer(attempt.port, scan->serial, now);
    } else {
      evidence.OnOtherAnswer(now);
    }
  }
  const Duration took = outcome.rtt > Duration::zero() ? outcome.rtt : now - attempt.started;
  if (const uint32_t again = outcome.state == State::kOwed ? 0 : KernelRetransmits(took);
      again > 0) {
    counters_.syns += again;
    const uint32_t owing = again - std::min<uint32_t>(again, attempt.resent);
    bucket_.Charge(owing);
    if (scan != nullptr) scan->bucket.Charge(owing);
  }
  if (outcome.state != State::kOwed) {
    brake_ = Duration::zero();
  } else if (outcome.reason == Reason::kLocalFailure) {
    ++counters_.local_failures;
    if (MeetsAnyTarget(outcome.local_errno)) Brake(now);
  }
}

void Runner::Impl::TakeVerdict(OpenChunk& open, const Attempt& attempt, const ProbeOutcome& outcome,
                               Time now, WallTime wall) {
  if (outcome.reason == Reason::kLocalFailure) return TryAfterFailure(open, attempt, now);
  if (outcome.reason == Reason::kNoResponse && table_.MayHaveDropped(attempt.started)) {
    ++counters_.local_failures;
    return TryAfterFailure(open, attempt, now);
  }
  if (outcome.reason == Reason::kNoResponse && TryAgain(open, attempt, now, wall)) return;
  open.chunk.Decide(attempt.offset, {outcome.state, outcome.reason});
  if (attempt.paced && outcome.state != State::kOwed)
    pacer_.evidence(attempt.target).OnVerdict(outcome.state == State::kOpen, open.scan->serial);
  if (outcome.state != State::kOpen) return;
  OpenReport report;
  report.token = open.chunk.token();
  report.row.index = open.chunk.begin() + attempt.offset;
  report.row.reason = outcome.reason;
  report.row.rtt_us = static_cast<uint32_t>(
      std::clamp<int64_t>(outcome.rtt / std::chrono::microseconds(1), 0, UINT32_MAX));
  report.row.when = wall;
  report.row.source = outcome.source;
  sink_.PutOpen(report);
  if (attempt.paced) MaybeConfirm(attempt.chunk, open, attempt, now);
}

bool Runner::Impl::WouldBelieve(const Attempt& attempt, const OpenChunk& open, Time started,
                                Time now, float& certainty) {
  const uint32_t retries = open.scan->context.timing.retries;
  const double loss = attempt.paced ? pacer_.Loss(attempt.target, started, now) : 0;
  // The tries before were held against what was known then; losses may have been proven since.
  if (attempt.paced && attempt.tries > 0) {
    if (const double before = pacer_.LossBefore(attempt.target, attempt.silent); before > 0) {
      certainty =
          std::min(certainty, static_cast<float>(attempt.tries) * Silence::Certainty(before));
    }
  }
  certainty += Silence::Certainty(loss);
  const uint32_t grants = open.lease == nullptr ? 0 : open.lease->walk.lease().attempt - 1;
  const double odds = attempt.paced ? pacer_.evidence(attempt.target).AnswerOdds() : 1;
  return attempt.tries >= retries && Silence::IsBelieved(certainty, retries, odds, grants);
}

bool Runner::Impl::TryAgain(OpenChunk& open, const Attempt& attempt, Time now, WallTime wall) {
  const ProbeTiming& timing = open.scan->context.timing;
  Tried next = attempt;
  ++next.tries;
  next.failures = 0;
  next.silent = attempt.started;
  next.urgent = attempt.paced && pacer_.evidence(attempt.target).AnswerOdds() > 1;
  if (WouldBelieve(attempt, open, attempt.started, now, next.certainty) && attempt.in_full)
    return Doubt(attempt.chunk, open, attempt, now, wall);
  if (attempt.paced) pacer_.OnRetry(attempt.target, attempt.started, now);
  TryLater(open, next, Reason::kChunkClosed, timing.retry_delay, now);
  return true;
}

void Runner::Impl::TryAfterFailure(OpenChunk& open, const Attempt& attempt, Time now) {
  Tried failed = attempt;
  if (failed.failures < UINT16_MAX) ++failed.failures;
  TryLater(open, failed, Reason::kLocalFailure, BackOff(attempt.failures), now);
}

void Runner::Impl::TryLater(OpenChunk& open, const Tried& tried, Reason cause, Duration delay,
                            Time now) {
  Chunk& chunk = open.chunk;
  const Time due = now + delay;
  if (chunk.finishing() || !chunk.Fits(due, open.scan->context.timing.timeout)) {
    chunk.Decide(tried.offset, {State::kOwed, cause});
    return;
  }
  chunk.Wait(tried.offset, cause);
  open.scan->retries.Push(Retry{tried, due});
}

void Runner::Impl::Brake(Time now) {
  if (now < brake_until_) return;  // one of those that were in flight when it was pulled
  brake_ = brake_ == Duration::zero() ? kFirstBackOff : std::min(brake_ * 2, kLongestBackOff);
  brake_until_ = now + brake_;
}

}  // namespace portolan
