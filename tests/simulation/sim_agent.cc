#include "tests/simulation/sim_agent.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/simulation/sim_world.h"

namespace portolan {
namespace {

constexpr size_t kChunk = 64;  // positions
constexpr Duration kChunkAge = std::chrono::seconds(2);
constexpr Duration kResend = std::chrono::seconds(1);

}  // namespace

uint64_t SimAgent::next_call_ = 1;

SimAgent::SimAgent(SimWorld& world, Traits traits, uint64_t seed)
    : world_(world),
      traits_(std::move(traits)),
      chance_(seed),
      incarnation_(traits_.first_incarnation) {}

void SimAgent::Start() {
  up_ = true;
  ++incarnation_;
  stepped_ = measured_at_ = world_.now();
}

void SimAgent::Crash() {
  up_ = false;
  draining_ = false;
  frozen_until_ = Time();
  leases_.clear();
  shares_.clear();
  fractions_.clear();
  former_.clear();
  begun_at_.clear();
  credit_.clear();
  known_.clear();
  spool_.clear();
  sent_.clear();
  free_credit_ = measured_ = begun_ = 0;
  newest_ = Token();
  epoch_ = revision_ = call_ = 0;
}

void SimAgent::Forget(Token token) {
  leases_.erase(token);
  for (auto it = spool_.begin(); it != spool_.end();) {
    if (it->second.token == token) {
      sent_.erase(it->first);
      it = spool_.erase(it);
    } else {
      ++it;
    }
  }
}

bool SimAgent::MayProbeFor(const ScanId& scan, Time now) const {
  if (!up_ || frozen(now)) return false;
  return std::any_of(leases_.begin(), leases_.end(), [&](const auto& l) {
    return l.second.scan == scan && !l.second.unprobed.empty() && now < l.second.deadline;
  });
}

double SimAgent::RateInForce(const ScanId& scan, Time now) const {
  return MayProbeFor(scan, now) && shares_.count(scan) ? shares_.at(scan) : 0;
}

double SimAgent::FractionInForce(const ScanId& scan, Time now) const {
  if (!MayProbeFor(scan, now)) return 0;
  double most = fractions_.count(scan) ? fractions_.at(scan) : 1;
  if (const auto it = former_.find(scan); it != former_.end()) {
    for (const Former& f : it->second) {
      if (now < f.until) most = std::max(most, f.fraction);
    }
  }
  return most;
}

// Nothing is in flight for a scan of which all that was begun is in closed chunks.
void SimAgent::ForgetFormer() {
  std::erase_if(former_, [this](const auto& entry) {
    return std::none_of(leases_.begin(), leases_.end(), [&](const auto& l) {
      return l.second.scan == entry.first && (l.second.open || !l.second.unprobed.empty());
    });
  });
}

void SimAgent::Step(Time now) {
  if (!up_ || frozen(now)) return;
  const double seconds = std::min(0.5, ToSeconds(now - stepped_));
  stepped_ = now;
  Probe(now, seconds);
  if (now - measured_at_ >= std::chrono::seconds(1)) {
    const double rate = begun_ / ToSeconds(now - measured_at_);
    if (rate > 0) measured_ = measured_ == 0 ? rate : 0.5 * measured_ + 0.5 * rate;
    begun_ = 0;
    measured_at_ = now;
  }
  for (auto it = leases_.begin(); it != leases_.end();) {
    Held& h = it->second;
    if (draining_) {
      h.ranges.Remove(h.unprobed);
      h.unprobed.Clear();
    }
    if (h.open &&
        (h.unprobed.empty() || h.revoked || now - h.opened >= kChunkAge || now >= h.deadline))
      Close(h);
    const bool over = h.unprobed.empty() && !h.open && h.unacked == 0;
    it = over ? leases_.erase(it) : std::next(it);
  }
  ForgetFormer();
  for (const auto& [id, chunk] : spool_) {
    auto sent = sent_.find(id);
    if (sent != sent_.end() && now - sent->second < kResend) continue;
    sent_[id] = now;
    world_.SendChunk(*this, incarnation_, chunk);
  }
  if (call_ != 0 && now - called_ > world_.lease_term() / 3 + std::chrono::seconds(2))
    call_ = 0;  // gives up on that call
  if (call_ == 0 && now >= call_again_) Call(now);
}

void SimAgent::Probe(Time now, double seconds) {
  free_credit_ = std::min(free_credit_ + traits_.speed * seconds, traits_.speed);
  for (const auto& [scan, share] : shares_) {
    double& credit = credit_[scan];
    // The limits on targets are as if they came to 800 probes/s over all.
    const double fraction = fractions_.count(scan) ? fractions_.at(scan) : 1;
    const double most = fraction < 1 ? 800 * fraction : 1e9;
    const double rate = share < 0 ? most : std::min(share, most);
    credit = rate >= 1e9 ? rate : std::min(credit + rate * seconds, std::max(1.0, rate));
  }
  for (auto& [token, h] : leases_) {
    double& credit = credit_[h.scan];
    while (free_credit_ >= 1 && credit >= 1 && !h.unprobed.empty() && !h.revoked &&
           now < h.deadline && spool_.size() < 200) {
      free_credit_ -= 1;
      credit -= 1;
      begun_ += 1;
      begun_at_[h.scan] = now;
      ProbeOne(token, h, now);
    }
  }
}

void SimAgent::ProbeOne(Token token, Held& h, Time now) {
  const uint64_t index = *h.unprobed.First();
  h.unprobed.Remove({index, index + 1});
  if (h.open && (h.open->range.end != index || h.open->range.size() >= kChunk ||
                 world_.GroupEnd(h.scan, h.open->range.begin) <= index))
    Close(h);
  if (!h.open) {
    h.open = SimChunk{next_chunk_++, token, traits_.name, {index, index}, {}};
    h.opened = now;
  }
  Symbol s;
  if (world_.IsExcluded(index, known_.at(h.scan))) {
    s = {State::kNotProbed, Reason::kExcluded};
  } else if (traits_.refuses > 0 && index % traits_.refuses == 1) {
    s = {State::kOwed, Reason::kRefusedByScope};
  } else {
    world_.NoteProbe(h.lane, index);
    s = chance_.Of(traits_.owed) ? Symbol{State::kOwed, Reason::kLocalFailure}
                                 : world_.Truth(index);
  }
  h.open->range.end = index + 1;
  h.open->outcomes.push_back(s);
}

void SimAgent::Close(Held& h) {
  ++h.unacked;
  spool_[h.open->id] = std::move(*h.open);
  h.open.reset();
}

AgentReport SimAgent::Report() const {
  AgentReport r;
  r.name = traits_.name;
  r.vantage = traits_.vantage;
  r.incarnation = incarnation();
  r.revision_seen = revision_;
  uint64_t unprobed = 0;
  for (const auto& [token, h] : leases_) {
    r.leases.push_back({token, h.ranges, h.unprobed.size()});
    unprobed += h.unprobed.size();
  }
  r.shares = shares_;
  r.fractions = fractions_;
  r.known_scans = known_;
  r.draining = draining_;
  r.measured_rate = r.sent_rate = measured_;
  r.max_rate = traits_.max_rate;
  r.room = draining_ || spool_.size() > 100 ? 0 : traits_.room - std::min(traits_.room, unprobed);
  return r;
}

void SimAgent::Call(Time now) {
  call_ = next_call_++;
  called_ = now;
  world_.SendRequest(*this, {Report(), epoch_, call_});
}

void SimAgent::OnAnswer(const SimAnswer& answer, Time now) {
  if (!up_ || answer.call != call_ || call_ == 0) return;
  call_ = 0;
  call_again_ = now;
  if (answer.aborted || answer.refused) {
    // This process stops. Its supervisor starts another, unless its exit code says that this would
    // be of no use.
    ++(answer.aborted ? world_.aborted : world_.refused);
    refused_ = answer.refused && !traits_.stubborn;
    if (answer.refused) world_.NoteRefused(*this);
    Crash();
    return;
  }
  if (answer.decision.wait > Duration::zero()) {
    call_again_ = now + answer.decision.wait;
    return;
  }
  epoch_ = answer.epoch;
  revision_ = answer.decision.revision;
  const Time deadline = called_ + world_.lease_term();
  for (const auto& [scan, version] : answer.overlays)
    known_[scan] = std::max(known_[scan], version);
  for (auto& [scan, share] : shares_) share = 0;
  for (const auto& [scan, share] : answer.decision.shares) shares_[scan] = share;
  for (const auto& [scan, part] : answer.decision.fractions) {
    std::erase_if(former_[scan], [now](const Former& f) { return f.until <= now; });
    if (MayProbeFor(scan, now)) begun_at_[scan] = now;
    if (fractions_.count(scan) > 0 && fractions_[scan] > part && begun_at_.count(scan) > 0)
      former_[scan].push_back({begun_at_[scan] + world_.TimeoutOf(scan), fractions_[scan]});
    fractions_[scan] = part;
  }
  ForgetFormer();

  std::map<Token, const GrantedLease*> wanted;
  for (const GrantedLease& l : answer.decision.leases) wanted[l.token] = &l;
  for (auto& [token, h] : leases_) {
    auto it = wanted.find(token);
    IntervalSet given_up = h.unprobed;
    if (it != wanted.end()) {
      given_up.Remove(it->second->ranges);
      h.deadline = deadline;
    } else {
      h.revoked = true;
    }
    h.unprobed.Remove(given_up);
    h.ranges.Remove(given_up);
  }
  for (const auto& [token, l] : wanted) {
    if (token <= newest_ || leases_.count(token) > 0) continue;
    if (known_.count(l->scan) == 0) world_.Fail("a lease came without its scan's context");
    leases_[token] = {l->scan,  l->lane,      l->ranges, l->ranges, false,
                      deadline, std::nullopt, Time(),    0};
  }
  if (!wanted.empty()) newest_ = std::max(newest_, wanted.rbegin()->first);
}

std::string SimAgent::Describe(Time now) const {
  std::string out = fmt::format(
      "agent {} at {}: up {} frozen {} draining {} speed {} refuses {} spool {} revision {}",
      traits_.name, traits_.vantage, up_, frozen(now), draining_, traits_.speed, traits_.refuses,
      spool_.size(), revision_);
  for (const auto& [token, h] : leases_) {
    out += fmt::format(
        "\n  lease {} {}: {} positions, {} unprobed, {} unacked, revoked {}, deadline in {:.1f} s",
        token.value, h.scan, h.ranges.size(), h.unprobed.size(), h.unacked, h.revoked,
        ToSeconds(h.deadline - now));
  }
  for (const auto& [scan, share] : shares_) {
    out += fmt::format("\n  share of {}: {}, fraction {}", scan, share,
                       fractions_.count(scan) ? fractions_.at(scan) : 1);
  }
  return out;
}

void SimAgent::OnAck(uint64_t incarnation, uint64_t chunk, Token token, bool fenced) {
  if (!up_ || incarnation != incarnation_) return;
  if (spool_.erase(chunk) > 0) {
    sent_.erase(chunk);
    auto it = leases_.find(token);
    if (it != leases_.end()) --it->second.unacked;
  }
  if (fenced) Forget(token);
}

}  // namespace portolan
