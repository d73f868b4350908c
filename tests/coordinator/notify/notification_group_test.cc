#include "coordinator/notify/notification_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "common/base/status.h"
#include "tests/coordinator/notify/sample_notification.h"

namespace portolan {
namespace {

Notification Make(const std::string& id, Severity severity, int64_t seconds) {
  Notification n = SampleNotification();
  n.id = id;
  n.severity = severity;
  n.time = FromUnixMicros(seconds * 1'000'000);
  return n;
}

std::vector<std::string> Ids(const NotificationGroup& group) {
  std::vector<std::string> ids;
  for (const Notification& n : group.members) ids.push_back(n.id);
  return ids;
}

TEST(GroupKey, NamesAreReadBack) {
  EXPECT_EQ(GroupKeyNames(), "monitor, vantage, host, port, rule, severity, kind");
  for (const std::string name :
       {"monitor", "vantage", "host", "port", "rule", "severity", "kind"}) {
    const auto key = ParseGroupKey(name);
    ASSERT_TRUE(key.has_value()) << name;
    EXPECT_EQ(GroupKeyName(*key), name);
  }
  EXPECT_FALSE(ParseGroupKey("Host").has_value());
  EXPECT_FALSE(ParseGroupKey("").has_value());
}

TEST(GroupValues, AreThoseOfTheNotification) {
  Notification n = SampleNotification();
  const std::vector<GroupKey> all = {GroupKey::kMonitor, GroupKey::kVantage, GroupKey::kHost,
                                     GroupKey::kPort,    GroupKey::kRule,    GroupKey::kSeverity,
                                     GroupKey::kKind};
  const GroupValues expected = {{GroupKey::kMonitor, "edge"},
                                {GroupKey::kVantage, "outside"},
                                {GroupKey::kHost, "db.example"},
                                {GroupKey::kPort, "5432"},
                                {GroupKey::kRule, "no-databases-from-outside"},
                                {GroupKey::kSeverity, "high"},
                                {GroupKey::kKind, "finding-opened"}};
  EXPECT_EQ(GroupValuesOf(all, n), expected);
  n.target = "";
  n.port = 0;
  const GroupValues without = {{GroupKey::kPort, ""}, {GroupKey::kHost, "198.18.0.7"}};
  EXPECT_EQ(GroupValuesOf({GroupKey::kPort, GroupKey::kHost}, n), without);
}

TEST(GroupValues, AreStoredUnambiguously) {
  const GroupValues a = {{GroupKey::kMonitor, "ab"}, {GroupKey::kHost, "c"}},
                    b = {{GroupKey::kMonitor, "a"}, {GroupKey::kHost, "bc"}},
                    c = {{GroupKey::kVantage, "ab"}, {GroupKey::kHost, "c"}};
  EXPECT_NE(EncodeGroupValues(a), EncodeGroupValues(b));
  EXPECT_NE(EncodeGroupValues(a), EncodeGroupValues(c));
  EXPECT_EQ(DecodeGroupValues(EncodeGroupValues(a)).value(), a);
  EXPECT_EQ(DecodeGroupValues(EncodeGroupValues({})).value(), GroupValues());
  EXPECT_FALSE(DecodeGroupValues(std::string("\x01\x63\x00", 3)).ok()) << "no such key";
}

TEST(NotificationGroup, TheMostSevereIsFirstThenTheOldest) {
  std::vector<Notification> members = {
      Make("new", Severity::kHigh, 30), Make("low", Severity::kLow, 1),
      Make("b", Severity::kHigh, 20), Make("a", Severity::kHigh, 20),
      Make("worst", Severity::kCritical, 40)};
  const NotificationGroup group = MakeGroup("chat", {}, members);
  EXPECT_EQ(Ids(group), (std::vector<std::string>{"worst", "a", "b", "new", "low"}));
  // However they came, it is the same.
  std::reverse(members.begin(), members.end());
  EXPECT_EQ(MakeGroup("chat", {}, members), group);
}

TEST(NotificationGroup, IdIsThatOfItsMembersAndItsReceiver) {
  const std::vector<Notification> one = {Make("a", Severity::kLow, 1)},
                                  two = {one[0], Make("b", Severity::kLow, 2)};
  const std::string id = MakeGroup("chat", {}, one).id;
  EXPECT_EQ(id.rfind("group-", 0), 0u);
  EXPECT_EQ(id.size(), 6u + 32);
  EXPECT_TRUE(IsNotificationId(id));
  EXPECT_NE(MakeGroup("chat", {}, two).id, id);
  EXPECT_NE(MakeGroup("mail", {}, one).id, id) << "another receiver's filter may differ";
  EXPECT_EQ(GroupOfOne({GroupKey::kHost}, one[0]).id, "a") << "what did not gather keeps its id";
}

TEST(NotificationGroup, CommonIsWhatAllMembersShare) {
  Notification a = Make("a", Severity::kLow, 20), b = Make("b", Severity::kHigh, 10);
  b.target = "other.example";
  b.port = 22;
  const Notification common = CommonOf(MakeGroup("chat", {}, {a, b}));
  EXPECT_EQ(common.monitor, "edge");
  EXPECT_EQ(common.vantage, "outside");
  EXPECT_EQ(common.target, "");
  EXPECT_EQ(common.address, "") << "that of two targets";
  EXPECT_EQ(common.port, 0);
  EXPECT_EQ(common.severity, Severity::kHigh);
  EXPECT_EQ(common.since, b.time);
  EXPECT_EQ(common.time, a.time);
}

TEST(NotificationGroup, IsStoredAndReadBack) {
  const NotificationGroup group =
      MakeGroup("chat", {{GroupKey::kMonitor, "edge"}, {GroupKey::kHost, ""}},
                {Make("a", Severity::kLow, 1), Make("b", Severity::kHigh, 2)});
  const std::string bytes = EncodeGroup(group).value();
  Notification small;
  small.id = "e";
  small.time = FromUnixMicros(1'000'000);
  NotificationGroup golden = GroupOfOne({GroupKey::kHost, GroupKey::kKind}, small);
  golden.id = "g";
  const std::string stored = EncodeGroup(golden).value();
  std::string hex;
  for (const char c : stored) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  EXPECT_EQ(hex, "470101670202000604746573740117010165030180897a000000000000000000000000000000")
      << "what was stored by a released program must be read for good";
  const WebhookMessage read = DecodeMessage(bytes).value();
  EXPECT_EQ(std::get<NotificationGroup>(read), group);
  EXPECT_EQ(MessageId(read), group.id);
  EXPECT_EQ(MessageCount(read), 2u);
  const WebhookMessage single =
      DecodeMessage(EncodeNotification(SampleNotification()).value()).value();
  EXPECT_EQ(std::get<Notification>(single), SampleNotification());
  EXPECT_EQ(MessageId(single), "ev-1");
  EXPECT_EQ(MessageCount(single), 1u);
}

TEST(NotificationGroup, DamagedBytesAreNone) {
  const NotificationGroup group =
      MakeGroup("chat", {{GroupKey::kMonitor, "edge"}}, {Make("a", Severity::kLow, 1)});
  const std::string good = EncodeGroup(group).value();
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(DecodeMessage(good.substr(0, n)).ok()) << n;
  EXPECT_FALSE(DecodeMessage(good + "x").ok());
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int n = 0; n < 3; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto read = DecodeMessage(bytes);
    if (!read.ok()) continue;
    // What is read can be sent and stored again.
    EXPECT_TRUE(IsNotificationId(MessageId(*read)));
    if (const auto* g = std::get_if<NotificationGroup>(&*read)) {
      EXPECT_TRUE(EncodeGroup(*g).ok());
    }
  }
}

}  // namespace
}  // namespace portolan
