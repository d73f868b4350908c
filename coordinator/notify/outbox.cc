// Putting in, and what people do with dead letters. What the sender does: outbox_sending.cc.
#include "coordinator/notify/outbox.h"

#include <algorithm>
#include <functional>

#include "common/base/status.h"
#include "coordinator/notify/outbox_schema.h"

namespace portolan {
namespace {

// All or nothing, inside the caller's transaction or as one of its own.
absl::Status InSavepoint(Connection& db, const std::function<absl::Status()>& body) {
  PORTOLAN_RETURN_IF_ERROR(db.Sql("SAVEPOINT notify").Run());
  absl::Status status = body();
  if (status.ok()) status = db.Sql("RELEASE notify").Run();
  if (!status.ok()) {
    // They fail only when SQLite took the whole transaction back already; `status` says why.
    (void)db.Sql("ROLLBACK TO notify").Run();
    (void)db.Sql("RELEASE notify").Run();
  }
  return status;
}

absl::StatusOr<int64_t> One(Statement& statement) {
  const int64_t value = statement.Step() ? statement.Int(0) : 0;
  PORTOLAN_RETURN_IF_ERROR(statement.status());
  statement.Reset();  // ends the read
  return value;
}

bool IsFor(const WebhookReceiver& receiver, const Notification& n) {
  const bool named = n.receivers.empty() || std::find(n.receivers.begin(), n.receivers.end(),
                                                      receiver.name) != n.receivers.end();
  return named && receiver.filter.Matches(n);
}

}  // namespace

Outbox::Outbox(WebhookConfig config, OutboxLimits limits, const Clock& clock)
    : config_(std::move(config)), limits_(limits), clock_(clock) {}

absl::Status Outbox::CreateTables(Connection& db) {
  PORTOLAN_RETURN_IF_ERROR(db.Execute("BEGIN IMMEDIATE"));
  const auto create = [&]() -> absl::Status {
    const auto exists = db.Prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'notify_meta'");
    PORTOLAN_ASSIGN_OR_RETURN(const int64_t tables, One(*exists));
    if (tables == 0) {
      PORTOLAN_RETURN_IF_ERROR(db.Execute(kOutboxSchema));
    } else {
      const auto read = db.Prepare("SELECT value FROM notify_meta WHERE key = 'schema'");
      PORTOLAN_ASSIGN_OR_RETURN(const int64_t version, One(*read));
      if (version > kOutboxSchemaVersion) {
        return FailedPrecondition(
            "the webhook outbox has schema version {}, this program knows up to {}: run a newer "
            "portolan-coordinator",
            version, kOutboxSchemaVersion);
      }
    }
    return db.Execute("COMMIT");
  };
  const absl::Status status = create();
  if (!status.ok()) db.Rollback();
  return Annotate(status, "webhook outbox");
}

bool Outbox::IsConfigured(std::string_view receiver) const {
  return std::any_of(config_.receivers.begin(), config_.receivers.end(),
                     [&](const WebhookReceiver& r) { return r.name == receiver; });
}

absl::StatusOr<size_t> Outbox::Enqueue(Connection& db, const Notification& notification) const {
  size_t count = 0;
  PORTOLAN_RETURN_IF_ERROR(
      InSavepoint(db, [&] { return Put(db, notification, /*only=*/{}, &count); }));
  return count;
}

absl::Status Outbox::EnqueueTest(Connection& db, std::string_view receiver,
                                 const std::string& id) const {
  if (!IsConfigured(receiver)) {
    return NotFound("receiver \"{}\" is not configured: see the names in the webhooks file",
                    receiver);
  }
  Notification test;
  test.id = id;
  test.kind = NotificationKind::kTest;
  test.time = clock_.Wall();
  test.text =
      fmt::format("Test message from Portolan to receiver {}: nothing has changed.", receiver);
  size_t ignored = 0;
  return InSavepoint(db, [&] { return Put(db, test, receiver, &ignored); });
}

absl::Status Outbox::Put(Connection& db, const Notification& n, std::string_view only,
                         size_t* count) const {
  PORTOLAN_ASSIGN_OR_RETURN(const std::string body, EncodeNotification(n));
  int64_t message = 0;
  for (const WebhookReceiver& receiver : config_.receivers) {
    if (only.empty() ? !IsFor(receiver, n) : receiver.name != only) continue;
    if (message == 0) {
      Statement& put = db.Sql(
          "INSERT INTO notify_messages (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING "
          "RETURNING number");
      put.Bind(n.id, Statement::Blob{body});
      PORTOLAN_ASSIGN_OR_RETURN(message, One(put));
      if (message == 0) return absl::OkStatus();  // the same id waits already
    }
    PORTOLAN_RETURN_IF_ERROR(db.Sql("INSERT INTO notify_deliveries (message, receiver, state, "
                                    "queued) VALUES (?, ?, 0, ?)")
                                 .Bind(message, receiver.name, ToUnixMicros(clock_.Wall()))
                                 .Run());
    ++*count;
  }
  return *count == 0 ? absl::OkStatus() : HoldLimits(db);
}

absl::Status Outbox::HoldLimits(Connection& db) const {
  PORTOLAN_ASSIGN_OR_RETURN(
      const int64_t pending,
      One(db.Sql("SELECT coalesce(sum(n), 0) FROM notify_totals WHERE dead = 0")));
  if (static_cast<uint64_t>(pending) > limits_.max_pending) {
    const uint64_t excess = static_cast<uint64_t>(pending) - limits_.max_pending;
    PORTOLAN_RETURN_IF_ERROR(
        db.Sql("UPDATE notify_deliveries SET state = 2, died = ?, error = 'too many notifications "
               "were waiting' WHERE number IN (SELECT number FROM notify_deliveries WHERE state < "
               "2 ORDER BY number LIMIT ?)")
            .Bind(ToUnixMicros(clock_.Wall()), excess)
            .Run());
    PORTOLAN_RETURN_IF_ERROR(
        db.Sql("UPDATE notify_meta SET value = value + ? WHERE key = 'overflowed'")
            .Bind(excess)
            .Run());
  }
  PORTOLAN_ASSIGN_OR_RETURN(
      const int64_t dead,
      One(db.Sql("SELECT coalesce(sum(n), 0) FROM notify_totals WHERE dead = 1")));
  if (static_cast<uint64_t>(dead) <= limits_.max_dead) return absl::OkStatus();
  const uint64_t excess = static_cast<uint64_t>(dead) - limits_.max_dead;
  PORTOLAN_RETURN_IF_ERROR(
      db.Sql("DELETE FROM notify_deliveries WHERE number IN (SELECT number FROM notify_deliveries "
             "WHERE state = 2 ORDER BY number LIMIT ?)")
          .Bind(excess)
          .Run());
  return db.Sql("UPDATE notify_meta SET value = value + ? WHERE key = 'dropped'")
      .Bind(excess)
      .Run();
}

absl::StatusOr<std::vector<DeadLetter>> Outbox::ListDead(Connection& db, std::string_view receiver,
                                                         int64_t after, size_t limit) const {
  Statement& list = db.Sql(
      "SELECT d.number, d.receiver, d.queued, d.died, d.attempts, d.status, d.error, m.body FROM "
      "notify_deliveries d JOIN notify_messages m ON m.number = d.message WHERE d.state = 2 AND "
      "d.number > ?1 AND (?2 = '' OR d.receiver = ?2) ORDER BY d.number LIMIT ?3");
  list.Bind(after, receiver, static_cast<uint64_t>(std::min<size_t>(limit, 10'000)));
  std::vector<DeadLetter> letters;
  while (list.Step()) {
    DeadLetter letter;
    letter.number = list.Int(0);
    letter.receiver = list.Bytes(1);
    letter.queued = FromUnixMicros(list.Int(2));
    letter.died = FromUnixMicros(list.Int(3));
    letter.attempts = static_cast<uint32_t>(list.Int(4));
    letter.status = static_cast<int>(list.Int(5));
    letter.error = list.Bytes(6);
    absl::StatusOr<Notification> notification = DecodeNotification(list.Bytes(7));
    // A damaged one is shown all the same, so that it can be dropped.
    if (notification.ok()) letter.notification = *std::move(notification);
    letters.push_back(std::move(letter));
  }
  PORTOLAN_RETURN_IF_ERROR(list.status());
  return letters;
}

absl::Status Outbox::Resend(Connection& db, int64_t number) const {
  return InSavepoint(db, [&]() -> absl::Status {
    Statement& resend = db.Sql(
        "UPDATE notify_deliveries SET state = 0, next_at = 0, attempts = 0, queued = ? WHERE "
        "number "
        "= ? AND state = 2 RETURNING receiver");
    resend.Bind(ToUnixMicros(clock_.Wall()), number);
    const bool found = resend.Step();
    const std::string receiver(found ? resend.Bytes(0) : std::string_view());
    PORTOLAN_RETURN_IF_ERROR(resend.Run());
    if (!found) return NotFound("dead letter {} is not there: list them", number);
    if (!IsConfigured(receiver)) {
      return FailedPrecondition(
          "dead letter {}: receiver \"{}\" is not configured any more: configure it, or drop the "
          "letter",
          number, receiver);
    }
    return HoldLimits(db);
  });
}

absl::StatusOr<uint64_t> Outbox::ResendAll(Connection& db, std::string_view receiver) const {
  uint64_t count = 0;
  const absl::Status status = InSavepoint(db, [&]() -> absl::Status {
    for (const WebhookReceiver& r : config_.receivers) {
      if (!receiver.empty() && r.name != receiver) continue;
      PORTOLAN_RETURN_IF_ERROR(
          db.Sql("UPDATE notify_deliveries SET state = 0, next_at = 0, attempts = 0, queued = ? "
                 "WHERE receiver = ? AND state = 2")
              .Bind(ToUnixMicros(clock_.Wall()), r.name)
              .Run());
      count += static_cast<uint64_t>(db.changes());
    }
    return HoldLimits(db);
  });
  if (!status.ok()) return status;
  return count;
}

absl::Status Outbox::Drop(Connection& db, int64_t number) const {
  PORTOLAN_RETURN_IF_ERROR(
      db.Sql("DELETE FROM notify_deliveries WHERE number = ? AND state = 2").Bind(number).Run());
  if (db.changes() == 0) return NotFound("dead letter {} is not there: list them", number);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Outbox::DropAll(Connection& db, std::string_view receiver) const {
  PORTOLAN_RETURN_IF_ERROR(
      db.Sql("DELETE FROM notify_deliveries WHERE state = 2 AND (?1 = '' OR receiver = ?1)")
          .Bind(receiver)
          .Run());
  return static_cast<uint64_t>(db.changes());
}

}  // namespace portolan
