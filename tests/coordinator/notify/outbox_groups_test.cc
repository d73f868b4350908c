// Receivers with groups: what gathers, for how long, and what becomes of it.
#include <random>

#include "tests/coordinator/notify/outbox_groups_fixture.h"

namespace portolan {
namespace {

using std::chrono::seconds;

TEST_F(OutboxGroupsTest, OneMessageIsSentAtTheEndOfTheWaitAfterTheFirst) {
  const WallTime start = clock_.Wall();
  EXPECT_EQ(outbox_->NextGroup(*db_, "chat").value(), std::nullopt);
  for (int i = 0; i < 29; ++i) {
    Put("n" + std::to_string(100 + i));
    clock_.Advance(seconds(1));  // news that goes on does not put it off
    CloseAll();
    EXPECT_TRUE(Take().empty());
  }
  EXPECT_EQ(outbox_->NextGroup(*db_, "chat").value(), start + seconds(30));
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->pending, 29u);
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->gathering, 29u);
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->oldest_pending, start);
  clock_.Advance(seconds(1));
  CloseAll();
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->pending, 29u) << "none is lost from the count";
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->gathering, 0u);
  const auto messages = Take();
  ASSERT_EQ(messages.size(), 1u);
  const NotificationGroup& group = std::get<NotificationGroup>(messages[0]);
  EXPECT_EQ(group.members.size(), 29u);
  EXPECT_EQ(group.members.front().id, "n100");
  EXPECT_EQ(group.by, (GroupValues{{GroupKey::kMonitor, "edge"}, {GroupKey::kHost, "db.example"}}));
  EXPECT_EQ(Take("archive").size(), 29u) << "a receiver without groups gets each by itself";
  ExpectEmpty();
}

TEST_F(OutboxGroupsTest, OnlyWhatHasTheSameValuesAndPassesTheFilterIsInAGroup) {
  Put("a1", "a.example");
  Put("b1", "b.example");
  Put("info", "a.example", Severity::kInfo);  // the filter's
  Put("a2", "a.example");
  clock_.Advance(seconds(30));
  CloseAll();
  const auto messages = Take();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(Ids(messages[0]), (std::vector<std::string>{"a1", "a2"}));
  EXPECT_EQ(Ids(messages[1]), std::vector<std::string>{"b1"}) << "a group of one is a group";
}

TEST_F(OutboxGroupsTest, TestMessageDoesNotGather) {
  ASSERT_TRUE(outbox_->EnqueueTest(*db_, "chat", "test-1").ok());
  const auto messages = Take();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(MessageId(messages[0]), "test-1");
}

TEST_F(OutboxGroupsTest, CrashBetweenGatheringAndSendingLosesNothingAndChangesNothing) {
  Put("a");
  Put("b");
  clock_.Advance(seconds(10));
  Reopen();
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->gathering, 2u);
  Put("c");
  Notification again = SampleNotification();
  again.id = "a";
  EXPECT_EQ(outbox_->Enqueue(*db_, again).value(), 0u) << "it gathers already";
  clock_.Advance(seconds(20));
  // Its making is lost, as by a crash before the commit.
  ASSERT_TRUE(db_->Execute("BEGIN IMMEDIATE").ok());
  ASSERT_TRUE(outbox_->CloseGroup(*db_, "chat").ok());
  const WebhookMessage lost = outbox_->Next(*db_, "chat").value()->message.value();
  db_->Rollback();
  Reopen();
  Put("d");  // after its time, so of another group
  CloseAll();
  const auto due = outbox_->Next(*db_, "chat").value();
  ASSERT_TRUE(due.has_value());
  EXPECT_EQ(due->message.value(), lost) << "the same id and the same members";
  EXPECT_EQ(Ids(*due->message), (std::vector<std::string>{"a", "b", "c"}));
  Reopen();  // before it was delivered
  CloseAll();
  ASSERT_EQ(outbox_->Next(*db_, "chat").value()->message.value(), lost);
  ASSERT_TRUE(outbox_->Delivered(*db_, due->number).ok());
  EXPECT_TRUE(Take().empty());
  clock_.Advance(seconds(30));
  CloseAll();
  const auto rest = Take();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(Ids(rest[0]), std::vector<std::string>{"d"});
}

