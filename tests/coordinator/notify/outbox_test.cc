#include "coordinator/notify/outbox.h"

#include <gtest/gtest.h>

#include <random>

#include "common/base/status.h"
#include "tests/coordinator/notify/sample_notification.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {
namespace {

WebhookReceiver Receiver(const std::string& name) {
  WebhookReceiver r;
  r.name = name;
  r.url = WebhookUrl::Parse("http://127.0.0.1:1/").value();
  return r;
}

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() {
    db_ = Connection::Open(dir_.path() + "/x.db", {.sync_full = false}).value();
    EXPECT_TRUE(Outbox::CreateTables(*db_).ok());
    WebhookConfig config;
    config.receivers = {Receiver("a"), Receiver("b")};
    config.receivers[1].filter.min_severity = Severity::kCritical;
    outbox_ = std::make_unique<Outbox>(config, OutboxLimits{10, 20}, clock_);
  }
  Notification Make(const std::string& id, Severity severity = Severity::kHigh) {
    Notification n = SampleNotification();
    n.id = id;
    n.severity = severity;
    return n;
  }
  size_t Put(const std::string& id, Severity severity = Severity::kHigh) {
    const auto count = outbox_->Enqueue(*db_, Make(id, severity));
    EXPECT_TRUE(count.ok()) << count.status();
    return count.value_or(0);
  }
  int64_t Count(const char* sql) {
    Statement& s = db_->Sql(sql);
    const int64_t n = s.Step() ? s.Int(0) : -1;
    s.Reset();
    return n;
  }
  std::string NextId(const std::string& receiver) {
    const auto due = outbox_->Next(*db_, receiver);
    EXPECT_TRUE(due.ok()) << due.status();
    return due.ok() && *due ? MessageId(*(*due)->message) : "";
  }
  int64_t NextNumber(const std::string& receiver) {
    return outbox_->Next(*db_, receiver).value()->number;
  }

  TempDirectory dir_;
  FakeClock clock_;
  std::unique_ptr<Connection> db_;
  std::unique_ptr<Outbox> outbox_;
};

TEST_F(OutboxTest, IsPutInWithTheCallersTransactionOrNotAtAll) {
  ASSERT_TRUE(
      db_->Execute("CREATE TABLE mine (x INTEGER); BEGIN IMMEDIATE; INSERT INTO mine VALUES "
                   "(1)")
          .ok());
  EXPECT_EQ(Put("x"), 1u);
  db_->Rollback();
  EXPECT_EQ(NextId("a"), "");
  EXPECT_EQ(outbox_->Totals(*db_, "a")->pending, 0u);
  ASSERT_TRUE(db_->Execute("BEGIN IMMEDIATE; INSERT INTO mine VALUES (1)").ok());
  EXPECT_EQ(Put("x"), 1u);
  // One that is refused leaves the transaction as it was.
  EXPECT_FALSE(outbox_->Enqueue(*db_, Make("not a header")).ok());
  ASSERT_TRUE(db_->Execute("COMMIT").ok());
  EXPECT_EQ(NextId("a"), "x");
  EXPECT_EQ(Count("SELECT count(*) FROM mine"), 1);
}

TEST_F(OutboxTest, GoesToThoseWhoseFilterItPasses) {
  EXPECT_EQ(Put("high"), 1u);
  EXPECT_EQ(Put("critical", Severity::kCritical), 2u);
  EXPECT_EQ(NextId("a"), "high");
  EXPECT_EQ(NextId("b"), "critical");
  EXPECT_EQ(Put("critical", Severity::kCritical), 0u) << "the same id waits";
  ASSERT_TRUE(outbox_->EnqueueTest(*db_, "b", "t").ok());
  EXPECT_EQ(outbox_->Totals(*db_, "b")->pending, 2u);
  EXPECT_EQ(outbox_->Totals(*db_, "a")->pending, 2u);
  EXPECT_EQ(outbox_->EnqueueTest(*db_, "nobody", "t2").code(), absl::StatusCode::kNotFound);
}

