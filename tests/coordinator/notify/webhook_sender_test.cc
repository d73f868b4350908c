#include "coordinator/notify/webhook_sender.h"

#include <gmock/gmock.h>
#include <openssl/sha.h>

#include <set>

#include "common/base/status.h"
#include "tests/coordinator/notify/webhook_fixture.h"

namespace portolan {
namespace {

using testing::HasSubstr;

// HMAC as RFC 2104 defines it, from the hash alone.
std::string IndependentHmac(std::string key, const std::string& message) {
  const auto hash = [](const std::string& text) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
    return std::string(reinterpret_cast<char*>(digest), sizeof(digest));
  };
  if (key.size() > 64) key = hash(key);
  key.resize(64, '\0');
  std::string inner = key, outer = key;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5c);
  std::string hex;
  for (const char c : hash(outer + hash(inner + message))) {
    hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return hex;
}

class WebhookSenderTest : public WebhookTest {
 protected:
  // First, so that no kept connection is waited for.
  ~WebhookSenderTest() override { sender_.reset(); }

  HttpReceiver receiver_;
};

TEST_F(WebhookSenderTest, SendsWhatIsPutInSignedAndInOrder) {
  receiver_.Up();
  WebhookReceiver to = To("a", receiver_.port());
  to.secret = "swordfish";
  to.headers = {{"Authorization", "Bearer t"}};
  Configure({to});
  Start();
  const auto ids = PutMany("n", 50);
  EXPECT_EQ(receiver_.WaitForIds(50), ids);
  for (const httplib::Request& r : receiver_.requests.WaitFor(50)) {
    EXPECT_EQ(r.target, "/hook?x=1");
    EXPECT_EQ(r.get_header_value("Content-Type"), "application/json");
    EXPECT_EQ(r.get_header_value("Authorization"), "Bearer t");
    const std::string t = std::to_string(ToUnixMicros(clock_.Wall()) / 1'000'000);
    EXPECT_EQ(r.get_header_value("X-Portolan-Signature"),
              "t=" + t + ",v1=" + IndependentHmac("swordfish", t + "." + r.body));
    EXPECT_THAT(r.body, HasSubstr("\"id\":\"" + r.get_header_value("X-Portolan-Delivery") + "\""));
  }
  attempts_.WaitFor(50);
  const WebhookReceiverStats stats = StatsOf();
  EXPECT_EQ(stats.sent, 50u);
  EXPECT_EQ(stats.retried + stats.failed, 0u);
  EXPECT_EQ(stats.waiting.pending + stats.waiting.dead, 0u);
}

TEST_F(WebhookSenderTest, WithoutASecretNothingIsSigned) {
  receiver_.Up();
  Configure({To("a", receiver_.port())});
  Start();
  Put("x");
  EXPECT_FALSE(receiver_.requests.WaitFor(1)[0].has_header("X-Portolan-Signature"));
}

TEST_F(WebhookSenderTest, ReceiverThatIsDownForAWhileMissesNothingAndKeepsOrder) {
  receiver_.Up();
  receiver_.Down();
  Configure({To("a", receiver_.port())});
  Start();
  auto ids = PutMany("n", 20);
  for (const WebhookAttempt& a : AdvanceUntilAttempts(6)) {
    EXPECT_EQ(a.id, "n0") << "nothing overtakes";
    EXPECT_FALSE(a.delivered);
    EXPECT_THAT(a.detail, HasSubstr("cannot connect"));
  }
  const WebhookReceiverStats down = StatsOf();
  EXPECT_EQ(down.retried, 6u);
  EXPECT_EQ(down.waiting.pending, 20u);
  EXPECT_GE(down.oldest_pending_age, 5 * kMaxBackoff);
  EXPECT_THAT(down.last_error, HasSubstr("cannot connect"));
  receiver_.Up();
  for (const std::string& id : PutMany("m", 5)) ids.push_back(id);
  Advance(kMaxBackoff);
  EXPECT_EQ(receiver_.WaitForIds(25), ids);
  attempts_.WaitFor(31);
  EXPECT_EQ(StatsOf().sent, 25u);
  EXPECT_EQ(StatsOf().waiting.pending, 0u);
  EXPECT_EQ(StatsOf().last_error, "");
}

TEST_F(WebhookSenderTest, GatewayErrorsHoldTheOrderHoweverLongTheyLast) {
  std::atomic<int> left{30};
  receiver_.Answer([&](const httplib::Request&, httplib::Response& r) {
    if (left-- > 0) r.status = 502 + left % 3;
  });
  receiver_.Up();
  Configure({To("a", receiver_.port())});
  Start();
  const auto ids = PutMany("n", 3);
  AdvanceUntilAttempts(30);
  Advance(kMaxBackoff);
  const auto seen = receiver_.WaitForIds(33);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.begin() + 30), std::set<std::string>{"n0"});
  EXPECT_EQ(std::vector<std::string>(seen.begin() + 30, seen.end()), ids);
}