TEST_F(OutboxGroupsTest, GathersWithTheCallersTransactionOrNotAtAll) {
  ASSERT_TRUE(db_->Execute("BEGIN IMMEDIATE").ok());
  Put("a");
  db_->Rollback();
  ExpectEmpty();
}

TEST_F(OutboxGroupsTest, FullGroupIsSentEarly) {
  limits_.max_group_members = 10;
  Reopen();
  for (int i = 0; i < 25; ++i) Put("n" + std::to_string(100 + i));
  CloseAll();
  auto messages = Take();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(MessageCount(messages[0]), 10u);
  EXPECT_EQ(MessageCount(messages[1]), 10u);
  EXPECT_EQ(Ids(messages[1]).front(), "n110");
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->gathering, 5u);
  clock_.Advance(seconds(30));
  CloseAll();
  messages = Take();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(MessageCount(messages[0]), 5u);
}

TEST_F(OutboxGroupsTest, GroupIsBoundedInBytes) {
  Notification n = SampleNotification();
  n.trail = {std::string(60'000, 'x')};
  for (int i = 0; i < 40; ++i) {
    n.id = "n" + std::to_string(100 + i);
    ASSERT_TRUE(outbox_->Enqueue(*db_, n).ok());
  }
  clock_.Advance(seconds(30));
  CloseAll();
  size_t members = 0;
  for (const WebhookMessage& m : Take()) {
    EXPECT_LE(EncodeGroup(std::get<NotificationGroup>(m))->size(), limits_.max_group_bytes + 1'000);
    members += MessageCount(m);
  }
  EXPECT_EQ(members, 40u);
}

TEST_F(OutboxGroupsTest, TooManyOpenGroupsMakeTheOldestComplete) {
  limits_.max_open_groups = 3;
  Reopen();
  for (const char* host : {"a", "b", "c", "d", "e"}) {
    Put(std::string("of-") + host, host);
    clock_.Advance(seconds(1));
  }
  CloseAll();
  const auto messages = Take();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(Ids(messages[0]), std::vector<std::string>{"of-a"});
  EXPECT_EQ(Ids(messages[1]), std::vector<std::string>{"of-b"});
  EXPECT_EQ(Count("SELECT count(*) FROM notify_groups"), 3);
}

TEST_F(OutboxGroupsTest, ClockThatIsSetBackDelaysNothing) {
  Put("a");
  clock_.Advance(-std::chrono::hours(24));
  CloseAll();
  EXPECT_EQ(Take().size(), 1u);
  Put("b");
  clock_.Advance(-seconds(20));
  CloseAll();
  EXPECT_EQ(Take().size(), 1u) << "its end is further away than any wait is long";
}

TEST_F(OutboxGroupsTest, ShorterWaitOrNoGroupsAnyMoreSendWhatHasGathered) {
  Put("a");
  config_.receivers[0].group->wait = seconds(5);
  Reopen();
  CloseAll();
  EXPECT_EQ(Take().size(), 1u);
  Put("b");
  config_.receivers[0].group.reset();
  Reopen();
  CloseAll();
  const auto messages = Take();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(Ids(messages[0]), std::vector<std::string>{"b"});
  Put("c");
  EXPECT_EQ(Take().size(), 1u);
}

TEST_F(OutboxGroupsTest, GivenUpGroupIsOneDeadLetterThatIsSentAgainAsItWas) {
  for (const char* id : {"a", "b", "c"}) Put(id);
  clock_.Advance(seconds(30));
  CloseAll();
  const auto due = outbox_->Next(*db_, "chat").value();
  const std::string body = RenderWebhookMessage(config_.receivers[0], *due->message, "");
  ASSERT_TRUE(outbox_->Kill(*db_, due->number, {1, 410, "gone"}).ok());
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->dead, 3u) << "notifications";
  const auto dead = outbox_->ListDead(*db_, "chat", 0, 10).value();
  ASSERT_EQ(dead.size(), 1u) << "one message";
  EXPECT_TRUE(dead[0].grouped);
  EXPECT_EQ(dead[0].notification.id, MessageId(*due->message));
  EXPECT_EQ(dead[0].notification.monitor, "edge");
  EXPECT_EQ(dead[0].notification.text,
            "3 notifications (monitor edge, host db.example): 3 findings opened");
  ASSERT_TRUE(outbox_->Resend(*db_, dead[0].number).ok());
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->pending, 3u);
  const auto again = outbox_->Next(*db_, "chat").value();
  EXPECT_EQ(again->message.value(), due->message.value());
  EXPECT_EQ(RenderWebhookMessage(config_.receivers[0], *again->message, ""), body);
  // Too old: all of its notifications are.
  clock_.Advance(seconds(100));
  EXPECT_EQ(outbox_->Expire(*db_, "chat", Outbox::Which::kAll, clock_.Wall() - seconds(50), "old")
                .value(),
            3u);
  ASSERT_TRUE(outbox_->Drop(*db_, dead[0].number).ok());
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->dead, 0u);
}

