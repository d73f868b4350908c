// How notifications gather, and become one message.
//
// What belongs to a group is decided when it is put in, and a group takes nothing once its time has
// come. So whatever ends in between, it is made of the same members, and has the same id.
#include <algorithm>

#include "common/base/status.h"
#include "coordinator/notify/outbox.h"
#include "coordinator/notify/outbox_sql.h"

namespace portolan {
namespace {

int64_t Micros(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

}  // namespace

int64_t Outbox::LatestClose(std::string_view receiver) const {
  const WebhookReceiver* to = Find(receiver);
  const bool groups = to != nullptr && to->group.has_value();
  return ToUnixMicros(clock_.Wall()) + (groups ? Micros(to->group->wait) : 0);
}

absl::Status Outbox::Gather(Connection& db, const WebhookReceiver& receiver, const Notification& n,
                            int64_t message, size_t bytes) const {
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t group, GroupFor(db, receiver, n, bytes));
  const int64_t now = ToUnixMicros(clock_.Wall());
  PORTOLAN_RETURN_IF_ERROR(
      db.Sql("UPDATE notify_groups SET members = members + 1, bytes = bytes + ?1, closes = CASE "
             "WHEN members + 1 >= ?2 OR bytes + ?1 >= ?3 THEN ?4 ELSE closes END WHERE number = ?5")
          .Bind(static_cast<uint64_t>(bytes), limits_.max_group_members, limits_.max_group_bytes,
                now, group)
          .Run());
  return db
      .Sql(
          "INSERT INTO notify_deliveries (message, receiver, state, queued, group_number) VALUES "
          "(?, ?, 3, ?, ?)")
      .Bind(message, receiver.name, now, group)
      .Run();
}

absl::StatusOr<int64_t> Outbox::GroupFor(Connection& db, const WebhookReceiver& receiver,
                                         const Notification& n, size_t bytes) const {
  const std::string values = EncodeGroupValues(GroupValuesOf(receiver.group->by, n));
  const int64_t now = ToUnixMicros(clock_.Wall()), latest = LatestClose(receiver.name);
  Statement& find = db.Sql(
      "SELECT number, bytes FROM notify_groups WHERE receiver = ? AND by_values = ? AND closes > ? "
      "AND closes <= ? ORDER BY closes DESC LIMIT 1");
  find.Bind(receiver.name, Statement::Blob{values}, now, latest);
  const bool found = find.Step();
  const int64_t number = found ? find.Int(0) : 0;
  const uint64_t held = found ? find.U64(1) : 0;
  PORTOLAN_RETURN_IF_ERROR(find.status());
  find.Reset();
  if (found && held + bytes <= limits_.max_group_bytes) return number;
  if (found) {
    PORTOLAN_RETURN_IF_ERROR(
        db.Sql("UPDATE notify_groups SET closes = ? WHERE number = ?").Bind(now, number).Run());
  }

  PORTOLAN_ASSIGN_OR_RETURN(
      const int64_t open,
      One(db.Sql("SELECT count(*) FROM notify_groups WHERE receiver = ? AND closes > ?")
              .Bind(receiver.name, now)));
  if (static_cast<uint64_t>(open) >= limits_.max_open_groups) {
    PORTOLAN_RETURN_IF_ERROR(
        db.Sql("UPDATE notify_groups SET closes = ?1 WHERE number = (SELECT number FROM "
               "notify_groups WHERE receiver = ?2 AND closes > ?1 ORDER BY closes, number LIMIT 1)")
            .Bind(now, receiver.name)
            .Run());
  }
  return One(db.Sql("INSERT INTO notify_groups (receiver, by_values, closes, members, bytes) "
                    "VALUES (?, ?, ?, 0, 0) RETURNING number")
                 .Bind(receiver.name, Statement::Blob{values}, latest));
}

absl::StatusOr<std::optional<WallTime>> Outbox::NextGroup(Connection& db,
                                                          std::string_view receiver) const {
  Statement& late =
      db.Sql("SELECT number FROM notify_groups WHERE receiver = ? AND closes > ? LIMIT 1");
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t overdue, One(late.Bind(receiver, LatestClose(receiver))));
  if (overdue != 0) return std::optional<WallTime>(clock_.Wall());
  Statement& first = db.Sql("SELECT min(closes) FROM notify_groups WHERE receiver = ?");
  first.Bind(receiver);
  std::optional<WallTime> when;
  if (first.Step() && !first.IsNull(0)) when = FromUnixMicros(first.Int(0));
  PORTOLAN_RETURN_IF_ERROR(first.status());
  first.Reset();
  return when;
}

