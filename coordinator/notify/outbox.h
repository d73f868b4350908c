#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "coordinator/notify/notification.h"
#include "coordinator/notify/notification_group.h"
#include "coordinator/notify/receiver.h"
#include "coordinator/store/sqlite_db.h"

namespace portolan {

struct OutboxLimits {
  uint64_t max_pending = 100'000;  // notifications; beyond: the oldest become dead letters
  uint64_t max_dead = 100'000;     // beyond: the oldest are dropped, and counted
  // A group that reaches one of these is complete before its time. Bytes: as they are stored.
  uint64_t max_group_members = 1'000;
  uint64_t max_group_bytes = 1 << 20;
  // That a receiver's notifications gather in at a time; beyond: the oldest is complete early.
  uint64_t max_open_groups = 1'000;
};

// What was not delivered and will not be, until a person says so.
struct DeadLetter {
  int64_t number = 0;
  std::string receiver;
  bool grouped = false;       // then `notification` sums up the group: CommonOf, with a text
  Notification notification;  // with an empty id where what is stored is damaged
  WallTime queued, died;
  uint32_t attempts = 0;
  int status = 0;     // of HTTP in the last attempt; 0: no answer, or none made
  std::string error;  // why
};

// Notifications that wait to be delivered, one row a receiver, in tables of its own (notify_*) of
// any SQLite database. Those of a receiver with `group` gather under the values that they have in
// common until `wait` after the first of them, and then become one message: from there on it is
// delivered, tried again and given up as any other. It holds no connection: each call works on the
// caller's, in the transaction that is open there, so that a notification is there exactly when the
// caller's own change is. A call that fails has changed nothing, and leaves the transaction open.
// Immutable: any number of threads, each with its connection. Numbers are those of deliveries, in
// the order of Enqueue.
class Outbox {
 public:
  // `clock` must outlive it.
  Outbox(WebhookConfig config, OutboxLimits limits, const Clock& clock);

  // Makes the tables or brings them up to date; a transaction of its own. FailedPrecondition: they
  // are of a newer program.
  static absl::Status CreateTables(Connection& db);

  // For each receiver whose filter it passes; gives how many those are. 0 as well when one of the
  // same id still waits, gathers or is a dead letter by itself (of those in a complete group only
  // the group's id is known). Call WebhookSender::Wake after the commit. InvalidArgument: see
  // EncodeNotification.
  absl::StatusOr<size_t> Enqueue(Connection& db, const Notification& notification) const;
  // A test message to one receiver. NotFound: no such receiver.
  absl::Status EnqueueTest(Connection& db, std::string_view receiver, const std::string& id) const;

  // In order, from `after` on; of all receivers when `receiver` is empty.
  absl::StatusOr<std::vector<DeadLetter>> ListDead(Connection& db, std::string_view receiver,
                                                   int64_t after, size_t limit) const;
  // Sends again, with its old id and all attempts. NotFound: no such dead letter.
  // FailedPrecondition: its receiver is not configured any more.
  absl::Status Resend(Connection& db, int64_t number) const;
  absl::StatusOr<uint64_t> ResendAll(Connection& db, std::string_view receiver) const;
  // NotFound: no such dead letter.
  absl::Status Drop(Connection& db, int64_t number) const;
  absl::StatusOr<uint64_t> DropAll(Connection& db, std::string_view receiver) const;

  // Each in constant time, however much waits. All count notifications: a group's are as many as it
  // holds.
  struct ReceiverTotals {
    uint64_t pending = 0;    // those that gather, too
    uint64_t gathering = 0;  // of them
    uint64_t dead = 0;
    // Of a group that is complete: since then.
    std::optional<WallTime> oldest_pending;
  };
  absl::StatusOr<ReceiverTotals> Totals(Connection& db, std::string_view receiver) const;
  struct LossTotals {
    uint64_t overflowed = 0;  // became dead letters because too many were pending
    uint64_t dropped = 0;     // dead letters that made room for newer ones
    uint64_t dead = 0;        // now, those of removed receivers too
  };
  absl::StatusOr<LossTotals> Losses(Connection& db) const;

  // ---- for the sender ----

  struct Due {
    int64_t number = 0;
    uint32_t attempts = 0;
    bool aside = false;
    WallTime queued;
    uint64_t count = 0;  // of notifications
    absl::StatusOr<WebhookMessage> message;
  };
  // The first one that waits for `receiver`: one that was put aside and is due before those that
  // wait in order.
  absl::StatusOr<std::optional<Due>> Next(Connection& db, std::string_view receiver) const;
  // When the next one that was put aside is due; nullopt: there is none.
  absl::StatusOr<std::optional<WallTime>> NextAside(Connection& db,
                                                    std::string_view receiver) const;
  absl::Status Delivered(Connection& db, int64_t number) const;
  struct Failure {
    uint32_t attempts = 0;
    int status = 0;
    std::string error;
  };
  // Stays where it is, or (with a time) waits aside and holds up nobody.
  absl::Status Failed(Connection& db, int64_t number, const Failure& failure,
                      std::optional<WallTime> aside_until) const;
  absl::Status Kill(Connection& db, int64_t number, const Failure& failure) const;
  // Those of a receiver that were queued before, all or only those aside, but none that gather;
  // gives how many notifications.
  enum class Which { kAll, kAside };
  absl::StatusOr<uint64_t> Expire(Connection& db, std::string_view receiver, Which which,
                                  WallTime queued_before, std::string_view error) const;
  // Those that wait for receivers that are no longer configured become dead letters, each by itself
  // where it still gathered.
  absl::StatusOr<uint64_t> KillOrphans(Connection& db) const;

  // When the first group of `receiver` is complete; not after now: it is. nullopt: nothing gathers.
  absl::StatusOr<std::optional<WallTime>> NextGroup(Connection& db,
                                                    std::string_view receiver) const;
  // Makes one message of the first group that is complete, if there is one. Gives how many members
  // became dead letters because what is stored of them is damaged. Holds one group in memory.
  absl::StatusOr<uint64_t> CloseGroup(Connection& db, std::string_view receiver) const;

  const WebhookConfig& config() const { return config_; }
  const Clock& clock() const { return clock_; }

 private:
  absl::Status Put(Connection& db, const Notification& notification, std::string_view only,
                   size_t* count) const;
  absl::Status Deliver(Connection& db, const WebhookReceiver& receiver, int64_t message) const;
  absl::Status Gather(Connection& db, const WebhookReceiver& receiver,
                      const Notification& notification, int64_t message, size_t bytes) const;
  // The group that takes it: one that gathers, or a new one.
  absl::StatusOr<int64_t> GroupFor(Connection& db, const WebhookReceiver& receiver,
                                   const Notification& notification, size_t bytes) const;
  absl::Status StoreGroup(Connection& db, std::string_view receiver,
                          const NotificationGroup& group) const;
  absl::Status HoldLimits(Connection& db) const;
  const WebhookReceiver* Find(std::string_view receiver) const;  // nullptr: not configured
  // A group of `receiver` that closes later than this was made before the clock was set back or
  // the receiver's `wait` was shortened: it is complete.
  int64_t LatestClose(std::string_view receiver) const;

  const WebhookConfig config_;
  const OutboxLimits limits_;
  const Clock& clock_;
};

}  // namespace portolan
