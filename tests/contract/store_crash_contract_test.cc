// What was acknowledged is there, whatever happens to the process that wrote it.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/contract/store_harness.h"

namespace portolan::store_test {
namespace {

class StoreCrashTest : public StoreTest {};
INSTANTIATE_TEST_SUITE_P(Contract, StoreCrashTest, ::testing::ValuesIn(Implementations()),
                         ImplementationName);

constexpr uint64_t kRowsPerBatch = 5;

// Batch n holds chunk [2n, 2n + 2), rows, their counts and the next token: after a crash all of a
// batch is there or nothing.
WriteBatch Batch(uint64_t n, const ScanSpace& space) {
  WriteBatch batch;
  batch.chunks = {MakeChunk(1, 2 * n, {kClosed, n % 3 == 0 ? kOpened : kSilent})};
  Ledger counts;
  counts.closed = 1;
  (n % 3 == 0 ? counts.open : counts.filtered) = 1;
  batch.counts = {{LaneId{1}, counts}};
  for (uint64_t i = 0; i < kRowsPerBatch; ++i)
    batch.rows.push_back(MakeRow(1, kRowsPerBatch * n + i, 1, space));
  batch.next_token = Token{n + 1};
  return batch;
}

// What a store holds of these batches: it must be whole, and the first so many of them.
uint64_t CountBatches(Store& store, const Store::StartState& state) {
  const LaneRecord& lane = state.unfinished.at(0).lanes.at(0);
  const uint64_t n = lane.done.size() / 2;
  EXPECT_EQ(lane.done, n == 0 ? IntervalSet() : IntervalSet({{0, 2 * n}}));
  EXPECT_EQ(lane.ledger.Done(), 2 * n);
  EXPECT_EQ(lane.ledger.open, (n + 2) / 3);
  EXPECT_EQ(state.next_token.value, std::max<uint64_t>(1, n));
  uint64_t rows = 0;
  std::optional<Store::RowKey> after;
  do {
    const auto page = store.ReadRows({{LaneId{1}}, {}, {}, {}}, after, 1000);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) break;
    rows += page->rows.size();
    after = page->next;
  } while (after.has_value());
  EXPECT_EQ(rows, kRowsPerBatch * n);
  return n;
}

TEST_P(StoreCrashTest, KilledWriterLosesNothingAcknowledged) {
  const auto spec = MakeSpec(0x0A000000, 4096, 1000);
  Reopen();
  Create(MakeScan("scan", {1}, spec));
  store_.reset();
  uint64_t before = 0;
  for (int round = 0; round < 5; ++round) {
    int acks[2];
    ASSERT_EQ(pipe(acks), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(acks[0]);
      auto store = GetParam().open(place_, 0);
      if (!store.ok() || !(*store)->Load().ok()) _exit(1);
      for (uint64_t n = before; n < before + 100'000; ++n) {
        (*store)->Write(Batch(n, *spec->space), [n, fd = acks[1]] {
          if (write(fd, &n, sizeof(n)) != sizeof(n)) _exit(1);
        });
        while ((*store)->Backlog() > 100'000) std::this_thread::yield();
      }
      _exit(0);
    }
    close(acks[1]);
    uint64_t n = 0, last = before;
    bool any = false;
    // Kills it in the middle of its work, after a number of acknowledgements that differs from
    // round to round.
    const uint64_t enough = before + 37 + 211 * static_cast<uint64_t>(round);
    while (read(acks[0], &n, sizeof(n)) == sizeof(n)) {
      last = n;
      any = true;
      if (n == enough) kill(child, SIGKILL);
    }
    close(acks[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child must not end by itself: " << status;
    ASSERT_TRUE(any);
    const Store::StartState state = Reopen();
    before = CountBatches(*store_, state);
    EXPECT_GE(before, last + 1);
    store_.reset();
  }
}

TEST_P(StoreCrashTest, CopyTakenAtAnyMomentIsWholeAndHasWhatWasAcknowledged) {
  if (!GetParam().single_file) GTEST_SKIP() << "not kept in files";
  const auto spec = MakeSpec(0x0A000000, 4096, 1000);
  Reopen();
  Create(MakeScan("scan", {1}, spec));
  std::atomic<uint64_t> acknowledged = 0;
  std::atomic<bool> stop = false;
  std::thread writing([&] {
    for (uint64_t n = 0; !stop && n < 100'000; ++n) {
      store_->Write(Batch(n, *spec->space), [&acknowledged, n] { acknowledged = n + 1; });
      while (store_->Backlog() > 100'000) std::this_thread::yield();
    }
  });
  const std::string copy = place_ + "/copy";
  uint64_t last = 0;
  for (int round = 0; round < 8; ++round) {
    while (acknowledged < last + 50) std::this_thread::yield();
    const uint64_t promised = acknowledged;
    std::filesystem::remove_all(copy);
    std::filesystem::create_directory(copy);
    // The log first would be wrong (a checkpoint between the two would be missing in both); this
    // order is what a crash leaves at the moment of the second copy, as long as no checkpoint ran
    // in between, and the log is far from that here.
    std::filesystem::copy_file(place_ + "/portolan.db", copy + "/portolan.db");
    std::filesystem::copy_file(place_ + "/portolan.db-wal", copy + "/portolan.db-wal");
    auto store = GetParam().open(copy, 0);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto state = (*store)->Load();
    ASSERT_TRUE(state.ok()) << state.status();
    last = CountBatches(**store, *state);
    EXPECT_GE(last, promised);
  }
  stop = true;
  writing.join();
}

}  // namespace
}  // namespace portolan::store_test
