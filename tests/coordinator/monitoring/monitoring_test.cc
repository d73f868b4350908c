#include "coordinator/monitoring/monitoring.h"

#include "tests/coordinator/monitoring/monitoring_fixture.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- declaring ----

TEST_F(MonitoringTest, ApplyingIsIdempotentAndSaysWhatDiffers) {
  auto results = Apply(kYaml);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 1u);
  EXPECT_EQ((*results)[0].action, ApplyAction::kCreated);
  EXPECT_EQ((*Apply(kYaml))[0].action, ApplyAction::kUnchanged);
  const std::string changed = With(kYaml, "1-100", "1-200");
  results = Apply(changed, /*dry_run=*/true);
  EXPECT_EQ((*results)[0].action, ApplyAction::kChanged);
  EXPECT_THAT((*results)[0].diff, ElementsAre(HasSubstr("1-200")));
  EXPECT_EQ(Get().spec.ports, "1-100") << "it was a dry run";
  ASSERT_TRUE(Apply(changed).ok());
  EXPECT_EQ(Get().spec.ports, "1-200");
  EXPECT_EQ(Get().generation, 2u);
  Restart();
  EXPECT_EQ(Get().spec.ports, "1-200");
  EXPECT_EQ(Get().generation, 2u);
}

TEST_F(MonitoringTest, ProblemsNameTheLineAndNothingIsDone) {
  const std::string two = std::string(kYaml) + "---\n" + With(kYaml, "name: web", "name: second");
  const auto bad = Apply(With(two, "every: 10m", "every: 10 minutes"));
  EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(bad.status())), HasSubstr("test.yaml:8:"));
  Waiter<std::vector<MonitorStatus>> list;
  monitoring_->List(list.done());
  EXPECT_THAT(*list.Wait(), IsEmpty());
  EXPECT_EQ(Apply(std::string(kYaml) + "---\n" + kYaml).status().code(),
            absl::StatusCode::kInvalidArgument)
      << "the same name twice";
  EXPECT_THAT(std::string(Message(Apply(With(kYaml, "10.0.0.0/28", "8.8.8.0/28")).status())),
              HasSubstr("8.8.8.0"))
      << "out of scope";
  EXPECT_THAT(std::string(Message(Apply(std::string(kYaml) + "  webhooks: [nobody]\n").status())),
              HasSubstr("nobody"));
}

TEST_F(MonitoringTest, WhoDeclaresAMonitorAloneChangesIt) {
  ASSERT_TRUE(Apply(kYaml, false, false, "directory").ok());
  EXPECT_EQ(Apply(kYaml).status().code(), absl::StatusCode::kFailedPrecondition);
  Waiter<std::string> w;
  monitoring_->Delete("web", w.done());
  EXPECT_EQ(w.Wait().status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Apply(With(kYaml, "name: web", "name: mine")).ok());
  // Pruning takes one's own.
  const auto pruned = Apply("", false, true, "directory");
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  ASSERT_EQ(pruned->size(), 1u);
  EXPECT_EQ((*pruned)[0].action, ApplyAction::kDeleted);
  EXPECT_EQ((*pruned)[0].monitor, "web");
  EXPECT_EQ(Get("mine").spec.name, "mine");
}

TEST_F(MonitoringTest, AMonitorThatComesAgainIsAnotherOne) {
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  Waiter<std::string> w;
  monitoring_->Delete("web", w.done());
  ASSERT_TRUE(w.Wait().ok());
  Restart();
  ASSERT_TRUE(Apply(kYaml).ok());
  EXPECT_EQ(Get().generation, 2u) << "keys of its scans must not be used again";
  EXPECT_THAT(Get().runs, IsEmpty());
  NextRun();
  EXPECT_EQ(Get().runs[0].state, RunState::kComplete);
}

// ---- runs ----

TEST_F(MonitoringTest, RunsByItsScheduleAndTheFirstOneIsBaseline) {
  ASSERT_TRUE(Apply(kYaml).ok());
  ASSERT_TRUE(Until([&] { return Ended() == 1; }));
  const MonitorStatus s = Get();
  EXPECT_EQ(s.runs[0].state, RunState::kComplete) << s.runs[0].message;
  EXPECT_EQ(s.runs[0].positions, 16u * 100 * 2);
  EXPECT_EQ(s.runs[0].known, s.runs[0].positions);
  EXPECT_EQ(s.vantages[0].open, 8u);
  EXPECT_EQ(s.vantages[1].open, 4u);
  EXPECT_THAT(Events(), IsEmpty());
  ASSERT_TRUE(Until([&] { return Ended() == 2; }));
  EXPECT_EQ(Get().runs[0].started - Get().runs[1].started, std::chrono::minutes(10));
}

