#include <algorithm>

#include "agent/pacing/silence.h"
#include "agent/runner/runner_impl.h"
#include "common/base/check.h"

// Questions about hosts as a whole: whether one answers everywhere, and whether one still answers.
// Their probes are attempts like others, of no position: paced, limited, counted as extra.
namespace portolan {
namespace {

constexpr size_t kProbesToConfirm = 4;
constexpr Duration kFailurePause = std::chrono::milliseconds(200);
constexpr uint16_t kMostFailures = 5;  // on our side, then the question is given up
// A connection is held this long beyond a round trip: who completes handshakes for others resets
// within one, once the host behind has refused.
constexpr Duration kHold = std::chrono::milliseconds(300);
constexpr Duration kLongestHold = std::chrono::seconds(1);
constexpr uint32_t kDecidingGrant = 4;  // after so many grants of a position throttled is a verdict

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

Held HeldOf(AfterOpen after) {
  switch (after) {
    case AfterOpen::kNotHeld:
      return Held::kNotHeld;
    case AfterOpen::kReset:
      return Held::kReset;
    case AfterOpen::kClosed:
      return Held::kClosed;
    case AfterOpen::kData:
      return Held::kData;
    case AfterOpen::kQuiet:
      return Held::kQuiet;
    case AfterOpen::kNoWindow:
      return Held::kNoWindow;
  }
  return Held::kNotHeld;
}

}  // namespace

Runner::Impl::Scan* Runner::Impl::ScanOf(const Attempt& attempt) {
  if (attempt.offset < kInquiry) {
    const OpenChunk* open = Named(attempt.chunk);
    return open == nullptr ? nullptr : open->scan.get();
  }
  const Inquiry* inquiry = inquiries_.Find(attempt.chunk);
  return inquiry == nullptr ? nullptr : inquiry->scan.get();
}

HostEvidence* Runner::Impl::EvidenceOf(const IpAddress& address) {
  TargetPacer::Target target;
  return pacer_.Find(address, target) ? &pacer_.evidence(target) : nullptr;
}

void Runner::Impl::MaybeConfirm(uint64_t name, OpenChunk& open, const Attempt& attempt, Time now) {
  HostEvidence& evidence = pacer_.evidence(attempt.target);
  Scan& scan = *open.scan;
  const PortSet& candidates = scan.context.confirm_ports;
  if (!evidence.ShouldConfirm(scan.serial) || open.lease == nullptr || open.chunk.finishing() ||
      inquiries_.size() >= kMaxInquiries) {
    return;
  }
  Inquiry inquiry;
  inquiry.kind = Inquiry::Kind::kConfirm;
  inquiry.scan = open.scan;
  inquiry.chunk = name;
  inquiry.address = scan.context.space->At(open.chunk.begin() + attempt.offset).address;
  // Drawn anew for each address: a port that a whole fleet of hosts serves must not decide.
  uint64_t draw = scan.context.space->seed() ^ std::hash<IpAddress>()(inquiry.address);
  for (size_t tries = 0; tries < 4 * kProbesToConfirm && inquiry.ports.size() < kProbesToConfirm &&
                         !candidates.empty();
       ++tries) {
    draw = Mix(draw + 0x9E3779B97F4A7C15u);
    const uint16_t port = candidates.Select(static_cast<uint32_t>(draw % candidates.size()));
    const bool twice =
        std::find(inquiry.ports.begin(), inquiry.ports.end(), port) != inquiry.ports.end();
    if (!twice && !Refused(scan, {inquiry.address, port}, now)) inquiry.ports.push_back(port);
  }
  if (inquiry.ports.size() < kProbesToConfirm) {  // they may not be asked: no finding
    evidence.OnConfirmed(false, scan.serial);
    return;
  }
  evidence.OnConfirming();
  open.chunk.Expect();
  const uint64_t question = inquiries_.Put(std::move(inquiry));
  for (uint32_t i = 0; i < kProbesToConfirm; ++i) {
    Retry retry{};
    retry.chunk = question;
    retry.offset = kInquiry + i;
    retry.urgent = true;
    retry.due = now;
    scan.retries.Push(retry);
  }
}

bool Runner::Impl::Doubt(uint64_t name, OpenChunk& open, const Attempt& attempt, Time now,
                         WallTime wall) {
  if (!attempt.paced || open.lease == nullptr) return false;
  HostEvidence& evidence = pacer_.evidence(attempt.target);
  Scan& scan = *open.scan;
  switch (evidence.About(attempt.started, scan.serial)) {
    case HostEvidence::Doubt::kNone:
      return false;
    case HostEvidence::Doubt::kStopped:
      DecideStopped(open, attempt.offset, evidence, now, wall);
      return true;
    case HostEvidence::Doubt::kAsk:
    case HostEvidence::Doubt::kAsking:
      break;
  }
  const Time due = std::max(now, evidence.next_inquiry());
  if (open.chunk.finishing() || !open.chunk.Fits(due, scan.context.timing.timeout)) {
    if (IsLastGrant(open)) return false;  // or there would be no verdict at all
    open.chunk.Decide(attempt.offset, {State::kOwed, Reason::kHostThrottles});
    return true;
  }
  Inquiry* inquiry = inquiries_.Find(evidence.inquiry());
  if (inquiry == nullptr) {
    if (inquiries_.size() >= kMaxInquiries) return false;
    Inquiry fresh;
    fresh.kind = Inquiry::Kind::kSentinel;
    fresh.scan = open.scan;
    fresh.chunk = name;
    fresh.address = scan.context.space->At(open.chunk.begin() + attempt.offset).address;
    fresh.ports = {evidence.sentinel()};
    const uint64_t question = inquiries_.Put(std::move(fresh));
    evidence.OnAsking(question);
    inquiry = inquiries_.Find(question);
    Retry retry{};
    retry.chunk = question;
    retry.offset = kInquiry;
    retry.urgent = true;
    retry.due = due;
    scan.retries.Push(retry);
  }
  open.chunk.Wait(attempt.offset, Reason::kHostThrottles);
  inquiry->waiting.push_back({name, attempt.offset, attempt.started});
  return true;
}

void Runner::Impl::DecideStopped(OpenChunk& open, uint32_t offset, HostEvidence& evidence, Time now,
                                 WallTime wall) {
  if (!IsLastGrant(open)) {
    open.chunk.Decide(offset, {State::kOwed, Reason::kHostThrottles});
    return;
  }
  open.chunk.Decide(offset, {State::kFiltered, Reason::kThrottled});
  if (evidence.StoppedWasTold(open.scan->serial)) return;
  evidence.OnStoppedTold(open.scan->serial);
  FindingReport report;
  report.token = open.chunk.token();
  HostFinding& f = report.finding;
  f.kind = HostFindingKind::kStoppedAnswering;
  f.address = open.scan->context.space->At(open.chunk.begin() + offset).address;
  f.when = wall;
  f.opens = evidence.opens();
  f.outcomes = evidence.outcomes();
  f.sentinel = evidence.sentinel();
  f.since = wall - std::chrono::duration_cast<std::chrono::microseconds>(now - evidence.answered());
  f.silences = evidence.silences();
  sink_.PutFinding(report);
}

bool Runner::Impl::IsLastGrant(const OpenChunk& open) const {
  return open.lease != nullptr && open.lease->walk.lease().attempt > kDecidingGrant;
}

Runner::Impl::OpenChunk* Runner::Impl::HomeOf(Inquiry& inquiry, Time now) {
  const auto may = [&](uint64_t name) -> OpenChunk* {
    OpenChunk* open = Named(name);
    const bool good = open != nullptr && open->lease != nullptr && !open->chunk.finishing() &&
                      now < open->lease->walk.deadline() &&
                      open->chunk.Fits(now, open->scan->context.timing.timeout);
    return good ? open : nullptr;
  };
  if (OpenChunk* open = may(inquiry.chunk)) return open;
  // The positions that wait may be of other chunks and leases.
  for (const Inquiry::Waiting& w : inquiry.waiting) {
    if (w.chunk == inquiry.chunk) continue;
    if (OpenChunk* open = may(w.chunk)) {
      inquiry.chunk = w.chunk;
      return open;
    }
  }
  return nullptr;
}

Runner::Impl::Began Runner::Impl::BeginInquiry(Scan& scan, const Retry& retry, Time now,
                                               WallTime wall) {
  Inquiry* inquiry = inquiries_.Find(retry.chunk);
  if (inquiry == nullptr) return Began::kNothing;  // it was given up
  OpenChunk* home = HomeOf(*inquiry, now);
  const ScanSpace::Endpoint endpoint{inquiry->address, inquiry->ports[retry.offset - kInquiry]};
  if (home == nullptr || Refused(scan, endpoint, now)) {
    EndInquiry(retry.chunk, Answer::kUnknown, Time(), now, wall);
    return Began::kNothing;
  }
  Attempt attempt;
  static_cast<Tried&>(attempt) = retry;
  if (const Time may = MayProbe(scan, endpoint.address, Turn::kRetry, attempt, now); may > now) {
    Retry later = retry;
    later.due = std::min(may, now + kLookAgain);
    scan.retries.Push(later);
    return Began::kNothing;
  }
  Duration hold{};
  if (inquiry->kind == Inquiry::Kind::kConfirm) {
    const ProbeTiming& timing = scan.context.timing;
    hold = std::min(kLongestHold,
                    kHold + pacer_.Timeout(attempt.target, Duration::zero(), timing.timeout));
  }
  if (!Launch(scan, endpoint, attempt, home->lease->walk.deadline(), now, hold)) {
    Retry later = retry;
    later.due = now + kLookAgain;
    scan.retries.Push(later);
    return Began::kNothing;
  }
  home->chunk.AddExtra();
  return Began::kAttempt;
}

void Runner::Impl::OnInquiryOutcome(const Attempt& attempt, const ProbeOutcome& outcome, Time now,
                                    WallTime wall) {
  Inquiry* inquiry = inquiries_.Find(attempt.chunk);
  Account(attempt, inquiry == nullptr ? nullptr : inquiry->scan.get(), outcome, now);
  if (inquiry == nullptr) return;
  Retry retry{};
  static_cast<Tried&>(retry) = attempt;
  if (outcome.state == State::kOwed) {
    if (++retry.failures > kMostFailures || outcome.reason != Reason::kLocalFailure)
      return EndInquiry(attempt.chunk, Answer::kUnknown, Time(), now, wall);
    retry.due = now + kFailurePause;
    return inquiry->scan->retries.Push(retry);
  }
  if (outcome.reason == Reason::kNoResponse) {
    const ProbeTiming& timing = inquiry->scan->context.timing;
    retry.certainty +=
        Silence::Certainty(attempt.paced ? pacer_.Loss(attempt.target, attempt.started, now) : 0);
    retry.silent = attempt.started;
    ++retry.tries;
    // Here silence says something about many ports: at least two tries, and three where it would
    // take back all of a host. One host in 2,500 loses two by chance where each loses 2 %.
    const uint32_t least = inquiry->kind == Inquiry::Kind::kSentinel ? 2 : 1;
    if (retry.tries <= std::max(least, timing.retries) ||
        !Silence::IsBelieved(retry.certainty, std::max(1u, timing.retries), 1, 0)) {
      retry.due = now + timing.retry_delay;
      return inquiry->scan->retries.Push(retry);
    }
    return EndInquiry(attempt.chunk, Answer::kSilent, attempt.started, now, wall);
  }
  if (inquiry->kind == Inquiry::Kind::kSentinel) {
    // An ICMP error in its place is no silence either.
    return EndInquiry(attempt.chunk, Answer::kAnswered, Time(), now, wall);
  }
  if (outcome.state != State::kOpen)
    return EndInquiry(attempt.chunk, Answer::kSilent, attempt.started, now, wall);
  inquiry->confirmed.push_back(
      {inquiry->ports[attempt.offset - kInquiry],
       outcome.after == AfterOpen::kNotHeld && outcome.reason == Reason::kResetAfterAccept
           ? Held::kReset
           : HeldOf(outcome.after)});
  if (inquiry->confirmed.size() == inquiry->ports.size())
    EndInquiry(attempt.chunk, Answer::kAnswered, Time(), now, wall);
}

void Runner::Impl::EndInquiry(uint64_t name, Answer answer, Time silent_from, Time now,
                              WallTime wall) {
  const Inquiry inquiry = inquiries_.Take(name);
  HostEvidence* evidence = EvidenceOf(inquiry.address);
  HostEvidence forgotten;
  if (evidence == nullptr) evidence = &forgotten;
  if (inquiry.kind == Inquiry::Kind::kConfirm) {
    OpenChunk* open = Named(inquiry.chunk);
    const bool tell = answer == Answer::kAnswered && open != nullptr;
    if (tell) TellEverywhere(inquiry, *open, *evidence, wall);
    evidence->OnConfirmed(tell, inquiry.scan->serial);
    if (open != nullptr) {
      open->chunk.Met();
      EndIfOver(inquiry.chunk, now);
    }
    return;
  }
  evidence->OnAsked(answer == Answer::kSilent ? std::optional(silent_from) : std::nullopt, now,
                    HostEvidence::PauseFor(inquiry.scan->context.timing.timeout));
  for (const Inquiry::Waiting& w : inquiry.waiting) {
    OpenChunk* open = Named(w.chunk);
    if (open == nullptr) continue;
    switch (answer) {
      case Answer::kAnswered:
        // It may have come back only now.
        if (evidence->About(w.started, inquiry.scan->serial) == HostEvidence::Doubt::kStopped) {
          DecideStopped(*open, w.offset, *evidence, now, wall);
          break;
        }
        open->chunk.Decide(w.offset, {State::kFiltered, Reason::kNoResponse});
        evidence->OnVerdict(false, inquiry.scan->serial);
        break;
      case Answer::kSilent:
        DecideStopped(*open, w.offset, *evidence, now, wall);
        break;
      case Answer::kUnknown:
        open->chunk.Decide(w.offset, IsLastGrant(*open)
                                         ? Symbol{State::kFiltered, Reason::kNoResponse}
                                         : Symbol{State::kOwed, Reason::kHostThrottles});
        break;
    }
    EndIfOver(w.chunk, now);
  }
}

void Runner::Impl::TellEverywhere(const Inquiry& inquiry, OpenChunk& open,
                                  const HostEvidence& evidence, WallTime wall) {
  FindingReport report;
  report.token = open.chunk.token();
  HostFinding& f = report.finding;
  const bool resets = std::all_of(inquiry.confirmed.begin(), inquiry.confirmed.end(),
                                  [](const ConfirmedPort& c) { return c.held == Held::kReset; });
  f.kind = resets ? HostFindingKind::kSynProxy : HostFindingKind::kAnswersEverywhere;
  f.address = inquiry.address;
  f.when = wall;
  f.opens = evidence.opens();
  f.outcomes = evidence.outcomes();
  f.confirmed = inquiry.confirmed;
  sink_.PutFinding(report);
}

void Runner::Impl::DropInquiries(const Scan& scan) {
  std::vector<uint64_t> names;
  inquiries_.ForEach([&](uint64_t name, const Inquiry& inquiry) {
    if (inquiry.scan.get() == &scan) names.push_back(name);
  });
  for (const uint64_t name : names) {
    const Inquiry inquiry = inquiries_.Take(name);
    HostEvidence* evidence = EvidenceOf(inquiry.address);
    if (evidence == nullptr) continue;
    if (inquiry.kind == Inquiry::Kind::kConfirm) {
      evidence->OnConfirmed(false, scan.serial);
    } else {
      evidence->OnAsked(std::nullopt, Time::min(), Duration::zero());
    }
  }
}

}  // namespace portolan
