#include <algorithm>
#include <cerrno>
#include <cmath>

#include "agent/pacing/syn_schedule.h"
#include "agent/runner/runner_impl.h"
#include "common/base/check.h"

namespace portolan {
namespace {

constexpr uint32_t kAttemptsPerStep = 64;  // then the engine's answers are looked at, and the clock
constexpr uint32_t kAttemptsPerTurn = 16;  // of one scan, before the next one's turn
constexpr uint32_t kFreePassesPerStep = 4096;  // positions decided without a probe
constexpr Duration kRoomCheck = std::chrono::milliseconds(20);
constexpr Duration kFirstBackOff = std::chrono::milliseconds(50);
constexpr Duration kLongestBackOff = std::chrono::seconds(2);

Duration BackOff(uint16_t failures) {
  return std::min(kLongestBackOff, kFirstBackOff * (1 << std::min<int>(failures, 6)));
}

// A retry that waits for an attempt at the same target to end looks again after so long.
constexpr Duration kLookAgain = std::chrono::milliseconds(10);

bool IsLoopback(const IpAddress& a) { return a.is_v6() ? a.value() == 1 : a.value() >> 24 == 127; }

// Silence is believed when all tries that were asked for are made, and the chance that all of them
// were lost is below 10^-kCertain, as far as losses there were proven. Fewer than kLeastLoss of the
// attempts are never said to be lost.
constexpr double kCertain = 2.5;
constexpr double kLeastLoss = 0.02, kMostLoss = 0.95;
constexpr uint32_t kDoubtingGrants = 4;  // of a position, before silence is believed anyway

// Failures that the next target would meet as well; the others (EADDRNOTAVAIL, EPERM of a local
// firewall) belong to one target.
bool MeetsAnyTarget(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
         error == ENETDOWN;
}

}  // namespace

Time Runner::Impl::Step(Time now, WallTime wall) {
  if (now >= next_check_) CheckChunks(now);
  room_ = sink_.HasRoom();
  meter_.Observe(now, counters_.begun, CanBegin(now));
  counters_.measured_rate = meter_.rate();

  Time want = kNever;
  uint32_t attempts = 0;
  free_passes_ = kFreePassesPerStep;
  for (size_t idle_turns = 0; idle_turns < turns_.size();) {
    if (attempts == kAttemptsPerStep || free_passes_ == 0) return now;
    if (engine_.in_flight() >= engine_.window()) break;  // an outcome makes room
    // The agent's own limits do not end the turn of a scan, so that each gets its turn however few
    // attempts they let through.
    if (const Time next = std::max(brake_until_, bucket_.Next(now)); next > now) {
      want = next;
      break;
    }
    if (turn_left_ == 0) {
      turn_ = (turn_ + 1) % turns_.size();
      turn_left_ = kAttemptsPerTurn;
    }
    if (BeginOne(turns_[turn_], now, wall, want) == Began::kAttempt) {
      ++attempts;
      --turn_left_;
      idle_turns = 0;
    } else {
      turn_left_ = 0;
      ++idle_turns;
    }
  }
  if (!room_ && has_work()) want = std::min(want, now + kRoomCheck);
  return std::max(now, std::min(want, next_check_));
}

bool Runner::Impl::CanBegin(Time now) const {
  if (!room_) return false;
  for (const auto& [name, scan] : scans_) {
    if (scan->bucket.rate() == 0) continue;
    for (const auto& [token, lease] : scan->unbegun) {
      if (now < lease->walk.deadline()) return true;
    }
  }
  return false;
}

Runner::Impl::Began Runner::Impl::BeginOne(const std::shared_ptr<Scan>& scan, Time now,
                                           WallTime wall, Time& want) {
  const bool retry_due = scan->retries.NextDue() <= now;
  if (!retry_due) want = std::min(want, scan->retries.NextDue());
  if (!retry_due && scan->unbegun.empty()) return Began::kNothing;
  if (const Time next = scan->bucket.Next(now); next > now) {
    want = std::min(want, next);
    return Began::kNothing;
  }
  // Retries first: they keep their chunks waiting.
  if (retry_due && BeginRetry(*scan, now) == Began::kAttempt) return Began::kAttempt;
  return BeginNew(scan, now, wall, want);
}

Runner::Impl::Began Runner::Impl::BeginRetry(Scan& scan, Time now) {
  while (scan.retries.NextDue() <= now && free_passes_ > 0) {
    const Retry retry = scan.retries.Pop();
    --free_passes_;
    OpenChunk* open = Named(retry.chunk);
    if (open == nullptr || open->chunk.finishing()) continue;
    Chunk& chunk = open->chunk;
    PORTOLAN_CHECK(chunk.IsWaiting(retry.offset));
    if (now >= open->lease->walk.deadline()) {
      chunk.Finish();
      EndIfOver(retry.chunk, now);
      continue;
    }
    const ScanSpace::Endpoint endpoint = scan.context.space->At(chunk.begin() + retry.offset);
    if (const std::optional<Symbol> refused = Refused(scan, endpoint)) {
      chunk.Decide(retry.offset, *refused);
      EndIfOver(retry.chunk, now);
      continue;
    }
    if (!chunk.Fits(now, scan.context.timing.timeout)) {
      chunk.Decide(retry.offset, chunk.symbols()[retry.offset]);
      EndIfOver(retry.chunk, now);
      continue;
    }
    Attempt attempt;
    attempt.chunk = retry.chunk;
    attempt.offset = retry.offset;
    attempt.tries = retry.tries;
    attempt.failures = retry.failures;
    attempt.silent = retry.silent;
    attempt.certainty = retry.certainty;
    if (const Time may = MayProbe(scan, endpoint.address, attempt, now); may > now) {
      Retry later = retry;
      later.due = std::min(may, now + kLookAgain);
      scan.retries.Push(later);
      continue;
    }
    if (!Launch(scan, endpoint, attempt, open->lease->walk.deadline(), now)) {
      scan.retries.Push(retry);
      return Began::kNothing;
    }
    if (retry.tries > 0 && retry.failures == 0) ++counters_.retries;
    chunk.Resume(retry.offset);
    return Began::kAttempt;
  }
  return Began::kNothing;
}

Time Runner::Impl::MayProbe(const Scan& scan, const IpAddress& address, Attempt& attempt,
                            Time now) {
  attempt.paced = !IsLoopback(address);
  if (!attempt.paced) return now;
  if (!pacer_.Find(address, attempt.target)) return kNever;
  return pacer_.MayStart(attempt.target, scan.targets, now);
}

Runner::Impl::Began Runner::Impl::BeginNew(const std::shared_ptr<Scan>& scan, Time now,
                                           WallTime wall, Time& want) {
  if (!room_) return Began::kNothing;
  auto it = scan->unbegun.begin();
  while (it != scan->unbegun.end() && free_passes_ > 0) {
    Lease& lease = *it->second;
    if (now >= lease.walk.deadline()) {
      ++it;
      continue;
    }
    if (open_positions_ >= options_.max_open_positions) return Began::kNothing;
    const LeaseWalk::Next next = lease.walk.Peek();
    const std::optional<Symbol> refused = Refused(*scan, next.endpoint);
    Attempt attempt;
    if (!refused) {
      if (const Time may = MayProbe(*scan, next.endpoint.address, attempt, now); may > now) {
        want = std::min(want, may);  // kNever: an outcome makes room
        --free_passes_;
        ++it;
        continue;
      }
    }
    OpenChunk* open = Named(lease.filling);
    if (open != nullptr && (next.new_run || open->chunk.IsFull(now))) {
      const uint64_t name = lease.filling;
      Unfill(lease);
      EndIfOver(name, now);
      open = nullptr;
    }
    if (open == nullptr) {
      if (open_chunks_ >= options_.max_open_chunks) return Began::kNothing;
      lease.filling = OpenNew(lease, next.index, now, wall);
      open = Named(lease.filling);
    }
    const uint64_t name = lease.filling;
    Chunk& chunk = open->chunk;
    if (refused) {
      chunk.AddDecided(*refused);
      --free_passes_;
    } else {
      attempt.chunk = name;
      attempt.offset = chunk.AddInFlight();
      // The window has room, so the engine takes it; if it does not, that is a failure on our side
      // like any other.
      if (!Launch(*scan, next.endpoint, attempt, lease.walk.deadline(), now)) {
        TryLater(*open, attempt, Reason::kLocalFailure, kFirstBackOff, now);
      }
    }
    ++counters_.begun;
    ++open_positions_;
    const bool run_over = lease.walk.Take();
    if (lease.walk.unbegun() == 0) it = scan->unbegun.erase(it);
    if (run_over) Unfill(lease);
    next_check_ = std::min(next_check_, chunk.NextChange());
    if (run_over) EndIfOver(name, now);
    if (!refused) return Began::kAttempt;
  }
  return Began::kNothing;
}

std::optional<Symbol> Runner::Impl::Refused(const Scan& scan,
                                            const ScanSpace::Endpoint& endpoint) const {
  if (scan.context.overlay->Denies(endpoint.address, endpoint.port))
    return Symbol{State::kNotProbed, Reason::kExcluded};
  if (!scope_.Allows(endpoint.address, endpoint.port))
    return Symbol{State::kOwed, Reason::kRefusedByScope};
  return std::nullopt;
}

bool Runner::Impl::Launch(Scan& scan, const ScanSpace::Endpoint& endpoint, const Attempt& attempt,
                          Time deadline, Time now) {
  if (free_attempts_.empty()) {
    free_attempts_.push_back(static_cast<uint32_t>(attempts_.size()));
    attempts_.emplace_back();
  }
  const uint32_t index = free_attempts_.back();
  Attempt& place = attempts_[index];
  const uint32_t generation = place.generation + 1;
  const uint64_t cookie = uint64_t{generation} << 32 | index;
  const ProbeTiming& timing = scan.context.timing;
  Duration timeout = timing.timeout;
  if (attempt.paced) {
    const bool last = attempt.tries >= timing.retries;
    timeout = pacer_.Timeout(attempt.target, timing.min_timeout, timing.timeout, last);
  }
  if (!engine_.Start(endpoint.address, endpoint.port, timeout, cookie, deadline)) return false;
  if (attempt.paced) pacer_.OnStart(attempt.target, scan.targets, now);
  free_attempts_.pop_back();
  place = attempt;
  place.generation = generation;
  place.started = now;
  place.used = true;
  scan.bucket.Take();
  bucket_.Take();
  ++counters_.attempts;
  ++counters_.syns;
  return true;
}

void Runner::Impl::OnOutcome(const ProbeOutcome& outcome, Time now, WallTime wall) {
  const uint32_t index = static_cast<uint32_t>(outcome.cookie);
  PORTOLAN_CHECK(index < attempts_.size());
  Attempt& place = attempts_[index];
  PORTOLAN_CHECK(place.used && place.generation == outcome.cookie >> 32);
  const Attempt attempt = place;
  place.used = false;
  free_attempts_.push_back(index);

  OpenChunk* open = Named(attempt.chunk);
  const bool answered = outcome.state == State::kOpen || outcome.state == State::kClosed;
  if (attempt.paced && !answered) pacer_.OnNothing(attempt.target);
  if (attempt.paced && answered)
    pacer_.OnAnswer(attempt.target,
                    {outcome.rtt, KernelRetransmits(outcome.rtt) == 0, attempt.tries == 0,
                     attempt.tries == 0 ? attempt.started : attempt.silent},
                    now);
  const Duration took = outcome.rtt > Duration::zero() ? outcome.rtt : now - attempt.started;
  if (const uint32_t again = outcome.state == State::kOwed ? 0 : KernelRetransmits(took);
      again > 0) {
    counters_.syns += again;
    bucket_.Charge(again);
    if (open != nullptr) open->scan->bucket.Charge(again);
  }
  if (outcome.state != State::kOwed) {
    brake_ = Duration::zero();
  } else if (outcome.reason == Reason::kLocalFailure) {
    ++counters_.local_failures;
    if (MeetsAnyTarget(outcome.local_errno)) Brake(now);
  }
  if (open == nullptr) return;  // the engine was so late that its chunk has ended without it
  TakeVerdict(*open, attempt, outcome, now, wall);
  EndIfOver(attempt.chunk, now);
}

void Runner::Impl::TakeVerdict(OpenChunk& open, const Attempt& attempt, const ProbeOutcome& outcome,
                               Time now, WallTime wall) {
  if (outcome.reason == Reason::kLocalFailure) {
    Attempt failed = attempt;
    if (failed.failures < UINT16_MAX) ++failed.failures;
    TryLater(open, failed, Reason::kLocalFailure, BackOff(attempt.failures), now);
    return;
  }
  if (outcome.reason == Reason::kNoResponse && TryAgain(open, attempt, now)) return;
  open.chunk.Decide(attempt.offset, {outcome.state, outcome.reason});
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
}

bool Runner::Impl::TryAgain(OpenChunk& open, const Attempt& attempt, Time now) {
  const ProbeTiming& timing = open.scan->context.timing;
  const double loss = attempt.paced ? pacer_.Loss(attempt.target, attempt.started, now) : 0;
  Attempt next = attempt;
  ++next.tries;
  next.failures = 0;
  next.silent = attempt.started;
  next.certainty -= static_cast<float>(std::log10(std::clamp(loss, kLeastLoss, kMostLoss)));
  if (attempt.tries >= timing.retries) {
    // What is owed is granted again, and believed more easily each time.
    const uint32_t grants =
        open.lease == nullptr ? 0 : std::min(open.lease->walk.lease().attempt - 1, kDoubtingGrants);
    const double enough = std::min(kCertain, -std::log10(kLeastLoss) * (timing.retries + 1)) - 1e-3;
    if (next.certainty >= enough * (1 - static_cast<double>(grants) / kDoubtingGrants))
      return false;
  }
  TryLater(open, next, Reason::kChunkClosed, timing.retry_delay, now);
  return true;
}

void Runner::Impl::TryLater(OpenChunk& open, const Attempt& attempt, Reason cause, Duration delay,
                            Time now) {
  Chunk& chunk = open.chunk;
  const Time due = now + delay;
  if (chunk.finishing() || !chunk.Fits(due, open.scan->context.timing.timeout)) {
    chunk.Decide(attempt.offset, {State::kOwed, cause});
    return;
  }
  chunk.Wait(attempt.offset, cause);
  Retry retry;
  retry.due = due;
  retry.chunk = attempt.chunk;
  retry.offset = attempt.offset;
  retry.tries = attempt.tries;
  retry.failures = attempt.failures;
  retry.silent = attempt.silent;
  retry.certainty = attempt.certainty;
  open.scan->retries.Push(retry);
}

void Runner::Impl::Brake(Time now) {
  if (now < brake_until_) return;  // one of those that were in flight when it was pulled
  brake_ = brake_ == Duration::zero() ? kFirstBackOff : std::min(brake_ * 2, kLongestBackOff);
  brake_until_ = now + brake_;
}

void Runner::Impl::EndIfOver(uint64_t name, Time now) {
  if (OpenChunk* open = Named(name); open != nullptr && open->chunk.IsOver(now)) End(name, now);
}

void Runner::Impl::End(uint64_t name, Time now) {
  const uint32_t index = static_cast<uint32_t>(name) - 1;
  const std::unique_ptr<OpenChunk> open = std::move(places_[index].open);
  free_places_.push_back(index);
  if (Lease* lease = open->lease) {
    if (lease->filling == name) lease->filling = 0;
    --lease->open_chunks;
  }
  --open_chunks_;
  open_positions_ -= open->chunk.size();
  ++counters_.chunks;
  ChunkReport report = open->chunk.Report(now);
  Count(open->chunk.symbols());
  sink_.PutChunk(std::move(report));
}

void Runner::Impl::Count(const std::vector<Symbol>& symbols) {
  uint64_t count[8] = {};
  for (const Symbol& symbol : symbols) ++count[static_cast<uint8_t>(symbol.state) & 7];
  counters_.open += count[static_cast<size_t>(State::kOpen)];
  counters_.closed += count[static_cast<size_t>(State::kClosed)];
  counters_.filtered += count[static_cast<size_t>(State::kFiltered)];
  counters_.unreachable += count[static_cast<size_t>(State::kUnreachable)];
  counters_.not_probed += count[static_cast<size_t>(State::kNotProbed)];
  counters_.owed += count[static_cast<size_t>(State::kOwed)];
}

void Runner::Impl::CheckChunks(Time now) {
  next_check_ = kNever;
  for (uint32_t i = 0; i < places_.size(); ++i) {
    OpenChunk* open = places_[i].open.get();
    if (open == nullptr) continue;
    const uint64_t name = uint64_t{places_[i].generation} << 32 | (i + 1);
    Chunk& chunk = open->chunk;
    const bool expired = open->lease != nullptr && now >= open->lease->walk.deadline();
    if (expired && !chunk.finishing()) {
      if (open->lease->filling == name) open->lease->filling = 0;
      chunk.Finish();
    } else if (!chunk.sealed() && chunk.IsFull(now)) {
      if (open->lease->filling == name) open->lease->filling = 0;
      chunk.Seal();
    }
    if (chunk.IsOver(now)) {
      End(name, now);
      continue;
    }
    next_check_ = std::min(next_check_, chunk.NextChange());
    if (open->lease != nullptr && !chunk.finishing())
      next_check_ = std::min(next_check_, open->lease->walk.deadline());
  }
}

}  // namespace portolan
