#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/scheduler/types.h"

namespace portolan {

struct SchedulerOptions {
  Duration lease_term = std::chrono::seconds(10);
  // how much work of its measured speed an agent should hold in one lease
  Duration lease_target = std::chrono::seconds(5);
  uint64_t first_lease = 4096;  // positions, for an agent whose speed is not known yet
  uint64_t min_lease = 64;
  uint64_t max_lease = uint64_t{1} << 24;
  size_t max_lease_ranges = 1024;  // intervals in one lease (revisits are scattered)
  // intervals a lane's owed set may hold; beyond, whole chunks are given back
  size_t max_fragments = 1 << 20;
  size_t max_agents = 10'000;
  size_t max_running_scans = 1'000;
  // owed positions wait this long times the attempt
  Duration revisit_delay = std::chrono::seconds(2);
  // The agents that held the leases which Restore() brings back may still be running. False where
  // none can have outlived the former coordinator: then a new process takes a name over at once.
  bool restored_agents_may_return = true;
};

// Hands out index ranges of running scans to agents, under leases: the whole of Portolan's
// planning, fairness, rate division, fencing and exact accounting, as a pure state machine. Not
// thread-safe; owned by the coordinator's control thread. No I/O, no clock, no randomness: callers
// pass `now`, which must not go backwards. The same calls give the same state. After each call:
// TakeChanges() is what must be committed before the call's answer is given to anybody, and
// TakeWoken() are the agents whose parked Synchronize has something to be told (call Synchronize
// again with their last report).
class Scheduler {
 public:
  Scheduler(SchedulerOptions options, Token next_token);
  ~Scheduler();

  // At start, before anything else. Leases get a whole new term from `now`.
  void Restore(ScanRecord record, Time now);

  // ResourceExhausted: too many running scans. CHECKs that the id is new. `record.lanes` say which
  // lanes there are.
  absl::Status Submit(ScanRecord record, Time now, WallTime wall);
  // NotFound; FailedPrecondition when the scan has finished (or, for Resume, is being cancelled).
  // Idempotent.
  absl::Status Pause(const ScanId& id, Time now, WallTime wall);
  absl::Status Resume(const ScanId& id, Time now, WallTime wall);
  absl::Status Cancel(const ScanId& id, Time now, WallTime wall);
  absl::Status Exclude(const ScanId& id, std::vector<ScopeRule> rules, Time now);
  // Forgets a finished scan. FailedPrecondition when it is not finished.
  absl::Status Remove(const ScanId& id);
  // NotFound: no such agent.
  absl::Status Drain(const std::string& agent, bool undo, Time now);

  // Answers one agent's report with what it should hold from now on; registers an agent not seen
  // before. A new incarnation of a name waits (SyncDecision::wait) while the one that is registered
  // may be alive, and takes over as soon as it is not: then what the former held goes back at once.
  // Renews the leases that both sides agree on. An agent that is leaving and lists no lease is
  // removed (SyncDecision::left). Aborted: this incarnation was superseded. AlreadyExists: the
  // incarnation that is registered has proven to be alive since this one began to call.
  // InvalidArgument, ResourceExhausted. On error nothing has changed.
  absl::StatusOr<SyncDecision> Synchronize(const AgentReport& report, Time now, WallTime wall);
  // Whether the process that is registered under this name has a connection. One without any makes
  // room for another process of its name sooner. A no-op for an unknown agent; Synchronize of the
  // registered process implies a connection.
  void SetConnected(const std::string& agent, bool connected, Time now);

  // Judges a chunk and, unless it is fenced, counts it: done, owed, attempts. The caller stores the
  // chunk (its fresh part) and the changes in one transaction.
  ChunkVerdict Complete(const ChunkClaim& claim, Time now, WallTime wall);
  // Whether an open row may be kept: the token is the newest for the position, and the position is
  // not done.
  bool AcceptsRow(Token token, const std::string& agent, uint64_t index) const;
  // Lane and scan of a token that is still the newest of something; nullopt: fenced.
  struct TokenInfo {
    LaneId lane;
    ScanId scan;
    uint32_t attempt;
  };
  std::optional<TokenInfo> Lookup(Token token, const std::string& agent) const;
  // Whether all of the range has been counted. False for an unknown lane.
  bool IsDone(LaneId lane, IndexRange range) const;

  // Expires leases and agents, ends lanes that had no agent for too long, releases delayed
  // revisits, rebalances stragglers. Call at NextEvent() or later; at least every second.
  void Tick(Time now, WallTime wall);
  Time NextEvent() const;

  std::vector<Change> TakeChanges();
  // The token of the next grant. Stored with the changes of each call that granted something
  // (WriteBatch::next_token).
  Token next_token() const;
  std::vector<std::string> TakeWoken();  // agent names
  // Scans that changed in a way that watchers see (state, lane end); progress is polled.
  std::vector<ScanId> TakeChangedScans();

  // ---- looking inside; every inner object is listable ----
  struct LaneView {
    LaneId id;
    std::string vantage;
    Ledger ledger;
    uint64_t planned = 0, leased = 0, owed = 0, pending = 0;
    bool finished = false;
    std::vector<Gap> gaps;              // at most 1,000
    Time without_agent_since = kNever;  // kNever: it has one
  };
  struct ScanView {
    ScanId id;
    std::shared_ptr<const ScanSpec> spec;
    ScanState state;
    DenyOverlay overlay;
    WallTime created, started, finished;
    std::vector<LaneView> lanes;
    Ledger ledger;
    uint32_t agents = 0;  // that hold a lease of it
  };
  struct AgentView {
    std::string name, vantage, incarnation;
    bool live = false, draining = false;
    bool left = false;           // it has ended after it drained, and is not missing
    Time disconnected = kNever;  // since when it has had no connection
    Time last_seen;
    double measured_rate = 0, max_rate = 0;
    uint32_t leases = 0;
    uint64_t leased_positions = 0;
  };
  struct LeaseView {
    Token token;
    LaneId lane;
    ScanId scan;
    std::string agent;
    std::vector<IndexRange> ranges;
    uint64_t positions = 0, outstanding = 0, unprobed = 0;
    uint32_t attempt = 1;
    Time expires;
  };
  std::optional<ScanView> GetScan(const ScanId& id) const;  // O(its lanes and leases)
  // What its agents must know of it. O(1): a change may concern a thousand of them.
  struct ScanContext {
    std::shared_ptr<const ScanSpec> spec;
    const DenyOverlay* overlay = nullptr;  // until the next call that changes something
  };
  std::optional<ScanContext> GetContext(const ScanId& id) const;
  std::vector<ScanId> ListScans() const;
  std::vector<AgentView> ListAgents() const;
  std::vector<LeaseView> ListLeases(const ScanId& scan,
                                    const std::string& agent) const;  // empty: all
  // Vantages of the agents that are live now, sorted.
  std::vector<std::string> LiveVantages() const;

  // Event counts since the start, for metrics.
  struct Counters {
    uint64_t leases_granted = 0, leases_completed = 0, leases_expired = 0, leases_revoked = 0,
             leases_returned = 0, leases_shrunk = 0;
    uint64_t chunks_accepted = 0, chunks_trimmed = 0, chunks_duplicate = 0, chunks_fenced = 0;
    Ledger outcomes;  // counted since the start, all scans
  };
  const Counters& counters() const;

  // Verifies invariants 1 and 2 for every lane: done + owed + leased + pending is a partition of
  // [0, N), each position has one newest token, the ledger equals the done set. For tests and
  // simulations: O(all intervals). OK, or Internal naming the lane and the difference.
  absl::Status CheckInvariants() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace portolan
