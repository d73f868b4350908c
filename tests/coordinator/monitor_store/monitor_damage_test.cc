// Files that are damaged, of a newer program, or another's.
#include <gmock/gmock.h>

#include "tests/coordinator/monitor_store/store_fixture.h"

namespace portolan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class MonitorDamage : public MonitorStoreTest {
 protected:
  MonitorDamage() {
    for (const std::string name : {"a", "b"}) {
      Make(name, 5);
      const ExposureEvent event = Event(name, 41, 5);
      Change change(*store_);
      StoredFindings findings = random_.Findings();
      change.PutBaseline(name, "in", Established());
      change.PutBaseline(name, "out", Established());
      VantageHealth health = random_.Health();
      health.tainted = false;
      change.PutHealth(name, "in", health, random_.Canaries());
      Confirmations::State confirmations = random_.Confirming();
      confirmations.next_sequence = 42;
      change.PutConfirmations(name, confirmations);
      change.PutFindings(name, findings.board, findings.evaluated, /*stale=*/false);
      change.AddEvents(name, {&event, 1});
      MonitorPlanState plan = Plan(5, 17);
      plan.paused = true;
      plan.running = RunOrder{name, 5, 16, RunTrigger::kManual, At(1), At(2), At(3)};
      change.PutPlan(name, plan);
      EXPECT_TRUE(change.Commit().ok());
    }
    whole_ = Load();
    EXPECT_TRUE(whole_.problems.empty());
  }
  VantageBaseline Established() {
    VantageBaseline baseline = random_.Baseline();
    baseline.established = true;
    return baseline;
  }
  // Flips the last bit of each blob that the statement names.
  void Damage(const std::string& table, const std::string& where) {
    Connection& db = store_->connection();
    const auto get = db.Prepare("SELECT body FROM " + table + " WHERE " + where);
    ASSERT_TRUE(get->Step());
    std::string body(get->Bytes(0));
    get->Reset();
    body.back() ^= 1;
    const auto put = db.Prepare("UPDATE " + table + " SET body = ? WHERE " + where);
    ASSERT_TRUE(put->Bind(Statement::Blob{body}).Run().ok());
  }
  void DamagePart(int kind, const std::string& vantage) {
    Damage("parts", fmt::format("monitor = 1 AND kind = {} AND vantage = '{}'", kind, vantage));
  }
  // The start after it: the other monitor is as it was, and one problem is told of "a".
  MonitorRecord LoadDamaged(const std::string& told) {
    Reopen();
    MonitorStore::Loaded loaded = Load();
    EXPECT_EQ(loaded.problems.size(), 1u);
    EXPECT_EQ(loaded.monitors.size(), 2u);
    if (loaded.problems.size() != 1 || loaded.monitors.size() != 2) return {};
    EXPECT_EQ(loaded.problems[0].monitor, "a");
    EXPECT_THAT(loaded.problems[0].text, AllOf(HasSubstr("damaged"), HasSubstr(told)));
    EXPECT_EQ(loaded.monitors[1].exposure, whole_.monitors[1].exposure);
    EXPECT_EQ(loaded.monitors[1].plan, whole_.monitors[1].plan);
    return loaded.monitors[0];
  }

  RandomState random_{11};
  MonitorStore::Loaded whole_;
};

TEST_F(MonitorDamage, ABaselineIsNotEstablishedInsteadOfEmpty) {
  DamagePart(1, "in");
  const MonitorRecord a = LoadDamaged("vantage \"in\"");
  MonitorExposure::State expected = whole_.monitors[0].exposure;
  expected.baselines["in"] = VantageBaseline();
  EXPECT_FALSE(a.exposure.baselines.at("in").established);
  EXPECT_EQ(a.exposure, expected);
  EXPECT_EQ(a.plan, whole_.monitors[0].plan);
}

TEST_F(MonitorDamage, WithoutHealthTheRunUnderWayIsNotBelieved) {
  DamagePart(2, "in");
  const MonitorRecord a = LoadDamaged("not believed");
  MonitorExposure::State expected = whole_.monitors[0].exposure;
  expected.health["in"] = VantageHealth();
  expected.health["in"].tainted = true;
  EXPECT_EQ(a.exposure, expected);
}

TEST_F(MonitorDamage, CanariesAreChosenAnew) {
  DamagePart(3, "in");
  const MonitorRecord a = LoadDamaged("chosen anew");
  MonitorExposure::State expected = whole_.monitors[0].exposure;
  expected.canaries["in"].clear();
  EXPECT_EQ(a.exposure, expected);
}

TEST_F(MonitorDamage, WithoutConfirmationsNumbersOfEventsGoOn) {
  DamagePart(4, "");
  const MonitorRecord a = LoadDamaged("wait for the next run");
  MonitorExposure::State expected = whole_.monitors[0].exposure;
  expected.confirmations = {};
  expected.confirmations.next_sequence = 42;
  EXPECT_EQ(a.exposure, expected);
}

TEST_F(MonitorDamage, FindingsAreEvaluatedAgain) {
  DamagePart(5, "");
  const MonitorRecord a = LoadDamaged("found again");
  MonitorExposure::State expected = whole_.monitors[0].exposure;
  expected.findings = {};
  expected.evaluated = WallTime();
  expected.stale = true;
  EXPECT_EQ(a.exposure, expected);
}

