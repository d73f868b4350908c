#include "coordinator/notify/receiver_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "common/base/status.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {
namespace {

class WebhookFile : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.path() + "/" + name) << text;
  }
  absl::StatusOr<WebhookConfig> Parse(const std::string& text) {
    return ParseWebhookFile(text, dir_.path() + "/hooks.yaml");
  }
  // The message after "PATH/hooks.yaml:".
  std::string Error(const std::string& text) {
    const auto config = Parse(text);
    if (config.ok()) return "none";
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
    const std::string message(Message(config.status())), start = dir_.path() + "/hooks.yaml:";
    EXPECT_EQ(message.rfind(start, 0), 0u) << message;
    return message.substr(std::min(start.size(), message.size()));
  }

  TempDirectory dir_;
};

TEST_F(WebhookFile, HoldsAllThatAReceiverHas) {
  Write("key", "swordfish\n");
  Write("token", "Bearer abc\r\n");
  Write("slack", "https://hooks.example/T0/B0/xyz\n");
  Write("ca.pem", "-----BEGIN CERTIFICATE-----\n");
  Write("hooks.yaml", R"(# who is told
link: https://grafana.example/d/x?var-monitor={monitor}#{id}
receivers:
  - name: oncall
    url: https://alerts.example:9093/api/v2/alerts
    format: alertmanager
    secret_file: key
    timeout: 1m30s
    max_age: 2d
    tls_ca_file: ca.pem
    headers:
      Authorization: {file: token}
      X-Team: net
    filter:
      min_severity: medium
      kinds: [event, finding-resolved]
      monitors: [edge-*, "db"]
  - {name: chat, url_file: slack, format: slack, group: {wait: 30s, by: [monitor, host]}}
)");
  const auto config = LoadWebhookFile(dir_.path() + "/hooks.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->link, "https://grafana.example/d/x?var-monitor={monitor}#{id}");
  ASSERT_EQ(config->receivers.size(), 2u);
  const WebhookReceiver& r = config->receivers[0];
  EXPECT_EQ(r.name, "oncall");
  EXPECT_EQ(r.url.Origin(), "https://alerts.example:9093");
  EXPECT_EQ(r.format, WebhookFormat::kAlertmanager);
  EXPECT_EQ(r.secret, "swordfish");
  EXPECT_EQ(r.timeout, std::chrono::seconds(90));
  EXPECT_EQ(r.max_age, std::chrono::hours(48));
  EXPECT_EQ(r.tls_ca_file, dir_.path() + "/ca.pem");
  const std::vector<std::pair<std::string, std::string>> headers = {{"Authorization", "Bearer abc"},
                                                                    {"X-Team", "net"}};
  EXPECT_EQ(r.headers, headers);
  EXPECT_EQ(r.filter.min_severity, Severity::kMedium);
  EXPECT_EQ(r.filter.kinds,
            (std::vector{NotificationKind::kEvent, NotificationKind::kFindingResolved}));
  EXPECT_EQ(r.filter.monitors, (std::vector<std::string>{"edge-*", "db"}));
  const WebhookReceiver& chat = config->receivers[1];
  EXPECT_EQ(chat.url.target, "/T0/B0/xyz");
  EXPECT_EQ(chat.format, WebhookFormat::kSlack);
  EXPECT_EQ(chat.timeout, std::chrono::seconds(10));
  EXPECT_EQ(chat.max_age, std::chrono::hours(24));
  EXPECT_EQ(chat.secret, "");
  EXPECT_FALSE(r.group.has_value());
  ASSERT_TRUE(chat.group.has_value());
  EXPECT_EQ(chat.group->wait, std::chrono::seconds(30));
  EXPECT_EQ(chat.group->by, (std::vector{GroupKey::kMonitor, GroupKey::kHost}));
}

TEST_F(WebhookFile, ErrorsNameLineValueAndRemedy) {
  EXPECT_EQ(
      Error("receivers:\n  - name: a\n    ulr: http://a\n"),
      "3: unknown key \"ulr\": one of filter, format, group, headers, max_age, name, secret_file, "
      "timeout, tls_ca_file, url, url_file");
  EXPECT_EQ(Error("receivers:\n- {name: a, url: http://a, timeout: 10x}\n"),
            "2: timeout: duration \"10x\" is not understood; write numbers with units, as in 30d, "
            "12h, 1h30m, 45s or 1500ms");
  EXPECT_EQ(Error("receivers:\n- {name: a, url: http://a, timeout: 5m}\n"),
            "2: timeout \"5m\": give 100ms to 2m");
  EXPECT_EQ(Error("receivers:\n- name: a\n  url: http://a\n  format: teams\n"),
            "4: format \"teams\": one of portolan, alertmanager, slack");
  EXPECT_EQ(Error("receivers:\n- name: a\n  url: http://a\n  url: http://b\n"),
            "4: key \"url\" is given twice: remove one");
  EXPECT_EQ(Error("receivers:\n- {name: a, url: http://a}\n- {name: a, url: http://b}\n"),
            "3: receiver \"a\" is there twice: rename one");
  EXPECT_EQ(Error("receivers:\n- name: a\n"),
            "2: receiver \"a\": add url, or url_file where the URL is a secret");
  EXPECT_EQ(Error("link: http://a\n"), "1: the file: \"receivers\" is missing: add it");
  EXPECT_EQ(Error("receivers:\n- {name: a, url: http://a, headers: {Host: b}}\n"),
            "2: header \"Host\" is set by Portolan: remove it");
  EXPECT_EQ(Error("receivers:\n- {name: a, url: http://a, headers: {x-portolan-signature: b}}\n"),
            "2: header \"x-portolan-signature\" is set by Portolan: remove it");
  EXPECT_EQ(Error("receivers:\n- name: a\n  url: http://a\n  filter:\n    kinds: [test]\n"),
            "5: kind \"test\": one of event, finding-opened, finding-resolved");
  EXPECT_EQ(Error("receivers:\n- {name: a, url: http://a}\nlink: http://a/{host}\n"),
            "3: link \"http://a/{host}\": only {id}, {monitor}, {vantage}, {target}, {address} and "
            "{port} can be filled in");
  EXPECT_NE(Error("receivers:\n\t- x\n").find("2: not YAML: "), std::string::npos);
  EXPECT_NE(Error("receivers:\n- {name: a, url: http://a, secret_file: nowhere}\n")
                .find("nowhere: cannot be read"),
            std::string::npos);
}

TEST_F(WebhookFile, GroupsAreReadStrictly) {
  const auto error = [&](const std::string& group) {
    return Error("receivers:\n- name: a\n  url: http://a\n  group: " + group + "\n");
  };
  EXPECT_EQ(error("{by: [monitor]}"), "4: group: \"wait\" is missing: add it");
  EXPECT_EQ(error("{wait: 30s}"), "4: group: \"by\" is missing: add it");
  EXPECT_EQ(error("30s"), "4: group: write it like {wait: 30s, by: [monitor, host]}");
  EXPECT_EQ(error("{wait: 30s, by: [monitor], size: 3}"),
            "4: unknown key \"size\": one of by, wait");
  for (const char* const wait : {"0", "0s", "999ms", "61m", "2h"}) {
    EXPECT_EQ(error(std::string("{wait: ") + wait + ", by: [host]}"),
              std::string("4: wait \"") + wait + "\": give 1s to 1h");
  }
  const std::string bare = error("{wait: 30, by: [host]}");
  EXPECT_EQ(bare.rfind("4: wait: duration \"30\"", 0), 0u) << bare;
  EXPECT_NE(bare.find("30s"), std::string::npos) << "the remedy: " << bare;
  const std::string keys = "monitor, vantage, host, port, rule, severity, kind";
  for (const char* const by : {"[]", "host", "{host: 1}", ""}) {
    EXPECT_EQ(error(std::string("{wait: 30s, by: ") + by + "}"),
              "4: by: write a list like [monitor, host], of " + keys);
  }
  EXPECT_EQ(error("\n    wait: 30s\n    by:\n    - host\n    - target"),
            "8: by \"target\": one of " + keys);
  EXPECT_EQ(error("\n    wait: 30s\n    by:\n    - host\n    - host"),
            "8: by \"host\" is given twice: remove one");
  for (const char* const wait : {"1s", "1h", "90s"}) {
    EXPECT_EQ(error(std::string("{wait: ") + wait +
                    ", by: [monitor, vantage, host, port, rule, severity, kind]}"),
              "none");
  }
}

TEST_F(WebhookFile, HeaderValuesCannotSmuggleLines) {
  EXPECT_EQ(Error("receivers:\n- {name: a, url: http://a, headers: {X: \"a\\r\\nHost: b\"}}\n"),
            "2: header \"X\": its value holds a control or non-ASCII character");
  Write("token", "a\nX-Evil: 1\n");
  EXPECT_EQ(Error("receivers:\n- {name: a, url: http://a, headers: {X: {file: token}}}\n"),
            "2: header \"X\": its value holds a control or non-ASCII character");
}

TEST_F(WebhookFile, AnyTextGivesAStatus) {
  for (const std::string text :
       {"", "a", "[]", "receivers:", "receivers: 1", "receivers: [1]", "receivers: [{}]",
        "? {}\n: x", "&a [*a]", "receivers: &r [*r]", "--- a\n--- b",
        "receivers: [{name: [a], url: {}}]", "\xff", "!!binary x"}) {
    EXPECT_FALSE(Parse(text).ok()) << text;
  }
  EXPECT_FALSE(Parse(std::string(100'000, '[')).ok());
  EXPECT_TRUE(Parse("receivers: []").ok());
  const std::string good =
      "receivers:\n- {name: a, url: http://a, timeout: 1s, filter: {kinds: [event]}}\n";
  std::mt19937_64 random(4);
  for (int i = 0; i < 3000; ++i) {
    std::string text = good;
    for (int n = 0; n < 3; ++n) text[random() % text.size()] = static_cast<char>(random());
    (void)Parse(text);
  }
}

}  // namespace
}  // namespace portolan
