// Messages of groups, as golden JSON: what receivers have been told to expect.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "coordinator/notify/body.h"
#include "tests/coordinator/notify/sample_notification.h"

namespace portolan {
namespace {

using nlohmann::json;

constexpr char kLink[] = "https://grafana.example/d/x?m={monitor}&t={target}:{port}#{id}";

Notification Make(int i, NotificationKind kind, Severity severity) {
  Notification n = SampleNotification();
  n.id = "ev-" + std::to_string(i);
  n.kind = kind;
  n.severity = severity;
  n.time += std::chrono::seconds(i);
  n.target = "h" + std::to_string(i) + ".example";
  n.text = n.target + ":5432 is open from outside.";
  return n;
}

// 190 high events, then 8 findings, critical, and 2 that are resolved.
NotificationGroup TwoHundred() {
  std::vector<Notification> members;
  for (int i = 0; i < 200; ++i) {
    members.push_back(i < 190   ? Make(i, NotificationKind::kEvent, Severity::kHigh)
                      : i < 198 ? Make(i, NotificationKind::kFindingOpened, Severity::kCritical)
                                : Make(i, NotificationKind::kFindingResolved, Severity::kCritical));
  }
  NotificationGroup group = MakeGroup("chat", {{GroupKey::kMonitor, "edge"}}, std::move(members));
  group.id = "group-1";
  return group;
}

TEST(WebhookGroupBody, PortolanHoldsEveryField) {
  Notification a = SampleNotification(), b = a;
  b.id = "ev-2";
  b.severity = Severity::kLow;
  b.kind = NotificationKind::kEvent;
  b.time += std::chrono::seconds(60);
  NotificationGroup group =
      MakeGroup("chat", {{GroupKey::kMonitor, "edge"}, {GroupKey::kHost, "db.example"}}, {b, a});
  group.id = "group-1";
  const auto single = [&](const Notification& n) {
    return RenderWebhookBody(WebhookFormat::kPortolan, n, kLink);
  };
  EXPECT_EQ(
      RenderWebhookBody(WebhookFormat::kPortolan, group, kLink),
      R"({"version":1,"id":"group-1","kind":"group","time":"2023-11-14T22:14:20.123456Z",)"
      R"("since":"2023-11-14T22:13:20.123456Z","severity":"high",)"
      R"("by":{"monitor":"edge","host":"db.example"},)"
      R"("counts":{"total":2,)"
      R"("kinds":{"event":1,"finding-opened":1,"finding-resolved":0,"test":0},)"
      R"("severities":{"critical":0,"high":1,"medium":0,"low":1,"info":0}},)"
      R"("text":"2 notifications (monitor edge, host db.example): 1 event, 1 finding opened",)"
      R"("notifications":[)" +
          single(a) + "," + single(b) +
          R"(],"not_shown":0,)"
          R"("link":"https://grafana.example/d/x?m=edge&t=db.example:5432#group-1",)"
          R"("command":"portolan events edge --since 2023-11-14"})");
}

TEST(WebhookGroupBody, ShowsTheTenMostSevereAndCountsTheRest) {
  const json body = json::parse(RenderWebhookBody(WebhookFormat::kPortolan, TwoHundred(), kLink));
  EXPECT_EQ(body["counts"]["total"], 200);
  EXPECT_EQ(body["counts"]["kinds"]["event"], 190);
  EXPECT_EQ(body["counts"]["kinds"]["finding-opened"], 8);
  EXPECT_EQ(body["counts"]["kinds"]["finding-resolved"], 2);
  EXPECT_EQ(body["counts"]["severities"]["critical"], 10);
  EXPECT_EQ(body["counts"]["severities"]["high"], 190);
  EXPECT_EQ(body["severity"], "critical");
  ASSERT_EQ(body["notifications"].size(), 10u);
  for (size_t i = 0; i < 10; ++i)
    EXPECT_EQ(body["notifications"][i]["id"], "ev-" + std::to_string(190 + i));
  EXPECT_EQ(body["not_shown"], 190);
  EXPECT_EQ(body["link"], "https://grafana.example/d/x?m=edge&t=:5432#group-1")
      << "what they do not share is left out";
  EXPECT_EQ(body["text"],
            "200 notifications (monitor edge): 190 events, 8 findings opened, 2 findings resolved");
}

TEST(WebhookGroupBody, OneIsAGroupForProgramsAndItselfForPeople) {
  const Notification n = SampleNotification();
  const NotificationGroup group = MakeGroup("chat", {{GroupKey::kMonitor, "edge"}}, {n});
  const json body = json::parse(RenderWebhookBody(WebhookFormat::kPortolan, group, kLink));
  EXPECT_EQ(body["kind"], "group");
  EXPECT_EQ(body["counts"]["total"], 1);
  EXPECT_EQ(body["notifications"][0],
            json::parse(RenderWebhookBody(WebhookFormat::kPortolan, n, kLink)));
  EXPECT_EQ(body["text"], n.text);
  for (const auto format : {WebhookFormat::kSlack, WebhookFormat::kAlertmanager})
    EXPECT_EQ(RenderWebhookBody(format, group, kLink), RenderWebhookBody(format, n, kLink));
}

TEST(WebhookGroupBody, AlertmanagerGetsAnAlertForEach) {
  NotificationGroup group = TwoHundred();
  const json alerts = json::parse(RenderWebhookBody(WebhookFormat::kAlertmanager, group, kLink));
  ASSERT_EQ(alerts.size(), 200u);
  // In order, so that what was opened and resolved within one group ends as resolved.
  for (size_t i = 0; i < 200; ++i) {
    const std::string id = "ev-" + std::to_string(i);
    EXPECT_EQ(alerts[i]["annotations"]["id"], id);
    for (const Notification& n : group.members) {
      if (n.id != id) continue;
      EXPECT_EQ(alerts[i],
                json::parse(RenderWebhookBody(WebhookFormat::kAlertmanager, n, kLink))[0]);
    }
  }
}

TEST(WebhookGroupBody, SlackShowsCountsTheFirstTenAndWhereTheRestIs) {
  const json expected = json::parse(R"({
    "text": "*Exposure* (critical): 200 notifications (monitor edge): 190 events, 8 findings opened, 2 findings resolved",
    "attachments": [{
      "color": "#e01e5a",
      "fallback": "200 notifications (monitor edge): 190 events, 8 findings opened, 2 findings resolved",
      "title": "Open in Portolan",
      "title_link": "https://grafana.example/d/x?m=edge&t=:5432#group-1",
      "fields": [
        {"title": "Monitor", "value": "edge", "short": true},
        {"title": "What", "value": "190 events, 8 findings opened, 2 findings resolved",
         "short": false},
        {"title": "How severe", "value": "10 critical, 190 high", "short": false},
        {"title": "The most severe", "value": "", "short": false},
        {"title": "Command", "value": "portolan events edge --since 2023-11-14", "short": false}],
      "footer": "portolan group-1", "ts": 1700000199}]})");
  json body = json::parse(RenderWebhookBody(WebhookFormat::kSlack, TwoHundred(), kLink));
  std::string lines;
  for (int i = 190; i < 200; ++i) {
    lines += "critical: h" + std::to_string(i) + ".example:5432 is open from outside.\n";
  }
  EXPECT_EQ(body["attachments"][0]["fields"][3]["value"], lines + "and 190 more");
  body["attachments"][0]["fields"][3]["value"] = "";
  EXPECT_EQ(body, expected);
}

TEST(WebhookGroupBody, SlackIsGreenOnlyWhenAllIsResolved) {
  const auto colour = [](NotificationKind second) {
    const NotificationGroup group =
        MakeGroup("chat", {},
                  {Make(1, NotificationKind::kFindingResolved, Severity::kHigh),
                   Make(2, second, Severity::kHigh)});
    const json body = json::parse(RenderWebhookBody(WebhookFormat::kSlack, group, ""));
    EXPECT_FALSE(body["attachments"][0].contains("title_link"));
    EXPECT_EQ(body["attachments"][0]["fields"][2]["title"], "All of them");
    return body["attachments"][0]["color"].get<std::string>();
  };
  EXPECT_EQ(colour(NotificationKind::kFindingResolved), "#2eb67d");
  EXPECT_EQ(colour(NotificationKind::kFindingOpened), "#e01e5a");
}

TEST(WebhookGroupBody, CommandShowsWhatTheGroupHolds) {
  const auto command = [](NotificationKind a, NotificationKind b, const std::string& monitor) {
    Notification second = Make(2, b, Severity::kHigh);
    second.monitor = monitor;
    return WebhookCommand(MakeGroup("chat", {}, {Make(1, a, Severity::kHigh), second}));
  };
  const auto event = NotificationKind::kEvent, opened = NotificationKind::kFindingOpened,
             resolved = NotificationKind::kFindingResolved;
  EXPECT_EQ(command(event, opened, "edge"), "portolan events edge --since 2023-11-14");
  EXPECT_EQ(command(opened, resolved, "edge"), "portolan findings edge --resolved");
  EXPECT_EQ(command(event, event, "core"), "portolan events --since 2023-11-14");
  EXPECT_EQ(command(opened, opened, "core"), "portolan findings --resolved");
}

TEST(WebhookGroupBody, HostileTextStaysText) {
  std::vector<Notification> members;
  for (int i = 0; i < 100; ++i) {
    Notification n = Make(i, NotificationKind::kEvent, Severity::kHigh);
    n.text = "<!channel> \xff" + std::string(5000, '<');
    n.monitor = "a; rm -rf <x>";
    members.push_back(n);
  }
  const NotificationGroup group =
      MakeGroup("chat", {{GroupKey::kMonitor, "a; rm -rf <x> \xff"}}, std::move(members));
  EXPECT_EQ(WebhookCommand(group), "portolan events --since 2023-11-14");
  const std::string slack = RenderWebhookBody(WebhookFormat::kSlack, group, kLink);
  EXPECT_EQ(slack.find('<'), std::string::npos);
  EXPECT_LT(slack.size(), 20'000u);
  for (const auto format :
       {WebhookFormat::kPortolan, WebhookFormat::kAlertmanager, WebhookFormat::kSlack}) {
    EXPECT_TRUE(json::accept(RenderWebhookBody(format, group, kLink)));
  }
}

TEST(WebhookGroupBody, ReceiverWithGroupsGetsNothingElse) {
  WebhookReceiver plain, grouping;
  grouping.group = WebhookGrouping{std::chrono::seconds(30), {GroupKey::kHost}};
  const Notification n = SampleNotification();
  EXPECT_EQ(RenderWebhookMessage(plain, n, kLink),
            RenderWebhookBody(WebhookFormat::kPortolan, n, kLink));
  Notification test;
  test.id = "test-1";
  const json body = json::parse(RenderWebhookMessage(grouping, test, kLink));
  EXPECT_EQ(body["kind"], "group");
  EXPECT_EQ(body["id"], "test-1");
  EXPECT_EQ(body["counts"]["kinds"]["test"], 1);
  EXPECT_EQ(body["command"], "");
  EXPECT_EQ(body["by"], json::parse(R"({"host": ""})"));
  // What gathered before the receiver was changed cannot be taken apart.
  EXPECT_EQ(json::parse(RenderWebhookMessage(plain, TwoHundred(), kLink))["kind"], "group");
}

}  // namespace
}  // namespace portolan