TEST_F(OutboxTest, DeliveredToAllIsGone) {
  Put("x", Severity::kCritical);
  ASSERT_TRUE(outbox_->Delivered(*db_, NextNumber("a")).ok());
  EXPECT_EQ(NextId("a"), "");
  EXPECT_EQ(NextId("b"), "x");
  ASSERT_TRUE(outbox_->Delivered(*db_, NextNumber("b")).ok());
  EXPECT_EQ(Count("SELECT count(*) FROM notify_messages"), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM notify_deliveries"), 0);
}

TEST_F(OutboxTest, TooManyPendingMakeTheOldestDeadAndTooManyDeadAreDropped) {
  for (int i = 0; i < 25; ++i) Put("n" + std::to_string(i));
  EXPECT_EQ(outbox_->Totals(*db_, "a")->pending, 10u);
  EXPECT_EQ(outbox_->Totals(*db_, "a")->dead, 15u);
  EXPECT_EQ(NextId("a"), "n15");
  EXPECT_EQ(outbox_->Losses(*db_)->overflowed, 15u);
  const auto dead = outbox_->ListDead(*db_, "", 0, 100).value();
  ASSERT_EQ(dead.size(), 15u);
  EXPECT_EQ(dead[0].notification, Make("n0"));
  EXPECT_EQ(dead[0].error, "too many notifications were waiting");
  for (int i = 25; i < 40; ++i) Put("n" + std::to_string(i));
  EXPECT_EQ(outbox_->Totals(*db_, "a")->dead, 20u);
  EXPECT_EQ(outbox_->Losses(*db_)->dropped, 10u);
  EXPECT_EQ(outbox_->ListDead(*db_, "", 0, 1).value()[0].notification.id, "n10");
  EXPECT_EQ(Count("SELECT count(*) FROM notify_messages"), 30);
}

TEST_F(OutboxTest, DeadLettersAreListedSentAgainAndDropped) {
  for (const char* id : {"x", "y", "z"}) Put(id);
  const int64_t x = NextNumber("a");
  ASSERT_TRUE(outbox_->Kill(*db_, x, {1, 410, "gone"}).ok());
  EXPECT_EQ(NextId("a"), "y");
  const auto dead = outbox_->ListDead(*db_, "a", 0, 10).value();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].number, x);
  EXPECT_EQ(dead[0].attempts, 1u);
  EXPECT_EQ(dead[0].status, 410);
  EXPECT_EQ(dead[0].error, "gone");
  EXPECT_EQ(dead[0].died, clock_.Wall());
  EXPECT_TRUE(outbox_->ListDead(*db_, "b", 0, 10)->empty());
  EXPECT_TRUE(outbox_->ListDead(*db_, "a", x, 10)->empty());
  clock_.Advance(std::chrono::hours(1));
  ASSERT_TRUE(outbox_->Resend(*db_, x).ok());
  EXPECT_EQ(outbox_->Resend(*db_, x).code(), absl::StatusCode::kNotFound);
  const auto due = outbox_->Next(*db_, "a").value();
  EXPECT_EQ(MessageId(*due->message), "x");
  EXPECT_EQ(due->attempts, 0u);
  EXPECT_EQ(due->queued, clock_.Wall()) << "its age counts anew";
  ASSERT_TRUE(outbox_->Kill(*db_, x, {}).ok());
  ASSERT_TRUE(outbox_->Drop(*db_, x).ok());
  EXPECT_EQ(outbox_->Drop(*db_, x).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(outbox_->Drop(*db_, NextNumber("a")).code(), absl::StatusCode::kNotFound)
      << "only dead ones";
  for (const char* id : {"y", "z"}) {
    EXPECT_EQ(NextId("a"), id);
    ASSERT_TRUE(outbox_->Kill(*db_, NextNumber("a"), {}).ok());
  }
  EXPECT_EQ(outbox_->ResendAll(*db_, "b").value(), 0u);
  EXPECT_EQ(outbox_->ResendAll(*db_, "").value(), 2u);
  EXPECT_EQ(NextId("a"), "y");
  EXPECT_EQ(outbox_->DropAll(*db_, "").value(), 0u);
}