TEST_F(WebhookSenderTest, MessageThatBreaksTheReceiverGivesWayAndIsDeliveredLater) {
  std::atomic<bool> healed{false};
  receiver_.Answer([&](const httplib::Request& q, httplib::Response& r) {
    if (q.get_header_value("X-Portolan-Delivery") == "n1" && !healed) r.status = 500;
  });
  receiver_.Up();
  Configure({To("a", receiver_.port())});
  Start();
  PutMany("n", 4);
  attempts_.WaitFor(2);  // from here on each needs its own step of the clock, until n1 gives way
  AdvanceUntilAttempts(1 + WebhookSender::kPatience);
  const auto attempts = attempts_.WaitFor(1 + WebhookSender::kPatience + 2);
  std::vector<std::string> order;
  for (const WebhookAttempt& a : attempts) order.push_back(a.id);
  std::vector<std::string> expected(1 + WebhookSender::kPatience, "n1");
  expected[0] = "n0";
  expected.insert(expected.end(), {"n2", "n3"});
  EXPECT_EQ(order, expected);
  EXPECT_EQ(StatsOf().waiting.pending, 1u);
  healed = true;
  const size_t before = attempts_.size();
  Advance(kMaxBackoff);
  const auto all = attempts_.WaitFor(before + 1);
  EXPECT_EQ(all.back().id, "n1");
  EXPECT_TRUE(all.back().delivered) << all.size() << " " << all.back().detail;
}

TEST_F(WebhookSenderTest, RetryAfterIsWaitedFor) {
  EventLog<WallTime> when;
  receiver_.Answer([&](const httplib::Request&, httplib::Response& r) {
    if (when.size() == 0) {
      r.status = 429;
      r.set_header("Retry-After", "120");
    }
    when.Add(clock_.Wall());
  });
  receiver_.Up();
  Configure({To("a", receiver_.port())});
  Start();
  Put("x");
  attempts_.WaitFor(1);
  Advance(std::chrono::seconds(119));
  Advance(std::chrono::seconds(2));
  const auto times = when.WaitFor(2);
  EXPECT_GE(times[1] - times[0], std::chrono::seconds(120));
}

TEST_F(WebhookSenderTest, RefusedBecomesADeadLetterThatCanBeSentAgain) {
  std::atomic<bool> refuses{true};
  receiver_.Answer([&](const httplib::Request& q, httplib::Response& r) {
    if (refuses && q.get_header_value("X-Portolan-Delivery") == "n1") {
      r.status = 410;
      r.set_content("no such\nchannel" + std::string(1000, '!'), "text/plain");
    }
  });
  receiver_.Up();
  Configure({To("a", receiver_.port())});
  Start();
  PutMany("n", 3);
  EXPECT_TRUE(attempts_.WaitFor(3)[1].dead);
  auto dead = outbox_->ListDead(*db_, "", 0, 10).value();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].notification.id, "n1");
  EXPECT_EQ(dead[0].status, 410);
  EXPECT_EQ(dead[0].attempts, 1u);
  EXPECT_EQ(dead[0].error, "HTTP status 410: no such channel" + std::string(200 - 15, '!'));
  EXPECT_EQ(StatsOf().failed, 1u);
  EXPECT_EQ(StatsOf().sent, 2u);
  EXPECT_EQ(StatsOf().waiting.dead, 1u);
  refuses = false;
  ASSERT_TRUE(outbox_->Resend(*db_, dead[0].number).ok());
  sender_->Wake();
  EXPECT_TRUE(attempts_.WaitFor(4)[3].delivered);
  EXPECT_EQ(StatsOf().waiting.dead, 0u);
}

TEST_F(WebhookSenderTest, RedirectIsNotFollowed) {
  HttpReceiver elsewhere;
  elsewhere.Up();
  receiver_.Answer([&](const httplib::Request&, httplib::Response& r) {
    r.set_redirect("http://127.0.0.1:" + std::to_string(elsewhere.port()) + "/", 307);
  });
  receiver_.Up();
  Configure({To("a", receiver_.port())});
  Start();
  Put("x");
  EXPECT_TRUE(attempts_.WaitFor(1)[0].dead);
  EXPECT_EQ(elsewhere.requests.size(), 0u);
}

TEST_F(WebhookSenderTest, WhatIsTooOldBecomesADeadLetterWithAllThatWaitsAsLong) {
  receiver_.Up();
  receiver_.Down();
  WebhookReceiver to = To("a", receiver_.port());
  to.max_age = std::chrono::hours(1);
  Configure({to});
  Start();
  PutMany("n", 3);
  attempts_.WaitFor(1);
  clock_.Advance(std::chrono::minutes(90));
  Put("young");
  EXPECT_TRUE(attempts_.WaitFor(2)[1].dead);
  EXPECT_EQ(StatsOf().failed, 3u);
  EXPECT_EQ(StatsOf().waiting.dead, 3u);
  EXPECT_EQ(StatsOf().waiting.pending, 1u);
  const auto dead = outbox_->ListDead(*db_, "", 0, 10).value();
  EXPECT_THAT(dead[2].error, HasSubstr("not delivered within 3600 s; last: "));
  receiver_.Up();
  Advance(kMaxBackoff);
  EXPECT_EQ(receiver_.WaitForIds(1)[0], "young");
  EXPECT_EQ(outbox_->ResendAll(*db_, "a").value(), 3u);
  sender_->Wake();
  EXPECT_EQ(receiver_.WaitForIds(4), (std::vector<std::string>{"young", "n0", "n1", "n2"}));
}

