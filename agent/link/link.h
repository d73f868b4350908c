#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "agent/link/control.h"
#include "agent/link/coordinator_client.h"
#include "agent/link/reporter.h"
#include "agent/runner/probe_thread.h"
#include "agent/runner/spool.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace portolan {

struct LinkOptions {
  std::string name;
  std::string vantage;
  std::string incarnation;  // 16 random bytes
  std::string version;
  std::string engine;
  double max_rate = 0;             // probes/s over all threads; 0: no limit
  uint32_t window = 0;             // over all threads
  std::vector<std::string> scope;  // for people
  // What of this machine limits the agent, for people; empty: nothing. Asked before each call, on
  // the thread of the link. Null: nothing ever does.
  std::function<std::string(const std::vector<ProbeThread::Snapshot>&, Time now)> limits;
  uint64_t seed = 0;  // of the back-offs
};

// What the link knows, a moment ago; for metrics and health.
struct LinkStatus {
  bool connected = false;   // the last call was answered
  bool waiting = false;     // for its name, which another process has
  std::string coordinator;  // that is called now
  std::optional<Time> last_answer;
  WallTime last_answer_wall;
  Duration lease_term{};
  size_t leases = 0;
  uint64_t unprobed = 0;
  bool draining = false;
  uint64_t calls_answered = 0, calls_failed = 0, calls_cancelled = 0;
  std::vector<ProbeThread::Snapshot> threads;  // without their leases
  SpoolStats spool;
  Reporter::Stats reports;
};

// Joins a coordinator and this agent's probe threads: asks for work, hands it out, renews, gives
// back, reports. Owns a control thread and the reporter's. Thread-safe. Client, threads, spool and
// clock must outlive it.
class Link {
 public:
  Link(LinkOptions options, CoordinatorClient& client, std::vector<ProbeThread*> threads,
       Spool& spool, const Clock& clock);
  ~Link();  // stops calling and reporting at once
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Takes no more work and gives back what was not begun; waits until all that was probed is
  // acknowledged and the coordinator was told, at most `grace` (then DeadlineExceeded, saying what
  // is left).
  absl::Status Drain(Duration grace);
  // Why the agent cannot go on; OK while it can.
  absl::Status Fatal() const;
  // OK: its control thread, and with it each probe thread, has answered lately.
  absl::Status Live() const;
  // OK: synchronised within two lease terms.
  absl::Status Ready() const;
  LinkStatus Status() const;
  // What the agent says of its scope from now on, for people.
  void SetScope(std::vector<std::string> rules);

 private:
  struct Answer {
    absl::Status status;
    v1::SynchronizeResponse response;
  };

  void Run();
  // What happened since the last round. False: stop.
  bool TakeEvents();
  void HandleAnswer(const Answer& answer);
  void CarryOutOrders();
  void Look();
  void Call(const AgentControl::Ask& ask);
  v1::SynchronizeRequest MakeRequest(const AgentControl::Ask& ask);
  std::string LimitedBy();
  void Publish();
  void GiveUp(const absl::Status& why);

  const LinkOptions options_;
  CoordinatorClient& client_;
  const std::vector<ProbeThread*> threads_;
  Spool& spool_;
  const Clock& clock_;

  // Of the control thread.
  std::string limited_by_;  // as logged last
  Time next_limit_log_{};   // its numbers change with each look
  AgentControl control_;
  std::vector<ProbeThread::Snapshot> snapshots_;
  bool cancelled_ = false;  // the call under way, by us
  bool connected_ = false;
  bool waiting_ = false;   // for the name
  bool draining_ = false;  // was told
  bool gone_ = false;      // fatal: no more calls
  uint64_t answered_ = 0, failed_ = 0, cancels_ = 0;
  WallTime answered_wall_;

  std::atomic<int64_t> heartbeat_ns_;  // when the control thread began its last round

  mutable Mutex mu_;
  CondVar changed_;
  bool stop_ GUARDED_BY(mu_) = false;
  bool drain_ GUARDED_BY(mu_) = false;
  bool drained_ GUARDED_BY(mu_) = false;
  bool calling_ GUARDED_BY(mu_) = false;
  std::optional<Answer> answer_ GUARDED_BY(mu_);
  std::vector<Token> fenced_ GUARDED_BY(mu_);
  absl::Status fatal_ GUARDED_BY(mu_);
  LinkStatus status_ GUARDED_BY(mu_);
  std::vector<std::string> scope_ GUARDED_BY(mu_);

  std::unique_ptr<Reporter> reporter_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace portolan
