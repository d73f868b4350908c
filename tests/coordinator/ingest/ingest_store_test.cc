// Scheduler, ingest, store and compactor together, under agents that crash, repeat themselves and
// see another thing each time, and a coordinator that restarts: what is stored is what was counted,
// position by position.
#include <gtest/gtest.h>

#include <future>
#include <random>

#include "common/scan/chunk_codec.h"
#include "coordinator/ingest/compactor.h"
#include "coordinator/ingest/ingest.h"
#include "tests/coordinator/scheduler/scheduler_fixture.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {
namespace {

constexpr Symbol kSymbols[] = {{State::kClosed, Reason::kConnRefused},
                               {State::kOpen, Reason::kSynAck},
                               {State::kFiltered, Reason::kNoResponse},
                               {State::kUnreachable, Reason::kHostUnreachable},
                               {State::kNotProbed, Reason::kExcluded}};

class IngestStoreTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  IngestStoreTest() : random_(GetParam()) {}
  ~IngestStoreTest() override { Close(); }
  uint64_t Pick(uint64_t n) { return random_() % n; }
  WallTime Wall() const { return FromUnixMicros(now_.time_since_epoch().count() / 1000); }

  void Close() {
    compactor_.reset();
    ingest_.reset();
    scheduler_.reset();
    store_.reset();
  }
  // As a coordinator starts: load, restore.
  void Start() {
    Close();
    SqliteOptions options;
    options.directory = directory_.path();
    options.sync_full = false;
    auto store = OpenSqliteStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto state = store_->Load();
    ASSERT_TRUE(state.ok()) << state.status();
    SchedulerOptions scheduling;
    scheduling.first_lease = 700;
    scheduling.lease_target = std::chrono::seconds(1);
    scheduling.revisit_delay = std::chrono::milliseconds(100);
    scheduler_ = std::make_unique<Scheduler>(scheduling, state->next_token);
    ingest_ = std::make_unique<Ingest>(*scheduler_);
    compactor_ = std::make_unique<Compactor>(*store_);
    for (ScanRecord& record : state->unfinished) {
      for (const LaneRecord& lane : record.lanes) {
        ingest_->AddLane(lane.id, record.id, lane.vantage, record.spec->space);
        EXPECT_EQ(lane.ledger.Done(), lane.done.size());
      }
      scheduler_->Restore(std::move(record), now_);
    }
    ASSERT_TRUE(scheduler_->CheckInvariants().ok()) << scheduler_->CheckInvariants();
    Save({});
    for (TestAgent& agent : agents_) agent.seen = 0;
  }
  void Save(WriteBatch batch, std::vector<FinishedGroup> finished = {}) {
    for (Change& change : scheduler_->TakeChanges()) batch.changes.push_back(std::move(change));
    batch.next_token = scheduler_->next_token();
    store_->Write(std::move(batch), [this, finished = std::move(finished)] {
      for (const FinishedGroup& group : finished) compactor_->Offer(group);
    });
  }
  void Flush() {
    std::promise<void> done;
    store_->Write({}, [&] { done.set_value(); });
    done.get_future().wait();
  }
  void Report(const TestAgent& agent) {
    if (agent.held.empty()) return;
    auto lease = agent.held.begin();
    std::advance(lease, static_cast<ptrdiff_t>(Pick(agent.held.size())));
    ParsedBatch batch;
    for (const IndexRange& range : lease->second.ranges.ToVector()) {
      // A part of the range, cut at the group's end; now and then more than the lease has.
      IndexRange part{range.begin + Pick(range.size()), range.end};
      if (Pick(2)) part.begin = range.begin;
      if (Pick(6) == 0 && part.begin > 20) part.begin -= 20;
      part.end =
          std::min({part.end, part.begin + 1 + Pick(400), space_->GroupOf(part.begin).range.end});
      std::vector<Symbol> outcomes;
      const bool owing = Pick(3) == 0;
      for (uint64_t i = part.begin; i < part.end; ++i) {
        // Another agent, or the same one later, may see another thing; under one token an agent
        // does not contradict itself.
        const uint64_t seen = MixSeed(lease->first.value, i);
        Symbol s = owing && Pick(10) == 0 ? Symbol{State::kOwed, Reason::kChunkClosed}
                                          : kSymbols[seen % 20 == 0 ? 4 : seen % 4];
        if (s.state == State::kOpen) {
          OpenRow row;
          row.index = i;
          batch.opens.push_back({lease->first, row});
        }
        outcomes.push_back(s);
      }
      if (Pick(8) == 0) continue;  // its opens came, and then it crashed
      auto chunk = ParseChunk(lease->first, part.begin, static_cast<uint32_t>(part.size()), Wall(),
                              5, EncodeOutcomes(outcomes), 1);
      ASSERT_TRUE(chunk.ok()) << chunk.status();
      batch.chunks.push_back(*std::move(chunk));
    }
    for (uint64_t times = 1 + (Pick(5) == 0); times > 0; --times) {
      auto result = ingest_->Apply(agent.name, agent.vantage, batch, now_, Wall());
      ASSERT_TRUE(result.ok()) << result.status();
      Save(std::move(result->batch), std::move(result->finished));
    }
  }
  void CheckStored(bool finished) {
    Flush();
    ASSERT_TRUE(scheduler_->CheckInvariants().ok()) << scheduler_->CheckInvariants();
    const auto stored = store_->GetScan("scan");
    ASSERT_TRUE(stored.ok() && stored->has_value());
    const auto view = scheduler_->GetScan("scan");
    ASSERT_TRUE(view.has_value());
    for (size_t i = 0; i < view->lanes.size(); ++i) {
      const LaneId lane = view->lanes[i].id;
      EXPECT_EQ((*stored)->record.lanes[i].ledger, view->lanes[i].ledger);
      Ledger recount;
      std::vector<uint64_t> opens;
      for (uint64_t at = 0; at < space_->size();) {
        const ScanSpace::Group group = space_->GroupOf(at);
        Recount(lane, group, recount, opens);
        at = group.range.end;
      }
      recount.extra = view->lanes[i].ledger.extra;
      EXPECT_EQ(recount, view->lanes[i].ledger);
      if (!finished) continue;
      // Each open position has its row, and no other has one.
      EXPECT_EQ(store_->ReadRowsAt(lane, opens)->size(), opens.size());
      size_t rows = 0;
      std::optional<Store::RowKey> after;
      do {
        const auto page = store_->ReadRows({{lane}, {}, {}, {}}, after, 1000);
        ASSERT_TRUE(page.ok());
        rows += page->rows.size();
        after = page->next;
      } while (after.has_value());
      EXPECT_EQ(rows, opens.size());
    }
  }
  void Recount(LaneId lane, const ScanSpace::Group& group, Ledger& recount,
               std::vector<uint64_t>& opens) {
    const auto outcomes = store_->ReadGroup(lane, group.range);
    const auto gaps = store_->ReadGaps(lane, group.range);
    ASSERT_TRUE(outcomes.ok() && gaps.ok());
    IntervalSet seen;
    const auto add = [&](uint64_t index, Symbol s) {
      if (s.state == State::kOwed) return;
      EXPECT_FALSE(seen.Contains(index)) << index << " is stored twice";
      seen.Add({index, index + 1});
      recount.Count(s, 1);
      if (s.state == State::kOpen) opens.push_back(index);
    };
    if (outcomes->natural.has_value()) {
      const GroupView view(space_, group);
      const auto decoded = DecodeOutcomes(outcomes->natural->outcomes, group.range.size());
      ASSERT_TRUE(decoded.ok() && decoded->size() == group.range.size());
      for (uint64_t n = 0; n < decoded->size(); ++n) add(view.IndexOfNatural(n), decoded->At(n));
      return;
    }
    for (const StoredChunk& chunk : outcomes->chunks) {
      const auto decoded = DecodeOutcomes(chunk.outcomes, chunk.range.size());
      ASSERT_TRUE(decoded.ok());
      for (uint64_t i = 0; i < decoded->size(); ++i) add(chunk.range.begin + i, decoded->At(i));
    }
    for (const Gap& gap : *gaps) {
      for (uint64_t i = gap.range.begin; i < gap.range.end; ++i)
        add(i, {State::kNotProbed, gap.cause});
    }
  }

