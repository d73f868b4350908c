#include "coordinator/ingest/ingest.h"

#include <gmock/gmock.h>

#include "common/scan/chunk_codec.h"
#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;

constexpr Symbol kClosed{State::kClosed, Reason::kConnRefused};
constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};
constexpr Symbol kOwed{State::kOwed, Reason::kChunkClosed};

class IngestTest : public SchedulerTest {
 protected:
  // One lane, two groups; agent "x" holds all of it.
  void SetUp() override {
    SchedulerOptions options;
    options.first_lease = 1 << 20;
    options.revisit_delay = Duration::zero();
    Make(options);
    ingest = std::make_unique<Ingest>(*s);
    ScanRecord record = MakeScan("s", MakeSpec(5000, 1));
    space = record.spec->space;
    lane = record.lanes[0].id;
    ingest->AddLane(lane, "s", "", space);
    ASSERT_TRUE(Submit(std::move(record)).ok());
    Sync(x);
    group = space->GroupOf(0).range;
    ASSERT_EQ(space->group_count(), 2u);
  }
  Token TokenOf(const TestAgent& a, uint64_t index) {
    for (const auto& [token, lease] : a.held) {
      if (lease.ranges.Contains(index)) return token;
    }
    ADD_FAILURE() << "no lease holds " << index;
    return {};
  }
  void AddChunk(Token token, uint64_t begin, const std::vector<Symbol>& outcomes,
                uint32_t extra = 0) {
    auto chunk = ParseChunk(token, begin, static_cast<uint32_t>(outcomes.size()),
                            FromUnixMicros(77), 10, EncodeOutcomes(outcomes), extra);
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    batch.chunks.push_back(*std::move(chunk));
  }
  void AddOpen(Token token, uint64_t index) {
    OpenRow row;
    row.index = index;
    row.rtt_us = 1234;
    batch.opens.push_back({token, row});
  }
  absl::StatusOr<IngestResult> Apply(const TestAgent& a) {
    auto result = ingest->Apply(a.name, a.vantage, std::exchange(batch, {}), now, Wall());
    Check();
    return result;
  }

  std::unique_ptr<Ingest> ingest;
  std::shared_ptr<const ScanSpace> space;
  LaneId lane;
  IndexRange group;
  TestAgent x = TestAgent("x", "dmz");
  ParsedBatch batch;
};

TEST_F(IngestTest, BatchBecomesRowsChunksAndCounts) {
  const Token token = TokenOf(x, 0);
  AddChunk(token, 0, {kClosed, kOpen, kOwed, kClosed}, 5);
  AddChunk(token, 4, {kClosed, kClosed});
  AddOpen(token, 1);
  const auto result = Apply(x);
  ASSERT_TRUE(result.ok()) << result.status();
  const WriteBatch& b = result->batch;
  ASSERT_EQ(b.rows.size(), 1u);
  EXPECT_EQ(b.rows[0].address, space->At(1).address);
  EXPECT_EQ(b.rows[0].port, space->At(1).port);
  EXPECT_EQ(b.rows[0].agent, "x");
  EXPECT_EQ(b.rows[0].vantage, "dmz");
  EXPECT_EQ(b.rows[0].token, token);
  ASSERT_EQ(b.chunks.size(), 2u);
  EXPECT_EQ(b.chunks[0].range, (IndexRange{0, 4}));
  EXPECT_EQ(b.chunks[0].agent, "x");
  EXPECT_EQ(b.chunks[0].start, FromUnixMicros(77));
  EXPECT_EQ(b.chunks[0].outcomes,
            EncodeOutcomes(std::vector<Symbol>{kClosed, kOpen, kOwed, kClosed}));
  ASSERT_EQ(b.counts.size(), 1u);
  EXPECT_EQ(b.counts[0].second.closed, 4u);
  EXPECT_EQ(b.counts[0].second.open, 1u);
  EXPECT_EQ(b.counts[0].second.extra, 5u);
  EXPECT_TRUE(result->fenced.empty());
  EXPECT_TRUE(result->finished.empty());
  EXPECT_TRUE(s->TakeChanges().empty());
  EXPECT_EQ(s->GetScan("s")->ledger.Done(), 5u);
  EXPECT_EQ(ingest->counters().outcomes, 5u);
}

TEST_F(IngestTest, RepeatedBatchChangesNothing) {
  const Token token = TokenOf(x, 0);
  const auto fill = [&] {
    AddChunk(token, 0, {kClosed, kOpen});
    AddOpen(token, 1);
  };
  fill();
  ASSERT_TRUE(Apply(x).ok());
  fill();
  const auto again = Apply(x);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->batch.chunks.empty());
  EXPECT_TRUE(again->batch.rows.empty());
  EXPECT_TRUE(again->batch.counts.empty());
  EXPECT_TRUE(again->fenced.empty());
  EXPECT_EQ(ingest->counters().chunks_duplicate, 1u);
  EXPECT_EQ(ingest->counters().rows_refused, 1u);
}

