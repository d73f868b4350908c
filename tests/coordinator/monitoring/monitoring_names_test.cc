// What a monitor makes of names that lead nowhere, and of a resolver that is down.
#include "tests/coordinator/monitoring/monitoring_fixture.h"

namespace portolan {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const char* const kNotLookedUp = "name-not-looked-up/name-not-looked-up///";

// A name whose port must be open, two others, and addresses.
class MonitoringNamesTest : public MonitoringTest {
 protected:
  std::string Yaml() {
    return With(kYaml, "targets: [10.0.0.0/28]",
                "targets: [10.0.0.0/28, www.example, api.example, db.example]") +
           R"(  expectations:
    - {name: www-is-up, action: must-be-open, targets: [WWW.Example.], ports: 80, severity: critical, owner: web}
    - {name: api-is-up, action: must-be-open, targets: [api.example], ports: "80,22", severity: low, role: inside}
)";
  }
  void SetUp() override {
    MonitoringTest::SetUp();
    names_.Set("www.example", {"10.0.0.1"});
    names_.Set("api.example", {"10.0.0.2"});
    names_.Set("db.example", {"10.0.0.3"});
    ASSERT_TRUE(Apply(Yaml()).ok());
    NextRun();
    ASSERT_EQ(Get().runs[0].state, RunState::kComplete) << Get().runs[0].message;
    ASSERT_THAT(FindingKeys(), IsEmpty());
  }
  Finding Find(const std::string& key) {
    for (const MonitorFinding& f : Findings().findings) {
      if (f.finding.key.ToString() == key) return f.finding;
    }
    ADD_FAILURE() << "no finding " << key;
    return {};
  }
  VantageSight SightOf(const std::string& target, uint16_t port) {
    ExposureQuery query;
    query.targets = {target};
    query.ports = std::to_string(port);
    const ExposurePage page = Exposure(query);
    EXPECT_EQ(page.rows.size(), 1u) << target;
    return page.rows.empty() ? VantageSight{} : page.rows[0].sights[0];
  }
};

TEST_F(MonitoringNamesTest, AResolverThatIsDownIsOneFindingAndNothingIsFine) {
  const WallTime success = Get().plan.last_success;
  names_.StopServer("no answer from 198.18.0.1 within 5 s");
  NextRun();
  const MonitorStatus s = Get();
  EXPECT_EQ(s.runs[0].state, RunState::kPartial);
  EXPECT_THAT(s.runs[0].message, HasSubstr("3 names with nothing to look at"));
  ASSERT_EQ(s.runs[0].unresolved.size(), 3u);
  EXPECT_EQ(TroubleText(s.runs[0].unresolved[0].trouble),
            "could not ask: no answer from 198.18.0.1 within 5 s");
  EXPECT_EQ(s.plan.last_success, success) << "not a complete run";
  EXPECT_EQ(s.unresolved_names, 3u);
  // One cause, one finding, as severe as the worst of the ports behind it.
  EXPECT_THAT(FindingKeys(), ElementsAre(kNotLookedUp));
  const Finding f = Find(kNotLookedUp);
  EXPECT_EQ(f.severity, Severity::kCritical);
  EXPECT_EQ(f.owner, "web");
  EXPECT_THAT(f.text, AllOf(HasSubstr("3 names could not be looked up"), HasSubstr("198.18.0.1"),
                            HasSubstr("3 of them must be open")));
  EXPECT_THAT(f.remedy, AllOf(HasSubstr("name servers"), Not(HasSubstr("remove"))));
  // Nothing is closed, and nothing is known.
  Settle();
  EXPECT_THAT(Events(), IsEmpty());
  const VantageSight sight = SightOf("www.example", 80);
  EXPECT_FALSE(sight.outcome.has_value());
  EXPECT_EQ(sight.expected, Expected::kUnknown);
  ASSERT_TRUE(sight.unknown.has_value());
  EXPECT_EQ(sight.unknown->cause, UnknownCause::kNameNotLookedUp);
  EXPECT_TRUE(SightOf("10.0.0.1", 80).outcome.has_value()) << "addresses are looked at";
  ASSERT_TRUE(Until([&] {
    const auto all = monitoring_->Metrics();
    return !all->monitors.empty() && all->monitors[0].unresolved_names[2] == 3;
  }));
  const MonitorMetrics m = monitoring_->Metrics()->monitors[0];
  const auto cause = static_cast<size_t>(UnknownCause::kNameNotLookedUp);
  EXPECT_EQ(m.vantages.at("in").unknown_expected[cause], 3u);
  EXPECT_EQ(m.vantages.at("out").unknown_expected[cause], 1u);
  // It is the same finding after a restart, and gone when the names are back.
  Restart();
  EXPECT_THAT(FindingKeys(), ElementsAre(kNotLookedUp));
  EXPECT_EQ(SightOf("www.example", 80).unknown->cause, UnknownCause::kNameNotLookedUp);
  names_.StartServer();
  NextRun();
  Settle();
  EXPECT_EQ(Get().runs[0].state, RunState::kComplete) << Get().runs[0].message;
  EXPECT_THAT(FindingKeys(), IsEmpty());
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_EQ(SightOf("www.example", 80).expected, Expected::kYes);
}

