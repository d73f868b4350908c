// What the sender asks of the outbox, but for groups: outbox_groups.cc.
#include <set>

#include "common/base/status.h"
#include "coordinator/notify/outbox.h"
#include "coordinator/notify/outbox_sql.h"
#include "coordinator/notify/retry.h"

namespace portolan {

absl::StatusOr<std::optional<Outbox::Due>> Outbox::Next(Connection& db,
                                                        std::string_view receiver) const {
  // One that is due later than any wait can be: the clock was set back, so it is due now.
  const int64_t now = ToUnixMicros(clock_.Wall());
  const int64_t far =
      now + std::chrono::duration_cast<std::chrono::microseconds>(kMaxRetryAfter).count();
  Statement& aside = db.Sql(
      "SELECT d.number, d.attempts, d.queued, d.members, m.body FROM notify_deliveries d JOIN "
      "notify_messages m ON m.number = d.message WHERE d.receiver = ?1 AND d.state = 1 AND "
      "(d.next_at <= ?2 OR d.next_at > ?3) ORDER BY d.next_at, d.number LIMIT 1");
  aside.Bind(receiver, now, far);
  Statement& in_order = db.Sql(
      "SELECT d.number, d.attempts, d.queued, d.members, m.body FROM notify_deliveries d JOIN "
      "notify_messages m ON m.number = d.message WHERE d.receiver = ? AND d.state = 0 ORDER BY "
      "d.next_at, d.number LIMIT 1");
  in_order.Bind(receiver);
  for (Statement* statement : {&aside, &in_order}) {
    std::optional<Due> due;
    if (statement->Step()) {
      due = Due{statement->Int(0),   static_cast<uint32_t>(statement->Int(1)),
                statement == &aside, FromUnixMicros(statement->Int(2)),
                statement->U64(3),   DecodeMessage(statement->Bytes(4))};
    }
    PORTOLAN_RETURN_IF_ERROR(statement->status());
    statement->Reset();
    if (due) return due;
  }
  return std::optional<Due>();
}

absl::StatusOr<std::optional<WallTime>> Outbox::NextAside(Connection& db,
                                                          std::string_view receiver) const {
  Statement& first = db.Sql(
      "SELECT next_at FROM notify_deliveries WHERE receiver = ? AND state = 1 ORDER BY next_at, "
      "number LIMIT 1");
  first.Bind(receiver);
  std::optional<WallTime> when;
  if (first.Step()) when = FromUnixMicros(first.Int(0));
  PORTOLAN_RETURN_IF_ERROR(first.status());
  first.Reset();
  return when;
}

absl::Status Outbox::Delivered(Connection& db, int64_t number) const {
  return db.Sql("DELETE FROM notify_deliveries WHERE number = ?").Bind(number).Run();
}

absl::Status Outbox::Failed(Connection& db, int64_t number, const Failure& failure,
                            std::optional<WallTime> aside_until) const {
  // state < 2: it may have become a dead letter meanwhile, because too many wait.
  return db
      .Sql(
          "UPDATE notify_deliveries SET state = ?, next_at = ?, attempts = ?, status = ?, error = "
          "? "
          "WHERE number = ? AND state < 2")
      .Bind(aside_until ? 1 : 0, aside_until ? ToUnixMicros(*aside_until) : int64_t{0},
            failure.attempts, failure.status, failure.error, number)
      .Run();
}

absl::Status Outbox::Kill(Connection& db, int64_t number, const Failure& failure) const {
  return db
      .Sql(
          "UPDATE notify_deliveries SET state = 2, next_at = 0, died = ?, attempts = ?, status = "
          "?, error = ? WHERE number = ? AND state < 2")
      .Bind(ToUnixMicros(clock_.Wall()), failure.attempts, failure.status, failure.error, number)
      .Run();
}

absl::StatusOr<uint64_t> Outbox::Expire(Connection& db, std::string_view receiver, Which which,
                                        WallTime queued_before, std::string_view error) const {
  Statement& expire = db.Sql(
      "UPDATE notify_deliveries SET state = 2, next_at = 0, died = ?, error = ? WHERE receiver = ? "
      "AND state IN (?, 1) AND queued < ? RETURNING members");
  expire.Bind(ToUnixMicros(clock_.Wall()), error, receiver, which == Which::kAll ? 0 : 1,
              ToUnixMicros(queued_before));
  return Sum(expire);
}

absl::StatusOr<uint64_t> Outbox::KillOrphans(Connection& db) const {
  std::set<std::string> orphans;
  Statement& list = db.Sql("SELECT receiver FROM notify_totals WHERE kind <> 1 AND n > 0");
  while (list.Step()) {
    std::string name(list.Bytes(0));
    if (Find(name) == nullptr) orphans.insert(std::move(name));
  }
  PORTOLAN_RETURN_IF_ERROR(list.status());
  uint64_t count = 0;
  const absl::Status status = InSavepoint(db, [&]() -> absl::Status {
    for (const std::string& name : orphans) {
      Statement& kill = db.Sql(
          "UPDATE notify_deliveries SET state = 2, next_at = 0, group_number = 0, died = ?, error "
          "= 'its receiver is not configured any more' WHERE receiver = ? AND state <> 2 RETURNING "
          "members");
      kill.Bind(ToUnixMicros(clock_.Wall()), name);
      PORTOLAN_ASSIGN_OR_RETURN(const uint64_t more, Sum(kill));
      count += more;
      PORTOLAN_RETURN_IF_ERROR(
          db.Sql("DELETE FROM notify_groups WHERE receiver = ?").Bind(name).Run());
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return count;
}

absl::StatusOr<Outbox::ReceiverTotals> Outbox::Totals(Connection& db,
                                                      std::string_view receiver) const {
  ReceiverTotals totals;
  Statement& counts = db.Sql("SELECT kind, n FROM notify_totals WHERE receiver = ?");
  counts.Bind(receiver);
  while (counts.Step()) {
    const int64_t kind = counts.Int(0);
    (kind == 1 ? totals.dead : kind == 2 ? totals.gathering : totals.pending) = counts.U64(1);
  }
  PORTOLAN_RETURN_IF_ERROR(counts.status());
  totals.pending += totals.gathering;
  // The first in order, the one aside that is due first, and the first that gathers: near enough,
  // without reading all.
  for (const int state : {0, 1, 3}) {
    Statement& first = db.Sql(
        "SELECT queued FROM notify_deliveries WHERE receiver = ? AND state = ? ORDER BY next_at, "
        "number LIMIT 1");
    first.Bind(receiver, state);
    if (first.Step()) {
      const WallTime queued = FromUnixMicros(first.Int(0));
      if (!totals.oldest_pending || queued < *totals.oldest_pending) totals.oldest_pending = queued;
    }
    PORTOLAN_RETURN_IF_ERROR(first.status());
    first.Reset();
  }
  return totals;
}

absl::StatusOr<Outbox::LossTotals> Outbox::Losses(Connection& db) const {
  LossTotals losses;
  Statement& read = db.Sql(
      "SELECT (SELECT value FROM notify_meta WHERE key = 'overflowed'), (SELECT value FROM "
      "notify_meta WHERE key = 'dropped'), (SELECT coalesce(sum(n), 0) FROM notify_totals WHERE "
      "kind = 1)");
  if (read.Step()) losses = {read.U64(0), read.U64(1), read.U64(2)};
  PORTOLAN_RETURN_IF_ERROR(read.status());
  read.Reset();
  return losses;
}

}  // namespace portolan
