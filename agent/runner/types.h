#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/interval_set.h"
#include "common/base/strong_id.h"
#include "common/base/time.h"
#include "common/scan/host_finding.h"
#include "common/scan/observation.h"
#include "common/scan/scan_space.h"
#include "common/scan/scan_spec.h"
#include "common/scope/scope.h"

// What passes between the agent's link (which talks to the coordinator) and its runner (which
// probes). Plain values; no proto.
namespace portolan {

// What an agent must know of a scan to probe for it.
struct ScanContext {
  std::string scan;
  std::shared_ptr<const ScanSpace> space;
  ProbeTiming timing;
  std::shared_ptr<const DenyOverlay> overlay;  // never null
  PortSet confirm_ports;  // may be probed on each address, to confirm that it answers everywhere
};

struct AgentLease {
  Token token;
  LaneId lane;
  std::string scan;
  IntervalSet ranges;
  uint32_t attempt = 1;
  Time deadline;  // no probe of it later than this
};

// What the runner holds of one lease, for the next Synchronize.
struct LeaseProgress {
  Token token;
  std::string scan;
  IntervalSet ranges;  // what it takes itself to be responsible for
  uint64_t unprobed = 0;
  bool reported = false;  // every position was given to the sink
};

// A closed chunk on its way to the coordinator.
struct ChunkReport {
  Token token;
  IndexRange range;
  WallTime start;
  uint32_t duration_ms = 0;
  std::string outcomes;  // chunk encoding
  uint32_t extra = 0;
};

struct OpenReport {
  Token token;
  OpenRow row;
};

struct FindingReport {
  Token token;
  HostFinding finding;
};

// Where the runner puts what it saw: the spool. Called on the runner's thread; must not block.
class ReportSink {
 public:
  virtual ~ReportSink() = default;
  virtual void PutOpen(const OpenReport& open) = 0;
  virtual void PutChunk(ChunkReport chunk) = 0;
  // Before the last chunk of its lease.
  virtual void PutFinding(const FindingReport& finding) = 0;
  // False: the spool is nearly full; start no more probes until it is true again. What is in flight
  // still fits.
  virtual bool HasRoom() const = 0;
};

}  // namespace portolan
