// Scans that are listed, found and deleted.
#include <gmock/gmock.h>

#include "common/base/status.h"
#include "tests/contract/store_harness.h"

namespace portolan::store_test {
namespace {

using ::testing::ElementsAre;

class StoreScansTest : public StoreTest {};
INSTANTIATE_TEST_SUITE_P(Contract, StoreScansTest, ::testing::ValuesIn(Implementations()),
                         ImplementationName);

TEST_P(StoreScansTest, FinishedScanIsNotLoadedButListed) {
  Reopen();
  Create(MakeScan("finished", {1}));
  Create(MakeScan("running", {2}));
  WriteBatch batch;
  batch.changes = {FinishLane{LaneId{1}}};
  Commit(std::move(batch));
  Finish("finished");
  const Store::StartState state = Reopen();
  ASSERT_EQ(state.unfinished.size(), 1u);
  EXPECT_EQ(state.unfinished[0].id, "running");
  const auto got = store_->GetScan("finished");
  ASSERT_TRUE(got.ok() && got->has_value());
  EXPECT_EQ((*got)->record.state, ScanState::kComplete);
  EXPECT_EQ(ToUnixMicros((*got)->record.finished), 1'700'000'100'000'000);
  EXPECT_EQ(ToUnixMicros((*got)->record.started), 1'700'000'000'500'000);
  EXPECT_TRUE((*got)->record.lanes.at(0).finished);
  EXPECT_FALSE(store_->GetScan("nothing")->has_value());
}

TEST_P(StoreScansTest, ListsNewestFirstInPages) {
  Reopen();
  std::vector<ScanId> newest_first;
  for (int i = 0; i < 25; ++i) {
    const ScanId id = "scan" + std::string(1, static_cast<char>('a' + (i * 7) % 25));
    Create(MakeScan(id, {static_cast<uint64_t>(i + 1)}));
    newest_first.insert(newest_first.begin(), id);
  }
  std::vector<ScanId> got;
  while (true) {
    const auto page = store_->ListScans(4, got.empty() ? "" : got.back());
    ASSERT_TRUE(page.ok());
    for (const ScanSummary& s : *page) {
      got.push_back(s.record.id);
      EXPECT_EQ(s.record.spec->name, "a scan");
      EXPECT_EQ(s.record.spec->space, nullptr);
      EXPECT_EQ(s.addresses, 256u);
      EXPECT_EQ(s.positions, 25'600u);
      EXPECT_EQ(s.record.lanes.size(), 1u);
    }
    if (page->size() < 4) break;
  }
  EXPECT_EQ(got, newest_first);
  EXPECT_TRUE(absl::IsNotFound(store_->ListScans(4, "gone").status()));
}

TEST_P(StoreScansTest, FindsScansByPrefix) {
  Reopen();
  for (const char* id : {"abc2", "abd3", "b777", "abc7"})
    Create(MakeScan(id, {store_->FindScans("", 100)->size() + 1}));
  EXPECT_THAT(*store_->FindScans("ab", 10), ElementsAre("abc2", "abc7", "abd3"));
  EXPECT_THAT(*store_->FindScans("ab", 2), ElementsAre("abc2", "abc7"));
  EXPECT_THAT(*store_->FindScans("abc2", 2), ElementsAre("abc2"));
  EXPECT_THAT(*store_->FindScans("c", 2), ElementsAre());
  EXPECT_THAT(*store_->FindScans("%", 2), ElementsAre());
  EXPECT_THAT(*store_->FindScans("last", 2), ElementsAre("abc7"));
}

TEST_P(StoreScansTest, FindsScansByName) {
  Reopen();
  const auto named = [](const ScanId& id, uint64_t lane, const std::string& name) {
    ScanRecord record = MakeScan(id, {lane});
    auto spec = std::make_shared<ScanSpec>(*record.spec);
    spec->name = name;
    record.spec = std::move(spec);
    return record;
  };
  Create(named("first", 1, "weekly"));
  Create(named("second", 2, "weekly"));
  Create(named("third", 3, "weekly audit"));
  Create(named("fourth", 4, ""));
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(*store_->FindScansNamed("weekly", 10), ElementsAre("second", "first"));
    EXPECT_THAT(*store_->FindScansNamed("weekly", 1), ElementsAre("second"));
    EXPECT_THAT(*store_->FindScansNamed("weekly audit", 10), ElementsAre("third"));
    EXPECT_THAT(*store_->FindScansNamed("WEEKLY", 10), ElementsAre());
    EXPECT_THAT(*store_->FindScansNamed("week", 10), ElementsAre());
    EXPECT_THAT(*store_->FindScansNamed("", 10), ElementsAre());
    EXPECT_THAT(*store_->FindScansNamed("%", 10), ElementsAre());
    Reopen();
  }
  Finish("second");
  WriteBatch batch;
  batch.delete_scans.push_back("second");
  Commit(std::move(batch));
  EXPECT_THAT(*store_->FindScansNamed("weekly", 10), ElementsAre("first"));
}

TEST_P(StoreScansTest, RequestIsFoundAgain) {
  Reopen();
  WriteBatch batch;
  batch.new_scans.push_back(MakeScan("one", {1}));
  batch.requests.push_back({"key", std::string("digest\0", 7), "one"});
  Commit(std::move(batch));
  Reopen();
  const auto found = store_->FindRequest("key");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->first, "one");
  EXPECT_EQ((*found)->second, std::string("digest\0", 7));
  EXPECT_FALSE(store_->FindRequest("other")->has_value());
}

TEST_P(StoreScansTest, RetentionCountsFromTheEnd) {
  Reopen();
  auto spec = std::make_shared<ScanSpec>(*MakeSpec());
  spec->retention = std::chrono::seconds(10);
  Create(MakeScan("short", {1}, spec));
  Create(MakeScan("endless", {2}, spec));
  Finish("short", 1'000'000'000);
  EXPECT_THAT(*store_->Expired(FromUnixMicros(1'010'000'000), 10), ElementsAre());
  EXPECT_THAT(*store_->Expired(FromUnixMicros(1'010'000'001), 10), ElementsAre("short"));
}

TEST_P(StoreScansTest, DeletedScanIsGoneAtOnceAndRunningOnesAreKept) {
  Reopen();
  WriteBatch batch;
  batch.new_scans = {MakeScan("old", {1}), MakeScan("running", {2})};
  batch.requests = {{"key", "digest", "old"}};
  const auto& space = *batch.new_scans[0].spec->space;
  for (uint64_t i = 0; i < 20'000; ++i) batch.rows.push_back(MakeRow(1, i, 1, space));
  for (uint64_t i = 0; i < 1000; ++i)
    batch.chunks.push_back(MakeChunk(1, i * 10, std::vector<Symbol>(10, kClosed)));
  Commit(std::move(batch));
  Finish("old");
  WriteBatch remove;
  remove.delete_scans = {"old", "running", "never"};
  Commit(std::move(remove));
  EXPECT_FALSE(store_->GetScan("old")->has_value());
  EXPECT_FALSE(store_->FindRequest("key")->has_value());
  EXPECT_THAT(*store_->FindScans("", 10), ElementsAre("running"));
  EXPECT_TRUE(store_->GetScan("running")->has_value());
  EXPECT_EQ(store_->ListScans(10, "")->size(), 1u);
  // The idempotency key is free again.
  WriteBatch again;
  again.new_scans = {MakeScan("new", {3})};
  again.requests = {{"key", "other", "new"}};
  Commit(std::move(again));
  EXPECT_EQ((*store_->FindRequest("key"))->first, "new");
  EXPECT_EQ(Reopen().unfinished.size(), 2u);
  EXPECT_EQ((*store_->FindRequest("key"))->first, "new");
}

}  // namespace
}  // namespace portolan::store_test