TEST_F(MonitoringNamesTest, ANameThatIsGoneIsAFindingOfItsOwn) {
  names_.Remove("www.example");
  names_.SetProblem("db.example", LookupProblem::kNoAddress);
  NextRun();
  EXPECT_EQ(Get().runs[0].state, RunState::kPartial);
  EXPECT_THAT(FindingKeys(), ElementsAre("name-not-found/name-not-found//db.example/",
                                         "name-not-found/name-not-found//www.example/"));
  const Finding www = Find("name-not-found/name-not-found//www.example/");
  EXPECT_EQ(www.severity, Severity::kCritical);
  EXPECT_THAT(www.text, AllOf(HasSubstr("www.example does not exist"),
                              HasSubstr("one of them must be open")));
  const Finding db = Find("name-not-found/name-not-found//db.example/");
  EXPECT_EQ(db.severity, Severity::kMedium) << "no rule is behind it";
  EXPECT_THAT(db.text, HasSubstr("db.example has no address"));
  EXPECT_EQ(SightOf("www.example", 80).unknown->text, "the name www.example does not exist");
  Settle();
  EXPECT_THAT(Events(), IsEmpty());
  // Explained under any spelling.
  const Explanation e = Explain("WWW.Example.", 80);
  ASSERT_EQ(e.rows.size(), 1u);
  EXPECT_EQ(e.subject.ToString(), "www.example:80");
  EXPECT_EQ(e.rows[0].sights[0].unknown->text, "the name www.example does not exist");
  EXPECT_EQ(e.findings.size(), 1u);
  names_.Set("www.example", {"10.0.0.1"});
  NextRun();
  EXPECT_THAT(FindingKeys(), ElementsAre("name-not-found/name-not-found//db.example/"));
}

TEST_F(MonitoringNamesTest, OneThatBecomesWorseIsToldAgain) {
  names_.SetProblem("db.example", LookupProblem::kCouldNotAsk);
  NextRun();
  const Finding before = Find(kNotLookedUp);
  EXPECT_EQ(before.severity, Severity::kMedium);
  names_.StopServer();
  NextRun();
  const Finding after = Find(kNotLookedUp);
  EXPECT_EQ(after.severity, Severity::kCritical);
  EXPECT_GT(after.found, before.found);
  EXPECT_EQ(after.since, before.since);
}

TEST_F(MonitoringNamesTest, ARunWithNothingButNamesThatLeadNowhereIsNotComplete) {
  names_.StopServer();
  ASSERT_TRUE(Apply(With(With(kYaml, "name: web", "name: names"), "10.0.0.0/28",
                         "one.example, two.example"))
                  .ok());
  NextRun("names");
  const MonitorStatus s = Get("names");
  EXPECT_EQ(s.runs[0].state, RunState::kPartial);
  EXPECT_EQ(s.runs[0].scan, "");
  EXPECT_EQ(s.plan.last_success, WallTime());
  for (const VantageStatus& v : s.vantages) EXPECT_EQ(v.last_complete, WallTime());
  // It is to look at them, and says so.
  EXPECT_THAT(Explain("one.example", 80).rows[0].sights[0].unknown->text,
              HasSubstr("the name one.example could not be looked up"));
  EXPECT_THAT(Explain("one.example", 8080).rows, IsEmpty()) << "not a port of it";
}

TEST_F(MonitoringNamesTest, AnExclusionThatCannotBeLookedUpProbesNothingAndSaysSo) {
  names_.Set("spare.example", {"10.0.0.4"});
  ASSERT_TRUE(
      Apply(With(Yaml(), "  ports: 1-100", "  exclude: [spare.example]\n  ports: 1-100")).ok());
  NextRun();
  ASSERT_EQ(Get().runs[0].state, RunState::kComplete) << Get().runs[0].message;
  const size_t scans = scans_.requests().size();
  names_.SetProblem("spare.example", LookupProblem::kCouldNotAsk, "SERVFAIL from 198.18.0.1");
  NextRun();
  EXPECT_EQ(Get().runs[0].state, RunState::kFailed);
  EXPECT_THAT(Get().runs[0].message,
              AllOf(HasSubstr("spare.example"), HasSubstr("could not ask: SERVFAIL")));
  EXPECT_EQ(scans_.requests().size(), scans);
  EXPECT_EQ(Find(kNotLookedUp).severity, Severity::kCritical);
  EXPECT_THAT(Find(kNotLookedUp).text, HasSubstr("nothing is probed"));
  names_.Set("spare.example", {"10.0.0.4"});
  NextRun();
  EXPECT_THAT(FindingKeys(), IsEmpty());
}

