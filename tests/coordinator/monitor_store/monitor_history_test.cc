// Runs, events and resolved findings: what is read, and how they end.
#include <gmock/gmock.h>

#include "tests/coordinator/monitor_store/store_fixture.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class MonitorHistory : public MonitorStoreTest {
 protected:
  std::vector<uint64_t> Sequences(const EventQuery& query, bool* more = nullptr) {
    const auto page = store_->Events(query);
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<uint64_t> sequences;
    for (const StoredEvent& e : page->events) sequences.push_back(e.sequence);
    if (more != nullptr) *more = page->more;
    return sequences;
  }
  std::vector<uint64_t> Numbers(const std::string& monitor, size_t limit) {
    std::vector<uint64_t> numbers;
    const std::vector<RunRecord> runs = store_->Runs(monitor, limit).value();
    for (const RunRecord& run : runs) numbers.push_back(run.number);
    return numbers;
  }
  Finding Resolved(int64_t seconds, Severity severity = Severity::kLow) {
    Finding finding = random_.Finding();
    finding.resolved = At(seconds);
    finding.severity = severity;
    return finding;
  }
  void AddResolved(const std::string& monitor, const Finding& finding) {
    Change change(*store_);
    change.AddResolved(monitor, {&finding, 1});
    ASSERT_TRUE(change.Commit().ok());
  }

  RandomState random_{2};
};

TEST_F(MonitorHistory, RunsAreReplacedByTheirNumberAndListedNewestFirst) {
  Make("a");
  Make("b");
  Change change(*store_);
  for (uint64_t n = 1; n <= 5; ++n) change.PutRun(Run("a", n, RunState::kRunning));
  change.PutRun(Run("b", 1, RunState::kFailed));
  change.PutRun(Run("a", 5, RunState::kPartial));
  ASSERT_TRUE(change.Commit().ok());
  Reopen();
  EXPECT_THAT(Numbers("a", 3), ElementsAre(5, 4, 3));
  EXPECT_THAT(Numbers("b", 100), ElementsAre(1));
  EXPECT_THAT(Numbers("nobody", 100), IsEmpty());
  EXPECT_EQ(store_->FindRun("a", 5).value(), Run("a", 5, RunState::kPartial));
  EXPECT_EQ(store_->FindRun("a", 4).value(), Run("a", 4, RunState::kRunning));
  EXPECT_EQ(store_->FindRun("a", 6).value(), std::nullopt);
}

TEST_F(MonitorHistory, TheInputOfARunStaysUntilItHasEnded) {
  Make("a");
  const std::string input("names\0and addresses", 19);
  const auto put = [&](RunState state) {
    Change change(*store_);
    change.PutRun(Run("a", 2, state));
    if (state == RunState::kRunning) change.PutRunInput("a", 2, input);
    change.PutRunInput("a", 3, "");
    ASSERT_TRUE(change.Commit().ok());
  };
  put(RunState::kRunning);
  Reopen();
  EXPECT_EQ(store_->GetRunInput("a", 2).value(), input);
  EXPECT_EQ(store_->GetRunInput("a", 3).value(), "");
  EXPECT_EQ(store_->GetRunInput("a", 1).value(), std::nullopt);
  put(RunState::kComplete);
  EXPECT_EQ(store_->GetRunInput("a", 2).value(), std::nullopt);
  EXPECT_EQ(store_->GetRunInput("a", 3).value(), "");
}

TEST_F(MonitorHistory, EventsAreNumberedOverAllMonitorsAndNeverTwice) {
  Make("a");
  Make("b");
  EXPECT_EQ(AddEvent(Event("a", 1, 1)), 1u);
  EXPECT_EQ(AddEvent(Event("b", 1, 1)), 2u);
  {
    Change change(*store_);
    const std::vector<ExposureEvent> events = {Event("a", 2, 2), Event("a", 3, 2)};
    const std::vector<StoredEvent> stored = change.AddEvents("a", events);
    ASSERT_EQ(stored.size(), 2u);
    EXPECT_EQ(stored[0].sequence, 3u);
    EXPECT_EQ(stored[1].sequence, 4u);
    EXPECT_EQ(stored[1].event, events[1]);
    ASSERT_TRUE(change.Commit().ok());
  }
  ASSERT_EQ(store_->Prune(At(100), 10, 100).value(), 4u);
  Reopen();
  EXPECT_EQ(AddEvent(Event("a", 4, 3)), 5u);
}

