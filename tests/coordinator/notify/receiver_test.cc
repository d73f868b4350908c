#include "coordinator/notify/receiver.h"

#include <gtest/gtest.h>

#include <random>

#include "common/base/status.h"
#include "tests/coordinator/notify/sample_notification.h"

namespace portolan {
namespace {

TEST(WebhookUrl, IsTakenApart) {
  const auto check = [](const char* text, const char* origin, const char* target) {
    const auto url = WebhookUrl::Parse(text);
    ASSERT_TRUE(url.ok()) << text << ": " << url.status();
    EXPECT_EQ(url->Origin(), origin);
    EXPECT_EQ(url->target, target);
  };
  check("http://a", "http://a:80", "/");
  check("https://a.example", "https://a.example:443", "/");
  check("https://a:8443/x/y?z=1", "https://a:8443", "/x/y?z=1");
  check("http://127.0.0.1:1?z", "http://127.0.0.1:1", "/?z");
  check("http://[2001:db8::1]:9093/api", "http://[2001:db8::1]:9093", "/api");
  check("http://[::1]", "http://[::1]:80", "/");
}

TEST(WebhookUrl, OthersAreRefused) {
  for (const char* bad : {"", "a", "ftp://a", "http://", "http:///x", "http://a:0",
                          "http://a:65536", "http://a:", "http://a:1x", "http://u:p@a/",
                          "http://a/#f", "http://a b/", "http://a\r\nHost: b/", "http://[::1/",
                          "http://[::1]x", "http://\xc3\xa9/", "https://a,b/", "HTTP://a"}) {
    EXPECT_EQ(WebhookUrl::Parse(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(WebhookUrl, ErrorsDoNotShowSecrets) {
  for (const char* bad : {"https://hooks.example:x/T0/hunter2", "https://me:hunter2@a/",
                          "https://a?hunter2#x", "https://a/hunter2 "}) {
    const std::string message(Message(WebhookUrl::Parse(bad).status()));
    EXPECT_EQ(message.find("hunter2"), std::string::npos) << message;
  }
}

bool SlowMatch(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return SlowMatch(pattern.substr(1), text) ||
           (!text.empty() && SlowMatch(pattern, text.substr(1)));
  }
  return !text.empty() && pattern[0] == text[0] && SlowMatch(pattern.substr(1), text.substr(1));
}

TEST(WebhookPattern, MatchesAsTheObviousRecursionDoes) {
  std::mt19937_64 random(3);
  int matches = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string pattern, text;
    for (size_t n = random() % 6; n > 0; --n) pattern += "ab*"[random() % 3];
    for (size_t n = random() % 8; n > 0; --n) text += "ab"[random() % 2];
    const bool expected = SlowMatch(pattern, text);
    matches += expected;
    ASSERT_EQ(MatchesPattern(pattern, text), expected) << pattern << " " << text;
  }
  EXPECT_GT(matches, 1000);
}

TEST(WebhookFilter, AllConditionsMustHold) {
  const Notification n = SampleNotification();  // high, finding-opened, edge
  WebhookFilter filter;
  EXPECT_TRUE(filter.Matches(n));
  filter.min_severity = Severity::kHigh;
  filter.kinds = {NotificationKind::kFindingOpened};
  filter.monitors = {"other", "ed*"};
  EXPECT_TRUE(filter.Matches(n));
  WebhookFilter severe = filter, kind = filter, monitor = filter;
  severe.min_severity = Severity::kCritical;
  kind.kinds = {NotificationKind::kEvent};
  monitor.monitors = {"edge-*"};
  EXPECT_FALSE(severe.Matches(n));
  EXPECT_FALSE(kind.Matches(n));
  EXPECT_FALSE(monitor.Matches(n));
  Notification test;
  test.kind = NotificationKind::kTest;
  EXPECT_TRUE(severe.Matches(test));
}

}  // namespace
}  // namespace portolan