TEST_F(MonitoringNamesTest, ANameThatLeadsOutOfScopeIsNotCalledGone) {
  names_.Set("www.example", {"8.8.8.8"});
  NextRun();
  EXPECT_EQ(Get().runs[0].state, RunState::kPartial);
  EXPECT_THAT(FindingKeys(), ElementsAre("name-out-of-scope/name-out-of-scope//www.example/"));
  EXPECT_THAT(Findings().findings[0].finding.text, HasSubstr("8.8.8.8"));
}

TEST_F(MonitoringNamesTest, SlowNamesHoldUpNoOtherMonitor) {
  ASSERT_TRUE(Apply(With(kYaml, "name: web", "name: numbers")).ok());
  names_.Hold();
  Waiter<MonitorStatus> slow;
  monitoring_->RunNow("web", slow.done());
  ASSERT_TRUE(slow.Wait().ok());
  names_.WaitForStarted(2);
  NextRun("numbers");
  EXPECT_EQ(Get("numbers").runs[0].state, RunState::kComplete);
  EXPECT_EQ(Get().runs[0].state, RunState::kRunning);
  // Nor the end of the program, which asks again in its next life.
  Restart();
  names_.Release();
  ASSERT_TRUE(Until([&] { return Ended() == 2; }));
  EXPECT_EQ(Get().runs[0].state, RunState::kComplete);
}

TEST_F(MonitoringNamesTest, TwoSpellingsAreOneTarget) {
  ASSERT_TRUE(Apply(With(Yaml(), "www.example, api", "www.example, WWW.EXAMPLE., api")).ok());
  NextRun();
  EXPECT_EQ(SightOf("Www.Example", 80).expected, Expected::kYes);
  size_t rows = 0;
  for (const ExposureRow& row : Exposure().rows)
    rows += row.subject.target.ToString() == "www.example";
  EXPECT_EQ(rows, 2u) << "ports 22 and 80";
}

// ---- what was before, and what is not open ----

TEST_F(MonitoringNamesTest, AnEventSaysWhatWasBefore) {
  scans_.Set("out", "10.0.0.7", 80, true);
  scans_.Set("in", "10.0.0.1", 53, true);  // behind the name, too
  NextRun();
  Settle();
  const auto events = Events();
  ASSERT_EQ(events.size(), 3u);
  for (const StoredEvent& e : events) {
    EXPECT_EQ(SymbolText(e.event.from), "closed/conn-refused") << e.event.subject.ToString();
    EXPECT_EQ(SymbolText(e.event.to), "open/syn-ack");
  }
}

TEST_F(MonitoringNamesTest, AnEventDoesNotSayWhatIsNoLongerKept) {
  const std::string scan = Get().runs[0].scan;
  Restart();  // what it knows is stored
  scans_.Forget(scan);
  scans_.Set("out", "10.0.0.7", 80, true);
  NextRun();
  Settle();
  ASSERT_EQ(Events().size(), 1u);
  EXPECT_EQ(SymbolText(Events()[0].event.from), "unknown");
}

TEST_F(MonitoringNamesTest, APortThatIsNotOpenIsExplainedFromTheLastRun) {
  for (const char* target : {"10.0.0.2", "db.example"}) {
    const Explanation explained = Explain(target, 50);
    for (const VantageSight& s : explained.rows.at(0).sights) {
      ASSERT_TRUE(s.outcome.has_value()) << target << " " << s.unknown->text;
      EXPECT_EQ(SymbolText(s.outcome->symbol), "closed/conn-refused");
      EXPECT_FALSE(s.unknown.has_value());
    }
    EXPECT_EQ(explained.rows[0].comparison.exposure, ExposureClass::kNotOpen);
  }
  Restart();
  EXPECT_TRUE(Explain("10.0.0.2", 50).rows.at(0).sights[0].outcome.has_value());
  scans_.Forget(Get().runs[0].scan);
  const VantageSight gone = Explain("10.0.0.2", 50).rows.at(0).sights[0];
  EXPECT_FALSE(gone.outcome.has_value());
  EXPECT_THAT(gone.unknown->text,
              HasSubstr("the results of run 1, the last complete one, are no longer kept"));
}

TEST_F(MonitoringNamesTest, WhatIsNotKnownIsExplainedByItsOwnCause) {
  scans_.At("out").no_agent = true;
  ASSERT_TRUE(Apply(With(kYaml, "name: web", "name: half")).ok());
  NextRun("half");
  Waiter<Explanation> w;
  monitoring_->Explain("10.0.0.2", 50, "half", w.done());
  EXPECT_EQ(w.Wait()->rows.at(0).sights[1].unknown->text,
            "no run from there has been complete yet");
  scans_.At("out").no_agent = false;
  scans_.At("out").answers_all = true;
  NextRun();
  EXPECT_THAT(Explain("10.0.0.2", 50).rows.at(1).sights[1].unknown->text,
              HasSubstr("answers on every port"));
}

}  // namespace
}  // namespace portolan