TEST_F(WebhookSenderTest, RestartInTheMiddleLosesNothing) {
  EventLog<int> arrived, released;
  receiver_.Answer([&](const httplib::Request& q, httplib::Response&) {
    if (q.get_header_value("X-Portolan-Delivery") != "n3" || arrived.size() > 0) return;
    arrived.Add(1);
    released.WaitFor(1);
  });
  receiver_.Up();
  Configure({To("a", receiver_.port())});
  Start();
  const auto ids = PutMany("n", 10);
  arrived.WaitFor(1);
  sender_.reset();  // with n3 at the receiver, and no answer yet
  released.Add(1);
  EXPECT_EQ(outbox_->Totals(*db_, "a")->pending, 7u);
  const auto first = receiver_.WaitForIds(4);
  EXPECT_EQ(first, std::vector<std::string>(ids.begin(), ids.begin() + 4));
  Start();
  const auto all = receiver_.WaitForIds(11);
  EXPECT_EQ(std::vector<std::string>(all.begin() + 4, all.end()),
            std::vector<std::string>(ids.begin() + 3, ids.end()))
      << "n3 twice, under the same id";
}

TEST_F(WebhookSenderTest, RestartsAtRandomMomentsLoseNothing) {
  receiver_.Up();
  Configure({To("a", receiver_.port())});
  std::vector<std::string> ids;
  for (int round = 0; round < 10; ++round) {
    Start();
    for (const auto& id : PutMany("r" + std::to_string(round) + ".", 7)) ids.push_back(id);
    receiver_.requests.WaitFor(ids.size() - 5);
    sender_.reset();
  }
  Start();
  sender_->Wake();
  while (StatsOf().waiting.pending > 0) std::this_thread::yield();
  std::vector<std::string> seen;
  for (const std::string& id : receiver_.WaitForIds(ids.size())) {
    if (seen.empty() || seen.back() != id) seen.push_back(id);
  }
  EXPECT_EQ(seen, ids) << "in order, each at least once, and a double right after its first";
}

TEST_F(WebhookSenderTest, SlowReceiverHoldsUpNoOther) {
  EventLog<int> released;
  receiver_.Answer([&](const httplib::Request&, httplib::Response&) { released.WaitFor(1); });
  receiver_.Up();
  HttpReceiver quick;
  quick.Up();
  Configure({To("slow", receiver_.port()), To("quick", quick.port())});
  Start();
  const auto ids = PutMany("n", 30);
  EXPECT_EQ(quick.WaitForIds(30), ids);
  EXPECT_EQ(receiver_.requests.size(), 0u);
  released.Add(1);
  EXPECT_EQ(receiver_.WaitForIds(30), ids);
}

TEST_F(WebhookSenderTest, ReceiverWithoutAnAnswerInTimeIsTriedAgain) {
  EventLog<int> released;
  receiver_.Answer([&](const httplib::Request&, httplib::Response&) { released.WaitFor(1); });
  receiver_.Up();
  WebhookReceiver to = To("a", receiver_.port());
  to.timeout = std::chrono::milliseconds(200);
  Configure({to});
  Start();
  Put("x");
  EXPECT_THAT(attempts_.WaitFor(1)[0].detail, HasSubstr("no answer within 0.2 s"));
  released.Add(1);
  EXPECT_TRUE(AdvanceUntilAttempts(2)[1].delivered);
}

TEST_F(WebhookSenderTest, FiltersAndTestMessages) {
  receiver_.Up();
  WebhookReceiver to = To("a", receiver_.port());
  to.filter.monitors = {"other"};
  Configure({to});
  Start();
  Put("x");
  ASSERT_TRUE(outbox_->EnqueueTest(*db_, "a", "test-1").ok());
  sender_->Wake();
  EXPECT_EQ(receiver_.WaitForIds(1), std::vector<std::string>{"test-1"});
  EXPECT_EQ(sender_->Stats()->receivers[0].waiting.dead, 0u);
}

TEST_F(WebhookSenderTest, DatabaseThatCannotBeOpenedIsSaid) {
  Configure({To("a", 1)});
  WebhookSender::Options options;
  options.database = dir_.path() + "/no/such/file";
  EXPECT_FALSE(WebhookSender::Start(*outbox_, options).ok());
}

}  // namespace
}  // namespace portolan
