#include <gmock/gmock.h>

#include <random>

#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "coordinator/ingest/ingest.h"

namespace portolan {
namespace {

constexpr Symbol kClosed{State::kClosed, Reason::kConnRefused};
constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};

absl::StatusOr<ParsedChunk> Parse(const std::vector<Symbol>& outcomes, uint64_t begin = 1000,
                                  uint32_t extra = 0) {
  return ParseChunk(Token{7}, begin, static_cast<uint32_t>(outcomes.size()), FromUnixMicros(5), 20,
                    EncodeOutcomes(outcomes), extra);
}

TEST(ParseChunk, CountsAndFindsWhatIsOwed) {
  const auto chunk = Parse({kClosed,
                            {State::kOwed, Reason::kChunkClosed},
                            kOpen,
                            {State::kOwed, Reason::kRefusedByScope},
                            {State::kNotProbed, Reason::kExcluded},
                            kClosed},
                           1000, 9);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_EQ(chunk->range, (IndexRange{1000, 1006}));
  EXPECT_EQ(chunk->counts.closed, 2u);
  EXPECT_EQ(chunk->counts.open, 1u);
  EXPECT_EQ(chunk->counts.not_probed[0], 1u);
  EXPECT_EQ(chunk->counts.extra, 9u);
  EXPECT_EQ(chunk->owed, IntervalSet({{1001, 1002}, {1003, 1004}}));
  EXPECT_EQ(chunk->refused_by_scope, IntervalSet({{1003, 1004}}));
  EXPECT_EQ(chunk->counts.Done() + chunk->owed.size(), chunk->range.size());
}

TEST(ParseChunk, RefusesWhatItCannotBe) {
  const std::string ten = EncodeOutcomes(std::vector<Symbol>(10, kClosed));
  const auto parse = [&](uint64_t begin, uint32_t count, std::string bytes) {
    return ParseChunk(Token{1}, begin, count, {}, 0, std::move(bytes), 0).status();
  };
  EXPECT_TRUE(parse(0, 10, ten).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(parse(0, 9, ten)));
  EXPECT_TRUE(absl::IsInvalidArgument(parse(0, 11, ten)));
  EXPECT_TRUE(absl::IsInvalidArgument(parse(0, 0, EncodeOutcomes({}))));
  EXPECT_TRUE(absl::IsInvalidArgument(parse(0, 10, "")));
  EXPECT_TRUE(absl::IsInvalidArgument(parse(0, 10, ten + "x")));
  EXPECT_TRUE(absl::IsInvalidArgument(parse(UINT64_MAX - 3, 10, ten)));
  EXPECT_TRUE(absl::IsInvalidArgument(
      parse(0, kMaxChunkPositions + 1,
            EncodeOutcomes(std::vector<Symbol>(kMaxChunkPositions + 1, kClosed)))));
  for (const Reason cause :
       {Reason::kAttempts, Reason::kNoAgent, Reason::kAgentScope, Reason::kCancelled}) {
    const absl::Status status = Parse({kClosed, {State::kNotProbed, cause}}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(Message(status)), ::testing::HasSubstr("excluded"));
  }
}

TEST(ParseChunk, DamagedBytesNeverCrash) {
  std::mt19937 random(5);
  std::vector<Symbol> outcomes;
  for (int i = 0; i < 300; ++i)
    outcomes.push_back(random() % 5   ? kClosed
                       : random() % 2 ? kOpen
                                      : Symbol{State::kOwed, Reason::kHostThrottles});
  const std::string good = EncodeOutcomes(outcomes);
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    for (int n = 0; n < 3; ++n) bad[random() % bad.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bad.resize(random() % bad.size());
    const auto chunk = ParseChunk(Token{1}, 0, 300, {}, 0, bad, 0);
    if (!chunk.ok()) continue;
    EXPECT_EQ(chunk->counts.Done() + chunk->owed.size(), 300u);
  }
}

}  // namespace
}  // namespace portolan