TEST_F(MonitoringTest, AnOpeningIsAnEventAndAFindingOnceItIsConfirmed) {
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  scans_.Set("out", "10.0.0.9", 22, true);
  NextRun();
  EXPECT_THAT(Events(), IsEmpty());
  Settle();
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  const ExposureEvent& e = events[0].event;
  EXPECT_EQ(e.monitor, "web");
  EXPECT_EQ(e.vantage, "out");
  EXPECT_EQ(e.subject.ToString(), "10.0.0.9:22");
  EXPECT_EQ(e.kind, ChangeKind::kOpened);
  EXPECT_THAT(FindingKeys(),
              ElementsAre("must-not-be-open/no-remote-admin-from-outside/out/10.0.0.9/22"));
  // The probes that confirmed it were kept from the agent that had seen it.
  bool avoided = false;
  for (const ScanRequest& r : scans_.requests())
    avoided |= r.avoid_agents == std::vector<std::string>{"agent-out"};
  EXPECT_TRUE(avoided);
  // Gone again: the event, and the finding is resolved.
  scans_.Set("out", "10.0.0.9", 22, false);
  NextRun();
  Settle();
  EXPECT_EQ(Events().size(), 2u);
  ASSERT_TRUE(Until([&] { return FindingKeys().empty(); }));
  const auto all = Findings(/*resolved=*/true);
  ASSERT_EQ(all.findings.size(), 1u);
  EXPECT_NE(all.findings[0].finding.resolved, WallTime());
}

TEST_F(MonitoringTest, WhatIsNotConfirmedIsTransient) {
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  scans_.Set("out", "10.0.0.9", 22, true);
  NextRun();
  scans_.Set("out", "10.0.0.9", 22, false);
  Settle();
  EXPECT_THAT(Events(), IsEmpty());
  ASSERT_TRUE(Until(
      [&] { return monitoring_->Metrics()->monitors.at(0).vantages.at("out").transient == 1; }));
}

