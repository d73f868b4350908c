#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/engine/probe_engine.h"
#include "agent/pacing/table_guard.h"
#include "agent/runner/types.h"
#include "common/base/time.h"
#include "common/scope/scope.h"

namespace portolan {

struct RunnerOptions {
  size_t max_open_chunks = 4096;            // begun and not yet given to the sink
  uint64_t max_open_positions = 2'000'000;  // in those chunks, 2 bytes each
  // What this runner may use of the agent's part of a scan's limits on its targets: the other probe
  // threads know nothing of what it sends. Above 0, up to 1.
  double target_fraction = 1;
};

// Counters since the start.
struct RunnerCounters {
  uint64_t attempts = 0;  // Starts that the engine took: first tries and retries
  uint64_t syns = 0;  // attempts + the kernel's own retransmissions (agent/pacing/syn_schedule.h)
  uint64_t retries = 0;         // attempts after silence
  uint64_t local_failures = 0;  // attempts that failed on our side
  uint64_t begun = 0;           // positions begun
  // Positions given to the sink, by state.
  uint64_t open = 0, closed = 0, filtered = 0, unreachable = 0, not_probed = 0, owed = 0;
  uint64_t chunks = 0;       // given to the sink
  double measured_rate = 0;  // positions begun a second, over the last seconds in which there was
                             // work; 0: not known yet
  double sent_rate = 0;      // SYNs a second in those seconds, as shares count them; likewise
  // Attempts a second that losses on the way that all targets share have brought it down to
  // (agent/pacing/uplink.h); 0: none have.
  double slowed_to = 0;
  // Positions that were left to other agents because this machine has no address, or no route from
  // one, of their family: IPv4, IPv6.
  uint64_t without_route[2] = {0, 0};
  // How often work waited for room in the table of tracked connections, after it had dropped SYNs.
  uint64_t table_waits = 0;
};

// Walks leases into probes and chunks. Per scan the leases are walked in the order of their tokens;
// scans take turns. A position is probed once, then again after silence as often as the scan says
// (each time later, not back to back); then it has a verdict. Positions of one interval and one
// group are collected in a chunk, which takes in new ones for at most 2 s of probing (but for at
// least 64 of them), at most 65,536, and is given to the sink when all have a verdict, or 10 s
// after its first probe: what is then still due is `owed`. A chunk stops taking in new ones early
// enough that every try fits before; where the tries need longer than 10 s, it is open for longer
// (agent/runner/chunk.h).
//
// Never starts: at or after the lease's deadline; beyond the window of the engine, the share of the
// scan, the agent's limit (attempts count, and the kernel's retransmissions when they leave); while
// the sink has no room; what the overlay or the agent's own scope refuses, checked before each
// attempt. Failures on our side are tried again with back-off and never become a state.
//
// Pure: no clock, no socket (the engine is an interface). Not thread-safe: owned by one thread with
// its engine. Engine and sink must outlive it.
class Runner {
 public:
  Runner(ProbeEngine& engine, ReportSink& sink, Scope scope, RunnerOptions options = {});
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // What must be known of a scan before a lease of it is granted. Again: replaces timing and
  // overlay.
  void SetContext(ScanContext context);
  // A newer overlay of a known scan; an older one or an unknown scan is ignored.
  void UpdateOverlay(const std::string& scan, std::shared_ptr<const DenyOverlay> overlay);
  // Forgets a scan and its leases.
  void DropContext(const std::string& scan);
  // Versions of the overlays in force.
  std::vector<std::pair<std::string, uint64_t>> KnownScans() const;

  // NotFound: the scan has no context. AlreadyExists: the token is held. InvalidArgument: positions
  // beyond the scan space. While draining the lease is taken and given back at once.
  absl::Status Grant(AgentLease lease);
  // Gives up what is beyond `desired`, but for what was begun. Unknown token: nothing.
  void Shrink(Token token, const IntervalSet& desired);
  // Starts nothing more of it, also no retry, and gives up what was not begun. What was begun is
  // reported once its attempts in flight have ended; the lease stays in Progress until it is
  // forgotten.
  void Revoke(Token token);
  // It is gone from Progress at once. For a lease that was reported and acknowledged, or is no
  // longer ours: what is known or in flight of it is still given to the sink.
  void Forget(Token token);
  void Renew(Token token, Time deadline);
  // Gives up everything of it that was not begun: Progress shows less. What was begun is finished
  // and reported.
  void GiveBack(Token token);
  // Draining: gives back all leases, and those granted later.
  void SetDraining(bool draining);

  // Attempts a second of this runner. Negative: no limit. 0: hold the leases, send nothing. A scan
  // without a share is not limited.
  void SetShare(const std::string& scan, double rate);
  // Which part of the scan's limits on its targets this agent may use, 0 to 1, over all of its
  // threads (RunnerOptions::target_fraction is this one's part of that). 0: send nothing but to
  // loopback. A scan that was told none uses all.
  void SetTargetFraction(const std::string& scan, double fraction);
  // What the agent may probe from now on: holds for whatever is started next, retries too.
  void SetScope(Scope scope);

  // Over all scans of this runner. 0 or negative: no limit.
  void SetMaxRate(double rate);

  // How full this machine's table of tracked connections is now. To be told every
  // TableGuard::kLook while there is work: silence of what the table dropped is a failure on our
  // side, and no more is started then than it has room for.
  void ObserveTable(const TableUse& use, Time now);

  // Every lease held, by token.
  std::vector<LeaseProgress> Progress() const;

  // Starts what may be started, at most 64 attempts, and closes what is due. Returns when it wants
  // to run again: `now` when there is more to do, kNever when only an outcome or a call of the
  // above can give it work.
  Time Step(Time now, WallTime wall);
  // One outcome of the engine.
  void OnOutcome(const ProbeOutcome& outcome, Time now, WallTime wall);

  // Nothing is begun and not yet given to the sink.
  bool idle() const;
  // Leases with positions that are not begun.
  bool has_work() const;
  size_t open_chunks() const;
  uint64_t open_positions() const;
  const RunnerCounters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace portolan
