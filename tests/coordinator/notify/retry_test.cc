#include "coordinator/notify/retry.h"

#include <gtest/gtest.h>

#include <random>

namespace portolan {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TEST(WebhookBackoff, DoublesFromASecondToTenMinutes) {
  EXPECT_EQ(WebhookBackoff(1, 0), seconds(1));
  EXPECT_EQ(WebhookBackoff(1, 1), seconds(2));
  EXPECT_EQ(WebhookBackoff(2, 0), seconds(2));
  EXPECT_EQ(WebhookBackoff(5, 0.5), seconds(24));
  EXPECT_EQ(WebhookBackoff(9, 0), seconds(256));
  EXPECT_EQ(WebhookBackoff(10, 0), minutes(5));
  EXPECT_EQ(WebhookBackoff(10, 1), minutes(10));
  EXPECT_EQ(WebhookBackoff(UINT32_MAX, 1), minutes(10));
}

TEST(WebhookBackoff, NeverLeavesItsRangeAndNeverShrinks) {
  std::mt19937_64 random(2);
  for (uint32_t failures = 0; failures < 2000; ++failures) {
    const double chance = std::uniform_real_distribution<double>(-0.1, 1.1)(random);
    const Duration delay = WebhookBackoff(failures, chance);
    EXPECT_GE(delay, seconds(1));
    EXPECT_LE(delay, kMaxBackoff);
    EXPECT_GE(WebhookBackoff(failures + 1, chance), delay);
  }
}

TEST(RetryAfter, IsReadAsSecondsOrDateAndBounded) {
  const WallTime now(seconds(784'111'777));  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(ParseRetryAfter("0", now), Duration::zero());
  EXPECT_EQ(ParseRetryAfter("120", now), seconds(120));
  EXPECT_EQ(ParseRetryAfter("3601", now), kMaxRetryAfter);
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999", now), kMaxRetryAfter);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:50:37 GMT", now), minutes(1));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:36 GMT", now), Duration::zero());
  EXPECT_EQ(ParseRetryAfter("Fri, 31 Dec 9999 23:59:59 GMT", now), kMaxRetryAfter);
  for (const char* bad : {"", "-1", "1.5", "soon", "120 ", "Sun, 06 Nov 1994 08:49:37 GMTx"}) {
    EXPECT_EQ(ParseRetryAfter(bad, now), std::nullopt) << bad;
  }
}

TEST(WebhookVerdict, SaysWhoFails) {
  for (const int status : {200, 201, 202, 204, 299}) {
    EXPECT_EQ(JudgeWebhook(status), WebhookVerdict::kDelivered) << status;
  }
  for (const int status : {300, 301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422, 499}) {
    EXPECT_EQ(JudgeWebhook(status), WebhookVerdict::kRefused) << status;
  }
  for (const int status : {-1, 0, 408, 425, 429, 502, 503, 504}) {
    EXPECT_EQ(JudgeWebhook(status), WebhookVerdict::kReceiverFails) << status;
  }
  for (const int status : {100, 199, 500, 501, 505, 599, 600, 999}) {
    EXPECT_EQ(JudgeWebhook(status), WebhookVerdict::kMessageFails) << status;
  }
}

}  // namespace
}  // namespace portolan
