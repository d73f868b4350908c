#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "coordinator/notify/outbox.h"
#include "coordinator/notify/retry.h"
#include "coordinator/notify/webhook_client.h"
#include "coordinator/store/sqlite_db.h"

namespace portolan {

// What became of one attempt, for logs.
struct WebhookAttempt {
  std::string receiver;
  std::string id;          // of the notification or group
  uint64_t count = 1;      // how many notifications it holds
  bool delivered = false;  // otherwise it failed:
  bool dead = false;       // and is not tried again
  uint32_t attempts = 0;
  std::string detail;  // why it failed; may hold what the receiver answered
};

// What a receiver has been sent since the start, and what waits for it.
struct WebhookReceiverStats {
  std::string name;
  uint64_t sent = 0;      // notifications that were delivered,
  uint64_t messages = 0;  // and the messages that held them: a group is one
  uint64_t retried = 0;   // attempts that failed and are made again
  uint64_t failed = 0;    // notifications that became dead letters, because refused or too old
  Outbox::ReceiverTotals waiting;
  Duration oldest_pending_age{0};
  std::string last_error;  // "" after a success
};
struct WebhookStats {
  std::vector<WebhookReceiverStats> receivers;  // as configured
  Outbox::LossTotals losses;
};

// Delivers what is in the outbox, at least once: a thread a receiver, which sends one message at a
// time in the order of Enqueue (groups: in the order in which they are complete, which it sees to),
// so a slow receiver holds up no other. What fails is tried
// again, first; what follows waits. A message that alone is answered with an error (500) gives way
// after kPatience attempts. Each thread has a connection to the database of its own, and commits
// alone; it never holds the database while it waits for the network.
class WebhookSender {
 public:
  static constexpr uint32_t kPatience = 8;  // about 4 min of back-off

  struct Options {
    std::string database;  // file that holds the outbox; its tables exist
    uint64_t seed = 0;     // of the back-off's jitter
    // Moves the write-ahead log into the file now and then. Not where another writer of that file
    // does it, as SqliteStore does.
    bool checkpoint = false;
    // Called by the senders' threads after each attempt, when its outcome is committed. Must not
    // block for long.
    std::function<void(const WebhookAttempt&)> on_attempt;
  };
  // `outbox` (and its clock) must outlive it. Errors: the database cannot be opened.
  static absl::StatusOr<std::unique_ptr<WebhookSender>> Start(const Outbox& outbox,
                                                              Options options);
  ~WebhookSender();  // Stop()
  WebhookSender(const WebhookSender&) = delete;
  WebhookSender& operator=(const WebhookSender&) = delete;

  // After each commit that put something into the outbox (and, in tests, after the clock moved).
  // Never blocks for long. Without it, what is new is found within 10 s.
  void Wake();
  // Ends what is in flight, which is then sent again after the next start. Idempotent.
  void Stop();

  // Reads the database: a few indexed rows a receiver.
  absl::StatusOr<WebhookStats> Stats() EXCLUDES(stats_mu_);

 private:
  // One receiver's thread and all that is its own.
  struct Lane;
  enum class Step { kWait, kAgain };

  WebhookSender(const Outbox& outbox, Options options);
  absl::Status OpenLanes();
  void RunLane(Lane& lane);
  void RunWatch() EXCLUDES(mu_);
  // Makes messages of the groups that are complete. False: the database fails, or Stop.
  bool CloseGroups(Lane& lane);
  // Attempts what is due; on kAgain there may be more.
  Step AttemptNext(Lane& lane);
  void Attempt(Lane& lane, const Outbox::Due& due, const WebhookMessage& message);
  void OnFailure(Lane& lane, const Outbox::Due& due, const WebhookAnswer& answer,
                 WebhookVerdict verdict, WebhookAttempt& attempt);
  // Until it succeeds or Stop: an outcome that is not stored is a delivery made twice.
  bool Commit(Lane& lane, const std::function<absl::Status()>& write);
  void WaitForWork(Lane& lane) EXCLUDES(mu_);
  void Pause(Duration real_time) EXCLUDES(mu_);
  void OnStoreError(Lane& lane, const absl::Status& status) EXCLUDES(mu_);
  void Report(Lane& lane, const WebhookAttempt& attempt);

  // Constant.
  const Outbox& outbox_;
  const Options options_;
  // Own synchronisation.
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Lane>> lanes_;  // constant after Start
  std::thread watch_;

  Mutex mu_;
  CondVar wake_;
  uint64_t wakes_ GUARDED_BY(mu_) = 0;
  CondVar watch_wake_;
  int in_flight_ GUARDED_BY(mu_) = 0;

  // Held while it reads the database: only those who ask for Stats wait for each other.
  Mutex stats_mu_;
  std::unique_ptr<Connection> stats_db_ GUARDED_BY(stats_mu_);
};

}  // namespace portolan
