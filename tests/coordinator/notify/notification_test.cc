#include "coordinator/notify/notification.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/coordinator/notify/sample_notification.h"

namespace portolan {
namespace {

TEST(Notification, IsDecodedAsItWasEncoded) {
  Notification n = SampleNotification();
  EXPECT_EQ(DecodeNotification(*EncodeNotification(n)).value(), n);
  n.since = FromUnixMicros(-5);
  n.labels[""] = std::string("\0\xff", 2);
  EXPECT_EQ(DecodeNotification(*EncodeNotification(n)).value(), n);
  Notification empty;
  empty.id = "x";
  EXPECT_EQ(DecodeNotification(*EncodeNotification(empty)).value(), empty);
}

TEST(Notification, DamagedBytesAreRefusedOrDecodedButNeverCrash) {
  const std::string good = *EncodeNotification(SampleNotification());
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(DecodeNotification(good.substr(0, n)).ok()) << n;
  }
  EXPECT_FALSE(DecodeNotification(good + "x").ok());
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    (void)DecodeNotification(bytes);
  }
}

TEST(Notification, IdMustFitIntoAHeader) {
  Notification n = SampleNotification();
  for (const std::string bad : {"", "a b", "a\r\nX-Evil: 1", "\x7f", "\xc3\xa9"}) {
    n.id = bad;
    EXPECT_EQ(EncodeNotification(n).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  n.id = std::string(128, 'x');
  EXPECT_TRUE(EncodeNotification(n).ok());
  n.id += 'x';
  EXPECT_FALSE(EncodeNotification(n).ok());
}

TEST(Notification, SizeIsBounded) {
  Notification n = SampleNotification();
  n.trail.assign(10, std::string(kMaxNotificationBytes / 10, 'x'));
  EXPECT_FALSE(EncodeNotification(n).ok());
}

TEST(Notification, NamesAreReadBack) {
  for (const auto kind : {NotificationKind::kEvent, NotificationKind::kFindingOpened,
                          NotificationKind::kFindingResolved, NotificationKind::kTest}) {
    EXPECT_EQ(ParseNotificationKind(NotificationKindName(kind)), kind);
  }
  for (const auto severity :
       {Severity::kInfo, Severity::kLow, Severity::kMedium, Severity::kHigh, Severity::kCritical}) {
    EXPECT_EQ(ParseSeverity(Name(severity)), severity);
  }
  EXPECT_FALSE(ParseNotificationKind("Event"));
  EXPECT_FALSE(ParseSeverity(""));
}

TEST(Notification, TimesAreWrittenInUtcToTheMicrosecond) {
  EXPECT_EQ(FormatRfc3339(FromUnixMicros(0)), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatRfc3339(FromUnixMicros(1'709'164'799'999'999)), "2024-02-28T23:59:59.999999Z");
  EXPECT_EQ(FormatRfc3339(FromUnixMicros(1'709'164'800'000'000)), "2024-02-29T00:00:00.000000Z");
  EXPECT_EQ(FormatRfc3339(FromUnixMicros(-1)), "1969-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace portolan