TEST_F(MonitorDamage, WithoutAPlanNoKeyOfAScanComesTwice) {
  Damage("plans", "name = 'a'");
  const MonitorRecord a = LoadDamaged("run under way is forgotten");
  MonitorPlanState expected = Plan(6, 17);
  expected.paused = true;
  EXPECT_EQ(a.plan, expected);
  EXPECT_EQ(a.exposure, whole_.monitors[0].exposure);
}

TEST_F(MonitorDamage, WithoutASpecificationItIsLeftOutUntilItIsAppliedAnew) {
  ASSERT_TRUE(
      store_->connection().Execute("UPDATE monitors SET spec = 'x: [' WHERE name = 'a'").ok());
  Reopen();
  MonitorStore::Loaded loaded = Load();
  ASSERT_EQ(loaded.monitors.size(), 1u);
  EXPECT_EQ(loaded.monitors[0].spec.name, "b");
  ASSERT_EQ(loaded.problems.size(), 1u);
  EXPECT_EQ(loaded.problems[0].monitor, "a");
  EXPECT_THAT(loaded.problems[0].text, HasSubstr("applied again"));
  {
    Change change(*store_);  // not committed: it is still left out
    change.PutMonitor(Spec("a"), "", Plan(6));
  }
  Change change(*store_);
  change.PutMonitor(Spec("a"), "", Plan(store_->LastGeneration("a").value() + 1));
  ASSERT_TRUE(change.Commit().ok());
  loaded = Load();
  EXPECT_TRUE(loaded.problems.empty());
  ASSERT_EQ(loaded.monitors.size(), 2u);
  EXPECT_EQ(loaded.monitors[0].exposure, MonitorExposure::State());
  EXPECT_EQ(loaded.monitors[0].plan, Plan(6));
  EXPECT_EQ(store_->CountEvents("a").value(), 1u) << "history stays";
}

TEST_F(MonitorDamage, RowsOfHistoryAreLeftOutAndCounted) {
  Change change(*store_);
  std::vector<ExposureEvent> events;
  for (uint64_t n = 1; n <= 5; ++n) events.push_back(Event("a", n, 10));
  change.AddEvents("a", events);
  const std::vector<Finding> findings = {random_.Finding(), random_.Finding()};
  change.AddResolved("a", findings);
  change.PutRun(Run("a", 1, RunState::kComplete));
  change.PutRun(Run("a", 2, RunState::kComplete));
  change.PutRunInput("a", 3, "names");
  ASSERT_TRUE(change.Commit().ok());
  Damage("events", "sequence = 4");
  Damage("findings", "number = 1");
  ASSERT_TRUE(store_->connection().Execute("UPDATE runs SET state = 99 WHERE number = 2").ok());
  // A page is as full as it can be, or a reader that goes on by the last one would stop.
  const EventPage page = store_->Events(Ask<EventQuery>().Monitor("a").After(3).Limit(1)).value();
  ASSERT_EQ(page.events.size(), 1u);
  EXPECT_EQ(page.events[0].sequence, 5u);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(store_->damaged_rows(), 1u);
  EXPECT_EQ(store_->ResolvedFindings({})->size(), 1u);
  EXPECT_EQ(store_->Runs("a", 10)->size(), 1u);
  EXPECT_EQ(store_->damaged_rows(), 3u);
  Damage("run_inputs", "number = 3");
  EXPECT_EQ(store_->GetRunInput("a", 3).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(MonitorDamage, ANewerFileIsRefusedAndSaysWhatToDo) {
  ASSERT_TRUE(store_->connection().Execute("PRAGMA user_version = 99").ok());
  store_ = nullptr;
  const absl::Status status = MonitorStore::Open(Path(), false).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(status)),
              AllOf(HasSubstr("monitors.db"), HasSubstr("run a newer version")));
}

TEST_F(MonitorDamage, AnotherProgramsFileIsRefusedAndNotTouched) {
  for (const char* mark : {"CREATE TABLE theirs (x)", "PRAGMA application_id = 1349481588",
                           "PRAGMA user_version = 1"}) {
    const std::string path = dir_.path() + "/other.db";
    std::filesystem::remove(path);
    ASSERT_TRUE(Connection::Open(path, {}).value()->Execute(mark).ok());
    const absl::Status status = MonitorStore::Open(path, false).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << mark;
    EXPECT_THAT(std::string(Message(status)), HasSubstr("another program")) << mark;
    EXPECT_EQ(Count(*Connection::Open(path, {}).value(),
                    "SELECT count(*) FROM sqlite_schema WHERE name = 'monitors'"),
              0);
  }
}

TEST_F(MonitorDamage, TheFileIsForItsOwnerAlone) {
  for (const char* suffix : {"", "-wal"}) {
    const auto mode = std::filesystem::status(Path() + suffix).permissions();
    EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  EXPECT_EQ(MonitorStore::Open("/nowhere/at/all/monitors.db", false).status().code(),
            absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace portolan
