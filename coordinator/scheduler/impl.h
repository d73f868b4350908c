#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "coordinator/scheduler/division.h"
#include "coordinator/scheduler/fairness.h"
#include "coordinator/scheduler/footprint.h"
#include "coordinator/scheduler/lane.h"
#include "coordinator/scheduler/lease.h"
#include "coordinator/scheduler/lease_sizer.h"
#include "coordinator/scheduler/roster.h"
#include "coordinator/scheduler/scheduler.h"

namespace portolan {

struct Scan {
  ScanId id;
  std::shared_ptr<const ScanSpec> spec;
  ScanState state = ScanState::kRunning;
  DenyOverlay overlay;
  WallTime created, started, finished;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::unique_ptr<Division> rate;  // null: the scan has no limit
  // Null: it has no limits on targets. Shared by the scans that have targets in common.
  std::shared_ptr<Division> targets;
  Footprint footprint;            // empty when `targets` is null
  std::vector<Scan*> neighbours;  // unfinished scans whose footprint intersects this one's

  bool running() const { return state == ScanState::kRunning; }
  template <typename F>
  void ForEachDivision(F&& f) {
    if (rate != nullptr) f(*rate);
    if (targets != nullptr) f(*targets);
  }
};

// The state machine behind Scheduler, in one file for each of its calls:
//   scheduler.cc          what operators ask (submit, pause, ...), and the forwarding
//   scheduler_restore.cc  the state of a former coordinator
//   scheduler_sync.cc     Synchronize: register, reconcile, decide
//   scheduler_grant.cc    which lease an agent gets next
//   scheduler_complete.cc chunks
//   scheduler_leases.cc   beginning and end of leases, gaps, the end of lanes and scans
//   scheduler_shares.cc   division of limits;  scheduler_targets.cc  which scans share targets
//   scheduler_tick.cc     time
//   scheduler_balance.cc  idle agents: offers of work, stragglers
//   scheduler_views.cc    listing;  scheduler_check.cc  invariants
struct Scheduler::Impl {
  Impl(SchedulerOptions o, Token first) : options(o), next_token(std::max(first, Token{1})) {}

  // ---- operators ----
  absl::StatusOr<Scan*> FindUnfinished(const ScanId& id);
  Scan& AddScan(ScanRecord& record, Time now);
  void SetState(Scan& s, ScanState state, WallTime wall);
  void Restore(ScanRecord record, Time now);
  void RestoreLane(Lane& lane, LaneRecord& record, std::vector<LeaseRecord> lease_records,
                   Time now);
  void RestoreLease(Lane& lane, LeaseRecord& record, const IntervalSet& valid, Time now);

  // ---- Synchronize ----
  absl::StatusOr<SyncDecision> Synchronize(const AgentReport& r, Time now, WallTime wall);
  absl::Status CheckReport(const AgentReport& r) const;
  absl::Status MakeRoom();
  // Whether the caller may register under a name that another process has. A decision: it has to
  // wait. AlreadyExists: it has to end.
  absl::StatusOr<std::optional<SyncDecision>> CheckName(AgentRecord& a, const AgentReport& r,
                                                        Time now);
  bool IsOtherProcess(const AgentRecord& a, const AgentReport& r) const;
  SyncDecision Leave(AgentRecord& a, Time now, WallTime wall);  // `a` may be gone afterwards
  void Supersede(AgentRecord& a, Time now, WallTime wall);
  void TakeState(AgentRecord& a, const AgentReport& r, Time now);
  void Reconcile(AgentRecord& a, const AgentReport& r, Time now, WallTime wall);
  void ReconcileHeld(AgentRecord& a, Lease& l, const HeldLease* held, Time now);
  bool Revive(AgentRecord& a, Lease& l, const HeldLease& held, Time now);
  SyncDecision Decide(AgentRecord& a, const AgentReport& r, Time now);
  bool AddContexts(AgentRecord& a, const AgentReport& r, SyncDecision& d);
  bool IsUnresponsive(const AgentRecord& a, Time now) const;

  // ---- grants ----
  struct Load {                               // what an agent has before it
    std::map<const Lane*, uint64_t> by_lane;  // positions not begun
    uint64_t total = 0;
    uint64_t unseen = 0;  // positions of leases that it has not listed yet
  };
  Load Measure(const AgentRecord& a, Time now) const;
  void Grant(AgentRecord& a, uint64_t room, Time now, WallTime wall);
  bool GrantOne(AgentRecord& a, Lane& lane, uint64_t room, Load& load, Time now, WallTime wall);
  bool GrantWith(AgentRecord& a, Lane& lane, double share, uint64_t room, Load& load, Time now,
                 WallTime wall);
  std::vector<Lane*> LanesWithWorkFor(const AgentRecord& a);
  // The lane has work, and the scan does not rather want it from others of the vantage.
  bool HasWorkFor(const Lane& lane, const AgentRecord& a) const;
  Lane* LaneFor(Scan& s, const std::string& vantage) const;
  bool Matches(const Lane& lane, const std::string& vantage) const;
  Roster::Strength StrengthFor(const Lane& lane) const;

