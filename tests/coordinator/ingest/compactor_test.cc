#include "coordinator/ingest/compactor.h"

#include <gtest/gtest.h>

#include <random>

#include "common/scan/chunk_codec.h"

namespace portolan {
namespace {

constexpr Symbol kClosed{State::kClosed, Reason::kConnRefused};
constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};
constexpr Symbol kOwed{State::kOwed, Reason::kNone};

std::shared_ptr<const ScanSpace> Space() {
  return *ScanSpace::Create(
      {Block{IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0A0013FF)}}),
             PortSet::Of({{20, 22}, {80, 80}})}},
      9);
}

StoredChunk Chunk(uint64_t begin, const std::vector<Symbol>& outcomes, const std::string& agent) {
  StoredChunk chunk;
  chunk.range = {begin, begin + outcomes.size()};
  chunk.agent = agent;
  chunk.vantage = "v";
  chunk.start = FromUnixMicros(static_cast<int64_t>(begin) + 1);
  chunk.outcomes = EncodeOutcomes(outcomes);
  return chunk;
}

TEST(CompactGroup, PutsEachOutcomeInItsNaturalPlace) {
  const auto space = Space();
  std::mt19937 random(3);
  for (const uint64_t number : {0u, 1u}) {
    const ScanSpace::Group group = space->GroupNumber(number);
    const GroupView view(space, group);
    std::vector<Symbol> truth(group.range.size());
    for (Symbol& s : truth) s = random() % 5 == 0 ? kOpen : kClosed;
    // A gap at the end, holes in the first chunk that a second fills.
    const uint64_t gap_begin = group.range.end - 100;
    std::vector<Symbol> first, second;
    for (uint64_t i = group.range.begin; i < gap_begin; ++i) {
      const bool hole = random() % 50 == 0;
      first.push_back(hole ? kOwed : truth[i - group.range.begin]);
      second.push_back(hole ? truth[i - group.range.begin] : kOwed);
    }
    Store::GroupOutcomes outcomes;
    outcomes.chunks = {Chunk(group.range.begin, first, "a"), Chunk(group.range.begin, second, "b")};
    const std::vector<Gap> gaps = {{{gap_begin, group.range.end}, Reason::kCancelled}};
    const auto compacted = CompactGroup(LaneId{4}, space, group.range, outcomes, gaps);
    ASSERT_TRUE(compacted.ok()) << compacted.status();
    EXPECT_EQ(compacted->chunks, 2u);
    const auto decoded = DecodeOutcomes(compacted->outcomes, group.range.size());
    ASSERT_TRUE(decoded.ok());
    ASSERT_EQ(decoded->size(), group.range.size());
    for (uint64_t i = group.range.begin; i < group.range.end; ++i) {
      const Symbol want = i >= gap_begin ? Symbol{State::kNotProbed, Reason::kCancelled}
                                         : truth[i - group.range.begin];
      ASSERT_EQ(decoded->At(view.NaturalOf(i)), want);
    }
    ASSERT_EQ(compacted->segments.size(), 2u);
    for (size_t i = 0; i < first.size(); ++i) {
      const bool by_second = second[i].state != State::kOwed;
      ASSERT_EQ(IntervalSet::Of(compacted->segments[1].positions).Contains(group.range.begin + i),
                by_second);
    }
    EXPECT_EQ(compacted->segments[0].agent, "a");
    EXPECT_EQ(compacted->segments[1].agent, "b");
    // Without the gap, or with one position less, it is not finished.
    EXPECT_TRUE(absl::IsFailedPrecondition(
        CompactGroup(LaneId{4}, space, group.range, outcomes, {}).status()));
    Store::GroupOutcomes fewer = outcomes;
    fewer.chunks.pop_back();
    EXPECT_TRUE(absl::IsFailedPrecondition(
        CompactGroup(LaneId{4}, space, group.range, fewer, gaps).status()));
  }
}

TEST(CompactGroup, ManySmallPiecesAreSummedUp) {
  const auto space = Space();
  const IndexRange range = space->GroupNumber(0).range;
  std::vector<Symbol> even, odd;
  for (uint64_t i = 0; i < range.size(); ++i) {
    even.push_back(i % 2 ? kOwed : kClosed);
    odd.push_back(i % 2 ? kClosed : kOwed);
  }
  Store::GroupOutcomes outcomes;
  outcomes.chunks = {Chunk(range.begin, even, "a"), Chunk(range.begin, odd, "b")};
  const auto compacted = CompactGroup(LaneId{1}, space, range, outcomes, {});
  ASSERT_TRUE(compacted.ok());
  ASSERT_EQ(compacted->segments.size(), 1u);
  EXPECT_EQ(compacted->segments[0].agent, "");
  EXPECT_EQ(compacted->segments[0].vantage, "v");
  EXPECT_EQ(compacted->segments[0].positions, std::vector<IndexRange>{range});
}

TEST(CompactGroup, DamagedChunksAreErrors) {
  const auto space = Space();
  const IndexRange range = space->GroupNumber(0).range;
  Store::GroupOutcomes outcomes;
  outcomes.chunks = {Chunk(range.begin, std::vector<Symbol>(range.size(), kClosed), "a")};
  EXPECT_TRUE(CompactGroup(LaneId{1}, space, range, outcomes, {}).ok());
  auto bad = outcomes;
  bad.chunks[0].range.end += 1;
  EXPECT_FALSE(CompactGroup(LaneId{1}, space, range, bad, {}).ok());
  bad = outcomes;
  bad.chunks[0].outcomes = "nonsense";
  EXPECT_FALSE(CompactGroup(LaneId{1}, space, range, bad, {}).ok());
  bad = outcomes;
  bad.chunks[0].outcomes = EncodeOutcomes(std::vector<Symbol>(range.size() - 1, kClosed));
  EXPECT_FALSE(CompactGroup(LaneId{1}, space, range, bad, {}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      CompactGroup(LaneId{1}, space, {range.begin, range.end - 1}, outcomes, {}).status()));
}

}  // namespace
}  // namespace portolan