TEST_F(OutboxGroupsTest, TooManyWaitingTakeFromGroupsToo) {
  config_.receivers.pop_back();
  limits_.max_pending = 5;
  limits_.max_dead = 4;
  Reopen();
  for (int i = 0; i < 8; ++i) Put("n" + std::to_string(i));
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->pending, 5u);
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->dead, 3u);
  EXPECT_EQ(outbox_->Losses(*db_)->overflowed, 3u);
  EXPECT_FALSE(outbox_->ListDead(*db_, "chat", 0, 10).value()[0].grouped);
  clock_.Advance(seconds(30));
  CloseAll();
  EXPECT_EQ(Ids(outbox_->Next(*db_, "chat").value()->message.value()).front(), "n3");
  // The next one makes the whole group give way: five notifications, of which no dead letters of
  // one message can be kept in part.
  Put("late");
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->pending, 1u);
  EXPECT_EQ(outbox_->Losses(*db_)->overflowed, 8u);
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->dead, 0u) << "five are more than may be kept";
  EXPECT_EQ(outbox_->Losses(*db_)->dropped, 8u);
  clock_.Advance(seconds(30));
  CloseAll();
  EXPECT_EQ(Take().size(), 1u);
  ExpectEmpty();
}

TEST_F(OutboxGroupsTest, GroupOfARemovedReceiverBecomesDeadLettersOneByOne) {
  Put("a");
  Put("b");
  config_.receivers.erase(config_.receivers.begin());
  Reopen();
  EXPECT_EQ(outbox_->KillOrphans(*db_).value(), 2u);
  EXPECT_EQ(outbox_->ListDead(*db_, "chat", 0, 10)->size(), 2u);
  EXPECT_EQ(Count("SELECT count(*) FROM notify_groups"), 0);
  // It is back: what is sent again is a group of one for who expects groups.
  config_.receivers.insert(config_.receivers.begin(), Receiver("chat"));
  config_.receivers[0].group = WebhookGrouping{seconds(30), {GroupKey::kHost}};
  Reopen();
  EXPECT_EQ(outbox_->ResendAll(*db_, "chat").value(), 2u);
  const auto messages = Take();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_NE(RenderWebhookMessage(config_.receivers[0], messages[0], "")
                .find(R"("id":"a","kind":"group")"),
            std::string::npos);
}