absl::StatusOr<uint64_t> Outbox::CloseGroup(Connection& db, std::string_view receiver) const {
  const int64_t now = ToUnixMicros(clock_.Wall());
  Statement& first = db.Sql(
      "SELECT number, by_values FROM notify_groups WHERE receiver = ?1 AND (closes <= ?2 OR closes "
      "> ?3) ORDER BY closes, number LIMIT 1");
  first.Bind(receiver, now, LatestClose(receiver));
  const bool found = first.Step();
  const int64_t number = found ? first.Int(0) : 0;
  absl::StatusOr<GroupValues> by = DecodeGroupValues(found ? first.Bytes(1) : "");
  PORTOLAN_RETURN_IF_ERROR(first.status());
  first.Reset();
  if (!found) return uint64_t{0};

  uint64_t damaged = 0;
  const absl::Status status = InSavepoint(db, [&]() -> absl::Status {
    std::vector<Notification> members;
    std::vector<std::pair<int64_t, std::string>> broken;  // delivery, why
    Statement& read = db.Sql(
        "SELECT d.number, m.body FROM notify_deliveries d JOIN notify_messages m ON m.number = "
        "d.message WHERE d.group_number = ? AND d.state = 3 ORDER BY d.number");
    read.Bind(number);
    while (read.Step()) {
      absl::StatusOr<Notification> n = DecodeNotification(read.Bytes(1));
      if (n.ok()) {
        members.push_back(*std::move(n));
      } else {
        broken.emplace_back(read.Int(0), Message(n.status()));
      }
    }
    PORTOLAN_RETURN_IF_ERROR(read.status());
    for (const auto& [delivery, why] : broken) {
      PORTOLAN_RETURN_IF_ERROR(db.Sql("UPDATE notify_deliveries SET state = 2, group_number = 0, "
                                      "died = ?, error = ? WHERE number = ?")
                                   .Bind(now, why, delivery)
                                   .Run());
    }
    damaged = broken.size();
    if (!members.empty()) {
      // Values that cannot be read are left out: the members say what they are about.
      PORTOLAN_RETURN_IF_ERROR(StoreGroup(
          db, receiver,
          MakeGroup(receiver, by.ok() ? *std::move(by) : GroupValues(), std::move(members))));
    }
    PORTOLAN_RETURN_IF_ERROR(
        db.Sql("DELETE FROM notify_deliveries WHERE group_number = ? AND state = 3")
            .Bind(number)
            .Run());
    return db.Sql("DELETE FROM notify_groups WHERE number = ?").Bind(number).Run();
  });
  if (!status.ok()) return status;
  return damaged;
}

absl::Status Outbox::StoreGroup(Connection& db, std::string_view receiver,
                                const NotificationGroup& group) const {
  PORTOLAN_ASSIGN_OR_RETURN(const std::string body, EncodeGroup(group));
  Statement& put = db.Sql(
      "INSERT INTO notify_messages (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING RETURNING "
      "number");
  put.Bind(group.id, Statement::Blob{body});
  PORTOLAN_ASSIGN_OR_RETURN(const int64_t message, One(put));
  if (message == 0) return absl::OkStatus();  // the same group waits, or is a dead letter
  return db
      .Sql(
          "INSERT INTO notify_deliveries (message, receiver, state, queued, members) VALUES (?, ?, "
          "0, ?, ?)")
      .Bind(message, receiver, ToUnixMicros(clock_.Wall()),
            static_cast<uint64_t>(group.members.size()))
      .Run();
}

}  // namespace portolan
