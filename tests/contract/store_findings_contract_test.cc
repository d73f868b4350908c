// Findings about hosts, against a model.
#include <gmock/gmock.h>

#include <map>
#include <random>
#include <tuple>

#include "tests/contract/store_harness.h"

namespace portolan::store_test {
namespace {

class StoreFindingsTest : public StoreTest {};
INSTANTIATE_TEST_SUITE_P(Contract, StoreFindingsTest, ::testing::ValuesIn(Implementations()),
                         ImplementationName);

StoredFinding MakeFinding(uint64_t lane, const IpAddress& address, HostFindingKind kind,
                          uint32_t opens) {
  StoredFinding f;
  f.lane = LaneId{lane};
  f.agent = "agent-1";
  f.vantage = "dmz";
  f.finding.kind = kind;
  f.finding.address = address;
  f.finding.when = FromUnixMicros(1'700'000'003'000'000 + opens);
  f.finding.opens = opens;
  f.finding.outcomes = 2 * opens;
  f.time_of_receipt = opens % 2 == 1;
  if (CoversOpenPorts(kind)) {
    f.finding.confirmed = {{65535, Held::kReset}, {49152, Held::kReset}};
  } else {
    f.finding.sentinel = 0;
    f.finding.since = FromUnixMicros(1'700'000'002'000'000);
    f.finding.silences = 12;
  }
  return f;
}

TEST_P(StoreFindingsTest, FindingsAreReadInOrderAndLaterOnesTakeTheirPlace) {
  Reopen();
  const auto spec = MakeSpec();
  Create(MakeScan("scan", {1, 2}, spec));
  constexpr HostFindingKind kKinds[] = {HostFindingKind::kAnswersEverywhere,
                                        HostFindingKind::kSynProxy,
                                        HostFindingKind::kStoppedAnswering};
  std::mt19937 random(5);
  using Key = std::tuple<uint64_t, IpAddress, HostFindingKind>;
  std::map<Key, HostFinding> model;
  std::map<std::pair<uint64_t, IpAddress>, uint64_t> rows;
  for (int round = 0; round < 5; ++round) {
    WriteBatch batch;
    for (int i = 0; i < 100; ++i) {
      const uint64_t lane = 1 + random() % 2;
      const IpAddress address = random() % 4 == 0 ? *IpAddress::Parse("2001:db8::7")
                                                  : IpAddress::V4(0x0A000000 + random() % 64);
      StoredFinding f =
          MakeFinding(lane, address, kKinds[random() % 3], static_cast<uint32_t>(100 * round + i));
      model[{lane, address, f.finding.kind}] = f.finding;
      batch.findings.push_back(std::move(f));
    }
    for (uint64_t i = 0; i < 300; ++i) {
      StoredRow row = MakeRow(1, 1000 * static_cast<uint64_t>(round) + i, 1, *spec->space);
      ++rows[{1, row.address}];
      batch.rows.push_back(std::move(row));
    }
    Commit(std::move(batch));
  }
  const auto check = [&] {
    std::vector<Key> want, got;
    for (const auto& [key, finding] : model) want.push_back(key);
    for (uint64_t lane = 1; lane <= 2; ++lane) {
      std::optional<Store::FindingKey> after;
      do {
        const auto page = store_->ReadFindings(LaneId{lane}, after, 7, true);
        ASSERT_TRUE(page.ok()) << page.status();
        EXPECT_LE(page->findings.size(), 7u);
        for (const Store::FindingPage::Entry& e : page->findings) {
          const HostFinding& f = e.finding.finding;
          got.emplace_back(lane, f.address, f.kind);
          EXPECT_EQ(f, model.at(got.back()));
          EXPECT_EQ(e.finding.agent, "agent-1");
          EXPECT_EQ(e.finding.vantage, "dmz");
          EXPECT_EQ(e.finding.time_of_receipt, f.opens % 2 == 1);
          const auto open = rows.find({lane, f.address});
          EXPECT_EQ(e.open_rows, open == rows.end() ? 0 : open->second);
        }
        after = page->next;
      } while (after.has_value());
    }
    EXPECT_EQ(got, want);
    const auto counts = store_->CountFindings({LaneId{2}, LaneId{1}, LaneId{9}});
    ASSERT_TRUE(counts.ok()) << counts.status();
    ASSERT_EQ(counts->size(), 3u);
    EXPECT_EQ((*counts)[0].kept + (*counts)[1].kept, model.size());
    EXPECT_EQ((*counts)[0].dropped + (*counts)[1].dropped, 0u);
    EXPECT_EQ((*counts)[2], Store::FindingCounts());
  };
  check();
  EXPECT_EQ(store_->stats().findings, model.size());
  Reopen();
  check();
}

TEST_P(StoreFindingsTest, OfTooManyFindingsTheFirstAreKeptAndTheRestIsCounted) {
  Reopen();
  Create(MakeScan("scan", {1, 2}));
  for (uint64_t done = 0; done < kMaxFindingsPerLane + 10;) {
    WriteBatch batch;
    for (int i = 0; i < 10'000 && done < kMaxFindingsPerLane + 10; ++i, ++done) {
      batch.findings.push_back(MakeFinding(1,
                                           IpAddress::V4(0x0A000000 + static_cast<uint32_t>(done)),
                                           HostFindingKind::kAnswersEverywhere, 1));
    }
    Commit(std::move(batch));
  }
  WriteBatch batch;  // what is kept can still be replaced; other lanes have room
  batch.findings = {
      MakeFinding(1, IpAddress::V4(0x0A000000), HostFindingKind::kAnswersEverywhere, 77),
      MakeFinding(2, IpAddress::V4(0x0A000000), HostFindingKind::kSynProxy, 1)};
  Commit(std::move(batch));
  EXPECT_EQ(*store_->CountFindings({LaneId{1}, LaneId{2}}),
            (std::vector<Store::FindingCounts>{{kMaxFindingsPerLane, 10}, {1, 0}}));
  EXPECT_EQ(
      store_->ReadFindings(LaneId{1}, std::nullopt, 1, false)->findings[0].finding.finding.opens,
      77u);
}

TEST_P(StoreFindingsTest, RowsAreReadWithoutHostsThatAreLeftOut) {
  Reopen();
  const auto spec = MakeSpec();
  Create(MakeScan("scan", {1, 2}, spec));
  WriteBatch batch;
  for (const uint64_t lane : {1, 2}) {
    for (uint64_t i = 0; i < 5000; ++i) batch.rows.push_back(MakeRow(lane, i, 1, *spec->space));
  }
  Commit(std::move(batch));
  RowFilter filter;
  filter.lanes = {LaneId{1}, LaneId{2}};
  const IpSet some = IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0A000000)},
                                {IpAddress::V4(0x0A000010), IpAddress::V4(0x0A000080)},
                                {IpAddress::V4(0x0A0000FF), IpAddress::V4(0x0A0000FF)}});
  filter.without =
      std::make_shared<const std::map<LaneId, IpSet>>(std::map<LaneId, IpSet>{{LaneId{2}, some}});
  size_t got = 0, want = 0;
  for (uint64_t i = 0; i < 5000; ++i) want += 1 + !some.Contains(spec->space->At(i).address);
  std::optional<Store::RowKey> after;
  do {
    const auto page = store_->ReadRows(filter, after, 333);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const StoredRow& row : page->rows)
      EXPECT_FALSE(row.lane == LaneId{2} && some.Contains(row.address));
    got += page->rows.size();
    after = page->next;
  } while (after.has_value());
  EXPECT_EQ(got, want);
}

}  // namespace
}  // namespace portolan::store_test
