// Bodies as golden JSON: what receivers have been told to expect.
#include "coordinator/notify/body.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/coordinator/notify/sample_notification.h"

namespace portolan {
namespace {

using nlohmann::json;

constexpr char kLink[] = "https://grafana.example/d/x?m={monitor}&t={target}:{port}#{id}";

TEST(WebhookBody, PortolanHoldsEveryField) {
  EXPECT_EQ(
      RenderWebhookBody(WebhookFormat::kPortolan, SampleNotification(), kLink),
      R"({"version":1,"id":"ev-1","kind":"finding-opened","time":"2023-11-14T22:13:20.123456Z",)"
      R"("since":null,"severity":"high","monitor":"edge","vantage":"outside",)"
      R"("target":"db.example","address":"198.18.0.7","port":5432,"service":"postgresql",)"
      R"("from":"closed","to":"open","rule":"no-databases-from-outside",)"
      R"("text":"db.example:5432 is open from outside.","remedy":"Close it in the firewall.",)"
      R"("trail":["probe 1: open","probe 2: open"],"labels":{"team-name":"dba"},)"
      R"("link":"https://grafana.example/d/x?m=edge&t=db.example:5432#ev-1"})");
}

TEST(WebhookBody, PortolanWithoutPortAndLink) {
  Notification n;
  n.id = "t";
  n.since = FromUnixMicros(0);
  const json body = json::parse(RenderWebhookBody(WebhookFormat::kPortolan, n, ""));
  EXPECT_EQ(body["port"], nullptr);
  EXPECT_EQ(body["since"], "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(body["trail"], json::array());
  EXPECT_EQ(body["labels"], json::object());
  EXPECT_EQ(body["link"], "");
  EXPECT_EQ(body["kind"], "test");
}

TEST(WebhookBody, AlertmanagerFiresForAFinding) {
  const json expected = json::parse(R"([{
    "labels": {"alertname": "PortolanFinding", "severity": "high", "monitor": "edge",
      "vantage": "outside", "target": "db.example", "port": "5432", "service": "postgresql",
      "rule": "no-databases-from-outside", "team_name": "dba"},
    "annotations": {"summary": "db.example:5432 is open from outside.",
      "remedy": "Close it in the firewall.", "address": "198.18.0.7", "from": "closed",
      "to": "open", "trail": "probe 1: open\nprobe 2: open", "id": "ev-1"},
    "startsAt": "2023-11-14T22:13:20.123456Z",
    "endsAt": "2024-11-13T22:13:20.123456Z",
    "generatorURL": "https://grafana.example/d/x?m=edge&t=db.example:5432#ev-1"
  }])");
  EXPECT_EQ(
      json::parse(RenderWebhookBody(WebhookFormat::kAlertmanager, SampleNotification(), kLink)),
      expected);
}

TEST(WebhookBody, AlertmanagerResolvesTheAlertThatItOpened) {
  Notification opened = SampleNotification(), resolved = opened;
  resolved.kind = NotificationKind::kFindingResolved;
  resolved.id = "ev-2";
  resolved.since = opened.time;
  resolved.time = opened.time + std::chrono::hours(3);
  resolved.address = "198.18.0.9";
  resolved.text = "It is closed.";
  resolved.from = "open";
  resolved.to = "closed";
  const json a = json::parse(RenderWebhookBody(WebhookFormat::kAlertmanager, opened, ""));
  const json b = json::parse(RenderWebhookBody(WebhookFormat::kAlertmanager, resolved, ""));
  EXPECT_EQ(a[0]["labels"], b[0]["labels"]);  // its identity
  EXPECT_EQ(b[0]["startsAt"], a[0]["startsAt"]);
  EXPECT_EQ(b[0]["endsAt"], "2023-11-15T01:13:20.123456Z");
  EXPECT_FALSE(b[0].contains("generatorURL"));
}

TEST(WebhookBody, AlertmanagerTellsChangesApartAndKeepsItsOwnLabels) {
  Notification n = SampleNotification();
  n.kind = NotificationKind::kEvent;
  n.labels = {{"severity", "none"}, {"7 days", "x"}, {"", "y"}, {"empty", ""}};
  const json alert = json::parse(RenderWebhookBody(WebhookFormat::kAlertmanager, n, ""))[0];
  EXPECT_EQ(alert["labels"]["alertname"], "PortolanExposureChange");
  EXPECT_EQ(alert["labels"]["from"], "closed");
  EXPECT_EQ(alert["labels"]["to"], "open");
  EXPECT_EQ(alert["labels"]["severity"], "high");
  EXPECT_EQ(alert["labels"]["_7_days"], "x");
  EXPECT_FALSE(alert["labels"].contains(""));
  EXPECT_FALSE(alert["labels"].contains("empty"));
  EXPECT_EQ(alert["endsAt"], "2023-11-14T23:13:20.123456Z");
}

TEST(WebhookBody, SlackShowsWhatMatters) {
  const json expected = json::parse(R"({
    "text": "*Finding* (high): db.example:5432 is open from outside.",
    "attachments": [{
      "color": "#e01e5a", "fallback": "db.example:5432 is open from outside.",
      "title": "Open in Portolan",
      "title_link": "https://grafana.example/d/x?m=edge&t=db.example:5432#ev-1",
      "fields": [
        {"title": "Monitor", "value": "edge", "short": true},
        {"title": "Vantage", "value": "outside", "short": true},
        {"title": "Target", "value": "db.example:5432", "short": true},
        {"title": "Address", "value": "198.18.0.7", "short": true},
        {"title": "Service by port number", "value": "postgresql", "short": true},
        {"title": "From", "value": "closed", "short": true},
        {"title": "To", "value": "open", "short": true},
        {"title": "Severity", "value": "high", "short": true},
        {"title": "Rule", "value": "no-databases-from-outside", "short": true},
        {"title": "What to do", "value": "Close it in the firewall.", "short": false},
        {"title": "How it is known", "value": "probe 1: open\nprobe 2: open", "short": false}],
      "footer": "portolan ev-1", "ts": 1700000000}]})");
  EXPECT_EQ(json::parse(RenderWebhookBody(WebhookFormat::kSlack, SampleNotification(), kLink)),
            expected);
}

TEST(WebhookBody, SlackTextCannotCallPeopleOrMakeLinks) {
  Notification n = SampleNotification();
  n.text = "<!channel> <https://evil.example|click> & more";
  n.trail.assign(1000, std::string(60, '<'));
  const std::string body = RenderWebhookBody(WebhookFormat::kSlack, n, "");
  EXPECT_EQ(body.find('<'), std::string::npos);
  EXPECT_EQ(json::parse(body)["text"],
            "*Finding* (high): &lt;!channel&gt; &lt;https://evil.example|click&gt; &amp; more");
  EXPECT_LT(body.size(), 12'000u);
}

TEST(WebhookBody, IsAlwaysWellFormed) {
  Notification n = SampleNotification();
  n.text = std::string("a\0b\xff\xc3\n\"\\\xed\xa0\x80", 11);
  n.labels = {{"\xff\"", "\xfe"}};
  n.target = "\x80";
  for (const auto format :
       {WebhookFormat::kPortolan, WebhookFormat::kAlertmanager, WebhookFormat::kSlack}) {
    EXPECT_TRUE(json::accept(RenderWebhookBody(format, n, kLink)));
  }
}

TEST(WebhookLink, EncodesWhatItFillsIn) {
  Notification n = SampleNotification();
  n.monitor = "a b&c=d/\xc3\xa9";
  n.target = "";
  n.port = 0;
  EXPECT_EQ(RenderWebhookLink("http://x/{monitor}/{target}/{port}/{vantage}/{address}/{other}{", n),
            "http://x/a%20b%26c%3Dd%2F%C3%A9/198.18.0.7//outside/198.18.0.7/{other}{");
}

TEST(WebhookSummary, IsMadeUpWhereThereIsNoText) {
  Notification n = SampleNotification();
  n.text = "";
  EXPECT_EQ(WebhookSummary(n), "db.example:5432: closed -> open, seen from outside");
  n.target = "2001:db8::1";
  n.vantage = "";
  EXPECT_EQ(WebhookSummary(n), "[2001:db8::1]:5432: closed -> open");
  EXPECT_EQ(WebhookSummary(Notification()), "test");
}

}  // namespace
}  // namespace portolan
