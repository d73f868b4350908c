#include "agent/link/control.h"

#include <algorithm>

#include "common/base/status.h"

namespace portolan {
namespace {

constexpr Duration kFirstDeadline = std::chrono::seconds(10);
// How much unwalked work an agent takes: enough for two lease terms.
constexpr double kRoomSeconds = 20;
constexpr uint64_t kLeastRoom = uint64_t{64} * 1024;  // for each thread
// Work for less than this calls for more before the parked call ends.
constexpr double kLowSeconds = 2;
constexpr uint64_t kWorthACall = 64;
// A scan's context stays so long after its last lease: the next lease of it may be on its way.
constexpr Duration kKeepContexts = std::chrono::seconds(30);
// How long a good-bye waits for its answer: that it was sent is what counts.
constexpr Duration kGoodbyeWait = std::chrono::milliseconds(250);
// A lease is divided over threads in parts of at least this, some chunks' worth.
constexpr uint64_t kLeastPart = 2048;

bool Less(double a, double b) {  // of shares: negative is no limit
  if (a < 0) return false;
  return b < 0 || a < b;
}

}  // namespace

AgentControl::AgentControl(const AgentControlOptions& options)
    : options_(options),
      policy_(options.coordinators, options.seed),
      told_shares_(options.threads),
      told_rates_(options.threads, 0) {
  DivideRates();
}

void AgentControl::Forget(Token token) {
  SendHolders(token, order::Forget{token});
  parts_.erase(token);
  state_.leases.erase(token);
}

void AgentControl::Observe(const std::vector<ProbeThread::Snapshot>& threads,
                           const SpoolView& spool) {
  measured_rate_ = sent_rate_ = 0;
  std::vector<std::map<Token, const LeaseProgress*>> said(threads.size());
  for (size_t i = 0; i < threads.size(); ++i) {
    measured_rate_ += threads[i].counters.measured_rate;
    sent_rate_ += threads[i].counters.sent_rate;
    for (const LeaseProgress& p : threads[i].leases) said[i][p.token] = &p;
  }
  spool_has_room_ = spool.has_room;
  quiet_ = spool.empty && std::all_of(threads.begin(), threads.end(),
                                      [](const ProbeThread::Snapshot& t) { return t.idle; });

  std::vector<Token> over;
  for (auto& [token, parts] : parts_) {
    // A thread that does not know it has refused it: that part is not held.
    std::erase_if(parts,
                  [&, t = token](const Part& part) { return !said[part.thread].contains(t); });
    bool walked = true;
    for (Part& part : parts) {
      const LeaseProgress& p = *said[part.thread][token];
      part.ranges = p.ranges;
      part.unprobed = p.unprobed;
      part.reported = p.reported || p.ranges.empty();
      walked = walked && part.reported;
    }
    // A lease is over when all of it is acknowledged.
    if (walked && !spool.holds(token)) over.push_back(token);
  }
  for (const Token token : over) {
    // A scan that is paused or cancelled waits for this.
    revoked_over_ = revoked_over_ || state_.leases[token].revoked;
    Forget(token);
  }
  SetDraining();
  DivideRates();
}

std::map<Token, LeaseProgress> AgentControl::Progress() const {
  std::map<Token, LeaseProgress> out;
  for (const auto& [token, parts] : parts_) {
    LeaseProgress& p = out[token];
    p.token = token;
    p.reported = true;
    for (const Part& part : parts) {
      p.ranges.Add(part.ranges);
      p.unprobed += part.unprobed;
      p.reported = p.reported && part.reported;
    }
  }
  return out;
}

std::vector<ThreadLoad> AgentControl::Loads() const {
  std::vector<ThreadLoad> loads(options_.threads);
  for (const auto& [token, parts] : parts_) {
    const auto lease = state_.leases.find(token);
    if (lease == state_.leases.end()) continue;
    for (const Part& part : parts) {
      loads[part.thread].unprobed += part.unprobed;
      if (part.reported) continue;
      loads[part.thread].weight[lease->second.scan] += part.unprobed > 0 ? ThreadLoad::kWalking : 1;
    }
  }
  return loads;
}

uint64_t AgentControl::unprobed() const {
  uint64_t sum = 0;
  for (const ThreadLoad& load : Loads()) sum += load.unprobed;
  return sum;
}

uint64_t AgentControl::Room() const {
  if (Blocked()) return 0;
  const uint64_t all =
      std::max(kLeastRoom * options_.threads, static_cast<uint64_t>(measured_rate_ * kRoomSeconds));
  return all - std::min(all, unprobed());
}

bool AgentControl::Blocked() const { return draining_ || state_.drain || !spool_has_room_; }

bool AgentControl::WantsWork() const {
  if (Blocked()) return false;
  if (said_blocked_) return true;
  const uint64_t left = unprobed();
  if (left == 0) return said_unprobed_ > 0;
  return left * 2 <= said_unprobed_ && said_unprobed_ - left >= kWorthACall &&
         static_cast<double>(left) < measured_rate_ * kLowSeconds;
}

AgentControl::Step AgentControl::Next(Time now) {
  const bool gone = draining_ && state_.leases.empty() && quiet_;
  // Nobody to say good-bye to.
  if (gone && !calling_ && (!last_answer_.has_value() || policy_.failures() > 0)) goodbye_ = true;
  if (goodbye_) {
    if (!calling_ || cancelling_ || now - sent_ < kGoodbyeWait) return Step::kWait;
    cancelling_ = true;
    return Step::kCancel;
  }
  const bool may_call = policy_.NextCallAt(now) <= now;
  if (!calling_) return may_call ? Step::kCall : Step::kWait;
  if (cancelling_ || !may_call) return Step::kWait;
  // Cut short too often, calls would bring no renewals: only while the leases are fresh.
  const bool fresh = last_answer_.has_value() && now - answered_request_ < lease_term_ / 2;
  if (!gone && !(draining_ && !said_.draining) && !(fresh && (revoked_over_ || WantsWork())))
    return Step::kWait;
  cancelling_ = true;
  return Step::kCancel;
}

Time AgentControl::WakeAt(Time now) const {
  // While leases are walked, and while draining, somebody looks often; else only the next call
  // matters.
  const Duration look = state_.leases.empty() && !draining_ ? std::chrono::milliseconds(500)
                                                            : std::chrono::milliseconds(50);
  if (calling_ || goodbye_) return now + look;
  return std::min(now + look, std::max(policy_.NextCallAt(now), now));
}

AgentControl::Ask AgentControl::BeginCall(Time now) {
  for (const std::string& scan : state_.DropUnusedContexts(now, kKeepContexts)) {
    SendAll(order::DropContext{scan});
    for (auto& told : told_shares_) told.erase(scan);
    told_fractions_.erase(scan);
  }
  policy_.OnCall(now);
  calling_ = true;
  cancelling_ = false;
  sent_ = now;
  revoked_over_ = false;
  asked_ = state_.Says();
  said_ = {last_answer_.has_value() ? lease_term_ : kFirstDeadline, draining_, measured_rate_,
           sent_rate_, Room()};
  said_blocked_ = Blocked();
  said_unprobed_ = unprobed();
  if (draining_ && state_.leases.empty() && quiet_) goodbye_ = true;
  return said_;
}

void AgentControl::OnAnswer(const DesiredState& desired, Time now) {
  calling_ = cancelling_ = false;
  if (goodbye_) return;
  const Actions actions = Reconcile(state_, asked_, desired, sent_);
  problems_.insert(problems_.end(), actions.problems.begin(), actions.problems.end());
  if (actions.stale) {
    // Another coordinator, if there is one, has taken over from this one.
    (void)policy_.OnFailure(Unavailable("a replaced coordinator"), now).ok();
    return;
  }
  policy_.OnAnswer(now);
  last_answer_ = now;
  answered_request_ = sent_;
  lease_term_ = desired.lease_term;
  Carry(actions);
}

void AgentControl::OnWait(Duration wait, Time now) {
  calling_ = cancelling_ = false;
  policy_.OnWait(wait, now);
}

void AgentControl::Carry(const Actions& actions) {
  for (const Token token : actions.revoke) SendHolders(token, order::Revoke{token});
  for (const auto& [token, ranges] : actions.shrink) {
    SendHolders(token, order::Shrink{token, ranges});
  }
  for (const auto& context : actions.contexts) SendAll(order::SetContext{context});
  SetDraining();
  for (const AgentLease& lease : actions.grant) Grant(lease);
  for (const AgentLease& lease : actions.grant) {
    // Nothing goes out before its rate is known.
    if (!state_.shares.contains(lease.scan)) {
      state_.shares[lease.scan] = 0;
      problems_.push_back(fmt::format(
          "scan {}: granted without a share of its rate; held until there is one", lease.scan));
    }
  }
  DivideRates();
  for (const AgentLease& lease : actions.grant) {
    for (const Part& part : parts_[lease.token]) {
      AgentLease own = lease;
      own.ranges = part.ranges;
      Send(part.thread, order::Grant{std::move(own)});
    }
  }
  for (const auto& [token, deadline] : actions.renew) {
    SendHolders(token, order::Renew{token, deadline});
  }
}

void AgentControl::Grant(const AgentLease& lease) {
  const std::vector<uint64_t> sizes = SplitWork(lease.ranges.size(), Loads(), kLeastPart);
  IntervalSet left = lease.ranges;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > 0) parts_[lease.token].push_back({i, left.TakeFront(sizes[i]), sizes[i], false});
  }
}

