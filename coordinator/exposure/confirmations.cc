#include "coordinator/exposure/confirmations.h"

#include <algorithm>
#include <iterator>

#include "common/base/check.h"
#include "common/base/counted.h"
#include "common/base/status.h"

namespace portolan {
namespace {

std::chrono::microseconds Micros(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d);
}

TrailStep Step(TrailStep::What what, const std::string& vantage, const SubjectOutcome& o) {
  return {what, o.when, vantage, o.agent, o.address, o.symbol, o.rtt_us, 0};
}

SubjectOutcome Seen(const ChangeCandidate& c) {
  return {c.to, c.address, c.rtt_us, c.when, c.agent};
}

bool Agrees(const ChangeCandidate& candidate, Symbol seen) {
  switch (candidate.kind) {
    case ChangeKind::kOpened:
      return IsOpen(seen);
    case ChangeKind::kReasonChanged:
      return seen == candidate.to;
    default:
      return IsGone(seen);
  }
}

template <typename T>
void Append(std::vector<T>& to, std::vector<T> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

absl::Status CheckConfirmationOptions(const ConfirmationOptions& o) {
  if (o.needed > o.probes) {
    return InvalidArgument("confirmation: {} of {} cannot agree: ask for at most {}", o.needed,
                           Counted(o.probes, "probe", "probes"), o.probes);
  }
  if (o.probes > 20 || o.max_lost > 100) {
    return InvalidArgument(
        "confirmation: {}, {} of them lost: at most 20 and 100, because each is kept",
        Counted(o.probes, "probe", "probes"), o.max_lost);
  }
  if (o.delay < Duration::zero() || o.answer_within < std::chrono::seconds(1)) {
    return InvalidArgument(
        "confirmation: a delay below zero, or an answer within less than a second");
  }
  if (o.flap_changes < 1 || o.flap_changes > 100 || o.flap_window <= Duration::zero() ||
      o.stable_for <= Duration::zero()) {
    return InvalidArgument("flapping: more than {} changes: give 1 to 100, and times above zero",
                           o.flap_changes);
  }
  if (o.max_active < 1) return InvalidArgument("confirmation: max_active 0: give at least 1");
  return absl::OkStatus();
}

std::string_view SettledAsName(SettledAs s) {
  switch (s) {
    case SettledAs::kConfirmed:
      return "confirmed";
    case SettledAs::kTransient:
      return "transient";
    case SettledAs::kFlapping:
      return "flapping";
    case SettledAs::kAbandoned:
      return "abandoned";
  }
  return "unknown";
}

void ConfirmationStep::Add(ConfirmationStep other) {
  Append(probes, std::move(other.probes));
  Append(settled, std::move(other.settled));
  Append(events, std::move(other.events));
  Append(calm, std::move(other.calm));
}

Confirmations::Confirmations(std::string monitor, ConfirmationOptions options)
    : monitor_(std::move(monitor)), options_(options) {
  PORTOLAN_CHECK(CheckConfirmationOptions(options).ok());
}

size_t Confirmations::CountNew(const std::vector<ChangeCandidate>& candidates) const {
  return static_cast<size_t>(
      std::count_if(candidates.begin(), candidates.end(), [&](const ChangeCandidate& c) {
        return state_.pending.count({c.vantage, c.subject}) == 0;
      }));
}

bool Confirmations::HasRoomFor(const std::vector<ChangeCandidate>& candidates) const {
  const size_t active = state_.pending.size();
  return active + CountNew(candidates) <= std::max(active, options_.max_active);
}

ConfirmationStep Confirmations::Start(std::vector<ChangeCandidate> candidates, WallTime now) {
  PORTOLAN_CHECK(HasRoomFor(candidates));
  ConfirmationStep step;
  for (ChangeCandidate& c : candidates) {
    const ChangeKey key{c.vantage, c.subject};
    const auto [it, is_new] = state_.pending.try_emplace(key);
    if (!is_new) continue;
    PendingChange& p = it->second;
    p.latest = Seen(c);
    p.trail.push_back(Step(TrailStep::What::kRun, c.vantage, p.latest));
    for (size_t i = 0; i < c.evidence.size() && i < kMaxEvidence; ++i) {
      p.trail.push_back(c.evidence[i]);
    }
    c.evidence.clear();
    if (!c.agent.empty()) p.avoid.push_back(c.agent);
    p.candidate = std::move(c);
    if (options_.needed == 0) {
      Confirm(key, p, now, step);
      state_.pending.erase(it);
    } else {
      step.probes.push_back(Ask(key, p, now));
    }
  }
  return step;
}

ConfirmationProbe Confirmations::Ask(const ChangeKey& key, PendingChange& p, WallTime now) const {
  ++p.number;
  p.not_before = now + Micros(options_.delay);
  return {key, p.latest.address, p.number, p.not_before, p.avoid};
}

ConfirmationStep Confirmations::OnAnswer(const ConfirmationAnswer& answer, WallTime now) {
  ConfirmationStep step;
  const auto it = state_.pending.find(answer.key);
  if (it == state_.pending.end() || it->second.number != answer.number) return step;
  PendingChange& p = it->second;
  std::vector<ChangeKey> done;
  const SubjectOutcome& seen = answer.outcome;
  if (!IsObserved(seen.symbol)) {
    Lost(answer.key, p, now, step, done);
    if (!done.empty()) state_.pending.erase(it);
    return step;
  }
  p.trail.push_back(Step(TrailStep::What::kProbe, answer.key.vantage, seen));
  const auto place = std::lower_bound(p.avoid.begin(), p.avoid.end(), seen.agent);
  if (!seen.agent.empty() && (place == p.avoid.end() || *place != seen.agent)) {
    p.avoid.insert(place, seen.agent);
  }
  if (Agrees(p.candidate, seen.symbol)) {
    ++p.agreed;
    p.latest = seen;
  } else {
    ++p.denied;
  }
  if (p.agreed >= options_.needed) {
    Confirm(answer.key, p, now, step);
    state_.pending.erase(it);
  } else if (p.denied > options_.probes - options_.needed) {
    step.settled.push_back({p.candidate, SettledAs::kTransient, seen});
    state_.pending.erase(it);
  } else {
    step.probes.push_back(Ask(answer.key, p, now));
  }
  return step;
}

void Confirmations::Lost(const ChangeKey& key, PendingChange& p, WallTime now,
                         ConfirmationStep& step, std::vector<ChangeKey>& done) const {
  if (++p.lost > options_.max_lost) {
    step.settled.push_back({p.candidate, SettledAs::kAbandoned, {}});
    done.push_back(key);
    return;
  }
  TrailStep lost;
  lost.what = TrailStep::What::kProbe;
  lost.when = now;
  lost.vantage = key.vantage;
  lost.address = p.latest.address;
  p.trail.push_back(lost);
  step.probes.push_back(Ask(key, p, now));
}

void Confirmations::Confirm(const ChangeKey& key, PendingChange& p, WallTime now,
                            ConfirmationStep& step) {
  SettledAs as = SettledAs::kConfirmed;
  auto h = state_.history.find(key);
  if (h == state_.history.end() && state_.history.size() < options_.max_history) {
    h = state_.history.emplace(key, ChangeHistory()).first;
  }
  if (h != state_.history.end()) {
    ChangeHistory& history = h->second;
    std::erase_if(history.changes,
                  [&](WallTime t) { return t <= now - Micros(options_.flap_window); });
    history.changes.push_back(now);
    while (history.changes.size() > options_.flap_changes + 1) {
      history.changes.erase(history.changes.begin());
    }
    if (!history.flapping && history.changes.size() > options_.flap_changes) {
      history.flapping = true;
      history.since = now;
      history.told = p.candidate.from;
      history.untold = 0;
    }
    if (history.flapping) {
      history.now = p.latest;
      ++history.untold;
      as = SettledAs::kFlapping;
    }
  }
  if (as == SettledAs::kConfirmed) {
    Tell(key, p.candidate.from, p.latest, std::move(p.trail), now, step);
  }
  step.settled.push_back({p.candidate, as, p.latest});
}

void Confirmations::Tell(const ChangeKey& key, Symbol from, const SubjectOutcome& to,
                         std::vector<TrailStep> trail, WallTime now, ConfirmationStep& step) {
  ExposureEvent event;
  event.sequence = state_.next_sequence++;
  event.time = now;
  event.monitor = monitor_;
  event.vantage = key.vantage;
  event.subject = key.subject;
  event.address = to.address;
  event.kind = KindOfChange(from, to.symbol);
  event.from = from;
  event.to = to.symbol;
  event.trail = std::move(trail);
  event.id = MakeEventId(event);
  step.events.push_back(std::move(event));
}

ConfirmationStep Confirmations::Tick(WallTime now) {
  ConfirmationStep step;
  std::vector<ChangeKey> done;
  for (auto& [key, p] : state_.pending) {
    if (now > p.not_before + Micros(options_.answer_within)) Lost(key, p, now, step, done);
  }
  for (const ChangeKey& key : done) state_.pending.erase(key);

  for (auto it = state_.history.begin(); it != state_.history.end();) {
    const ChangeHistory& h = it->second;
    const Duration quiet = h.flapping ? options_.stable_for : options_.flap_window;
    if (now < h.changes.back() + Micros(quiet)) {
      ++it;
      continue;
    }
    const bool both_gone = !IsOpen(h.told) && !IsOpen(h.now.symbol);
    if (h.flapping && h.told != h.now.symbol && !both_gone) {
      TrailStep flapped = Step(TrailStep::What::kFlapped, it->first.vantage, h.now);
      flapped.changes = h.untold;
      Tell(it->first, h.told, h.now, {flapped}, now, step);
    }
    if (h.flapping) step.calm.push_back(it->first);
    it = state_.history.erase(it);
  }
  return step;
}

std::vector<ConfirmationProbe> Confirmations::Outstanding() const {
  std::vector<ConfirmationProbe> probes;
  for (const auto& [key, p] : state_.pending) {
    probes.push_back({key, p.latest.address, p.number, p.not_before, p.avoid});
  }
  return probes;
}

void Confirmations::Drop(const std::function<bool(const ChangeKey&)>& which, bool history) {
  std::erase_if(state_.pending, [&](const auto& entry) { return which(entry.first); });
  if (history) {
    std::erase_if(state_.history, [&](const auto& entry) { return which(entry.first); });
  }
}

}  // namespace portolan