  std::mt19937 random_;
  const TempDirectory directory_;
  Time now_ = Time(std::chrono::seconds(1000));
  std::shared_ptr<const ScanSpace> space_ = MakeSpace(4500, 2);
  std::vector<TestAgent> agents_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Ingest> ingest_;
  std::unique_ptr<Compactor> compactor_;
};

TEST_P(IngestStoreTest, StoredIsWhatWasCounted) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ScanSpec spec;
  spec.space = space_;
  spec.mode = ScanMode::kEachVantage;
  spec.vantages = {"a", "b"};
  spec.max_attempts = 4;
  ScanRecord record = MakeScan("scan", spec, {"a", "b"});
  for (const LaneRecord& lane : record.lanes)
    ingest_->AddLane(lane.id, "scan", lane.vantage, space_);
  WriteBatch create;
  create.new_scans = {record};
  ASSERT_TRUE(scheduler_->Submit(std::move(record), now_, Wall()).ok());
  Save(std::move(create));
  for (const char* name : {"a1", "a2", "b1", "b2"})
    agents_.emplace_back(name, std::string(1, name[0]));
  int step = 0;
  for (; step < 4000 && !IsFinished(scheduler_->GetScan("scan")->state); ++step) {
    now_ += std::chrono::milliseconds(50 + Pick(100));
    TestAgent& agent = agents_[Pick(agents_.size())];
    const uint64_t act = Pick(20);
    if (act < 8) {
      if (Pick(25) == 0) {
        agent.incarnation += "x";  // it crashed
        agent.held.clear();
        agent.seen = 0;
      }
      auto decision = scheduler_->Synchronize(agent.Report(), now_, Wall());
      ASSERT_TRUE(decision.ok()) << decision.status();
      agent.Obey(*decision);
      Save({});
    } else {
      ASSERT_NO_FATAL_FAILURE(Report(agent));
    }
    scheduler_->Tick(now_, Wall());
    Save({});
    if (Pick(300) == 0) {
      ASSERT_NO_FATAL_FAILURE(CheckStored(false));
      ASSERT_NO_FATAL_FAILURE(Start());
      ASSERT_TRUE(scheduler_->GetScan("scan").has_value());
    }
    if (Pick(3000) == 0) {
      ASSERT_TRUE(scheduler_->Cancel("scan", now_, Wall()).ok());
      Save({});
    }
  }
  EXPECT_TRUE(IsFinished(scheduler_->GetScan("scan")->state)) << "after " << step << " steps";
  ASSERT_NO_FATAL_FAILURE(CheckStored(true));
  const auto view = scheduler_->GetScan("scan");
  for (const auto& lane : view->lanes) {
    EXPECT_EQ(lane.ledger.Done(), space_->size());
    compactor_->Sweep(lane.id, space_);
  }
  compactor_->Drain();
  EXPECT_EQ(compactor_->counters().errors, 0u);
  for (const auto& lane : view->lanes) {
    EXPECT_EQ(*store_->NextStored(lane.id, 0, {true, false, false}), std::nullopt)
        << "a finished group is still in chunks";
  }
  ASSERT_NO_FATAL_FAILURE(CheckStored(true));
}

INSTANTIATE_TEST_SUITE_P(Seeds, IngestStoreTest, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace portolan