TEST_F(MonitoringTest, AVantageThatIsCutOffIsOneFindingAndNoClosure) {
  ASSERT_TRUE(Apply(kYaml).ok());
  for (int run = 0; run < 3; ++run) NextRun();
  EXPECT_EQ(Get().vantages[1].chosen.size(), 7u) << "four that are open, three that are closed";
  scans_.At("out").cut_off = true;
  NextRun();
  EXPECT_THAT(FindingKeys(), ElementsAre(HasSubstr("vantage-quarantined")));
  EXPECT_EQ(Get().runs[0].state, RunState::kPartial);
  EXPECT_EQ(Get().vantages[1].canaries, CanaryState::kQuarantined);
  EXPECT_EQ(Get().vantages[1].open, 4u);
  Settle();
  EXPECT_THAT(Events(), IsEmpty());
  scans_.At("out").cut_off = false;
  NextRun();
  EXPECT_THAT(FindingKeys(), IsEmpty());
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_F(MonitoringTest, AProxyThatAnswersEverythingIsNoOpening) {
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  scans_.At("out").answers_all = true;
  NextRun();
  Settle();
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_EQ(Get().open_findings, 16u) << "a finding a host, however many ports";
}

TEST_F(MonitoringTest, AVantageWithoutAgentClosesNothing) {
  ASSERT_TRUE(Apply(kYaml).ok());
  NextRun();
  scans_.At("out").no_agent = true;
  NextRun();
  EXPECT_EQ(Get().runs[0].state, RunState::kPartial);
  EXPECT_THAT(Get().runs[0].message, HasSubstr("out"));
  EXPECT_EQ(Get().vantages[1].open, 4u);
  Settle();
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_F(MonitoringTest, NamesAreFollowedNotTheirAddresses) {
  names_.Set("www.example", {"10.0.0.1"});
  ASSERT_TRUE(Apply(With(kYaml, "10.0.0.0/28", "www.example")).ok());
  NextRun();
  EXPECT_THAT(FindingKeys(), IsEmpty());
  const auto page = Exposure();
  ASSERT_EQ(page.rows.size(), 2u);
  EXPECT_EQ(page.rows[0].subject.ToString(), "www.example:22");
  names_.Set("www.example", {"10.0.0.2"});
  NextRun();
  Settle();
  EXPECT_THAT(Events(), IsEmpty()) << "another machine behind the name is no change";
  scans_.Set("in", "10.0.0.2", 22, false);
  NextRun();
  Settle();
  ASSERT_EQ(Events().size(), 1u);
  EXPECT_EQ(Events()[0].event.subject.ToString(), "www.example:22");
}

TEST_F(MonitoringTest, AScanThatCannotBeMadeIsAFailedRunThatSaysWhy) {
  ASSERT_TRUE(Apply(With(kYaml, "targets: [10.0.0.0/28]",
                         "targets: [10.0.0.0/28]\n  exclude: [never.example]"))
                  .ok());
  NextRun();
  EXPECT_EQ(Get().runs[0].state, RunState::kFailed);
  EXPECT_THAT(Get().runs[0].message, HasSubstr("never.example"));
  EXPECT_EQ(Get().plan.failures_in_row, 1u);
}

TEST_F(MonitoringTest, WaitsForACoordinatorThatCannotTakeScans) {
  ASSERT_TRUE(Apply(kYaml).ok());
  scans_.FailNext(5);
  NextRun();
  EXPECT_EQ(Get().runs[0].state, RunState::kComplete) << Get().runs[0].message;
}

TEST_F(MonitoringTest, PausedMonitorsDoNotRun) {
  ASSERT_TRUE(Apply(kYaml).ok());
  Waiter<MonitorStatus> w;
  monitoring_->Pause("web", false, w.done());
  EXPECT_TRUE(w.Wait()->paused);
  clock_.Advance(std::chrono::hours(2));
  Barrier();
  Restart();
  Barrier();
  EXPECT_THAT(Get().runs, IsEmpty());
  Waiter<MonitorStatus> again;
  monitoring_->Pause("web", true, again.done());
  EXPECT_FALSE(again.Wait()->paused);
  ASSERT_TRUE(Until([&] { return Ended() == 1; }));
}

TEST_F(MonitoringTest, WhatIsExcludedIsNotProbedUnderWhateverName) {
  names_.Set("www.example", {"10.0.0.1"});
  ASSERT_TRUE(
      Apply(With(kYaml, "targets: [10.0.0.0/28]", "targets: [www.example]\n  exclude: [10.0.0.2]"))
          .ok());
  NextRun();
  scans_.Set("out", "10.0.0.1", 30, true);
  NextRun();
  // Before the change is confirmed, the name leads to what is excluded, then to a place out of
  // scope.
  names_.Set("www.example", {"10.0.0.2", "8.8.8.8"});
  Settle();
  EXPECT_THAT(Events(), IsEmpty());
  for (const ScanRequest& r : scans_.requests()) {
    EXPECT_THAT(r.exclude, ElementsAre("10.0.0.2")) << r.name;
    EXPECT_THAT(r.targets, ::testing::Not(::testing::Contains(HasSubstr("8.8.8.8"))));
  }
  NextRun();
  EXPECT_EQ(Get().runs[0].state, RunState::kFailed) << "nothing is left to probe";
}

TEST_F(MonitoringTest, ARestartDoesNotLiftAQuarantine) {
  ASSERT_TRUE(Apply(kYaml).ok());
  for (int run = 0; run < 3; ++run) NextRun();
  scans_.At("out").cut_off = true;
  Waiter<MonitorStatus> w;
  monitoring_->RunNow("web", w.done());
  ASSERT_TRUE(w.Wait().ok());
  // It sees again after the restart, and has been blind in the middle of the run.
  ASSERT_TRUE(Until([&] { return Get().vantages[1].canaries == CanaryState::kQuarantined; },
                    std::chrono::milliseconds(50)));
  scans_.At("out").cut_off = false;
  Restart();
  ASSERT_TRUE(Until([&] { return Ended() == 4; }));
  Settle();
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_EQ(Get().vantages[1].open, 4u);
}

// ---- lives ----

TEST_F(MonitoringTest, ARunThatWasUnderWayIsEndedByTheNextLife) {
  ASSERT_TRUE(Apply(kYaml).ok());
  Waiter<MonitorStatus> w;
  monitoring_->RunNow("web", w.done());
  ASSERT_TRUE(w.Wait().ok());
  Restart();
  ASSERT_TRUE(Until([&] { return Ended() == 1; }));
  EXPECT_EQ(Get().runs.size(), 1u);
  size_t runs = 0;
  for (const ScanRequest& r : scans_.requests()) runs += r.name == "monitor web run 1" ? 1 : 0;
  EXPECT_EQ(runs, 1u) << "the same scan, not another one";
}

}  // namespace
}  // namespace portolan