TEST_F(IngestTest, OverlapIsTrimmedToWhatIsNew) {
  const Token token = TokenOf(x, 0);
  AddChunk(token, 2, {kClosed, kClosed});
  ASSERT_TRUE(Apply(x).ok());
  AddChunk(token, 0, {kClosed, kOpen, kOpen, kOpen, kOpen, kOwed, kOwed}, 3);
  const auto result = Apply(x);
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->batch.chunks.size(), 1u);
  EXPECT_EQ(result->batch.chunks[0].range, (IndexRange{0, 5}));
  const auto decoded = DecodeOutcomes(result->batch.chunks[0].outcomes, 5);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->At(0), kClosed);
  EXPECT_EQ(decoded->At(1), kOpen);
  EXPECT_EQ(decoded->At(2).state, State::kOwed);
  EXPECT_EQ(decoded->At(3).state, State::kOwed);
  EXPECT_EQ(decoded->At(4), kOpen);
  ASSERT_EQ(result->batch.counts.size(), 1u);
  EXPECT_EQ(result->batch.counts[0].second.open, 2u);
  EXPECT_EQ(result->batch.counts[0].second.closed, 1u);
  EXPECT_EQ(result->batch.counts[0].second.extra, 3u);
  EXPECT_EQ(ingest->counters().chunks_trimmed, 1u);
  EXPECT_EQ(s->GetScan("s")->ledger.Done(), 5u);
}

TEST_F(IngestTest, FencedReportChangesNothingAndIsTold) {
  const Token old = TokenOf(x, 0);
  x.held.clear();
  x.incarnation = "two";  // what the first held goes back, and is granted anew
  s->SetConnected(x.name, false, now);
  Advance(1);
  Sync(x);
  const Token fresh = TokenOf(x, 0);
  ASSERT_NE(old, fresh);
  (void)s->TakeChanges();
  AddChunk(old, 0, {kClosed, kOpen});
  AddChunk(old, 2, {kClosed, kOpen});
  AddOpen(old, 1);
  const auto result = Apply(x);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->batch.empty());
  EXPECT_THAT(result->fenced, ElementsAre(old));
  EXPECT_EQ(ingest->counters().chunks_fenced, 2u);
  EXPECT_EQ(s->GetScan("s")->ledger.Done(), 0u);
}

TEST_F(IngestTest, AnotherAgentsTokenIsFenced) {
  TestAgent y("y", "dmz");
  const Token token = TokenOf(x, 0);
  AddChunk(token, 0, {kClosed});
  const auto result = Apply(y);
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->fenced, ElementsAre(token));
  EXPECT_TRUE(result->batch.chunks.empty());
}

TEST_F(IngestTest, NewerChunkSupersedesRowsOfOlderTokens) {
  const Token old = TokenOf(x, 0);
  AddOpen(old, 1);
  ASSERT_EQ(Apply(x)->batch.rows.size(), 1u);
  x.held.clear();
  x.incarnation = "two";  // crashed before its chunk closed
  s->SetConnected(x.name, false, now);
  Advance(1);
  Sync(x);
  const Token fresh = TokenOf(x, 0);
  AddChunk(fresh, 0, {kClosed, kClosed, kOwed, kClosed});
  const auto result = Apply(x);
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->batch.superseded.size(), 2u);
  EXPECT_EQ(result->batch.superseded[0].range, (IndexRange{0, 2}));
  EXPECT_EQ(result->batch.superseded[1].range, (IndexRange{3, 4}));
  EXPECT_EQ(result->batch.superseded[0].newer, fresh);
}

TEST_F(IngestTest, MalformedBatchIsRefusedWhole) {
  const Token token = TokenOf(x, 0);
  const auto refused = [&] {
    AddChunk(token, 0, {kClosed});  // this one is fine
    const auto result = Apply(x);
    EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << result.status();
    EXPECT_EQ(s->GetScan("s")->ledger.Done(), 0u);
  };
  AddChunk(token, group.end - 1, {kClosed, kClosed});  // two groups
  refused();
  AddChunk(token, space->size() - 1, {kClosed, kClosed});  // beyond the space
  refused();
  AddChunk(token, uint64_t{1} << 61, {kClosed});
  refused();
  AddOpen(token, space->size());
  refused();
  AddOpen(token, 3);
  batch.opens[0].row.reason = Reason::kConnRefused;
  refused();
  batch.opens.resize(kMaxBatchOpens + 1);
  for (ParsedOpen& open : batch.opens) open.row.reason = Reason::kSynAck;
  refused();
  EXPECT_EQ(ingest->counters().rejected_batches, 6u);
}