void AgentControl::SetDraining() {
  const bool want = draining_ || state_.drain;
  if (want == told_draining_) return;
  told_draining_ = want;
  SendAll(order::SetDraining{want});
}

void AgentControl::DivideRates() {
  for (const auto& [scan, fraction] : state_.fractions) {
    const auto [told, fresh] = told_fractions_.try_emplace(scan, fraction);
    if (!fresh && told->second == fraction) continue;
    told->second = fraction;
    SendAll(order::SetTargetFraction{scan, fraction});
  }
  const std::vector<ThreadLoad> loads = Loads();
  const auto shares = DivideShares(state_.shares, loads);
  for (const auto& [scan, share] : state_.shares) {
    const auto tell = [&, name = scan](size_t i, double rate) {
      told_shares_[i][name] = rate;
      Send(i, order::SetShare{name, rate});
    };
    bool lowered = false;
    for (size_t i = 0; i < options_.threads; ++i) {
      const auto told = told_shares_[i].find(scan);
      if (told == told_shares_[i].end() || !Less(shares[i].at(scan), told->second)) continue;
      lowered = true;
      tell(i, shares[i].at(scan));
    }
    for (size_t i = 0; i < options_.threads; ++i) {
      const auto told = told_shares_[i].find(scan);
      // A runner that was never told would know no limit.
      if (told == told_shares_[i].end()) {
        tell(i, lowered ? 0 : shares[i].at(scan));
      } else if (!lowered && told->second != shares[i].at(scan)) {
        tell(i, shares[i].at(scan));
      }
    }
  }
  const std::vector<double> rates = DivideRate(options_.max_rate, loads);
  const auto lower = [](double a, double b) {
    return a > 0 && (b <= 0 || a < b);
  };  // 0 is no limit
  bool lowered = false;
  for (const bool lowering : {true, false}) {
    for (size_t i = 0; i < options_.threads; ++i) {
      if (rates[i] == told_rates_[i] || lower(rates[i], told_rates_[i]) != lowering ||
          (!lowering && lowered))
        continue;
      lowered = lowered || lowering;
      told_rates_[i] = rates[i];
      Send(i, order::SetMaxRate{rates[i]});
    }
  }
}

void AgentControl::OnCancelled(Time) { calling_ = cancelling_ = false; }

absl::Status AgentControl::OnFailure(const absl::Status& error, Time now) {
  calling_ = cancelling_ = false;
  if (goodbye_) return absl::OkStatus();
  absl::Status fatal = policy_.OnFailure(error, now);
  if (!fatal.ok()) {
    while (!parts_.empty()) Forget(parts_.begin()->first);
  }
  return fatal;
}

void AgentControl::OnFenced(const std::vector<Token>& tokens) {
  for (const Token token : tokens) Forget(token);
}

}  // namespace portolan
