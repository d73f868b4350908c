#include "tests/coordinator/monitoring/monitoring_fixture.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

TEST_F(MonitoringTest, ExposureIsPagedAndFiltered) {
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  ExposureQuery query;
  query.limit = 3;
  std::vector<std::string> subjects;
  for (int pages = 0; pages < 10; ++pages) {
    const ExposurePage page = Exposure(query);
    for (const ExposureRow& row : page.rows) subjects.push_back(row.subject.ToString());
    query.page_token = page.next_page_token;
    if (query.page_token.empty()) break;
  }
  EXPECT_THAT(subjects, ElementsAre("10.0.0.1:22", "10.0.0.1:80", "10.0.0.2:22", "10.0.0.2:80",
                                    "10.0.0.3:22", "10.0.0.3:80", "10.0.0.4:22", "10.0.0.4:80"));
  query = {};
  query.classes = {ExposureClass::kOpenOnlyInside};
  query.targets = {"10.0.0.2"};
  const ExposurePage page = Exposure(query);
  ASSERT_EQ(page.rows.size(), 1u);
  const ExposureRow& row = page.rows[0];
  EXPECT_EQ(row.subject.ToString(), "10.0.0.2:22");
  EXPECT_EQ(row.sights[0].expected, Expected::kUnspecified);
  EXPECT_EQ(row.sights[1].expected, Expected::kYes);
  EXPECT_EQ(row.sights[1].rule, "no-remote-admin-from-outside");
  EXPECT_EQ(SymbolText(row.sights[1].outcome->symbol), "closed/conn-refused");
  Waiter<ExposurePage> w;
  query.page_token = "no such token";
  monitoring_->Exposure(query, w.done());
  EXPECT_EQ(w.Wait().status().code(), absl::StatusCode::kInvalidArgument);
}

// A baseline keeps how a port is not open only where another vantage sees it open. What opens later
// was seen closed all the same, and the results of that run say so.
TEST_F(MonitoringTest, ExposureReadsWhatBaselinesDoNotKeepFromResults) {
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  scans_.Set("out", "10.0.0.5", 80, true);
  NextRun();
  Settle();
  ExposureQuery query;
  query.targets = {"10.0.0.5"};
  for (const bool filtered : {false, true}) {
    if (filtered) query.classes = {ExposureClass::kOpenOnlyOutside};
    const ExposurePage page = Exposure(query);
    ASSERT_EQ(page.rows.size(), 1u) << filtered;
    const ExposureRow& row = page.rows[0];
    EXPECT_EQ(row.comparison.exposure, ExposureClass::kOpenOnlyOutside);
    ASSERT_TRUE(row.sights[0].outcome.has_value());
    EXPECT_FALSE(row.sights[0].unknown.has_value());
    EXPECT_EQ(SymbolText(row.sights[0].outcome->symbol), "closed/conn-refused");
  }
  query.classes = {ExposureClass::kNotComparable};
  EXPECT_THAT(Exposure(query).rows, IsEmpty());
}

TEST_F(MonitoringTest, ExplainsATargetAndAPort) {
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  scans_.Set("out", "10.0.0.2", 22, true);
  NextRun();
  Settle();
  Waiter<Explanation> w;
  monitoring_->Explain("10.0.0.2", 22, "", w.done());
  const auto got = w.Wait();
  ASSERT_TRUE(got.ok()) << got.status();
  ASSERT_EQ(got->rows.size(), 1u);
  EXPECT_EQ(got->rows[0].comparison.exposure, ExposureClass::kOpenEverywhere);
  EXPECT_EQ(got->events.size(), 1u);
  EXPECT_EQ(got->findings.size(), 1u);
  Waiter<Explanation> elsewhere;
  monitoring_->Explain("192.0.2.1", 22, "", elsewhere.done());
  EXPECT_THAT(elsewhere.Wait()->uncovered_by, ElementsAre("web"));
}

TEST_F(MonitoringTest, FollowersGetWhatWasAndWhatComes) {
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  scans_.Set("out", "10.0.0.5", 80, true);
  NextRun();
  Settle();
  Mutex mu;
  std::vector<std::string> seen;
  absl::Status end;
  EventQuery all;
  const uint64_t id =
      monitoring_->Follow(all, [&](absl::StatusOr<std::vector<StoredEvent>> events) {
        MutexLock lock(mu);
        if (!events.ok()) {
          end = events.status();
          return;
        }
        for (const StoredEvent& e : *events) seen.push_back(e.event.subject.ToString());
      });
  scans_.Set("out", "10.0.0.6", 80, true);
  NextRun();
  Settle();
  Barrier();
  {
    MutexLock lock(mu);
    EXPECT_THAT(seen, ElementsAre("10.0.0.5:80", "10.0.0.6:80"));
  }
  (void)id;
  monitoring_->Stop();
  MutexLock lock(mu);
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable);
}

