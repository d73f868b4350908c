#include "coordinator/results/page_token.h"

#include <gtest/gtest.h>

#include <random>

namespace portolan {
namespace {

TEST(PageToken, ComesBackAsItWas) {
  RowPlace row{{*IpAddress::Parse("2001:db8::5"), 65535, 1234567}};
  const auto got = DecodePageToken(EncodePageToken(7, row), 7);
  ASSERT_TRUE(got.ok());
  const Store::RowKey key = std::get<RowPlace>(*got).key;
  EXPECT_EQ(key.address, row.key.address);
  EXPECT_EQ(key.port, 65535);
  EXPECT_EQ(key.lane, 1234567u);

  PositionPlace position{uint64_t{1} << 61, 16'000'000, 3};
  const auto other = DecodePageToken(EncodePageToken(UINT64_MAX, position), UINT64_MAX);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(std::get<PositionPlace>(*other).group, position.group);
  EXPECT_EQ(std::get<PositionPlace>(*other).natural, position.natural);
  EXPECT_EQ(std::get<PositionPlace>(*other).lane, 3u);
}

TEST(PageToken, OfFindingsComesBackAsItWas) {
  FindingPlace place{
      3, Store::FindingKey{*IpAddress::Parse("2001:db8::5"), HostFindingKind::kStoppedAnswering}};
  const auto got = DecodePageToken(EncodePageToken(7, place), 7);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(std::get<FindingPlace>(*got).lane, 3u);
  EXPECT_EQ(std::get<FindingPlace>(*got).after->address, place.after->address);
  EXPECT_EQ(std::get<FindingPlace>(*got).after->kind, place.after->kind);
  const auto first = DecodePageToken(EncodePageToken(7, FindingPlace{1, std::nullopt}), 7);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(std::get<FindingPlace>(*first).after.has_value());
}

TEST(PageToken, IsGoodForItsOwnQueryOnly) {
  ResultQuery query;
  query.states = {State::kOpen, State::kClosed};
  const uint64_t digest = QueryDigest("scan", query);
  EXPECT_FALSE(DecodePageToken(EncodePageToken(digest, PositionPlace()), digest + 1).ok());
  EXPECT_NE(digest, QueryDigest("other", query));
  ResultQuery same = query;
  same.states = {State::kClosed, State::kOpen, State::kClosed};
  same.limit = 7;
  EXPECT_EQ(digest, QueryDigest("scan", same));
  same.without_everywhere_open = true;
  EXPECT_NE(digest, QueryDigest("scan", same));
  same.without_everywhere_open = false;
  same.ports = PortSet::Of({{1, 1}});
  EXPECT_NE(digest, QueryDigest("scan", same));
  ResultQuery vantage = query;
  vantage.vantages = {"a"};
  EXPECT_NE(digest, QueryDigest("scan", vantage));
  // No states and open alone are the same question.
  ResultQuery none, open;
  open.states = {State::kOpen};
  EXPECT_EQ(QueryDigest("scan", none), QueryDigest("scan", open));
}

TEST(PageToken, RefusesDamage) {
  std::mt19937 random(1);
  const std::string good = EncodePageToken(99, RowPlace{{IpAddress::V4(5), 80, 2}});
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] = static_cast<char>(random());
    if (random() % 3 == 0) bad.resize(random() % (bad.size() + 1));
    if (random() % 7 == 0) bad += bad;
    (void)DecodePageToken(bad, 99);  // whatever it says, no crash
    EXPECT_FALSE(DecodePageToken(bad, ~uint64_t{99}).ok());
  }
  EXPECT_FALSE(DecodePageToken("", 99).ok());
  EXPECT_FALSE(DecodePageToken(std::string(1 << 20, 'A'), 99).ok());
  EXPECT_FALSE(DecodePageToken(good + "AAAA", 99).ok());
}

}  // namespace
}  // namespace portolan
