// Rows, groups and gaps: every page and every group against a model.
#include <gmock/gmock.h>

#include <map>

#include "tests/contract/store_harness.h"

namespace portolan::store_test {
namespace {

using ::testing::ElementsAre;

class StoreReadsTest : public StoreTest {};
INSTANTIATE_TEST_SUITE_P(Contract, StoreReadsTest, ::testing::ValuesIn(Implementations()),
                         ImplementationName);

TEST_P(StoreReadsTest, NewerTokenReplacesARowAndOlderDoesNot) {
  Reopen();
  const auto spec = MakeSpec();
  Create(MakeScan("scan", {1}, spec));
  const auto put = [&](uint64_t index, uint64_t token) {
    WriteBatch batch;
    batch.rows = {MakeRow(1, index, token, *spec->space)};
    Commit(std::move(batch));
  };
  const auto tokens = [&] {
    std::map<uint64_t, uint64_t> out;
    const std::vector<StoredRow> rows = *store_->ReadRowsAt(LaneId{1}, {5, 6, 7, 8});
    for (const StoredRow& r : rows) {
      out[r.row.index] = r.token.value;
      EXPECT_EQ(r.row.rtt_us, 100 + r.token.value);
    }
    return out;
  };
  put(5, 10);
  put(5, 9);
  EXPECT_EQ(tokens(), (std::map<uint64_t, uint64_t>{{5, 10}}));
  put(5, 11);
  put(6, 3);
  put(7, 11);
  EXPECT_EQ(tokens(), (std::map<uint64_t, uint64_t>{{5, 11}, {6, 3}, {7, 11}}));
  WriteBatch batch;
  batch.superseded = {{LaneId{1}, {5, 7}, Token{11}}, {LaneId{2}, {0, 100}, Token{99}}};
  Commit(std::move(batch));
  EXPECT_EQ(tokens(), (std::map<uint64_t, uint64_t>{{5, 11}, {7, 11}}));
  WriteBatch gap;  // never probed, says the ledger
  gap.changes = {PutGaps{LaneId{1}, {{{7, 9}, Reason::kCancelled}}}};
  gap.rows = {MakeRow(1, 8, 11, *spec->space)};
  Commit(std::move(gap));
  EXPECT_EQ(tokens(), (std::map<uint64_t, uint64_t>{{5, 11}}));
}

TEST_P(StoreReadsTest, PagesOfRowsAreWhatTheFilterWants) {
  Reopen();
  std::mt19937 random(7);
  const auto pick = [&](uint64_t n) { return random() % n; };
  // Two families, so that their order counts.
  auto spec = std::make_shared<ScanSpec>(*MakeSpec());
  spec->space =
      *ScanSpace::Create({Block{IpSet::Of({{IpAddress::V4(0xFF000000), IpAddress::V4(0xFF00001F)},
                                           {*IpAddress::Parse("::"), *IpAddress::Parse("::1f")}}),
                                PortSet::Of({{0, 9}, {65530, 65535}})}},
                         3);
  Create(MakeScan("scan", {1, 2, 3}, spec));
  using Key = std::tuple<IpAddress, uint16_t, uint64_t>;
  std::map<Key, StoredRow> model;
  WriteBatch batch;
  for (uint64_t lane = 1; lane <= 3; ++lane) {
    for (uint64_t i = 0; i < spec->space->size(); ++i) {
      if (pick(3) == 0) continue;
      StoredRow row = MakeRow(lane, i, 1, *spec->space);
      row.vantage = "v" + std::to_string(pick(3));
      row.agent = "a" + std::to_string(pick(4));
      row.row.source = pick(2) ? IpAddress::V4(1) : *IpAddress::Parse("2001:db8::5");
      model[{row.address, row.port, lane}] = row;
      batch.rows.push_back(row);
    }
  }
  std::shuffle(batch.rows.begin(), batch.rows.end(), random);
  Commit(std::move(batch));

  for (int round = 0; round < 200; ++round) {
    RowFilter filter;
    for (uint64_t lane = 1; lane <= 3; ++lane) {
      if (pick(3) != 0) filter.lanes.push_back(LaneId{lane});
    }
    std::vector<IpRange> ranges;
    for (uint64_t n = pick(6); n > 0; --n) {
      const bool v6 = pick(2) == 0;
      const uint32_t first = static_cast<uint32_t>(pick(36)), more = static_cast<uint32_t>(pick(6));
      const auto make = [&](uint32_t x) {
        return v6 ? IpAddress::V6(x) : IpAddress::V4(0xFF000000 + x);
      };
      ranges.push_back({make(first), make(first + more)});
    }
    filter.addresses = IpSet::Of(ranges);
    if (pick(2))
      filter.ports = PortSet::Of(
          {{static_cast<uint16_t>(pick(9)), 9}, {static_cast<uint16_t>(65530 + pick(6)), 65535}});
    if (pick(3) == 0) filter.vantages = {"v1", "v7"};
    std::vector<Key> want, got;
    for (const auto& [key, row] : model) {
      const bool lane =
          std::find(filter.lanes.begin(), filter.lanes.end(), row.lane) != filter.lanes.end();
      const bool vantage = filter.vantages.empty() || row.vantage == "v1";
      if (lane && vantage && (ranges.empty() || filter.addresses.Contains(row.address)) &&
          (filter.ports.empty() || filter.ports.Contains(row.port))) {
        want.push_back(key);
      }
    }
    std::optional<Store::RowKey> after;
    const size_t limit = 1 + pick(50);
    do {
      const auto page = store_->ReadRows(filter, after, limit);
      ASSERT_TRUE(page.ok()) << page.status();
      EXPECT_LE(page->rows.size(), limit);
      for (const StoredRow& row : page->rows) {
        got.emplace_back(row.address, row.port, row.lane.value);
        const StoredRow& m = model.at(got.back());
        EXPECT_EQ(row.row.index, m.row.index);
        EXPECT_EQ(row.row.when, m.row.when);
        EXPECT_EQ(row.row.source, m.row.source);
        EXPECT_EQ(row.row.reason, m.row.reason);
        EXPECT_EQ(row.agent, m.agent);
        EXPECT_EQ(row.vantage, m.vantage);
      }
      after = page->next;
    } while (after.has_value());
    EXPECT_EQ(got, want);
  }
}

TEST_P(StoreReadsTest, PageOverManyUnwantedRowsIsBoundedAndStillReachesTheEnd) {
  Reopen();
  const auto spec = MakeSpec(0x0A000000, 2048, 64);
  Create(MakeScan("scan", {1}, spec));
  WriteBatch batch;
  for (uint64_t i = 0; i < spec->space->size(); ++i)
    batch.rows.push_back(MakeRow(1, i, 1, *spec->space));
  Commit(std::move(batch));
  RowFilter filter;
  filter.lanes = {LaneId{1}};
  filter.addresses = IpSet::Of({{IpAddress::V4(0x0A0007FF), IpAddress::V4(0x0A0007FF)},
                                {IpAddress::V4(0x0A000000), IpAddress::V4(0x0A0007FD)}});
  filter.ports = PortSet::Of({{64, 64}});
  size_t rows = 0, pages = 0;
  std::optional<Store::RowKey> after;
  do {
    const auto page = store_->ReadRows(filter, after, 100'000);
    ASSERT_TRUE(page.ok());
    rows += page->rows.size();
    ++pages;
    after = page->next;
  } while (after.has_value());
  EXPECT_EQ(rows, 2047u);
  EXPECT_LE(pages, 10u);
}

TEST_P(StoreReadsTest, GroupIsReadFromItsChunksAndThenFromItsFinalForm) {
  Reopen();
  Create(MakeScan("scan", {1, 2}));
  const IndexRange group{100, 110};
  EXPECT_EQ(store_->ReadGroup(LaneId{1}, group)->version, 0u);
  WriteBatch batch;
  batch.chunks = {MakeChunk(1, 100, {kClosed, kOwedSymbol, kOpened, kSilent}),
                  MakeChunk(1, 90, std::vector<Symbol>(10, kClosed)), MakeChunk(1, 110, {kClosed}),
                  MakeChunk(2, 100, {kSilent})};
  Commit(std::move(batch));
  const auto first = *store_->ReadGroup(LaneId{1}, group);
  ASSERT_EQ(first.chunks.size(), 1u);
  EXPECT_FALSE(first.natural.has_value());
  EXPECT_EQ(first.version, *store_->GroupVersion(LaneId{1}, group));
  EXPECT_EQ(first.chunks[0].range, (IndexRange{100, 104}));
  EXPECT_EQ(first.chunks[0].agent, "agent-1");
  EXPECT_EQ(first.chunks[0].vantage, "dmz");
  EXPECT_EQ(first.chunks[0].duration_ms, 1500u);
  EXPECT_EQ(DecodeOutcomes(first.chunks[0].outcomes, 4)->At(2), kOpened);

  WriteBatch more;
  more.chunks = {MakeChunk(1, 101, {kClosed}), MakeChunk(1, 104, std::vector<Symbol>(6, kClosed))};
  Commit(std::move(more));
  const auto second = *store_->ReadGroup(LaneId{1}, group);
  EXPECT_NE(second.version, first.version);
  ASSERT_EQ(second.chunks.size(), 3u);

  CompactedGroup compacted;
  compacted.lane = LaneId{1};
  compacted.range = group;
  compacted.outcomes = EncodeOutcomes(std::vector<Symbol>(10, kClosed));
  compacted.segments = {{{{100, 101}, {102, 110}}, "agent-1", "dmz", FromUnixMicros(5)},
                        {{{101, 102}}, "agent-2", "", FromUnixMicros(6)}};
  compacted.chunks = 2;  // made before the third came
  CommitCompaction(compacted);
  EXPECT_EQ(store_->ReadGroup(LaneId{1}, group)->version, second.version);
  compacted.chunks = 3;
  CommitCompaction(compacted);
  for (int round = 0; round < 2; ++round) {
    const auto third = *store_->ReadGroup(LaneId{1}, group);
    EXPECT_NE(third.version, second.version);
    EXPECT_EQ(third.version, *store_->GroupVersion(LaneId{1}, group));
    ASSERT_TRUE(third.natural.has_value());
    EXPECT_EQ(third.natural->outcomes, compacted.outcomes);
    ASSERT_EQ(third.natural->segments.size(), 2u);
    EXPECT_EQ(third.natural->segments[0].positions, compacted.segments[0].positions);
    EXPECT_EQ(third.natural->segments[1].agent, "agent-2");
    EXPECT_EQ(third.natural->segments[1].start, FromUnixMicros(6));
    EXPECT_TRUE(third.chunks.empty());
    CommitCompaction(compacted);  // once more changes nothing
    EXPECT_EQ(Reopen().unfinished.at(0).lanes.at(0).done, IntervalSet({{90, 111}}));
  }
  EXPECT_EQ(store_->ReadGroup(LaneId{2}, group)->chunks.size(), 1u);
  // The neighbours' chunks are still there.
  EXPECT_EQ(store_->ReadGroup(LaneId{1}, {90, 100})->chunks.size(), 1u);
  EXPECT_EQ(store_->ReadGroup(LaneId{1}, {110, 120})->chunks.size(), 1u);
}

TEST_P(StoreReadsTest, GapsAreCutToTheRangeAskedFor) {
  Reopen();
  Create(MakeScan("scan", {1, 2}));
  WriteBatch batch;
  batch.changes = {PutGaps{LaneId{1},
                           {{{10, 20}, Reason::kNoAgent},
                            {{20, 25}, Reason::kCancelled},
                            {{1'000, 1'000'000'000'000}, Reason::kAttempts}}},
                   PutGaps{LaneId{2}, {{{0, 5}, Reason::kCancelled}}}};
  Commit(std::move(batch));
  const auto read = [&](uint64_t begin, uint64_t end) {
    std::vector<std::pair<uint64_t, uint64_t>> out;
    const std::vector<Gap> gaps = *store_->ReadGaps(LaneId{1}, {begin, end});
    for (const Gap& gap : gaps) out.emplace_back(gap.range.begin, gap.range.end);
    return out;
  };
  using P = std::pair<uint64_t, uint64_t>;
  EXPECT_THAT(read(0, 10), ElementsAre());
  EXPECT_THAT(read(0, 11), ElementsAre(P(10, 11)));
  EXPECT_THAT(read(15, 22), ElementsAre(P(15, 20), P(20, 22)));
  EXPECT_THAT(read(25, 1000), ElementsAre());
  EXPECT_THAT(read(500'000, 500'001), ElementsAre(P(500'000, 500'001)));
  EXPECT_THAT(read(0, UINT64_MAX / 4),
              ElementsAre(P(10, 20), P(20, 25), P(1'000, 1'000'000'000'000)));
  EXPECT_EQ(store_->ReadGaps(LaneId{1}, {0, 12})->at(0).cause, Reason::kNoAgent);
}

TEST_P(StoreReadsTest, NextStoredLeapsOverWhatIsNotThere) {
  Reopen();
  Create(MakeScan("scan", {1}));
  WriteBatch batch;
  batch.changes = {PutGaps{LaneId{1}, {{{50, 60}, Reason::kNoAgent}}}};
  batch.chunks = {MakeChunk(1, 20, {kClosed, kClosed}), MakeChunk(1, 80, {kClosed, kClosed})};
  Commit(std::move(batch));
  CompactedGroup group;
  group.lane = LaneId{1};
  group.range = {80, 90};
  group.outcomes = EncodeOutcomes(std::vector<Symbol>(10, kClosed));
  group.chunks = 1;
  CommitCompaction(group);
  const auto next = [&](uint64_t from, Store::Kinds kinds = {}) {
    return *store_->NextStored(LaneId{1}, from, kinds);
  };
  EXPECT_EQ(next(0), 20u);
  EXPECT_EQ(next(20), 20u);
  EXPECT_EQ(next(21), 50u);
  EXPECT_EQ(next(55), 55u);
  EXPECT_EQ(next(60), 80u);
  EXPECT_EQ(next(85), 85u);
  EXPECT_EQ(next(90), std::nullopt);
  EXPECT_EQ(next(21, {true, true, false}), 80u);
  EXPECT_EQ(next(21, {true, false, false}), std::nullopt);
}

}  // namespace
}  // namespace portolan::store_test