TEST_F(OutboxTest, ThoseOfRemovedReceiversBecomeDeadLetters) {
  Put("x", Severity::kCritical);
  WebhookConfig config;
  config.receivers = {Receiver("a")};
  const Outbox fewer(config, {}, clock_);
  EXPECT_EQ(fewer.KillOrphans(*db_).value(), 1u);
  EXPECT_EQ(fewer.KillOrphans(*db_).value(), 0u);
  const auto dead = fewer.ListDead(*db_, "b", 0, 10).value();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].error, "its receiver is not configured any more");
  EXPECT_EQ(fewer.Resend(*db_, dead[0].number).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fewer.ListDead(*db_, "b", 0, 10)->size(), 1u) << "and stays";
  EXPECT_EQ(fewer.ResendAll(*db_, "").value(), 0u);
  ASSERT_TRUE(outbox_->Resend(*db_, dead[0].number).ok());
  EXPECT_EQ(NextId("b"), "x");
}

TEST_F(OutboxTest, OneAsideIsFirstWhenItIsDueAndHoldsUpNobodyBefore) {
  Put("x");
  Put("y");
  const WallTime until = clock_.Wall() + std::chrono::minutes(1);
  ASSERT_TRUE(outbox_->Failed(*db_, NextNumber("a"), {8, 500, "bad"}, until).ok());
  EXPECT_EQ(NextId("a"), "y");
  EXPECT_EQ(outbox_->NextAside(*db_, "a").value(), until);
  clock_.Advance(std::chrono::minutes(1));
  EXPECT_EQ(NextId("a"), "x");
  // The clock was set back by a day: due, rather than in a day.
  clock_.Advance(-std::chrono::hours(24));
  EXPECT_EQ(NextId("a"), "x");
}

TEST_F(OutboxTest, TablesOfANewerProgramAreRefused) {
  EXPECT_TRUE(Outbox::CreateTables(*db_).ok());
  ASSERT_TRUE(db_->Execute("UPDATE notify_meta SET value = 99 WHERE key = 'schema'").ok());
  EXPECT_EQ(Outbox::CreateTables(*db_).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(OutboxTest, TotalsAgreeWithCountingAfterAnything) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 4000; ++i) {
    const std::string receiver = random() % 3 == 0 ? "b" : "a";
    const auto due = outbox_->Next(*db_, receiver).value();
    const auto dead = outbox_->ListDead(*db_, receiver, 0, 5).value();
    switch (random() % 9) {
      case 0:
        ASSERT_TRUE(!due || outbox_->Delivered(*db_, due->number).ok());
        break;
      case 1:
        ASSERT_TRUE(!due || outbox_->Kill(*db_, due->number, {1, 400, "no"}).ok());
        break;
      case 2:
        ASSERT_TRUE(!due || outbox_
                                ->Failed(*db_, due->number, {due->attempts + 1, 500, "x"},
                                         clock_.Wall() + std::chrono::seconds(random() % 100))
                                .ok());
        break;
      case 3:
        ASSERT_TRUE(dead.empty() || outbox_->Resend(*db_, dead.back().number).ok());
        break;
      case 4:
        ASSERT_TRUE(dead.empty() || outbox_->Drop(*db_, dead[0].number).ok());
        break;
      case 5:
        clock_.Advance(std::chrono::seconds(random() % 30));
        break;
      case 6:
        ASSERT_TRUE(outbox_
                        ->Expire(*db_, receiver,
                                 random() % 2 ? Outbox::Which::kAll : Outbox::Which::kAside,
                                 clock_.Wall() - std::chrono::minutes(5), "old")
                        .ok());
        break;
      default:
        Put("n" + std::to_string(i), random() % 2 ? Severity::kCritical : Severity::kHigh);
    }
    uint64_t pending = 0, all_dead = 0;
    for (const std::string name : {"a", "b"}) {
      const auto totals = outbox_->Totals(*db_, name).value();
      pending += totals.pending;
      all_dead += totals.dead;
      EXPECT_EQ(totals.pending > 0, totals.oldest_pending.has_value());
    }
    ASSERT_EQ(pending, static_cast<uint64_t>(
                           Count("SELECT count(*) FROM notify_deliveries WHERE state < 2")));
    ASSERT_EQ(all_dead, static_cast<uint64_t>(
                            Count("SELECT count(*) FROM notify_deliveries WHERE state = 2")));
    ASSERT_LE(pending, 10u);
    ASSERT_LE(all_dead, 30u);  // the limit is held when something is put in
    ASSERT_EQ(Count("SELECT count(*) FROM notify_messages WHERE number NOT IN (SELECT message FROM "
                    "notify_deliveries)"),
              0);
  }
}

}  // namespace
}  // namespace portolan