TEST_F(MonitoringTest, MetricsCountWhatIsThere) {
  options_.series_budget = 3;
  Restart();
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  ASSERT_TRUE(Until([&] {
    const auto all = monitoring_->Metrics();
    return !all->monitors.empty() && all->monitors[0].open_ports_total > 0;
  }));
  const MonitorMetrics& m = monitoring_->Metrics()->monitors[0];
  EXPECT_EQ(m.open_ports_total, 12u);
  EXPECT_EQ(m.open_ports.size(), 3u);
  EXPECT_EQ(m.disagreements, 4u);
  EXPECT_EQ(m.hosts_by_port.top, (std::vector<std::pair<uint16_t, uint64_t>>{{22, 4}, {80, 4}}));
  EXPECT_EQ(m.hosts_by_port.others, 0u);
  EXPECT_EQ(m.coverage, 1.0);
  EXPECT_EQ(m.interval_s, 600);
  EXPECT_EQ(
      (m.vantages.at("in").exposed.at({ExposureClass::kOpenOnlyInside, Expected::kUnspecified})),
      4u);
}

// What a monitor's ports leave of the budget is the next one's, also when that grows.
TEST_F(MonitoringTest, MetricsShareTheSeriesBudgetInTheOrderOfMonitors) {
  options_.series_budget = 15;
  Restart();
  std::string second = kYaml;
  second.replace(second.find("name: web"), 9, "name: zoo");
  ASSERT_TRUE(Apply(kYaml).ok());
  ASSERT_TRUE(Apply(second).ok());
  NextRun("zoo");
  NextRun("web");
  const auto shown = [&] {
    std::vector<size_t> out;
    for (const MonitorMetrics& m : monitoring_->Metrics()->monitors) {
      out.push_back(m.open_ports.size());
    }
    return out;
  };
  EXPECT_TRUE(Until([&] { return shown() == std::vector<size_t>{12, 3}; }));
  Waiter<std::string> w;
  monitoring_->Delete("web", w.done());
  ASSERT_TRUE(w.Wait().ok());
  EXPECT_TRUE(Until([&] { return shown() == std::vector<size_t>{12}; }));
  EXPECT_EQ(monitoring_->Metrics()->monitors[0].open_ports_total, 12u);
}

// Counting takes many turns; until all is counted nothing is shown, rather than a part of it.
TEST_F(MonitoringTest, MetricsAreOfAllMonitorsThoughTheseAreCountedOneByOne) {
  for (const char* name : {"web", "zoo", "app"}) {
    std::string yaml = kYaml;
    yaml.replace(yaml.find("name: web"), 9, std::string("name: ") + name);
    ASSERT_TRUE(Apply(yaml).ok());
    NextRun(name);
  }
  options_.counted_at_once = 1;
  Restart();
  bool all = false;
  ASSERT_TRUE(Until(
      [&] {
        const auto metrics = monitoring_->Metrics();
        for (const MonitorMetrics& m : metrics->monitors) EXPECT_EQ(m.open_ports_total, 12u);
        all = metrics->monitors.size() == 3;
        return all || HasFailure();
      },
      std::chrono::milliseconds(10)));
  EXPECT_TRUE(all);
  // What changes is counted, too.
  scans_.Set("in", "10.0.0.4", 22, false);
  NextRun("zoo");
  Settle("zoo");
  EXPECT_TRUE(Until([&] { return monitoring_->Metrics()->monitors[2].open_ports_total == 11; }));
}

TEST(PortRanking, TheMostAreShownAndTheRestIsASum) {
  const PortRanking all = PortRanking::Of({{22, 4}, {80, 9}, {443, 9}}, 3);
  EXPECT_THAT(all.top, ElementsAre(std::pair{80, 9}, std::pair{443, 9}, std::pair{22, 4}));
  EXPECT_EQ(all.others, 0u);
  const PortRanking one = PortRanking::Of({{22, 4}, {80, 9}, {443, 9}}, 1);
  EXPECT_THAT(one.top, ElementsAre(std::pair{80, 9}));
  EXPECT_EQ(one.others, 13u);
  EXPECT_THAT(PortRanking::Of({}, 20).top, IsEmpty());
}

}  // namespace
}  // namespace portolan