TEST_F(MonitorHistory, EventsComeBackAsTheyWere) {
  Make("a");
  std::vector<ExposureEvent> events;
  for (int i = 0; i < 100; ++i) {
    events.push_back(random_.Event());
    events.back().monitor = "a";
    events.back().sequence = static_cast<uint64_t>(i + 1);
    events.back().time = At(i + 1);
    events.back().id = MakeEventId(events.back());
  }
  Change change(*store_);
  change.AddEvents("a", events);
  ASSERT_TRUE(change.Commit().ok());
  Reopen();
  const EventPage page = store_->Events({}).value();
  ASSERT_EQ(page.events.size(), 100u);
  EXPECT_FALSE(page.more);
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(page.events[i].event, events[i]);
    EXPECT_EQ(store_->EventById(events[i].id).value()->event, events[i]);
    const auto of = store_->EventsOf(events[i].subject, "a", 100);
    ASSERT_TRUE(of.ok());
    EXPECT_TRUE(std::any_of(of->begin(), of->end(),
                            [&](const StoredEvent& e) { return e.event == events[i]; }));
  }
  EXPECT_EQ(store_->EventById("0").value(), std::nullopt);
}

TEST_F(MonitorHistory, EventsAreFilteredAndPaged) {
  Make("a");
  Make("b");
  // The clock goes back once.
  const std::vector<ExposureEvent> events = {Event("a", 1, 10, "in"),  Event("b", 1, 20, "in"),
                                             Event("a", 2, 30, "out"), Event("a", 3, 15, "out"),
                                             Event("b", 2, 40, "in"),  Event("a", 4, 50, "in")};
  for (const ExposureEvent& event : events) AddEvent(event);
  bool more = false;
  EXPECT_THAT(Sequences({}), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Sequences(Ask<EventQuery>().NewestFirst()), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(Sequences(Ask<EventQuery>().Monitor("a")), ElementsAre(1, 3, 4, 6));
  EXPECT_THAT(Sequences(Ask<EventQuery>().Vantage("in")), ElementsAre(1, 2, 5, 6));
  EXPECT_THAT(Sequences(Ask<EventQuery>().Monitor("a").Vantage("out")), ElementsAre(3, 4));
  EXPECT_THAT(Sequences(Ask<EventQuery>().Monitor("nobody")), IsEmpty());
  EXPECT_THAT(Sequences(Ask<EventQuery>().Since(At(20))), ElementsAre(2, 3, 5, 6));
  EXPECT_THAT(Sequences(Ask<EventQuery>().Monitor("a").Since(At(16))), ElementsAre(3, 6));
  EXPECT_THAT(Sequences(Ask<EventQuery>().Since(At(51))), IsEmpty());
  EXPECT_THAT(Sequences(Ask<EventQuery>().After(2).Limit(2), &more), ElementsAre(3, 4));
  EXPECT_TRUE(more);
  EXPECT_THAT(Sequences(Ask<EventQuery>().After(4).Limit(2), &more), ElementsAre(5, 6));
  EXPECT_FALSE(more);
  EXPECT_THAT(Sequences(Ask<EventQuery>().After(~uint64_t{0})), IsEmpty());
  EXPECT_EQ(store_->CountEvents("a").value(), 4u);
}

// The pages of a long history are read from an index, without sorting all of it first.
TEST_F(MonitorHistory, EventsAreReadInTheirOrder) {
  Make("a");
  Change change(*store_);
  std::vector<ExposureEvent> events;
  for (uint64_t n = 1; n <= 3000; ++n) {
    events.push_back(Event("a", n, static_cast<int64_t>(n), n % 2 == 0 ? "in" : "out"));
  }
  change.AddEvents("a", events);
  ASSERT_TRUE(change.Commit().ok());
  ASSERT_TRUE(store_->connection().Execute("ANALYZE").ok());
  bool more = false;
  uint64_t seen = 0, after = 0;
  do {
    const std::vector<uint64_t> page =
        Sequences(Ask<EventQuery>().Monitor("a").After(after).Limit(700), &more);
    ASSERT_FALSE(page.empty());
    for (const uint64_t sequence : page) EXPECT_EQ(sequence, ++seen);
    after = page.back();
  } while (more);
  EXPECT_EQ(seen, 3000u);
  EXPECT_EQ(Sequences(Ask<EventQuery>().Limit(1'000'000)).size(), 2000u);
}

TEST_F(MonitorHistory, EventsOfASubjectAreTheNewestFirst) {
  Make("a");
  Make("b");
  AddEvent(Event("a", 1, 1, "in", "h", 80));
  AddEvent(Event("b", 1, 2, "in", "h", 80));
  AddEvent(Event("a", 2, 3, "in", "h", 81));
  AddEvent(Event("a", 3, 4, "in", "10.0.0.1", 80));
  AddEvent(Event("a", 4, 5, "out", "h", 80));
  const auto sequences = [&](const Subject& subject, const std::string& monitor, size_t limit) {
    std::vector<uint64_t> result;
    const auto events = store_->EventsOf(subject, monitor, limit);
    EXPECT_TRUE(events.ok()) << events.status();
    for (const StoredEvent& e : *events) result.push_back(e.sequence);
    return result;
  };
  const Subject h{TargetKey::OfName("H."), 80};
  EXPECT_THAT(sequences(h, "", 10), ElementsAre(5, 2, 1));
  EXPECT_THAT(sequences(h, "a", 10), ElementsAre(5, 1));
  EXPECT_THAT(sequences(h, "", 1), ElementsAre(5));
  EXPECT_THAT(sequences({TargetKey::FromString("10.0.0.1"), 80}, "", 10), ElementsAre(4));
  EXPECT_THAT(sequences({TargetKey::FromString("10.0.0.1"), 81}, "", 10), IsEmpty());
}

TEST_F(MonitorHistory, ResolvedFindingsAreTheNewestFirst) {
  Make("a");
  Make("b");
  const Finding first = Resolved(10, Severity::kHigh), second = Resolved(30, Severity::kLow),
                third = Resolved(20, Severity::kCritical);
  AddResolved("a", first);
  AddResolved("b", second);
  AddResolved("a", third);
  Reopen();
  const auto list = [&](const FindingQuery& query) {
    std::vector<Finding> findings;
    const auto read = store_->ResolvedFindings(query);
    EXPECT_TRUE(read.ok()) << read.status();
    for (const MonitorFinding& f : *read) {
      EXPECT_EQ(f.monitor, f.finding == second ? "b" : "a");
      findings.push_back(f.finding);
    }
    return findings;
  };
  EXPECT_EQ(list({}), (std::vector<Finding>{second, third, first}));
  EXPECT_EQ(list(Ask<FindingQuery>().Limit(2)), (std::vector<Finding>{second, third}));
  EXPECT_EQ(list(Ask<FindingQuery>().Monitor("a")), (std::vector<Finding>{third, first}));
  EXPECT_EQ(list(Ask<FindingQuery>().MinSeverity(Severity::kHigh)),
            (std::vector<Finding>{third, first}));
  EXPECT_EQ(list(Ask<FindingQuery>().Monitor("a").MinSeverity(Severity::kCritical)),
            (std::vector<Finding>{third}));
  EXPECT_TRUE(list(Ask<FindingQuery>().Monitor("nobody")).empty());
}

TEST_F(MonitorHistory, PruningKeepsWhatIsYoungAndIsBounded) {
  for (const std::string name : {"a", "b"}) {
    Make(name);
    Change change(*store_);
    for (uint64_t n = 1; n <= 30; ++n) change.PutRun(Run(name, n, RunState::kComplete));
    ASSERT_TRUE(change.Commit().ok());
    for (int i = 1; i <= 20; ++i) AddEvent(Event(name, static_cast<uint64_t>(i), i));
    for (int i = 1; i <= 20; ++i) AddResolved(name, Resolved(i));
  }
  // Of each monitor 10 events, 10 findings and 20 runs are to go.
  size_t gone = 0, calls = 0;
  for (size_t n = 7; n == 7; ++calls) {
    n = store_->Prune(At(11), 10, 7).value();
    ASSERT_LE(n, 7u);
    gone += n;
  }
  EXPECT_EQ(gone, 80u);
  EXPECT_EQ(calls, 12u);
  for (const std::string name : {"a", "b"}) {
    EXPECT_EQ(store_->CountEvents(name).value(), 10u);
    const EventPage page = store_->Events(Ask<EventQuery>().Monitor(name)).value();
    EXPECT_EQ(page.events.front().event.time, At(11));
    const auto findings = store_->ResolvedFindings(Ask<FindingQuery>().Monitor(name)).value();
    ASSERT_EQ(findings.size(), 10u);
    EXPECT_EQ(findings.back().finding.resolved, At(11));
    EXPECT_EQ(Numbers(name, 100).size(), 10u);
    EXPECT_EQ(Numbers(name, 100).back(), 21u);
  }
  EXPECT_EQ(store_->Prune(At(0), 0, 100).value(), 18u) << "one run stays";
}

TEST_F(MonitorHistory, ARemovedMonitorsRowsGoByAndBy) {
  for (const std::string name : {"a", "b", "c"}) {
    Make(name);
    for (int i = 1; i <= 10; ++i) AddEvent(Event(name, static_cast<uint64_t>(i), 1000));
    for (int i = 1; i <= 10; ++i) AddResolved(name, Resolved(1000));
  }
  {
    Change change(*store_);
    change.RemoveMonitor("a");
    change.RemoveMonitor("b");
    ASSERT_TRUE(change.Commit().ok());
  }
  EXPECT_EQ(Sequences({}).size(), 10u);
  EXPECT_EQ(Sequences(Ask<EventQuery>().Vantage("in")).size(), 10u);
  EXPECT_EQ(store_->ResolvedFindings({})->size(), 10u);
  EXPECT_EQ(store_->EventsOf(Event("a", 1, 1).subject, "", 100)->size(), 10u);
  for (size_t n = 9; n == 9;) n = store_->Prune(At(0), 10, 9).value();
  Connection& db = store_->connection();
  EXPECT_EQ(Count(db, "SELECT count(*) FROM events"), 10);
  EXPECT_EQ(Count(db, "SELECT count(*) FROM findings"), 10);
  EXPECT_EQ(Count(db, "SELECT count(*) FROM removed"), 0);
  EXPECT_EQ(store_->CountEvents("c").value(), 10u);
}

}  // namespace
}  // namespace portolan
