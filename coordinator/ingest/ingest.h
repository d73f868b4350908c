#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/interval_set.h"
#include "common/scan/host_finding.h"
#include "common/scan/observation.h"
#include "common/scan/scan_space.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/store/store.h"

namespace portolan {

// Longer chunks are refused: 2 s of the fastest agent is half of it.
inline constexpr uint32_t kMaxChunkPositions = 1u << 20;
// A batch of at most 1 MiB holds no more chunks and rows than this.
inline constexpr size_t kMaxBatchChunks = 16'384;
inline constexpr size_t kMaxBatchOpens = 262'144;
inline constexpr size_t kMaxBatchFindings = 4'096;

// A chunk as reported, its encoding verified and counted.
struct ParsedChunk {
  Token token;
  IndexRange range;
  WallTime start;
  uint32_t duration_ms = 0;
  std::string outcomes;  // chunk encoding of range.size() positions
  Ledger counts;         // of the positions that are not owed, and `extra`
  IntervalSet owed;
  IntervalSet refused_by_scope;  // part of `owed`
  bool time_of_receipt = false;  // `start` is when it was received (TimeJudge)
};

// The heavy part, for any thread. InvalidArgument: not one well-formed encoding of exactly `count`
// positions, `count` is 0 or above kMaxChunkPositions, the range overflows, or it names a cause
// that only a coordinator may give (not-probed other than "excluded").
absl::StatusOr<ParsedChunk> ParseChunk(Token token, uint64_t begin, uint32_t count, WallTime start,
                                       uint32_t duration_ms, std::string outcomes, uint32_t extra);

struct ParsedOpen {
  Token token;
  OpenRow row;                   // reason: one of State::kOpen's, else Apply refuses it
  bool time_of_receipt = false;  // row.when is when it was received (TimeJudge)
};

struct ParsedFinding {
  Token token;
  HostFinding finding;           // checked by itself (CheckHostFinding)
  bool time_of_receipt = false;  // finding.when is when it was received (TimeJudge)
};

struct ParsedBatch {
  std::vector<ParsedChunk> chunks;
  std::vector<ParsedOpen> opens;
  std::vector<ParsedFinding> findings;
};

// A group that may be ready for compaction.
struct FinishedGroup {
  LaneId lane;
  std::shared_ptr<const ScanSpace> space;
  IndexRange range;
};

struct IngestResult {
  WriteBatch batch;  // commit it, then acknowledge. With the scheduler's changes of this step.
  std::vector<Token> fenced;            // distinct: these were refused
  std::vector<FinishedGroup> finished;  // after the commit: to Compactor::Offer
};

// Turns what agents report into what the scheduler decides and the store keeps.
// Not thread-safe; owned by the coordinator's control thread. No I/O and no clock. Borrows the
// scheduler.
class Ingest {
 public:
  explicit Ingest(Scheduler& scheduler) : scheduler_(scheduler) {}

  // Each lane that can be reported for: when its scan is submitted or restored.
  void AddLane(LaneId lane, const ScanId& scan, const std::string& vantage,
               std::shared_ptr<const ScanSpace> space);
  // When the scan was removed from the scheduler.
  void RemoveScan(const ScanId& scan);

  // Judges a batch. InvalidArgument, and nothing has changed: a chunk spans two groups or lies
  // outside of its scan space, a row's position does, a row's reason is not one of an open port, a
  // finding is about an address that the scan does not have.
  // What is fenced or counted already is left out without an error. `vantage` is the agent's; times
  // are taken as they are: TimeJudge::Apply comes first.
  absl::StatusOr<IngestResult> Apply(const std::string& agent, const std::string& vantage,
                                     ParsedBatch batch, Time now, WallTime wall);

  // Since the start, for metrics.
  struct Counters {
    uint64_t batches = 0, rejected_batches = 0;
    uint64_t chunks = 0, chunks_trimmed = 0, chunks_duplicate = 0, chunks_fenced = 0;
    uint64_t outcomes = 0;  // positions counted
    uint64_t rows = 0, rows_refused = 0;
    uint64_t findings[3] = {};  // taken in, by kind less 1
    uint64_t findings_refused = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Lane {
    ScanId scan;
    std::string vantage;
    std::shared_ptr<const ScanSpace> space;
  };
  absl::Status Check(const std::string& agent, const ParsedBatch& batch) const;
  void ApplyRow(const std::string& agent, const std::string& vantage, const ParsedOpen& open,
                IngestResult& out);
  void ApplyFinding(const std::string& agent, const std::string& vantage, ParsedFinding finding,
                    IngestResult& out);
  void ApplyChunk(const std::string& agent, const std::string& vantage, ParsedChunk chunk, Time now,
                  WallTime wall, IngestResult& out);

  Scheduler& scheduler_;
  std::unordered_map<LaneId, Lane> lanes_;
  Counters counters_;
};

}  // namespace portolan
