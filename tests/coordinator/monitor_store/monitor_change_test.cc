// What a change does, and that it is all of it or nothing.
#include "tests/coordinator/monitor_store/store_fixture.h"

namespace portolan {
namespace {

// Everything that the store keeps of a monitor.
MonitorRecord Fill(MonitorStore::Change& change, const MonitorSpec& spec, RandomState& random) {
  MonitorRecord record;
  record.spec = spec;
  record.manager = random.Coin() ? "directory" : "";
  record.plan = random.Plan();
  record.plan.generation = 7;
  MonitorExposure::State& state = record.exposure;
  for (const std::string vantage : {"in", "out"}) {
    state.baselines[vantage] = random.Baseline();
    state.health[vantage] = random.Health();
    state.canaries[vantage] = random.Canaries();
  }
  state.confirmations = random.Confirming();
  StoredFindings findings = random.Findings();
  state.findings = findings.board;
  state.evaluated = findings.evaluated;
  state.stale = findings.stale;
  change.PutMonitor(spec, record.manager, record.plan);
  for (const auto& [vantage, baseline] : state.baselines) {
    change.PutBaseline(spec.name, vantage, baseline);
    change.PutHealth(spec.name, vantage, state.health[vantage], state.canaries[vantage]);
  }
  change.PutConfirmations(spec.name, state.confirmations);
  change.PutFindings(spec.name, state.findings, state.evaluated, state.stale);
  return record;
}

void ExpectEqual(const MonitorRecord& a, const MonitorRecord& b) {
  EXPECT_EQ(a.spec, b.spec);
  EXPECT_EQ(a.manager, b.manager);
  EXPECT_EQ(a.plan, b.plan);
  EXPECT_EQ(a.exposure, b.exposure);
}

using MonitorChange = MonitorStoreTest;

TEST_F(MonitorChange, WhatIsCommittedIsThereAfterAReopen) {
  RandomState random(1);
  std::vector<MonitorRecord> records;
  for (int round = 0; round < 20; ++round) {  // the later ones replace
    records.clear();
    Change change(*store_);
    for (const std::string name : {"a", "b", "c"}) {
      MonitorSpec spec = Spec(name);
      spec.paused = round % 2 == 0;
      records.push_back(Fill(change, spec, random));
    }
    ASSERT_TRUE(change.Commit().ok());
    Reopen();
    const MonitorStore::Loaded loaded = Load();
    EXPECT_TRUE(loaded.problems.empty());
    ASSERT_EQ(loaded.monitors.size(), 3u);
    for (size_t i = 0; i < 3; ++i) ExpectEqual(loaded.monitors[i], records[i]);
  }
}

TEST_F(MonitorChange, OneThatIsNotCommittedLeavesNothing) {
  Make("a");
  RandomState random(1);
  const std::string before = Load().monitors.at(0).manager;
  const Finding finding = random.Finding();
  const ExposureEvent event = Event("a", 1, 5);
  {
    Change change(*store_);
    Fill(change, Spec("a"), random);
    Fill(change, Spec("b"), random);
    EXPECT_EQ(change.AddEvents("a", {&event, 1}).size(), 1u);
    change.AddResolved("a", {&finding, 1});
    change.PutRun(Run("a", 1, RunState::kRunning));
    change.PutRunInput("a", 1, "input");
    EXPECT_EQ(change.Notify(*outbox_, SampleNotification()).value(), 1u);
  }
  Reopen();
  const MonitorStore::Loaded loaded = Load();
  ASSERT_EQ(loaded.monitors.size(), 1u);
  EXPECT_EQ(loaded.monitors[0].plan, Plan(1));
  EXPECT_EQ(loaded.monitors[0].exposure, MonitorExposure::State());
  EXPECT_TRUE(store_->Events({})->events.empty());
  EXPECT_TRUE(store_->ResolvedFindings({})->empty());
  EXPECT_TRUE(store_->Runs("a", 10)->empty());
  EXPECT_EQ(store_->GetRunInput("a", 1).value(), std::nullopt);
  EXPECT_EQ(outbox_->Totals(store_->connection(), "chat")->pending, 0u);
  // The next one finds the store as it was.
  EXPECT_EQ(AddEvent(event), 1u);
}

TEST_F(MonitorChange, ItsFirstErrorIsToldAndNothingOfItIsKept) {
  Make("a");
  const ExposureEvent event = Event("a", 1, 5);
  Change change(*store_);
  change.PutPlan("a", Plan(1, 9));
  change.PutPlan("nobody", Plan(1));
  EXPECT_TRUE(change.AddEvents("a", {&event, 1}).empty());
  EXPECT_EQ(change.Notify(*outbox_, SampleNotification()).status().code(),
            absl::StatusCode::kNotFound);
  const absl::Status status = change.Commit();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(status).find("nobody"), std::string_view::npos);
  EXPECT_EQ(Load().monitors.at(0).plan, Plan(1));
  EXPECT_EQ(AddEvent(event), 1u);
}

TEST_F(MonitorChange, ANotificationIsQueuedExactlyWhenItIsCommitted) {
  Make("a");
  const ExposureEvent event = Event("a", 1, 5);
  const std::unique_ptr<Connection> sender = Other();
  const auto pending = [&] { return outbox_->Totals(*sender, "chat")->pending; };
  {
    Change change(*store_);
    change.AddEvents("a", {&event, 1});
    Notification refused = SampleNotification();
    refused.id = "not visible";
    EXPECT_EQ(change.Notify(*outbox_, refused).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(change.Notify(*outbox_, SampleNotification()).value(), 1u);
    EXPECT_EQ(pending(), 0u);
    ASSERT_TRUE(change.Commit().ok()) << "a notification that cannot travel stops nothing else";
  }
  EXPECT_EQ(pending(), 1u);
  EXPECT_EQ(std::get<Notification>(outbox_->Next(*sender, "chat").value()->message.value()),
            SampleNotification());
  EXPECT_EQ(store_->CountEvents("a").value(), 1u);
}

TEST_F(MonitorChange, OthersReadWhatWasCommittedWhileItGoesOn) {
  Make("a");
  const std::unique_ptr<Connection> reader = Other(/*read_only=*/true);
  const ExposureEvent event = Event("a", 1, 5);
  Change change(*store_);
  change.AddEvents("a", {&event, 1});
  EXPECT_EQ(store_->CountEvents("a").value(), 1u) << "it sees its own";
  EXPECT_EQ(Count(*reader, "SELECT count(*) FROM events"), 0);
  // A reader in the middle of a read keeps what it began with, and holds nobody up.
  ASSERT_TRUE(reader->Execute("BEGIN").ok());
  EXPECT_EQ(Count(*reader, "SELECT count(*) FROM events"), 0);
  ASSERT_TRUE(change.Commit().ok());
  EXPECT_EQ(Count(*reader, "SELECT count(*) FROM events"), 0);
  ASSERT_TRUE(reader->Execute("COMMIT").ok());
  EXPECT_EQ(Count(*reader, "SELECT count(*) FROM events"), 1);
}

// The file and its log as they are when the machine stops: the last commit, and nothing of what had
// begun.
TEST_F(MonitorChange, ACrashLeavesTheLastCommit) {
  Make("a");
  RandomState random(1);
  const std::string copy = dir_.path() + "/copy.db";
  for (uint64_t n = 1; n <= 10; ++n) {
    const VantageBaseline committed = random.Baseline();
    const ExposureEvent event = Event("a", n, 5);
    {
      Change change(*store_);
      change.PutBaseline("a", "in", committed);
      change.AddEvents("a", {&event, 1});
      ASSERT_TRUE(change.Commit().ok());
    }
    Change change(*store_);
    const VantageBaseline other = random.Baseline(n == 10 ? 200'000 : 100);
    change.PutBaseline("a", "in", other);
    // More than the cache holds, so that pages of it are in the log before the commit.
    for (int i = 0; n == 10 && i < 6; ++i) change.PutBaseline("a", std::to_string(i), other);
    change.AddEvents("a", {&event, 1});
    for (const char* suffix : {"", "-wal"}) {
      std::filesystem::copy_file(Path() + suffix, copy + suffix,
                                 std::filesystem::copy_options::overwrite_existing);
    }
    std::filesystem::remove(copy + "-shm");
    const auto store = MonitorStore::Open(copy, false);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto loaded = (*store)->LoadAll();
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_TRUE(loaded->problems.empty());
    EXPECT_EQ(loaded->monitors.at(0).exposure.baselines.at("in"), committed);
    EXPECT_EQ((*store)->CountEvents("a").value(), n);
  }
}

TEST_F(MonitorChange, AFullDiskChangesNothingAndLetsItGoOnAfterwards) {
  Make("a");
  RandomState random(1);
  const VantageBaseline small = random.Baseline(10), large = random.Baseline(100'000);
  ASSERT_GT(EncodeBaseline(large).size(), 100'000u);
  {
    Change change(*store_);
    change.PutBaseline("a", "in", small);
    ASSERT_TRUE(change.Commit().ok());
  }
  const int64_t pages = Count(store_->connection(), "PRAGMA page_count");
  ASSERT_TRUE(
      store_->connection().Execute(fmt::format("PRAGMA max_page_count = {}", pages + 1)).ok());
  const ExposureEvent event = Event("a", 1, 5);
  {
    Change change(*store_);
    change.AddEvents("a", {&event, 1});
    change.PutBaseline("a", "in", large);
    EXPECT_TRUE(change.AddEvents("a", {&event, 1}).empty());
    const absl::Status status = change.Commit();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_NE(Message(status).find("free space"), std::string_view::npos);
  }
  EXPECT_EQ(store_->CountEvents("a").value(), 0u);
  EXPECT_EQ(Load().monitors.at(0).exposure.baselines.at("in"), small);
  ASSERT_TRUE(store_->connection().Execute("PRAGMA max_page_count = 1000000").ok());
  Change change(*store_);
  change.AddEvents("a", {&event, 1});
  change.PutBaseline("a", "in", large);
  EXPECT_TRUE(change.Commit().ok());
  Reopen();
  EXPECT_EQ(Load().monitors.at(0).exposure.baselines.at("in"), large);
}

TEST_F(MonitorChange, ADroppedVantageIsForgottenAndTheOthersStay) {
  RandomState random(3);
  MonitorRecord record;
  {
    Change change(*store_);
    record = Fill(change, Spec("a"), random);
    change.DropVantage("a", "out");
    ASSERT_TRUE(change.Commit().ok());
  }
  record.exposure.baselines.erase("out");
  record.exposure.health.erase("out");
  record.exposure.canaries.erase("out");
  ExpectEqual(Load().monitors.at(0), record);
}

TEST_F(MonitorChange, AGenerationIsNeverUsedTwice) {
  EXPECT_EQ(store_->LastGeneration("a").value(), 0u);
  Make("a", 4);
  EXPECT_EQ(store_->LastGeneration("a").value(), 4u);
  {
    Change change(*store_);
    change.PutPlan("a", Plan(6));
    change.RemoveMonitor("a");
    change.RemoveMonitor("never there");
    ASSERT_TRUE(change.Commit().ok());
  }
  Reopen();
  EXPECT_TRUE(Load().monitors.empty());
  EXPECT_EQ(store_->LastGeneration("a").value(), 6u);
  {
    Change change(*store_);
    change.PutMonitor(Spec("a"), "", Plan(6));
    EXPECT_EQ(change.Commit().code(), absl::StatusCode::kInternal);
  }
  EXPECT_TRUE(Load().monitors.empty());
  Make("a", 7);
  EXPECT_EQ(Load().monitors.at(0).plan, Plan(7));
}

TEST_F(MonitorChange, ANewMonitorKnowsNothingOfARemovedOneOfItsName) {
  RandomState random(5);
  const ExposureEvent event = Event("a", 1, 5);
  const Finding finding = random.Finding();
  {
    Change change(*store_);
    Fill(change, Spec("a"), random);
    change.AddEvents("a", {&event, 1});
    change.AddResolved("a", {&finding, 1});
    change.PutRun(Run("a", 1, RunState::kRunning));
    change.PutRunInput("a", 1, "input");
    ASSERT_TRUE(change.Commit().ok());
  }
  Change change(*store_);
  change.RemoveMonitor("a");
  change.PutMonitor(Spec("a"), "directory", Plan(8));
  ASSERT_TRUE(change.Commit().ok());
  EXPECT_EQ(Load().monitors.at(0).exposure, MonitorExposure::State());
  EXPECT_TRUE(store_->Events({})->events.empty());
  EXPECT_EQ(store_->EventById(event.id).value(), std::nullopt);
  EXPECT_TRUE(store_->EventsOf(event.subject, "", 10)->empty());
  EXPECT_EQ(store_->CountEvents("a").value(), 0u);
  EXPECT_TRUE(store_->ResolvedFindings({})->empty());
  EXPECT_TRUE(store_->Runs("a", 10)->empty());
  EXPECT_EQ(store_->GetRunInput("a", 1).value(), std::nullopt);
}

}  // namespace
}  // namespace portolan
