#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "agent/link/coordinator_client.h"
#include "agent/runner/spool.h"
#include "common/base/mutex.h"

namespace portolan {

// Sends what the spool holds over one Report stream at a time and hands acknowledgements back to
// it. A broken stream is opened again after a pause of 100 ms, doubled up to 5 s, jittered, until
// the coordinator says something; then what was not acknowledged is sent again. A batch that the
// coordinator calls malformed is dropped and logged as an error: when several were under way, they
// are sent again one by one to find it. Owns a writer thread, and a reader thread for each stream.
// Client and spool must outlive it. Thread-safe.
class Reporter {
 public:
  struct Options {
    std::string agent;
    std::string incarnation;
    uint64_t seed = 0;
  };
  struct Stats {
    uint64_t sent = 0;  // batches, each sending counted
    uint64_t acked = 0;
    uint64_t rejected = 0;   // malformed, dropped
    uint64_t streams = 0;    // opened
    uint64_t fenced = 0;     // leases whose results were refused
    bool connected = false;  // the coordinator has answered on the stream that is open
  };

  // `fenced` is called on the reader's thread with leases whose results were refused; the spool has
  // forgotten them.
  Reporter(Options options, CoordinatorClient& client, Spool& spool,
           std::function<void(const std::vector<Token>&)> fenced);
  ~Reporter();  // cuts the stream
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  // Where to report from now on; until the first call nothing is sent. Another one than before ends
  // the stream.
  void Use(size_t coordinator);
  Stats stats() const;

 private:
  void Run();
  void WriteAll(ReportStream& stream);
  void ReadAll(ReportStream& stream);
  void OnEnd(const absl::Status& status);

  const Options options_;
  CoordinatorClient& client_;
  Spool& spool_;
  const std::function<void(const std::vector<Token>&)> fenced_;

  mutable Mutex mu_;
  CondVar changed_;
  bool stop_ GUARDED_BY(mu_) = false;
  std::optional<size_t> coordinator_ GUARDED_BY(mu_);
  // Of the stream that is open.
  ReportStream* stream_ GUARDED_BY(mu_) = nullptr;
  bool ended_ GUARDED_BY(mu_) = false;
  uint64_t written_ GUARDED_BY(mu_) = 0;
  uint64_t acked_ GUARDED_BY(mu_) = 0;
  uint32_t credit_ GUARDED_BY(mu_) = 1;
  // Batches to be sent one by one, looking for the malformed one.
  uint64_t suspects_ GUARDED_BY(mu_) = 0;
  int failures_ GUARDED_BY(mu_) = 0;  // streams that ended without a word since the last word
  Stats stats_ GUARDED_BY(mu_);
  std::mt19937_64 random_ GUARDED_BY(mu_);

  std::thread writer_;  // last: it uses all of the above
};

}  // namespace portolan