TEST_F(OutboxGroupsTest, DamagedMemberIsADeadLetterAndTheRestIsSent) {
  for (const char* id : {"a", "b", "c"}) Put(id);
  ASSERT_TRUE(db_->Execute("UPDATE notify_messages SET body = x'00' WHERE id = 'b'").ok());
  clock_.Advance(seconds(30));
  EXPECT_EQ(CloseAll(), 1u);
  const auto messages = Take();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(Ids(messages[0]), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(outbox_->ListDead(*db_, "chat", 0, 10)->size(), 1u);
}

TEST_F(OutboxGroupsTest, TablesOfTheFirstSchemaAreBroughtUpToDateWithWhatWaits) {
  db_ = nullptr;
  const std::string path = dir_.path() + "/old.db";
  db_ = Connection::Open(path, {.sync_full = false}).value();
  ASSERT_TRUE(db_->Execute(kOutboxSchema[0]).ok());
  const std::string body = EncodeNotification(SampleNotification()).value();
  Statement& message = db_->Sql("INSERT INTO notify_messages VALUES (7, 'ev-1', ?)");
  ASSERT_TRUE(message.Bind(Statement::Blob{body}).Run().ok());
  ASSERT_TRUE(
      db_->Execute("INSERT INTO notify_deliveries (message, receiver, state, queued) VALUES "
                   "(7, 'chat', 0, 5), (7, 'archive', 2, 5); UPDATE notify_meta SET value "
                   "= 9 WHERE key = 'dropped'")
          .ok());
  for (int i = 0; i < 2; ++i) {
    const absl::Status tables = Outbox::CreateTables(*db_);
    ASSERT_TRUE(tables.ok()) << tables;
  }
  EXPECT_EQ(Count("SELECT value FROM notify_meta WHERE key = 'schema'"),
            static_cast<int64_t>(std::size(kOutboxSchema)));
  EXPECT_EQ(outbox_->Totals(*db_, "chat")->pending, 1u);
  EXPECT_EQ(outbox_->Totals(*db_, "archive")->dead, 1u);
  EXPECT_EQ(outbox_->Losses(*db_)->dropped, 9u);
  Put("new");
  clock_.Advance(seconds(30));
  CloseAll();
  const auto messages = Take();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(std::get<Notification>(messages[0]), SampleNotification());
  EXPECT_EQ(Ids(messages[1]), std::vector<std::string>{"new"});
  ASSERT_EQ(outbox_->ResendAll(*db_, "archive").value(), 1u);
  EXPECT_EQ(Take("archive").size(), 2u);
  ExpectEmpty();
}

// Whatever happens in whatever order: each notification is in exactly one message, no later than
// its group's time, and the counts agree with counting.
TEST_F(OutboxGroupsTest, EachIsToldOnceWhateverEndsInBetween) {
  limits_.max_group_members = 7;
  limits_.max_open_groups = 4;
  Reopen();
  std::mt19937_64 random(11);
  std::map<std::string, WallTime> waiting;
  std::map<std::string, int> told;
  int put = 0;
  const auto deliver = [&] {
    for (const WebhookMessage& m : Take()) {
      EXPECT_LE(MessageCount(m), 7u);
      for (const std::string& id : Ids(m)) {
        ++told[id];
        waiting.erase(id);
      }
    }
  };
  for (int i = 0; i < 3'000; ++i) {
    switch (random() % 6) {
      case 0:
        clock_.Advance(std::chrono::milliseconds(random() % 12'000));
        break;
      case 1:
        if (random() % 5 == 0) Reopen();
        break;
      case 2:
        CloseAll();
        deliver();
        for (const auto& [id, since] : waiting) EXPECT_LT(clock_.Wall() - since, seconds(30)) << id;
        break;
      default:
        const std::string id = "n" + std::to_string(put++);
        waiting[id] = clock_.Wall();
        Put(id, "h" + std::to_string(random() % 6));
    }
    const auto totals = outbox_->Totals(*db_, "chat").value();
    ASSERT_EQ(
        totals.gathering,
        static_cast<uint64_t>(Count("SELECT count(*) FROM notify_deliveries WHERE state = 3")));
    ASSERT_EQ(totals.pending, waiting.size());
    ASSERT_LE(Count("SELECT count(*) FROM notify_groups WHERE closes > " +
                    std::to_string(ToUnixMicros(clock_.Wall()))),
              4);
  }
  clock_.Advance(seconds(30));
  CloseAll();
  deliver();
  EXPECT_TRUE(waiting.empty());
  EXPECT_EQ(told.size(), static_cast<size_t>(put));
  for (const auto& [id, n] : told) EXPECT_EQ(n, 1) << id;
}

}  // namespace
}  // namespace portolan
