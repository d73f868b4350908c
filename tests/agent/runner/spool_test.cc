#include "agent/runner/spool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "tests/fakes/fake_clock.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;

ChunkReport MakeChunk(uint64_t token, uint64_t begin, size_t bytes = 100) {
  ChunkReport chunk;
  chunk.token = Token{token};
  chunk.range = {begin, begin + 64};
  chunk.outcomes = std::string(bytes, 'x');
  return chunk;
}

OpenReport MakeOpen(uint64_t token, uint64_t index, uint32_t source = 1) {
  OpenReport open;
  open.token = Token{token};
  open.row.index = index;
  open.row.source = IpAddress::V4(source);
  return open;
}

class SpoolTest : public testing::Test {
 protected:
  FakeClock clock_;
  SpoolOptions options_;
};

TEST_F(SpoolTest, NothingIsHandedOutBeforeItIsOldEnough) {
  Spool spool(options_, clock_);
  EXPECT_EQ(spool.NextBatch({}), nullptr);
  spool.PutChunk(MakeChunk(1, 0));
  EXPECT_EQ(spool.NextBatch({}), nullptr);
  clock_.Advance(options_.batch_age);
  const auto batch = spool.NextBatch({});
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->seq, 1u);
  EXPECT_EQ(batch->chunks.size(), 1u);
  EXPECT_EQ(spool.NextBatch({}), nullptr);
}