TEST_F(IngestTest, TellsWhichGroupsAreFinished) {
  std::vector<IndexRange> finished;
  IntervalSet done;
  for (int round = 0; round < 100 && s->GetScan("s")->state == ScanState::kRunning; ++round) {
    Sync(x);
    for (const auto& [token, lease] : x.held) {
      IntervalSet left = lease.ranges;
      left.Remove(done);
      for (IndexRange range : left.ToVector()) {
        range.end = std::min({range.end, range.begin + 500, space->GroupOf(range.begin).range.end});
        AddChunk(token, range.begin, std::vector<Symbol>(range.size(), kClosed));
        done.Add(range);
      }
    }
    const auto result = Apply(x);
    ASSERT_TRUE(result.ok()) << result.status();
    for (const FinishedGroup& g : result->finished) {
      EXPECT_EQ(g.lane, lane);
      EXPECT_TRUE(s->IsDone(lane, g.range));
      finished.push_back(g.range);
    }
  }
  EXPECT_THAT(finished, ::testing::UnorderedElementsAre(space->GroupNumber(0).range,
                                                        space->GroupNumber(1).range));
}

TEST_F(IngestTest, LanesOfARemovedScanAreForgotten) {
  const Token token = TokenOf(x, 0);
  ingest->RemoveScan("other");
  AddOpen(token, 1);
  EXPECT_EQ(Apply(x)->batch.rows.size(), 1u);
  ingest->RemoveScan("s");
  AddOpen(token, 1);
  EXPECT_EQ(Apply(x)->batch.rows.size(), 0u);
}

HostFinding FindingAbout(const IpAddress& address) {
  HostFinding f;
  f.kind = HostFindingKind::kSynProxy;
  f.address = address;
  f.opens = f.outcomes = 8;
  f.confirmed = {{50000, Held::kReset}};
  return f;
}

TEST_F(IngestTest, FindingOfAHeldLeaseIsTakenInAndLaterItIsFenced) {
  const Token token = TokenOf(x, 0);
  batch.findings = {{token, FindingAbout(space->At(0).address)}};
  auto result = Apply(x);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->batch.findings.size(), 1u);
  EXPECT_EQ(result->batch.findings[0].lane, lane);
  EXPECT_EQ(result->batch.findings[0].agent, "x");
  EXPECT_EQ(result->batch.findings[0].vantage, "dmz");
  EXPECT_EQ(result->batch.findings[0].finding.address, space->At(0).address);
  EXPECT_FALSE(result->batch.findings[0].time_of_receipt);
  EXPECT_EQ(ingest->counters().findings[1], 1u);

  // In the same batch as the last chunk of its lease: before it. After it: no more.
  for (IndexRange left : x.held.at(token).ranges.ToVector()) {
    while (!left.empty()) {
      const IndexRange part{left.begin, std::min(left.end, space->GroupOf(left.begin).range.end)};
      AddChunk(token, part.begin, std::vector<Symbol>(part.size(), kClosed));
      left.begin = part.end;
    }
  }
  batch.findings = {{token, FindingAbout(space->At(0).address), true}};
  result = Apply(x);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->batch.findings.size(), 1u);
  EXPECT_TRUE(result->batch.findings[0].time_of_receipt);
  batch.findings = {{token, FindingAbout(space->At(0).address)}};
  result = Apply(x);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->batch.findings.empty());
  EXPECT_TRUE(result->fenced.empty());
  EXPECT_EQ(ingest->counters().findings_refused, 1u);
}

TEST_F(IngestTest, FindingUnderAForeignTokenOrAboutAForeignAddressChangesNothing) {
  const Token token = TokenOf(x, 0);
  TestAgent y("y", "dmz");
  Sync(y);
  batch.findings = {{token, FindingAbout(space->At(0).address)}};
  auto result = Apply(y);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->batch.findings.empty());
  batch.findings = {{Token{999}, FindingAbout(IpAddress::V4(1))}};
  result = Apply(x);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ingest->counters().findings_refused, 2u);

  batch.findings = {{token, FindingAbout(IpAddress::V4(1))}};
  AddChunk(token, 0, {kClosed});
  EXPECT_TRUE(absl::IsInvalidArgument(Apply(x).status()));
  batch.findings.assign(kMaxBatchFindings + 1, {token, FindingAbout(space->At(0).address)});
  EXPECT_TRUE(absl::IsInvalidArgument(Apply(x).status()));
  EXPECT_EQ(s->GetScan("s")->ledger.Done(), 0u);
}

}  // namespace
}  // namespace portolan
