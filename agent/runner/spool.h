#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/runner/types.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace portolan {

// Open ports of one lease that left from one source address, ascending by index.
struct OpenGroup {
  Token token;
  IpAddress source;
  std::vector<OpenRow> rows;
};

// What is sent and acknowledged as one.
struct SpoolBatch {
  uint64_t seq = 0;  // of this stream: 1, 2, 3, ...
  std::vector<OpenGroup> opens;
  std::vector<ChunkReport> chunks;
  std::vector<FindingReport> findings;
  size_t bytes = 0;  // estimate of its encoded size
};

struct SpoolOptions {
  size_t limit_bytes = 64u << 20;
  size_t batch_bytes = 256u << 10;
  // the oldest report waits no longer for its batch to fill
  Duration batch_age = std::chrono::milliseconds(50);
};

struct SpoolStats {
  size_t bytes = 0;  // waiting, and sent but not acknowledged
  size_t limit_bytes = 0;
  uint64_t waiting_reports = 0;  // opens, chunks and findings not yet handed out
  uint64_t unacked_batches = 0;
  uint64_t acked_batches = 0;
  uint64_t opens = 0;  // ever put
  uint64_t chunks = 0;
  Duration oldest{};  // age of the oldest report that is not acknowledged
};

// Keeps reports until the coordinator has committed them. Probe threads put; one stream at a time
// takes batches and acknowledges. Thread-safe. Bounded: above three quarters of the limit HasRoom
// is false and the runners start nothing more; the last quarter is for what is in flight then.
// Nothing is ever dropped, but for tokens that the coordinator refused. An open port is in the same
// batch as its chunk or in an earlier one, and so is a finding about a host.
class Spool final : public ReportSink {
 public:
  Spool(const SpoolOptions& options, const Clock& clock);

  void PutOpen(const OpenReport& open) override;
  void PutChunk(ChunkReport chunk) override;
  void PutFinding(const FindingReport& finding) override;
  bool HasRoom() const override;

  // The next batch of this stream, waiting up to `wait` for one to be full or old enough. Null:
  // none yet (or Interrupt). The batch stays until Ack.
  std::shared_ptr<const SpoolBatch> NextBatch(Duration wait);
  // All batches of this stream up to `seq` are committed. Numbers never handed out are ignored.
  void Ack(uint64_t seq);
  // A new stream: what was handed out and not acknowledged is handed out again, numbered from 1.
  void ResetStream();
  // The coordinator refuses this lease: forgets what waits of it. What was handed out stays until
  // its Ack.
  void Drop(Token token);

  // True while reports of this lease are waiting or not acknowledged.
  bool Holds(Token token) const;
  bool empty() const;  // nothing waiting, nothing unacknowledged
  // From now on nothing waits for a batch to fill.
  void SetFlushing(bool flushing);
  // The NextBatch that is waiting, or the next one, returns at once.
  void Interrupt();
  SpoolStats Stats() const;

 private:
  struct Sent {
    std::shared_ptr<const SpoolBatch> batch;
    Time oldest;
  };
  // Cuts waiting reports into one batch.
  std::shared_ptr<SpoolBatch> Cut() REQUIRES(mu_);
  void Release(const SpoolBatch& batch) REQUIRES(mu_);
  void Count(Token token, int64_t reports) REQUIRES(mu_);
  // Whether the sender should be told: a batch is full, or is there at all.
  bool Added(Token token, size_t bytes) REQUIRES(mu_);

  const SpoolOptions options_;
  const Clock& clock_;

  mutable Mutex mu_;
  CondVar changed_;
  std::deque<std::pair<Token, OpenRow>> opens_ GUARDED_BY(mu_);  // waiting
  std::deque<ChunkReport> chunks_ GUARDED_BY(mu_);               // waiting
  std::deque<FindingReport> findings_ GUARDED_BY(mu_);           // waiting
  size_t waiting_bytes_ GUARDED_BY(mu_) = 0;
  Time waiting_since_ GUARDED_BY(mu_) = kNever;
  std::deque<Sent> sent_ GUARDED_BY(mu_);   // handed out, oldest first
  std::deque<Sent> again_ GUARDED_BY(mu_);  // to be handed out again after a reset, oldest first
  size_t kept_bytes_ GUARDED_BY(mu_) = 0;   // of sent_ and again_
  uint64_t next_seq_ GUARDED_BY(mu_) = 1;
  std::unordered_map<Token, uint64_t> held_ GUARDED_BY(mu_);  // reports by lease
  bool flushing_ GUARDED_BY(mu_) = false;
  bool interrupted_ GUARDED_BY(mu_) = false;
  SpoolStats stats_ GUARDED_BY(mu_);
};

}  // namespace portolan
