#include <random>

#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "tests/coordinator/results/result_reader_fixture.h"

namespace portolan {
namespace {

TEST_F(ResultReaderTest, GapOfATrillionPositionsIsListedLazily) {
  Block huge{IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0AFFFFFF)}}),
             PortSet::Of({{1, 65535}})};
  space_ = *ScanSpace::Create({huge}, 5);
  ASSERT_GT(space_->size(), 1'000'000'000'000u);
  Create(ScanMode::kEachVantage, {"a"});
  WriteBatch batch;
  batch.changes = {PutGaps{LaneId{1}, {{{0, space_->size()}, Reason::kNoAgent}}}};
  Commit(std::move(batch));
  ResultQuery query;
  query.states = {State::kNotProbed, State::kClosed};
  query.limit = 2000;
  std::string token;
  for (int i = 0; i < 5; ++i) {
    const auto page = reader_->Page("scan", query, token);
    ASSERT_TRUE(page.ok());
    ASSERT_EQ(page->observations.size(), 2000u);
    EXPECT_EQ(page->observations[7].reason, Reason::kNoAgent);
    EXPECT_EQ(page->observations[7].agent, "");
    token = page->next_page_token;
    ASSERT_FALSE(token.empty());
  }
  query.addresses = IpSet::Of({{IpAddress::V4(0x0A123456), IpAddress::V4(0x0A123456)}});
  query.limit = 10'000;
  EXPECT_EQ(All(query)->size(), 65'535u);
  // Nothing of it is of a state that nobody reported.
  query.addresses = IpSet();
  query.states = {State::kClosed};
  EXPECT_EQ(All(query)->size(), 0u);
}

TEST_F(ResultReaderTest, RefusesWhatItCannotAnswer) {
  MakeSpace();
  Create(ScanMode::kEachVantage, {"a", "b"});
  const auto status = [&](ResultQuery query, const std::string& token = "",
                          const ScanId& id = "scan") {
    return reader_->Page(id, query, token).status();
  };
  EXPECT_TRUE(status({}).ok());
  EXPECT_TRUE(absl::IsNotFound(status({}, "", "other")));
  EXPECT_TRUE(absl::IsNotFound(status({}, "", "sca")));
  EXPECT_TRUE(absl::IsNotFound(status({}, "", "")));
  ResultQuery query;
  query.limit = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(status(query)));
  query.limit = 10'001;
  EXPECT_TRUE(absl::IsInvalidArgument(status(query)));
  query = {};
  query.states = {State::kOwed};
  EXPECT_TRUE(absl::IsInvalidArgument(status(query)));
  query = {};
  query.vantages = {"a", "nowhere"};
  EXPECT_THAT(std::string(Message(status(query))), ::testing::HasSubstr("nowhere"));
  EXPECT_TRUE(absl::IsInvalidArgument(status({}, "not a token")));
}

TEST_F(ResultReaderTest, ForgedTokensAreRefusedOrHarmless) {
  MakeSpace();
  Create(ScanMode::kEachVantage, {"a", "b"});
  WriteBatch batch;
  const IndexRange range = space_->GroupNumber(0).range;
  StoredChunk chunk;
  chunk.lane = LaneId{2};
  chunk.range = range;
  chunk.outcomes = EncodeOutcomes(std::vector<Symbol>(range.size(), kClosed));
  batch.chunks.push_back(chunk);
  Commit(std::move(batch));
  ResultQuery query;
  query.states = {State::kClosed, State::kOpen};
  query.limit = 10;
  const std::string good = reader_->Page("scan", query, "")->next_page_token;
  ASSERT_FALSE(good.empty());
  std::mt19937 random(3);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    // Beyond the digest, where the place is.
    bad[12 + random() % (bad.size() - 12)] = kAlphabet[random() % kAlphabet.size()];
    if (random() % 2)
      bad.insert(12 + random() % (bad.size() - 12), 1, kAlphabet[random() % kAlphabet.size()]);
    refused += !reader_->Page("scan", query, bad).ok();
  }
  EXPECT_GT(refused, 100);
  ResultQuery other = query;
  other.states = {State::kClosed};
  EXPECT_TRUE(absl::IsInvalidArgument(reader_->Page("scan", other, good).status()));
}

TEST_F(ResultReaderTest, DeletedScanIsNotAnsweredFromMemory) {
  MakeSpace();
  Create(ScanMode::kEachVantage, {"a"});
  ASSERT_TRUE(reader_->Page("scan", {}, "").ok());
  WriteBatch finish;
  finish.changes = {PutScanState{"scan", ScanState::kComplete, {}, FromUnixMicros(5)}};
  Commit(std::move(finish));
  WriteBatch remove;
  remove.delete_scans = {"scan"};
  Commit(std::move(remove));
  EXPECT_TRUE(absl::IsNotFound(reader_->Page("scan", {}, "").status()));
}

TEST_F(ResultReaderTest, RunningGroupIsReadAnew) {
  MakeSpace();
  Create(ScanMode::kEachVantage, {"a"});
  ResultQuery query;
  query.states = {State::kClosed, State::kNotProbed};
  const auto put = [&](uint64_t begin, Symbol s) {
    WriteBatch batch;
    StoredChunk chunk;
    chunk.lane = LaneId{1};
    chunk.range = {begin, begin + 1};
    chunk.outcomes = EncodeOutcomes(std::vector<Symbol>{s});
    batch.chunks.push_back(chunk);
    Commit(std::move(batch));
  };
  put(0, kClosed);
  EXPECT_EQ(All(query)->size(), 1u);
  put(5, kClosed);
  EXPECT_EQ(All(query)->size(), 2u);
  WriteBatch gap;
  gap.changes = {PutGaps{LaneId{1}, {{{7, 9}, Reason::kCancelled}}}};
  Commit(std::move(gap));
  EXPECT_EQ(All(query)->size(), 4u);
}

}  // namespace
}  // namespace portolan
