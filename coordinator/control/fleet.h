#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/certificate_facts.h"
#include "common/base/time.h"
#include "coordinator/scheduler/types.h"

// What passes between agents' calls and the control thread.
namespace portolan {

// What an agent says of itself for people to read; the scheduler does not need it.
struct AgentDetails {
  std::string version, engine, peer, limited_by;
  uint32_t window = 0;
  std::vector<std::string> scope;
  uint64_t probes_sent = 0, retries = 0, local_failures = 0, in_flight = 0, spool_bytes = 0,
           spool_limit_bytes = 0;
  uint64_t open = 0, closed = 0, filtered = 0, unreachable = 0, owed = 0;
  // With which the connection of its last call was made; nullopt: without TLS.
  std::optional<CertificateFacts> certificate;
};

struct AgentCall {
  AgentReport report;
  uint64_t epoch_seen = 0;
  AgentDetails details;
  // By the agent's clock when it sent the call, and by the coordinator's when it arrived. The
  // epoch: not told, by an older version that neither measures its clock nor knows how to wait.
  WallTime sent, received;
};

// What the agent must be told of one scan.
struct SyncContext {
  ScanId scan;
  std::shared_ptr<const ScanSpec> spec;
  bool with_space = false;
  DenyOverlay overlay;
};

struct SyncAnswer {
  uint64_t epoch = 0;
  Duration lease_term{};
  SyncDecision decision;
  std::vector<SyncContext> contexts;
};

// An agent as operators see it.
struct AgentStatus {
  std::string name, vantage;
  bool live = false, draining = false;
  bool left = false;        // it has ended after it drained: not live, and not missing either
  std::string away_reason;  // not live: why, for people; empty: it stopped calling
  std::vector<std::string> rival_peers;  // hosts of other processes of its name, latest first
  // How far its clock is ahead of the coordinator's, in seconds; nullopt: not known.
  std::optional<double> clock_skew_s;
  bool times_replaced = false;  // its clock is off by more than can be corrected
  WallTime last_seen;
  double measured_rate = 0, max_rate = 0;
  uint32_t leases = 0;
  uint64_t leased_positions = 0;
  AgentDetails details;
};

// The agent's end of a stream of results. Called on the control thread, one call at a time; must
// not block. A border to I/O: gRPC's reactor here, a fake in tests.
class ReportPeer {
 public:
  virtual ~ReportPeer() = default;
  // Batches may be read from now on.
  virtual void Accepted() = 0;
  // Every batch up to `seq` is committed; of them, what came under `fenced` was refused. `seq` may
  // repeat, with tokens then.
  virtual void Acked(uint64_t seq, std::vector<Token> fenced) = 0;
  // Control::MayRead may be true again.
  virtual void Resume() = 0;
  // The last call: the stream ends, after what was acknowledged is written.
  virtual void End(absl::Status status) = 0;
};
inline constexpr uint32_t kReportCredit = 32;  // batches that an agent may have unacknowledged

}  // namespace portolan
