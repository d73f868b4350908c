// Putting in, and what people do with dead letters. Groups: outbox_groups.cc. What the sender does:
// outbox_sending.cc.
#include "coordinator/notify/outbox.h"

#include <algorithm>
#include <iterator>

#include "common/base/status.h"
#include "coordinator/notify/body.h"
#include "coordinator/notify/outbox_schema.h"
#include "coordinator/notify/outbox_sql.h"

namespace portolan {
namespace {

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
    constexpr auto kLatest = static_cast<int64_t>(std::size(kOutboxSchema));
    const auto exists = db.Prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'notify_meta'");
    PORTOLAN_ASSIGN_OR_RETURN(const int64_t tables, One(*exists));
    int64_t version = 0;
    if (tables > 0) {
      const auto read = db.Prepare("SELECT value FROM notify_meta WHERE key = 'schema'");
      PORTOLAN_ASSIGN_OR_RETURN(version, One(*read));
    }
    if (version > kLatest) {
      return FailedPrecondition(
          "the webhook outbox has schema version {}, this program knows up to {}: run a newer "
          "portolan-coordinator",
          version, kLatest);
    }
    for (; version < kLatest; ++version) {
      PORTOLAN_RETURN_IF_ERROR(
          db.Execute(fmt::format("{}\nUPDATE notify_meta SET value = {} WHERE key = 'schema'",
                                 kOutboxSchema[version], version + 1)));
    }
    return db.Execute("COMMIT");
  };
  const absl::Status status = create();
  if (!status.ok()) db.Rollback();
  return Annotate(status, "webhook outbox");
}

const WebhookReceiver* Outbox::Find(std::string_view receiver) const {
  const auto found = std::find_if(config_.receivers.begin(), config_.receivers.end(),
                                  [&](const WebhookReceiver& r) { return r.name == receiver; });
  return found == config_.receivers.end() ? nullptr : &*found;
}

absl::StatusOr<size_t> Outbox::Enqueue(Connection& db, const Notification& notification) const {
  size_t count = 0;
  PORTOLAN_RETURN_IF_ERROR(
      InSavepoint(db, [&] { return Put(db, notification, /*only=*/{}, &count); }));
  return count;
}

absl::Status Outbox::EnqueueTest(Connection& db, std::string_view receiver,
                                 const std::string& id) const {
  if (Find(receiver) == nullptr) {
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
    // A test is to arrive now.
    const bool gathers = receiver.group.has_value() && n.kind != NotificationKind::kTest;
    PORTOLAN_RETURN_IF_ERROR(gathers ? Gather(db, receiver, n, message, body.size())
                                     : Deliver(db, receiver, message));
    ++*count;
  }
  return *count == 0 ? absl::OkStatus() : HoldLimits(db);
}

absl::Status Outbox::Deliver(Connection& db, const WebhookReceiver& receiver,
                             int64_t message) const {
  return db
      .Sql("INSERT INTO notify_deliveries (message, receiver, state, queued) VALUES (?, ?, 0, ?)")
      .Bind(message, receiver.name, ToUnixMicros(clock_.Wall()))
      .Run();
}

absl::Status Outbox::HoldLimits(Connection& db) const {
  const auto pending = [&] {
    return One(db.Sql("SELECT coalesce(sum(n), 0) FROM notify_totals WHERE kind <> 1"));
  };
  const auto dead = [&] {
    return One(db.Sql("SELECT coalesce(sum(n), 0) FROM notify_totals WHERE kind = 1"));
  };
  // The oldest, until those that were taken before the next hold what is too many.
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t waiting, pending());
  if (static_cast<uint64_t>(waiting) > limits_.max_pending) {
    PORTOLAN_RETURN_IF_ERROR(
        db.Sql("UPDATE notify_deliveries SET state = 2, group_number = 0, died = ?1, error = 'too "
               "many notifications were waiting' WHERE number IN (SELECT number FROM (SELECT "
               "number, sum(members) OVER (ORDER BY number) - members AS earlier FROM (SELECT "
               "number, members FROM notify_deliveries WHERE state <> 2 ORDER BY number LIMIT ?2)) "
               "WHERE earlier < ?2)")
            .Bind(ToUnixMicros(clock_.Wall()), static_cast<uint64_t>(waiting) - limits_.max_pending)
            .Run());
    PORTOLAN_ASSIGN_OR_RETURN(const int64_t left, pending());
    PORTOLAN_RETURN_IF_ERROR(
        db.Sql("UPDATE notify_meta SET value = value + ? WHERE key = 'overflowed'")
            .Bind(waiting - left)
            .Run());
  }
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t given_up, dead());
  if (static_cast<uint64_t>(given_up) <= limits_.max_dead) return absl::OkStatus();
  PORTOLAN_RETURN_IF_ERROR(
      db.Sql("DELETE FROM notify_deliveries WHERE number IN (SELECT number FROM (SELECT number, "
             "sum(members) OVER (ORDER BY number) - members AS earlier FROM (SELECT number, "
             "members FROM notify_deliveries WHERE state = 2 ORDER BY number LIMIT ?1)) WHERE "
             "earlier < ?1)")
          .Bind(static_cast<uint64_t>(given_up) - limits_.max_dead)
          .Run());
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t left, dead());
  return db.Sql("UPDATE notify_meta SET value = value + ? WHERE key = 'dropped'")
      .Bind(given_up - left)
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
    absl::StatusOr<WebhookMessage> message = DecodeMessage(list.Bytes(7));
    // A damaged one is shown all the same, so that it can be dropped.
    if (message.ok()) {
      if (const auto* group = std::get_if<NotificationGroup>(&*message)) {
        letter.grouped = true;
        letter.notification = CommonOf(*group);
        letter.notification.text = WebhookSummary(*group);
      } else {
        letter.notification = std::get<Notification>(*std::move(message));
      }
    }
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
    if (Find(receiver) == nullptr) {
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