TEST_F(SpoolTest, FullBatchesGoAtOnceAndAreBounded) {
  Spool spool(options_, clock_);
  for (uint64_t i = 0; i < 100; ++i) spool.PutChunk(MakeChunk(1, i * 64, 10'000));
  size_t chunks = 0;
  while (const auto batch = spool.NextBatch({})) {
    EXPECT_LE(batch->bytes, options_.batch_bytes);
    chunks += batch->chunks.size();
  }
  EXPECT_GE(chunks, 70u);
  clock_.Advance(options_.batch_age);
  while (const auto batch = spool.NextBatch({})) chunks += batch->chunks.size();
  EXPECT_EQ(chunks, 100u);
}

TEST_F(SpoolTest, ChunkLargerThanABatchStillGoes) {
  options_.batch_bytes = 1000;
  Spool spool(options_, clock_);
  spool.PutChunk(MakeChunk(1, 0, 5000));
  spool.PutChunk(MakeChunk(1, 64, 5000));
  EXPECT_EQ(spool.NextBatch({})->chunks.size(), 1u);
  EXPECT_EQ(spool.NextBatch({})->chunks.size(), 1u);
}

TEST_F(SpoolTest, OpensAreGroupedByLeaseAndSourceAscending) {
  Spool spool(options_, clock_);
  for (uint64_t index : {9, 3, 7}) spool.PutOpen(MakeOpen(2, index));
  spool.PutOpen(MakeOpen(1, 5));
  spool.PutOpen(MakeOpen(2, 4, 99));
  clock_.Advance(options_.batch_age);
  const auto batch = spool.NextBatch({});
  ASSERT_EQ(batch->opens.size(), 3u);
  EXPECT_EQ(batch->opens[0].token, Token{1});
  EXPECT_EQ(batch->opens[1].token, Token{2});
  ASSERT_EQ(batch->opens[1].rows.size(), 3u);
  EXPECT_EQ(batch->opens[1].rows[0].index, 3u);
  EXPECT_EQ(batch->opens[1].rows[2].index, 9u);
  EXPECT_EQ(batch->opens[2].source, IpAddress::V4(99));
}

TEST_F(SpoolTest, NoOpenComesAfterItsChunk) {
  options_.batch_bytes = 4000;
  Spool spool(options_, clock_);
  for (uint64_t i = 0; i < 300; ++i) {
    spool.PutOpen(MakeOpen(1, i));
    spool.PutChunk(MakeChunk(1, i, 1 + i % 500));
  }
  spool.SetFlushing(true);
  std::set<uint64_t> opens;
  size_t chunks = 0;
  while (const auto batch = spool.NextBatch({})) {
    for (const OpenGroup& group : batch->opens) {
      for (const OpenRow& row : group.rows) opens.insert(row.index);
    }
    for (const ChunkReport& chunk : batch->chunks) {
      EXPECT_TRUE(opens.contains(chunk.range.begin));
      ++chunks;
    }
  }
  EXPECT_EQ(chunks, 300u);
}

TEST_F(SpoolTest, BatchesStayUntilAcknowledgedAndAreHandedOutAgainAfterAReset) {
  Spool spool(options_, clock_);
  spool.SetFlushing(true);
  for (uint64_t i = 0; i < 4; ++i) {
    spool.PutChunk(MakeChunk(i + 1, i * 64));
    ASSERT_EQ(spool.NextBatch({})->seq, i + 1);
  }
  EXPECT_TRUE(spool.Holds(Token{2}));
  spool.Ack(2);
  EXPECT_FALSE(spool.Holds(Token{2}));
  EXPECT_TRUE(spool.Holds(Token{3}));
  spool.ResetStream();
  spool.PutChunk(MakeChunk(5, 999));
  auto batch = spool.NextBatch({});
  EXPECT_EQ(batch->seq, 1u);
  EXPECT_EQ(batch->chunks.front().token, Token{3});
  // A second reset in the middle keeps the order.
  spool.ResetStream();
  for (uint64_t token : {3, 4, 5}) {
    batch = spool.NextBatch({});
    ASSERT_NE(batch, nullptr);
    EXPECT_EQ(batch->seq, token - 2);
    EXPECT_EQ(batch->chunks.front().token, Token{token});
  }
  spool.Ack(3);
  EXPECT_TRUE(spool.empty());
  EXPECT_EQ(spool.Stats().bytes, 0u);
  EXPECT_EQ(spool.Stats().acked_batches, 5u);
}

TEST_F(SpoolTest, AcknowledgementOfWhatWasNeverSentIsIgnored) {
  Spool spool(options_, clock_);
  spool.Ack(17);
  spool.SetFlushing(true);
  spool.PutChunk(MakeChunk(1, 0));
  spool.Ack(17);
  EXPECT_TRUE(spool.Holds(Token{1}));
  EXPECT_EQ(spool.NextBatch({})->seq, 1u);
}

TEST_F(SpoolTest, HasNoRoomAboveThreeQuarters) {
  options_.limit_bytes = 100'000;
  Spool spool(options_, clock_);
  uint64_t put = 0;
  while (spool.HasRoom()) spool.PutChunk(MakeChunk(1, put++ * 64, 1000));
  EXPECT_GT(spool.Stats().bytes, 75'000u);
  EXPECT_LT(spool.Stats().bytes, 80'000u);
  // Sent is not acknowledged: the room comes back with the commit.
  spool.SetFlushing(true);
  uint64_t last = 0;
  while (const auto batch = spool.NextBatch({})) last = batch->seq;
  EXPECT_FALSE(spool.HasRoom());
  spool.Ack(last);
  EXPECT_TRUE(spool.HasRoom());
}

TEST_F(SpoolTest, DropForgetsOnlyWhatWaitsOfThatLease) {
  Spool spool(options_, clock_);
  spool.SetFlushing(true);
  spool.PutChunk(MakeChunk(1, 0));
  ASSERT_NE(spool.NextBatch({}), nullptr);
  spool.PutChunk(MakeChunk(1, 64));
  spool.PutOpen(MakeOpen(1, 64));
  spool.PutChunk(MakeChunk(2, 128));
  spool.Drop(Token{1});
  EXPECT_TRUE(spool.Holds(Token{1}));  // the batch that is out
  const auto batch = spool.NextBatch({});
  EXPECT_TRUE(batch->opens.empty());
  ASSERT_EQ(batch->chunks.size(), 1u);
  EXPECT_EQ(batch->chunks.front().token, Token{2});
  spool.Ack(2);
  EXPECT_TRUE(spool.empty());
  EXPECT_EQ(spool.Stats().bytes, 0u);
}

TEST_F(SpoolTest, OldestIsTheAgeOfWhatIsNotAcknowledged) {
  Spool spool(options_, clock_);
  EXPECT_EQ(spool.Stats().oldest, Duration::zero());
  spool.PutChunk(MakeChunk(1, 0));
  clock_.Advance(milliseconds(70));
  ASSERT_NE(spool.NextBatch({}), nullptr);
  clock_.Advance(milliseconds(30));
  EXPECT_EQ(spool.Stats().oldest, milliseconds(100));
  spool.Ack(1);
  EXPECT_EQ(spool.Stats().oldest, Duration::zero());
}

TEST(Spool, InterruptEndsAWait) {
  Spool spool({}, SystemClock());
  std::thread interrupter([&] { spool.Interrupt(); });
  EXPECT_EQ(spool.NextBatch(std::chrono::minutes(10)), nullptr);
  interrupter.join();
}

FindingReport MakeFinding(uint64_t token, uint32_t address) {
  FindingReport report;
  report.token = Token{token};
  report.finding.address = IpAddress::V4(address);
  report.finding.opens = report.finding.outcomes = 8;
  report.finding.confirmed = {{50000, Held::kQuiet}};
  return report;
}

TEST(Spool, FindingsComeBeforeTheChunksOfTheirLeaseAndCountForIt) {
  FakeClock clock;
  SpoolOptions options;
  options.batch_bytes = 100'000;
  Spool spool(options, clock);
  spool.SetFlushing(true);
  for (uint64_t i = 0; i < 3000; ++i) {
    spool.PutChunk(MakeChunk(1, i, 10));
    spool.PutFinding(MakeFinding(1, static_cast<uint32_t>(i)));
  }
  spool.PutFinding(MakeFinding(2, 1));
  spool.PutFinding(MakeFinding(3, 1));
  EXPECT_TRUE(spool.Holds(Token{2}));
  spool.Drop(Token{2});
  EXPECT_FALSE(spool.Holds(Token{2}));
  size_t findings = 0, chunks = 0;
  while (const auto batch = spool.NextBatch({})) {
    EXPECT_LE(batch->findings.size(), 4096u);
    findings += batch->findings.size();
    chunks += batch->chunks.size();
    EXPECT_TRUE(chunks == 0 || findings == 3001u);
    spool.Ack(batch->seq);
  }
  EXPECT_EQ(findings, 3001u);
  EXPECT_EQ(chunks, 3000u);
  EXPECT_TRUE(spool.empty());
  EXPECT_EQ(spool.Stats().bytes, 0u);
}

TEST(Spool, EveryReportOfManyThreadsArrivesOnceOverBreakingStreams) {
  constexpr uint64_t kThreads = 3, kEach = 2000;
  SpoolOptions options;
  options.batch_bytes = 20'000;
  options.batch_age = milliseconds(1);
  Spool spool(options, SystemClock());
  std::vector<std::thread> producers;
  for (uint64_t t = 0; t < kThreads; ++t) {
    producers.emplace_back([&spool, t] {
      for (uint64_t i = 0; i < kEach; ++i) {
        spool.PutOpen(MakeOpen(t + 1, i));
        spool.PutChunk(MakeChunk(t + 1, i, 50));
      }
    });
  }
  std::set<std::pair<uint64_t, uint64_t>> chunks;
  uint64_t batches = 0, committed = 0;
  while (chunks.size() < kThreads * kEach || !spool.empty()) {
    const auto batch = spool.NextBatch(milliseconds(5));
    if (batch == nullptr) continue;
    ASSERT_EQ(batch->seq, committed + 1);
    if (++batches % 7 == 0) {
      spool.ResetStream();  // lost: not committed
      committed = 0;
      continue;
    }
    for (const ChunkReport& chunk : batch->chunks) {
      ASSERT_TRUE(chunks.emplace(chunk.token.value, chunk.range.begin).second);
    }
    spool.Ack(committed = batch->seq);
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(spool.Stats().bytes, 0u);
}

}  // namespace
}  // namespace portolan
