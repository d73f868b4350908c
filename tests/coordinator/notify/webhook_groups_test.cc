// Groups against a real HTTP receiver.
#include <nlohmann/json.hpp>

#include "common/base/status.h"
#include "coordinator/notify/signature.h"
#include "tests/coordinator/notify/webhook_fixture.h"

namespace portolan {
namespace {

using nlohmann::json;
using std::chrono::seconds;

class WebhookGroupsTest : public WebhookTest {
 protected:
  ~WebhookGroupsTest() override { sender_.reset(); }
  void ConfigureGroups() {
    WebhookReceiver to = To("a", receiver_.port());
    to.group = WebhookGrouping{seconds(30), {GroupKey::kMonitor}};
    to.secret = "swordfish";
    Configure({to});
  }

  HttpReceiver receiver_;
};

TEST_F(WebhookGroupsTest, TwoHundredAtOnceAreOneSignedMessage) {
  receiver_.Up();
  ConfigureGroups();
  Start();
  PutMany("n", 200);
  EXPECT_EQ(StatsOf().waiting.pending, 200u);
  EXPECT_EQ(StatsOf().waiting.gathering, 200u);
  EXPECT_EQ(StatsOf().sent, 0u);
  Advance(seconds(29));
  Advance(seconds(1));
  const httplib::Request r = receiver_.requests.WaitFor(1)[0];
  const WebhookAttempt attempt = attempts_.WaitFor(1)[0];
  EXPECT_TRUE(attempt.delivered);
  EXPECT_EQ(attempt.count, 200u);
  const json body = json::parse(r.body);
  EXPECT_EQ(body["id"], r.get_header_value("X-Portolan-Delivery"));
  EXPECT_EQ(body["counts"]["total"], 200);
  EXPECT_EQ(body["notifications"].size(), 10u);
  EXPECT_EQ(body["not_shown"], 190);
  EXPECT_EQ(r.get_header_value("X-Portolan-Signature"),
            SignWebhook("swordfish", clock_.Wall(), r.body));
  EXPECT_EQ(StatsOf().sent, 200u);
  EXPECT_EQ(StatsOf().messages, 1u);
  EXPECT_EQ(StatsOf().waiting.pending, 0u);
  EXPECT_EQ(receiver_.requests.size(), 1u);
}

TEST_F(WebhookGroupsTest, RestartsAndFailuresSendTheSameMessageAgain) {
  std::atomic<int> failures{2};
  receiver_.Answer([&](const httplib::Request&, httplib::Response& r) {
    if (failures-- > 0) r.status = 503;
  });
  receiver_.Up();
  ConfigureGroups();
  Start();
  PutMany("n", 20);
  sender_.reset();  // while it gathers
  Start();
  EXPECT_EQ(StatsOf().waiting.gathering, 20u);
  Advance(seconds(30));
  attempts_.WaitFor(1);
  EXPECT_EQ(StatsOf().waiting.gathering, 0u) << "complete, though not delivered";
  EXPECT_EQ(StatsOf().waiting.pending, 20u);
  sender_.reset();  // between two attempts
  Start();
  const auto attempts = AdvanceUntilAttempts(3);
  EXPECT_TRUE(attempts[2].delivered) << attempts[2].detail;
  const auto requests = receiver_.requests.WaitFor(3);
  for (const httplib::Request& r : requests) {
    EXPECT_EQ(r.body, requests[0].body);
    EXPECT_EQ(r.get_header_value("X-Portolan-Delivery"), attempts[0].id);
  }
  EXPECT_EQ(json::parse(requests[0].body)["counts"]["total"], 20);
  EXPECT_EQ(StatsOf().waiting.pending, 0u);
}

TEST_F(WebhookGroupsTest, GroupsAreCompleteWhileTheReceiverIsAway) {
  receiver_.Up();
  receiver_.Down();
  ConfigureGroups();
  Start();
  Put("first");
  Advance(seconds(30));
  attempts_.WaitFor(1);
  PutMany("n", 5);
  AdvanceUntilAttempts(2);
  PutMany("m", 5);  // of the next group: that of n is complete
  receiver_.Up();
  Advance(kMaxBackoff);
  std::vector<int> sizes;
  for (const httplib::Request& r : receiver_.requests.WaitFor(3))
    sizes.push_back(json::parse(r.body)["counts"]["total"]);
  EXPECT_EQ(sizes, (std::vector<int>{1, 5, 5}));
}

TEST_F(WebhookGroupsTest, RefusedGroupIsGivenUpWithAllOfItsNotifications) {
  receiver_.Answer([](const httplib::Request&, httplib::Response& r) { r.status = 400; });
  receiver_.Up();
  ConfigureGroups();
  Start();
  PutMany("n", 12);
  Advance(seconds(30));
  const WebhookAttempt attempt = attempts_.WaitFor(1)[0];
  EXPECT_TRUE(attempt.dead);
  EXPECT_EQ(StatsOf().failed, 12u);
  EXPECT_EQ(StatsOf().waiting.dead, 12u);
  const auto dead = outbox_->ListDead(*db_, "", 0, 10).value();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].notification.id, attempt.id);
}

TEST_F(WebhookGroupsTest, TestMessageIsSentAtOnceInTheFormOfAGroup) {
  receiver_.Up();
  ConfigureGroups();
  Start();
  Put("x");
  ASSERT_TRUE(outbox_->EnqueueTest(*db_, "a", "test-1").ok());
  sender_->Wake();
  const json body = json::parse(receiver_.requests.WaitFor(1)[0].body);
  EXPECT_EQ(body["kind"], "group");
  EXPECT_EQ(body["id"], "test-1");
  attempts_.WaitFor(1);
  EXPECT_EQ(StatsOf().waiting.gathering, 1u);
}

}  // namespace
}  // namespace portolan