  // ---- leases ----
  Lease* FindLease(Token token);
  const Lease* FindLease(Token token) const;
  Lease& NewLease(Lane& lane, AgentRecord& a, History history, IntervalSet positions, Time now);
  void GiveBack(Lease& l, const IntervalSet& part, Time now);  // `l` may be gone afterwards
  void Expire(Lease& l, Time now);                             // `l` may be gone afterwards
  void TakeFromLive(Lease& l,
                    const IntervalSet& part);  // bookkeeping when positions leave a live lease
  void Unlink(Lease& l);                       // it is no longer live
  void Drop(Lease& l);                         // nothing of it remains
  void Disinherit(Lane& lane, const IntervalSet& positions);  // expired leases lose these
  void Put(const Lease& l);
  void AddGap(Lane& lane, const IntervalSet& positions, Reason cause);
  void EndIdle(Lane& lane, Reason cause);  // all that nobody holds becomes a gap
  void SettleRefused(Lane& lane);
  void Settle(Scan& s, WallTime wall);  // ends lanes and the scan when their time has come
  void EndScan(Scan& s, WallTime wall);

  // ---- chunks ----
  ChunkVerdict Complete(const ChunkClaim& claim, Time now, WallTime wall);
  void TakeOwed(Lease& l, const IntervalSet& owed, const IntervalSet& refused_by_scope, Time now);

  // ---- limits ----
  // Of all unfinished scans, each once. `f` must not end scans.
  template <typename F>
  void ForEachDivision(F&& f) {
    for (auto& [id, s] : active) {
      if (s->rate != nullptr) f(*s->rate);
      if (s->targets != nullptr && s->targets->scans.front() == s) f(*s->targets);
    }
  }
  std::vector<RateShares::Claimant> RateClaimants(Scan& s, Time now);
  std::vector<RateShares::Claimant> TargetClaimants(Division& d);
  void Divide(Division& d, Time now);
  void TickShares(Division& d, Time now);
  double UsableRate(const AgentRecord& a, Scan& s, Time now);
  void WakeUnsettled(Division& d);
  std::vector<AgentRecord*> HoldersOf(const Lane& lane);  // by name
  // The agent's part as it stands, moved towards what it should be and told with `revision`.
  double ShareOf(AgentRecord& a, Division& d, uint64_t revision, Time now);
  void AdoptShares(const AgentRecord& a, const AgentReport& r, Time now);
  void NoteUndivided(const AgentRecord& a, const AgentReport& r);
  void ConfirmShares(AgentRecord& a, Time now);
  void ReleaseShares(const std::string& agent);
  void AddHolder(Scan& s, const std::string& agent);
  void RemoveHolder(Lane& lane, const std::string& agent);
  void JoinTargets(Scan& s, Time now);  // at its start
  void LeaveTargets(Scan& s);           // at its end

  // ---- time ----
  void Tick(Time now, WallTime wall);
  void ExpireAgent(AgentRecord& a, Time now, WallTime wall);
  void TickLane(Lane& lane, Time now, WallTime wall);
  void StoreAttempts(Lane& lane, Time now);
  void Schedule(Time t) { next_event = std::min(next_event, t); }

  // ---- balance ----
  void Offer(Lane& lane) { offered.insert(lane.id); }
  void ResolveOffers();
  void Rebalance(Time now);
  void RebalanceLane(Lane& lane, std::vector<AgentRecord*>& idle, Time now);
  void Wake(AgentRecord& a) {
    if (a.live) woken.insert(a.name);
  }
  void WakeHolders(Scan& s, bool changed);

  absl::Status CheckLane(const Lane& lane, const std::vector<const Lease*>& own) const;
  absl::Status CheckAgents() const;
  absl::Status CheckDivision(const Division& d) const;

  const SchedulerOptions options;
  Token next_token;
  // never reused, not even by an agent that was forgotten and came back
  uint64_t next_revision = 1;

  std::map<ScanId, std::unique_ptr<Scan>> scans;
  std::map<ScanId, Scan*> active;  // unfinished
  std::map<LaneId, Lane*> lanes;
  std::map<Token, Lease> leases;
  Roster roster;
  Fairness fairness;

  std::vector<Change> changes;
  std::set<std::string> woken;
  std::set<ScanId> changed_scans;
  std::set<LaneId> offered;  // have had work come back since the hungry were last woken
  Counters counters;
  Time next_event = kNever;
  Time rebalance_at;
  bool crew_changed = false;  // agents came, went or moved since the last Tick

  // Tokens that ended lately, so that a repeated report of one is told from a fenced one.
  struct Retired {
    LaneId lane;
    std::string agent;
  };
  std::unordered_map<Token, Retired> retired;
  std::deque<Token> retired_order;
};

// How long an agent without leases is remembered.
inline constexpr Duration kForgetAgent = std::chrono::minutes(10);
inline constexpr size_t kMaxLeasesPerAgent = 256;
inline constexpr size_t kMaxRetired = 4096;

}  // namespace portolan
