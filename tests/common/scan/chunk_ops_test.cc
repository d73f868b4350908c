#include "common/scan/chunk_ops.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace portolan {
namespace {

const std::vector<Symbol> kMix = {
    {State::kClosed, Reason::kConnRefused},  {State::kFiltered, Reason::kNoResponse},
    {State::kOpen, Reason::kSynAck},         {State::kOwed, Reason::kChunkClosed},
    {State::kOwed, Reason::kRefusedByScope}, {State::kOwed, Reason::kNone},
    {State::kNotProbed, Reason::kAgentScope}};

std::vector<Symbol> RandomOutcomes(std::mt19937_64& random) {
  std::vector<Symbol> outcomes;
  const size_t kinds = 1 + random() % kMix.size();
  while (outcomes.size() < 400 && random() % 40 != 0) {
    outcomes.insert(outcomes.end(), 1 + random() % 9, kMix[random() % kinds]);
  }
  return outcomes;
}

TEST(ChunkOps, OwedPositionsAreThoseWithoutAVerdict) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    const std::vector<Symbol> outcomes = RandomOutcomes(random);
    const uint64_t base = random() >> 3;
    const auto decoded = DecodeOutcomes(EncodeOutcomes(outcomes), outcomes.size());
    ASSERT_TRUE(decoded.ok());
    IntervalSet owed, refused;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].state == State::kOwed) owed.Add({base + i, base + i + 1});
      if (outcomes[i].reason == Reason::kRefusedByScope) refused.Add({base + i, base + i + 1});
    }
    EXPECT_EQ(OwedPositions(*decoded, base), owed);
    EXPECT_EQ(OwedPositions(*decoded, base, Reason::kRefusedByScope), refused);
    EXPECT_TRUE(OwedPositions(*decoded, base, Reason::kHostThrottles).empty());
  }
}

TEST(ChunkOps, RemaskKeepsJustTheWantedPositionsAndCountsThem) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 500; ++round) {
    const std::vector<Symbol> outcomes = RandomOutcomes(random);
    const uint64_t base = 1000 + (random() >> 3);
    IntervalSet keep;
    for (int i = random() % 5; i > 0; --i) {
      const uint64_t begin = base - 20 + random() % 420;
      keep.Add({begin, begin + random() % 200});
    }
    const auto masked = Remask(EncodeOutcomes(outcomes), outcomes.size(), base, keep);
    ASSERT_TRUE(masked.ok());
    const auto decoded = DecodeOutcomes(masked->encoded, outcomes.size());
    ASSERT_TRUE(decoded.ok());
    ASSERT_EQ(decoded->size(), outcomes.size());
    Ledger counts;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      if (keep.Contains(base + i)) {
        ASSERT_EQ(decoded->At(i), outcomes[i]);
        if (outcomes[i].state != State::kOwed) counts.Count(outcomes[i], 1);
      } else {
        ASSERT_EQ(decoded->At(i), Symbol{});
      }
    }
    EXPECT_EQ(masked->counts, counts);
    EXPECT_EQ(LedgerOf(*decoded), counts);
    EXPECT_EQ(LedgerOf(*CountOutcomes(masked->encoded, outcomes.size())), counts);
  }
}

TEST(ChunkOps, RemaskRefusesWhatDecodeRefuses) {
  EXPECT_EQ(Remask("garbage", 10, 0, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace portolan
