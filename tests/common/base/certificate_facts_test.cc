#include "common/base/certificate_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace portolan {
namespace {

TEST(ExpiryNotice, IsGivenOnceADayNearTheEndAndAtTheEnd) {
  using std::chrono::hours;
  using Say = ExpiryNotice::Say;
  const WallTime begin = WallTime(hours(24 * 20'000));
  const auto lives = [&](hours life) { return CertificateFacts{"1", begin, begin + life}; };
  // (hours before the end, what is said), looked at every ten minutes until 30 hours after the end.
  const auto said = [&](const CertificateFacts& c) {
    ExpiryNotice notice;
    std::vector<std::pair<int64_t, Say>> out;
    for (WallTime t = begin; t < c.not_after + hours(30); t += std::chrono::minutes(10)) {
      if (const Say say = notice.Look(c, t); say != Say::kNothing)
        out.emplace_back((c.not_after - t) / hours(1), say);
    }
    return out;
  };
  using testing::ElementsAre;
  using testing::Pair;
  EXPECT_THAT(said(lives(hours(24))), ElementsAre(Pair(4, Say::kEndsSoon), Pair(0, Say::kHasEnded),
                                                  Pair(-24, Say::kHasEnded)));
  const auto year = said(lives(hours(24 * 365)));
  ASSERT_EQ(year.size(), 16u);
  EXPECT_EQ(year[0], std::pair(int64_t{14 * 24}, Say::kEndsSoon));
  EXPECT_EQ(year[13], std::pair(int64_t{24}, Say::kEndsSoon));
  EXPECT_EQ(year[14], std::pair(int64_t{0}, Say::kHasEnded));

  // A new certificate starts over; a clock that is set back silences nothing.
  ExpiryNotice notice;
  const CertificateFacts old = lives(hours(24)), fresh = lives(hours(48));
  EXPECT_EQ(notice.Look(old, begin + hours(23)), Say::kEndsSoon);
  EXPECT_EQ(notice.Look(fresh, begin + hours(23)), Say::kNothing);
  EXPECT_EQ(notice.Look(fresh, begin + hours(47)), Say::kEndsSoon);
  EXPECT_EQ(notice.Look(fresh, begin + hours(46)), Say::kEndsSoon);
  EXPECT_EQ(notice.Look(fresh, begin + hours(46)), Say::kNothing);
  EXPECT_EQ(CertificateTimeText(WallTime(std::chrono::seconds(1'700'000'000))),
            "2023-11-14T22:13:20Z");
}

TEST(ExpiryNotice, WithoutRepetitionEachIsSaidOncePerCertificate) {
  using Say = ExpiryNotice::Say;
  using std::chrono::hours;
  const WallTime begin = FromUnixMicros(1'700'000'000'000'000);
  CertificateFacts facts{"01", begin, begin + hours(24 * 90)};
  ExpiryNotice notice(ExpiryNotice::Repeat::kOnce);
  EXPECT_EQ(notice.Look(facts, facts.not_after - hours(24 * 14 + 1)), Say::kNothing);
  EXPECT_EQ(notice.Look(facts, facts.not_after - hours(24 * 13)), Say::kEndsSoon);
  EXPECT_EQ(notice.Look(facts, facts.not_after - hours(24 * 2)), Say::kNothing);
  EXPECT_EQ(notice.Look(facts, facts.not_after), Say::kHasEnded);
  for (const int after : {1, 100, -5, 1000})
    EXPECT_EQ(notice.Look(facts, facts.not_after + hours(after)), Say::kNothing) << after;
  facts.not_after += hours(24 * 90);
  EXPECT_EQ(notice.Look(facts, facts.not_after - hours(24 * 20)), Say::kNothing);
  EXPECT_EQ(notice.Look(facts, facts.not_after + hours(1)), Say::kHasEnded);
}

TEST(CertificateTime, IsWrittenInUtc) {
  EXPECT_EQ(CertificateTimeText(FromUnixMicros(1'767'323'045'999'999)), "2026-01-02T03:04:05Z");
}

}  // namespace
}  // namespace portolan
