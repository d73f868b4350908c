#include <algorithm>
#include <cmath>

#include "agent/runner/runner_impl.h"
#include "common/base/check.h"

// What is started next, and whether it may be.
namespace portolan {
namespace {

constexpr uint32_t kAttemptsPerStep = 64;  // then the engine's answers are looked at, and the clock
constexpr uint32_t kAttemptsPerTurn = 16;  // of one scan, before the next one's turn
constexpr uint32_t kFreePassesPerStep = 4096;  // positions decided without a probe
constexpr Duration kRoomCheck = std::chrono::milliseconds(20);
// New positions are put off only while fewer wait for a try: those that wait too long for it are
// owed and asked all over again.
constexpr size_t kMostPutOff = 1024;

bool IsLoopback(const IpAddress& a) { return a.is_v6() ? a.value() == 1 : a.value() >> 24 == 127; }

}  // namespace

Time Runner::Impl::Step(Time now, WallTime wall) {
  if (now >= next_check_) CheckChunks(now);
  room_ = sink_.HasRoom();
  Measure(now);
  ChargeResends(now);
  ReleaseOverdue(now);

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
    if (!table_.MayStart(now)) {
      if (!idle() || has_work()) ++counters_.table_waits;
      want = now + TableGuard::kLook;
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
  return std::max(now, std::min({want, next_check_, overdue_.Next()}));
}

void Runner::Impl::Measure(Time now) {
  const bool work = CanBegin(now);
  if (work) syns_in_work_ += counters_.syns - syns_seen_;
  syns_seen_ = counters_.syns;
  begun_meter_.Observe(now, counters_.begun, work);
  sent_meter_.Observe(now, syns_in_work_, work);
  counters_.measured_rate = begun_meter_.rate();
  counters_.sent_rate = sent_meter_.rate();
  counters_.slowed_to = std::isinf(pacer_.slowed_to()) ? 0 : pacer_.slowed_to();
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

void Runner::Impl::ChargeResends(Time now) {
  resends_.RunDue(now, [this](uint64_t name) {
    Attempt* attempt = attempts_.Find(name);
    if (attempt == nullptr) return false;
    ++attempt->resent;
    bucket_.Charge(1);
    if (Scan* scan = ScanOf(*attempt)) scan->bucket.Charge(1);
    return true;
  });
}

void Runner::Impl::ReleaseOverdue(Time now) {
  overdue_.RunDue(now, [this, now](uint64_t name) {
    if (Attempt* attempt = attempts_.Find(name)) pacer_.OnOverdue(attempt->target, now);
  });
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
  using Which = RetryQueue::Which;
  if (retry_due) {
    const Which first = RetriesLetPass(*scan, now) ? Which::kUrgent : Which::kAll;
    if (BeginRetry(*scan, first, now, wall) == Began::kAttempt) return Began::kAttempt;
    if (first == Which::kUrgent) {
      if (BeginNew(scan, now, wall, want) == Began::kAttempt) return Began::kAttempt;
      if (BeginRetry(*scan, Which::kAll, now, wall) == Began::kAttempt) return Began::kAttempt;
    }
    // Those that their targets' limits hold up look again, also when there is nothing else to do.
    const Time next = scan->retries.NextDue();
    want = std::min(want, next > now ? next : now + kLookAgain);
  }
  return BeginNew(scan, now, wall, want);
}

bool Runner::Impl::RetriesLetPass(const Scan& scan, Time now) const {
  const uint32_t window = engine_.window();
  return engine_.in_flight() >= window - window / 8 &&
         now - scan.retries.NextDue() < scan.limits.pass;
}

Runner::Impl::Began Runner::Impl::BeginRetry(Scan& scan, RetryQueue::Which which, Time now,
                                             WallTime wall) {
  while (scan.retries.NextDue(which) <= now && free_passes_ > 0) {
    const Retry retry = scan.retries.Pop(which);
    --free_passes_;
    if (retry.offset >= kInquiry) {
      if (BeginInquiry(scan, retry, now, wall) == Began::kAttempt) return Began::kAttempt;
      continue;
    }
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
    if (const std::optional<Symbol> refused = Refused(scan, endpoint, now)) {
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
    static_cast<Tried&>(attempt) = retry;
    if (const Time may = MayProbe(scan, endpoint.address, Turn::kRetry, attempt, now); may > now) {
      Retry later = retry;
      later.due = std::min(may, now + kLookAgain);
      scan.retries.Push(later);
      chunk.HoldUp(now);
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

Time Runner::Impl::MayProbe(const Scan& scan, const IpAddress& address, Turn turn, Attempt& attempt,
                            Time now) {
  attempt.paced = !IsLoopback(address);
  if (!attempt.paced) return now;
  if (scan.fraction <= 0) return kNever;
  if (!pacer_.Find(address, attempt.target)) return kNever;
  const Time may = pacer_.MayStart(attempt.target, scan.targets, now);
  if (turn == Turn::kNew) return std::max(may, pacer_.kept_until(attempt.target));
  // It looks again before then, and takes its place or keeps it once more.
  const ProbeTiming& timing = scan.context.timing;
  const bool long_due = now - attempt.silent >= 2 * timing.timeout + timing.retry_delay;
  if (may > now && attempt.tries > 0 && long_due)
    pacer_.KeepPlace(attempt.target, now + 2 * kLookAgain);
  return may;
}

Runner::Impl::Began Runner::Impl::BeginNew(const std::shared_ptr<Scan>& scan, Time now,
                                           WallTime wall, Time& want) {
  if (!room_) return Began::kNothing;
  // What was begun must find room for its retries: the places that its first tries hold are free
  // again only after minutes.
  if (!table_.MayStart(now, scan->retries.size() + attempts_.size())) {
    if (!scan->unbegun.empty()) ++counters_.table_waits;
    want = std::min(want, now + TableGuard::kLook);
    return Began::kNothing;
  }
  auto it = scan->unbegun.begin();
  while (it != scan->unbegun.end() && free_passes_ > 0) {
    Lease& lease = *it->second;
    if (now >= lease.walk.deadline()) {
      ++it;
      continue;
    }
    if (open_positions_ >= options_.max_open_positions) return Began::kNothing;
    const LeaseWalk::Next next = lease.walk.Peek();
    const std::optional<Symbol> refused = Refused(*scan, next.endpoint, now);
    Attempt attempt;
    // What a lossy prefix holds up must not hold up the others, which come after it in the walk.
    bool put_off = false;
    Time due = now;
    if (!refused) {
      if (const Time may = MayProbe(*scan, next.endpoint.address, Turn::kNew, attempt, now);
          may > now) {
        put_off = scan->retries.size() < kMostPutOff && attempt.paced &&
                  pacer_.IsHeldByLosses(attempt.target, now);
        if (!put_off) {
          want = std::min(want, may);  // kNever: an outcome makes room
          --free_passes_;
          ++it;
          continue;
        }
        due = std::min(may, now + kLookAgain);
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
      if (chunks_.size() >= options_.max_open_chunks) return Began::kNothing;
      lease.filling = OpenNew(lease, next.index, now, wall);
      open = Named(lease.filling);
    }
    const uint64_t name = lease.filling;
    Chunk& chunk = open->chunk;
    if (refused) {
      chunk.AddDecided(*refused);
      --free_passes_;
    } else if (put_off) {
      attempt.chunk = name;
      attempt.offset = chunk.AddInFlight();
      TryLater(*open, attempt, Reason::kChunkClosed, due - now, now);
      --free_passes_;
    } else {
      attempt.chunk = name;
      attempt.offset = chunk.AddInFlight();
      // The window has room, so the engine takes it; if it does not, that is a failure on our side
      // like any other.
      if (!Launch(*scan, next.endpoint, attempt, lease.walk.deadline(), now))
        TryAfterFailure(*open, attempt, now);
    }
    ++counters_.begun;
    ++open_positions_;
    const bool run_over = lease.walk.Take();
    if (lease.walk.unbegun() == 0) it = scan->unbegun.erase(it);
    if (run_over) Unfill(lease);
    next_check_ = std::min(next_check_, chunk.NextChange());
    if (run_over) EndIfOver(name, now);
    if (!refused && !put_off) return Began::kAttempt;
  }
  return Began::kNothing;
}

std::optional<Symbol> Runner::Impl::Refused(const Scan& scan, const ScanSpace::Endpoint& endpoint,
                                            Time now) {
  if (scan.context.overlay->Denies(endpoint.address, endpoint.port))
    return Symbol{State::kNotProbed, Reason::kExcluded};
  if (!scope_.Allows(endpoint.address, endpoint.port))
    return Symbol{State::kOwed, Reason::kRefusedByScope};
  // What this machine cannot ask is not the port's state. Others of the lane may have the family.
  if (engine_.LacksRoute(endpoint.address, now)) {
    ++counters_.without_route[endpoint.address.is_v6()];
    return Symbol{State::kOwed, Reason::kRefusedByScope};
  }
  return std::nullopt;
}

bool Runner::Impl::Launch(Scan& scan, const ScanSpace::Endpoint& endpoint, const Attempt& attempt,
                          Time deadline, Time now, Duration hold) {
  const ProbeTiming& timing = scan.context.timing;
  TargetPacer::Wait wait{timing.timeout, timing.timeout};
  Attempt started = attempt;
  if (attempt.paced) {
    // A try after which there will be another anyway need not wait longer than answers take.
    started.in_full = attempt.tries >= timing.retries;
    if (started.in_full && attempt.offset < kInquiry) {
      float certainty = attempt.certainty;
      started.in_full = WouldBelieve(attempt, *Named(attempt.chunk), now, now, certainty);
    }
    wait = pacer_.WaitOf(attempt.target, timing.min_timeout, timing.timeout, started.in_full);
  }
  if (!engine_.StartHolding(endpoint.address, endpoint.port, wait.timeout, hold,
                            attempts_.NextName(), deadline))
    return false;
  if (attempt.paced) pacer_.OnStart(started.target, scan.targets, now);
  started.started = now;
  started.port = endpoint.port;
  const uint64_t name = attempts_.Put(started);
  if (!scan.bucket.unlimited() || !bucket_.unlimited()) resends_.OnStart(name, now, wait.timeout);
  if (wait.counts < wait.timeout && scan.targets.address.in_flight > 0)
    overdue_.Add(name, now + wait.counts);
  scan.bucket.Take();
  bucket_.Take();
  table_.OnStart();
  ++counters_.attempts;
  ++counters_.syns;
  return true;
}

}  // namespace portolan
