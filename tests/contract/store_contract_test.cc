#include <gmock/gmock.h>

#include "common/base/status.h"
#include "tests/contract/store_harness.h"

namespace portolan::store_test {
namespace {

using ::testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Contract, StoreTest, ::testing::ValuesIn(Implementations()),
                         ImplementationName);

TEST_P(StoreTest, EachStartHasANewEpoch) {
  EXPECT_EQ(Reopen().epoch, 1u);
  const Store::StartState second = Reopen();
  EXPECT_EQ(second.epoch, 2u);
  EXPECT_EQ(second.next_token.value, 1u);
  EXPECT_EQ(second.next_lane, 1u);
  EXPECT_TRUE(second.unfinished.empty());
  EXPECT_TRUE(store_->Health().ok());
}

TEST_P(StoreTest, ScanComesBackAsItWas) {
  Reopen();
  auto spec = std::make_shared<ScanSpec>(*MakeSpec());
  Block v6{IpSet::Of({{*IpAddress::Parse("2001:db8::"), *IpAddress::Parse("2001:db8::ff")},
                      {*IpAddress::Parse("ffff:ffff::"),
                       *IpAddress::Parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")},
                      {IpAddress::V4(7), IpAddress::V4(0xFFFFFFFF)}}),
           PortSet()};
  v6.addresses = v6.addresses.Minus(
      IpSet::Of({{*IpAddress::Parse("ffff:ffff::"),
                  *IpAddress::Parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0")}}));
  v6.ports = PortSet::Of({{0, 0}, {22, 22}, {65535, 65535}});
  spec->space = *ScanSpace::Create({v6}, 0xFEDCBA9876543210);
  spec->names = {{"host.example", {IpAddress::V4(9), *IpAddress::Parse("2001:db8::1")}},
                 {"none.example", {}}};
  spec->target_texts = {"10.0.0.0/24", std::string("with \0 and \xFF", 12)};
  spec->priority = Priority::kHigh;
  spec->max_rate = 1234.5;
  spec->timing = {std::chrono::milliseconds(70), 3, std::chrono::milliseconds(0)};
  spec->max_attempts = 7;
  spec->lane_timeout = std::chrono::seconds(5);
  spec->retention = std::chrono::hours(1);
  ScanRecord record = MakeScan("abcdefghij", {3, 9}, spec);
  record.state = ScanState::kPaused;
  record.overlay.version = 4;
  record.overlay.rules = {{IpSet::Of({{IpAddress::V4(1), IpAddress::V4(2)}}),
                           PortSet::Of({{80, 81}}), "0.0.0.1-0.0.0.2 80-81"}};
  Create(record);

  for (int round = 0; round < 2; ++round) {
    const Store::StartState state = Reopen();
    ASSERT_EQ(state.unfinished.size(), 1u);
    EXPECT_EQ(state.next_lane, 10u);
    const ScanRecord& got = state.unfinished[0];
    EXPECT_EQ(got.id, "abcdefghij");
    EXPECT_EQ(got.state, ScanState::kPaused);
    EXPECT_EQ(got.created, record.created);
    EXPECT_EQ(got.overlay.version, 4u);
    ASSERT_EQ(got.overlay.rules.size(), 1u);
    EXPECT_EQ(got.overlay.rules[0].addresses, record.overlay.rules[0].addresses);
    EXPECT_EQ(got.overlay.rules[0].ports, record.overlay.rules[0].ports);
    EXPECT_EQ(got.overlay.rules[0].text, record.overlay.rules[0].text);
    EXPECT_EQ(got.spec->name, spec->name);
    EXPECT_EQ(got.spec->target_texts, spec->target_texts);
    EXPECT_EQ(got.spec->ports_text, spec->ports_text);
    EXPECT_EQ(got.spec->mode, spec->mode);
    EXPECT_EQ(got.spec->vantages, spec->vantages);
    EXPECT_EQ(got.spec->priority, spec->priority);
    EXPECT_EQ(got.spec->max_rate, spec->max_rate);
    EXPECT_EQ(got.spec->timing, spec->timing);
    EXPECT_EQ(got.spec->max_attempts, 7u);
    EXPECT_EQ(got.spec->lane_timeout, spec->lane_timeout);
    EXPECT_EQ(got.spec->retention, spec->retention);
    ASSERT_EQ(got.spec->space->size(), spec->space->size());
    EXPECT_EQ(got.spec->space->seed(), spec->space->seed());
    EXPECT_EQ(got.spec->space->blocks()[0].addresses, v6.addresses);
    EXPECT_EQ(got.spec->space->blocks()[0].ports, v6.ports);
    ASSERT_EQ(got.spec->names.size(), 2u);
    EXPECT_EQ(got.spec->names[0].name, "host.example");
    EXPECT_EQ(got.spec->names[0].addresses, spec->names[0].addresses);
    ASSERT_EQ(got.lanes.size(), 2u);
    EXPECT_EQ(got.lanes[0].id.value, 3u);
    EXPECT_EQ(got.lanes[1].vantage, "vantage-9");
    const auto summary = store_->GetScan("abcdefghij");
    ASSERT_TRUE(summary.ok() && summary->has_value());
    EXPECT_EQ((*summary)->positions, spec->space->size());
    EXPECT_EQ((*summary)->addresses, spec->space->address_count());
    EXPECT_EQ((*summary)->target_names, 2u);
    EXPECT_EQ((*summary)->record.spec->space->size(), spec->space->size());
  }
}

TEST_P(StoreTest, MillionRangesSurvive) {
  Reopen();
  std::vector<IpRange> ranges;
  for (uint32_t i = 0; i < 1'000'000; ++i)
    ranges.push_back({IpAddress::V4(i * 4000), IpAddress::V4(i * 4000 + i % 3)});
  auto spec = std::make_shared<ScanSpec>(*MakeSpec());
  spec->space = *ScanSpace::Create({Block{IpSet::Of(ranges), PortSet::Of({{80, 80}})}}, 1);
  Create(MakeScan("million", {1}, spec));
  EXPECT_EQ(Reopen().unfinished.at(0).spec->space->blocks()[0].addresses,
            spec->space->blocks()[0].addresses);
}

// Everything that a lane is made of, under random batches, against a model of single positions.
TEST_P(StoreTest, LanesComeBackAsTheyWereCounted) {
  constexpr uint64_t kPositions = 2000;
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](uint64_t n) { return random() % n; };
    const ScanId id = "random" + std::to_string(seed);
    const uint64_t lane = 100 + seed;
    Reopen();
    Create(MakeScan(id, {lane}));
    IntervalSet done;
    Ledger ledger;
    std::map<uint64_t, LeaseRecord> leases;
    std::vector<std::pair<IndexRange, uint32_t>> attempts;
    size_t gaps = 0;
    for (int step = 0; step < 60; ++step) {
      WriteBatch batch;
      const uint64_t begin = pick(kPositions - 64), end = begin + 1 + pick(64);
      switch (pick(6)) {
        case 0:
        case 1:
        case 2: {  // a chunk: what is done already, and some more, is owed in it
          std::vector<Symbol> outcomes;
          Ledger counts;
          const bool whole = pick(2) == 0;
          for (uint64_t i = begin; i < end; ++i) {
            const Symbol s = done.Contains(i) || (!whole && pick(4) == 0) ? kOwedSymbol
                             : pick(10) == 0                              ? kOpened
                                                                          : kClosed;
            outcomes.push_back(s);
            if (s.state == State::kOwed) continue;
            counts.Count(s, 1);
            done.Add({i, i + 1});
          }
          counts.extra = pick(3);
          batch.chunks.push_back(MakeChunk(lane, begin, outcomes));
          batch.counts.emplace_back(LaneId{lane}, counts);
          ledger.Add(counts);
          break;
        }
        case 3: {
          PutGaps put{LaneId{lane}, {}};
          for (const IndexRange& r : done.Complement({begin, end}).ToVector()) {
            put.gaps.push_back({r, pick(2) ? Reason::kNoAgent : Reason::kCancelled});
            ledger.Count({State::kNotProbed, put.gaps.back().cause}, r.size());
            done.Add(r);
            ++gaps;
          }
          batch.changes.push_back(put);
          break;
        }
        case 4: {
          LeaseRecord lease{Token{1 + pick(20)},
                            LaneId{lane},
                            "agent-" + std::to_string(pick(3)),
                            {{begin, end}, {end + 5, end + 9}},
                            2,
                            pick(2) == 0};
          lease.token.value += 1000 * seed;
          leases[lease.token.value] = lease;
          batch.changes.push_back(PutLease{lease});
          batch.next_token = Token{5000 * seed + static_cast<uint64_t>(step)};
          break;
        }
        default: {
          if (!leases.empty() && pick(2)) {
            batch.changes.push_back(DropLease{Token{leases.begin()->first}});
            leases.erase(leases.begin());
          }
          attempts = {{{end, end + 3}, 4}, {{begin, begin + 1}, 1}};
          batch.changes.push_back(PutAttempts{LaneId{lane}, attempts});
        }
      }
      Commit(std::move(batch));
      if (pick(10) != 0 && step != 59) continue;
      const Store::StartState state = Reopen();
      const ScanRecord* got = nullptr;
      for (const ScanRecord& record : state.unfinished) got = record.id == id ? &record : got;
      ASSERT_NE(got, nullptr);
      const LaneRecord& l = got->lanes.at(0);
      EXPECT_EQ(l.done, done);
      EXPECT_EQ(l.ledger, ledger);
      EXPECT_EQ(l.ledger.Done(), done.size());
      EXPECT_EQ(l.attempts, attempts);
      EXPECT_EQ(l.gaps.size(), gaps);
      ASSERT_EQ(got->leases.size(), leases.size());
      for (const LeaseRecord& lease : got->leases) {
        const LeaseRecord& want = leases.at(lease.token.value);
        EXPECT_EQ(lease.lane, want.lane);
        EXPECT_EQ(lease.agent, want.agent);
        EXPECT_EQ(lease.ranges, want.ranges);
        EXPECT_EQ(lease.attempt, want.attempt);
        EXPECT_EQ(lease.live, want.live);
      }
    }
  }
}

TEST_P(StoreTest, CallbacksComeInOrder) {
  Reopen();
  Create(MakeScan("scan", {1}));
  std::vector<int> order;  // touched by the store's thread alone, until the last
  std::promise<void> last;
  for (int i = 0; i < 1000; ++i) {
    WriteBatch batch;
    batch.next_token = Token{static_cast<uint64_t>(i)};
    store_->Write(std::move(batch), [&order, &last, i] {
      order.push_back(i);
      if (i == 999) last.set_value();
    });
  }
  last.get_future().wait();
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_LE(store_->stats().commits, 1001u);
  EXPECT_EQ(Reopen().next_token.value, 999u);
}

TEST_P(StoreTest, ClosingCommitsWhatIsQueued) {
  Reopen();
  Create(MakeScan("scan", {1}));
  for (uint64_t i = 0; i < 300; ++i) {
    WriteBatch batch;
    batch.chunks.push_back(MakeChunk(1, i * 2, {kClosed, kSilent}));
    store_->Write(std::move(batch), nullptr);
  }
  EXPECT_EQ(Reopen().unfinished.at(0).lanes.at(0).done, IntervalSet({{0, 600}}));
}

TEST_P(StoreTest, FullStoreTellsKeepsAndGoesOn) {
  Reopen(600 * 1024);
  const auto spec = MakeSpec(0x0A000000, 4096, 1000);
  Create(MakeScan("old", {1}, spec));
  WriteBatch rows;
  for (uint64_t i = 0; i < 1000; ++i) rows.rows.push_back(MakeRow(1, i, 1, *spec->space));
  Commit(std::move(rows));
  Finish("old");
  Create(MakeScan("new", {2}, spec));

  std::atomic<int> committed = 0;
  int written = 0;
  while (store_->Health().ok() && written < 1000) {
    WriteBatch batch;
    for (uint64_t i = 0; i < 100; ++i)
      batch.rows.push_back(MakeRow(2, static_cast<uint64_t>(written) * 100 + i, 1, *spec->space));
    store_->Write(std::move(batch), [&] { ++committed; });
    ++written;
    while (store_->Health().ok() && committed < written) std::this_thread::yield();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(store_->Health())) << store_->Health();
  EXPECT_THAT(std::string(Message(store_->Health())), HasSubstr("free space"));
  EXPECT_GT(store_->Backlog(), 0u);
  EXPECT_EQ(committed, written - 1);
  // Reading goes on.
  EXPECT_EQ(store_->ReadRows({{LaneId{1}}, {}, {}, {}}, std::nullopt, 10)->rows.size(), 10u);
  // Deleting makes room, although what does not fit came first.
  WriteBatch remove;
  remove.delete_scans = {"old"};
  Commit(std::move(remove));
  EXPECT_TRUE(store_->Health().ok());
  EXPECT_EQ(committed, written);
  EXPECT_GT(store_->stats().retries, 0u);
  size_t rows_found = 0;
  std::optional<Store::RowKey> after;
  do {
    const auto page = store_->ReadRows({{LaneId{2}}, {}, {}, {}}, after, 1000);
    ASSERT_TRUE(page.ok());
    rows_found += page->rows.size();
    after = page->next;
  } while (after.has_value());
  EXPECT_EQ(rows_found, static_cast<size_t>(written) * 100);
}

}  // namespace
}  // namespace portolan::store_test
