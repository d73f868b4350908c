#include "agent/runner/chunk.h"

#include <gtest/gtest.h>

#include "common/scan/chunk_codec.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kStart = Time(seconds(50));
constexpr Symbol kClosed = {State::kClosed, Reason::kConnRefused};

Chunk MakeChunk(ProbeTiming timing = {}) {
  return Chunk(Token{1}, 100, kStart, WallTime{}, ChunkLimits::For(timing));
}

TEST(ChunkLimits, DefaultTimingLeavesTimeForEveryTry) {
  const ChunkLimits limits = ChunkLimits::For({});
  EXPECT_EQ(limits.close_after, seconds(10));
  // 2 timeouts, 1 delay, a timeout of waiting for a place, and a question to the host: a timeout
  // and the second between two.
  EXPECT_EQ(limits.seal_after, seconds(2));
  EXPECT_EQ(limits.pass, Duration::zero()) << "that leaves no more";
}

TEST(ChunkLimits, LongTimingLengthensTheChunk) {
  for (uint32_t retries : {0u, 1u, 3u, 10u}) {
    for (int timeout_ms : {50, 1500, 9000, 60'000}) {
      for (int delay_ms : {0, 1000, 60'000}) {
        const ProbeTiming timing{milliseconds(timeout_ms), retries, milliseconds(delay_ms)};
        const ChunkLimits limits = ChunkLimits::For(timing);
        EXPECT_LE(limits.pass, milliseconds(std::min(timeout_ms, 400)));
        const Duration pause = milliseconds(std::min(timeout_ms, 1000));
        const Duration longest = timing.timeout * (2 * retries + 2) +
                                 (timing.retry_delay + limits.pass) * retries + pause;
        if (limits.pass > Duration::zero() && retries > 0) {
          EXPECT_GE(limits.seal_after, ChunkLimits::kFill);
        }
        EXPECT_EQ(limits.close_after,
                  longest > seconds(9) ? longest + seconds(1) : Duration(seconds(10)));
        EXPECT_GE(limits.seal_after, seconds(1));
        EXPECT_EQ(limits.seal_after + longest, limits.close_after);
      }
    }
  }
}

TEST(Chunk, FillsForTwoSecondsOnceItHasEnough) {
  Chunk chunk = MakeChunk({seconds(1), 1, seconds(1)});
  for (int i = 0; i < 63; ++i) chunk.AddInFlight();
  EXPECT_FALSE(chunk.IsFull(kStart + seconds(2)));
  EXPECT_TRUE(chunk.IsFull(kStart + seconds(4)));
  chunk.AddInFlight();
  EXPECT_FALSE(chunk.IsFull(kStart + milliseconds(1999)));
  EXPECT_TRUE(chunk.IsFull(kStart + seconds(2)));
}

TEST(Chunk, IsOverWhenEveryPositionHasAVerdict) {
  Chunk chunk = MakeChunk();
  const uint32_t a = chunk.AddInFlight(), b = chunk.AddInFlight();
  chunk.Decide(a, kClosed);
  chunk.Wait(b, Reason::kChunkClosed);
  chunk.Seal();
  EXPECT_FALSE(chunk.IsOver(kStart));
  EXPECT_TRUE(chunk.IsWaiting(b));
  chunk.Resume(b);
  EXPECT_FALSE(chunk.IsWaiting(b));
  chunk.Decide(b, kClosed);
  EXPECT_TRUE(chunk.IsOver(kStart));
}

TEST(Chunk, ReportsWhatIsStillDueAsOwed) {
  Chunk chunk = MakeChunk();
  chunk.Decide(chunk.AddInFlight(), kClosed);
  const uint32_t late = chunk.AddInFlight();
  chunk.Wait(chunk.AddInFlight(), Reason::kLocalFailure);
  chunk.Wait(chunk.AddInFlight(), Reason::kChunkClosed);
  EXPECT_FALSE(chunk.IsOver(kStart + milliseconds(9999)));
  EXPECT_FALSE(chunk.IsOver(kStart + seconds(10)));  // its answer may be there already
  chunk.Wait(late, Reason::kChunkClosed);
  EXPECT_FALSE(chunk.IsOver(kStart + milliseconds(9999)));
  EXPECT_TRUE(chunk.IsOver(kStart + seconds(10)));
  const ChunkReport report = chunk.Report(kStart + seconds(10));
  EXPECT_EQ(report.range, (IndexRange{100, 104}));
  EXPECT_EQ(report.duration_ms, 10'000u);
  const auto decoded = DecodeOutcomes(report.outcomes, 4).value();
  EXPECT_EQ(decoded.At(0), kClosed);
  EXPECT_EQ(decoded.At(1), (Symbol{State::kOwed, Reason::kChunkClosed}));
  EXPECT_EQ(decoded.At(2), (Symbol{State::kOwed, Reason::kLocalFailure}));
  EXPECT_EQ(decoded.At(3), (Symbol{State::kOwed, Reason::kChunkClosed}));
}

TEST(Chunk, FinishingWaitsForWhatIsInFlightOnly) {
  Chunk chunk = MakeChunk();
  const uint32_t a = chunk.AddInFlight();
  chunk.Wait(chunk.AddInFlight(), Reason::kChunkClosed);
  chunk.Finish();
  EXPECT_FALSE(chunk.IsOver(kStart));
  chunk.Decide(a, kClosed);
  EXPECT_TRUE(chunk.IsOver(kStart));
}

// Its positions wait for their targets' limits: it stays open for them, but not for ever.
TEST(Chunk, StaysOpenWhileItsPositionsAreHeldUp) {
  Chunk chunk = MakeChunk();
  const Duration longest = ChunkLimits::For({}).longest;
  EXPECT_EQ(longest, seconds(8));
  chunk.Wait(chunk.AddInFlight(), Reason::kChunkClosed);
  chunk.Seal();
  chunk.HoldUp(kStart + seconds(1));
  EXPECT_TRUE(chunk.IsOver(kStart + seconds(10))) << "there was time enough";
  Time now = kStart + seconds(9);
  chunk.HoldUp(now);
  EXPECT_FALSE(chunk.IsOver(now + longest - milliseconds(1)));
  EXPECT_EQ(chunk.NextChange(), now + longest);
  EXPECT_TRUE(chunk.Fits(now + seconds(6), seconds(2)));
  EXPECT_FALSE(chunk.Fits(now + seconds(6), milliseconds(2001)));
  for (; now < kStart + seconds(29); now += seconds(1)) {
    chunk.HoldUp(now);
    ASSERT_FALSE(chunk.IsOver(now));
  }
  EXPECT_TRUE(chunk.IsOver(kStart + ChunkLimits::kExtended * seconds(10)));
}

}  // namespace
}  // namespace portolan
