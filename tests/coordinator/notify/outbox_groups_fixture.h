#pragma once

#include <gtest/gtest.h>

#include <iterator>
#include <map>

#include "common/base/status.h"
#include "coordinator/notify/body.h"
#include "coordinator/notify/outbox.h"
#include "coordinator/notify/outbox_schema.h"
#include "tests/coordinator/notify/sample_notification.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {

// An outbox with a receiver that groups and one that does not, and a clock of its own.
class OutboxGroupsTest : public testing::Test {
 protected:
  OutboxGroupsTest() {
    config_.receivers = {Receiver("chat"), Receiver("archive")};
    config_.receivers[0].group =
        WebhookGrouping{std::chrono::seconds(30), {GroupKey::kMonitor, GroupKey::kHost}};
    config_.receivers[0].filter.min_severity = Severity::kLow;
    Reopen();
  }
  static WebhookReceiver Receiver(const std::string& name) {
    WebhookReceiver r;
    r.name = name;
    r.url = WebhookUrl::Parse("http://127.0.0.1:1/").value();
    return r;
  }
  // As after a crash: whatever was committed, and nothing else.
  void Reopen() {
    db_ = nullptr;
    db_ = Connection::Open(dir_.path() + "/x.db", {.sync_full = false}).value();
    const absl::Status tables = Outbox::CreateTables(*db_);
    EXPECT_TRUE(tables.ok()) << tables;
    outbox_ = std::make_unique<Outbox>(config_, limits_, clock_);
  }
  void Put(const std::string& id, const std::string& host = "db.example",
           Severity severity = Severity::kHigh) {
    Notification n = SampleNotification();
    n.id = id;
    n.target = host;
    n.severity = severity;
    n.time = clock_.Wall();
    const auto count = outbox_->Enqueue(*db_, n);
    EXPECT_TRUE(count.ok()) << count.status();
  }
  // As the sender does. Gives how many members were damaged.
  uint64_t CloseAll(const std::string& receiver = "chat") {
    uint64_t damaged = 0;
    for (int i = 0; i < 10'000; ++i) {
      const auto next = outbox_->NextGroup(*db_, receiver);
      EXPECT_TRUE(next.ok()) << next.status();
      if (!next.ok() || !*next || **next > clock_.Wall()) return damaged;
      const auto closed = outbox_->CloseGroup(*db_, receiver);
      EXPECT_TRUE(closed.ok()) << closed.status();
      damaged += closed.value_or(0);
    }
    ADD_FAILURE() << "without end";
    return damaged;
  }
  // Takes all messages that wait for `receiver`.
  std::vector<WebhookMessage> Take(const std::string& receiver = "chat") {
    std::vector<WebhookMessage> messages;
    while (true) {
      const auto due = outbox_->Next(*db_, receiver).value();
      if (!due) return messages;
      messages.push_back(due->message.value());
      EXPECT_EQ(due->count, MessageCount(messages.back()));
      EXPECT_TRUE(outbox_->Delivered(*db_, due->number).ok());
    }
  }
  static std::vector<std::string> Ids(const WebhookMessage& message) {
    std::vector<std::string> ids;
    for (const Notification& n : std::get<NotificationGroup>(message).members) ids.push_back(n.id);
    return ids;
  }
  int64_t Count(const std::string& sql) {
    const auto s = db_->Prepare(sql);
    return s->Step() ? s->Int(0) : -1;
  }
  void ExpectEmpty() {
    for (const char* table : {"notify_messages", "notify_deliveries", "notify_groups"})
      EXPECT_EQ(Count(std::string("SELECT count(*) FROM ") + table), 0) << table;
  }

  TempDirectory dir_;
  FakeClock clock_;
  WebhookConfig config_;
  OutboxLimits limits_;
  std::unique_ptr<Connection> db_;
  std::unique_ptr<Outbox> outbox_;
};

}  // namespace portolan
