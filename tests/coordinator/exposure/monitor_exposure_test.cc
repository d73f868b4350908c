#include "coordinator/exposure/monitor_exposure.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

using std::chrono::seconds;

const Subject kSsh = Sub("10.0.0.1", 22), kWeb = Sub("10.0.0.1", 80), kDb = Sub("10.0.0.2", 3306);
const CanaryVerdict kGood{CanaryState::kHealthy, "fine"};
const CanaryVerdict kBad{CanaryState::kQuarantined, "3 of 3"};

MonitorExposureConfig Config() {
  MonitorExposureConfig c;
  c.monitor = "web";
  c.vantages = {{"in", VantageRole::kInside}, {"out", VantageRole::kOutside}};
  c.confirmation.max_active = 100;
  c.canaries.stable_runs = 4;
  MonitorSpec spec;
  spec.vantages = {{"in", VantageRole::kInside}, {"out", VantageRole::kOutside}};
  for (const ExpectationProfile& p : ExpectationProfiles()) spec.profiles.push_back(p.rule.name);
  std::vector<ExposureRule> rules = ExpectationSet::Compile(spec)->rules();
  ExposureRule must;
  must.id = "web-is-up";
  must.names = {"www.example"};
  must.addresses = Cover("10.0.0.1", "1").blocks()[0].addresses;
  must.ports = *ParsePorts("80");
  must.action = ExpectAction::kMustBeOpen;
  must.severity = Severity::kCritical;
  must.side = VantageRole::kOutside;
  rules.insert(rules.begin(), must);
  c.expectations = *ExpectationSet::Make(rules);
  return c;
}

class MonitorExposureTest : public testing::Test {
 protected:
  MonitorExposureTest() {
    in_.covered = out_.covered = Cover("10.0.0.0/28", "1-4000", {"www.example"});
    out_.vantage = "out";
    for (RunMaker* m : {&in_, &out_}) {
      m->states = {{kSsh, kOpenSym}, {kWeb, kOpenSym}, {Sub("www.example", 80), kOpenSym}};
    }
    out_.states[kSsh] = kSilentSym;
  }
  ExposureStep Run(bool in_complete = true, bool out_complete = true) {
    now_ += seconds(3600);
    in_.when = out_.when = now_;
    return all_.OnRun({in_.Make(in_complete), out_.Make(out_complete)}, now_);
  }
  // Answers all probes that are out as the makers say, until none is; what came of it.
  ExposureStep Confirm() {
    ExposureStep all;
    for (int i = 0; i < 10; ++i) {
      for (const ConfirmationProbe& p : all_.confirmations().Outstanding()) {
        now_ = std::max(now_, p.not_before);
        const RunMaker& m = p.key.vantage == "in" ? in_ : out_;
        const auto it = m.states.find(p.key.subject);
        const Symbol s = it == m.states.end() ? kClosedSym : it->second;
        all.confirmation.Add(
            all_.OnAnswer({p.key, p.number, {s, p.address, 1, now_, "agent-2"}}, now_)
                .confirmation);
      }
    }
    const ExposureStep tick = all_.Tick(now_);
    all.confirmation.Add(tick.confirmation);
    all.findings.Add(tick.findings);
    return all;
  }
  std::vector<std::string> Findings() const {
    std::vector<std::string> keys;
    for (const auto& [key, f] : all_.findings().state().open) keys.push_back(key.ToString());
    return keys;
  }
  using Texts = std::vector<std::string>;

  RunMaker in_, out_;
  WallTime now_ = At(1'000'000);
  MonitorExposure all_{Config()};
};

TEST_F(MonitorExposureTest, AFirstRunIsBaselineAndExpectationsApplyAtOnce) {
  out_.states[kSsh] = kOpenSym;
  const ExposureStep step = Run();
  EXPECT_TRUE(step.confirmation.probes.empty());
  EXPECT_EQ(Findings(), Texts{"must-not-be-open/no-remote-admin-from-outside/out/10.0.0.1/22"});
  ASSERT_EQ(step.findings.found.size(), 1u);
  EXPECT_NE(step.findings.found[0].text.find("22 (by port number ssh"), std::string::npos);
  EXPECT_EQ(step.findings.found[0].since, now_);
  EXPECT_EQ(all_.Compare(kWeb).exposure, ExposureClass::kOpenEverywhere);
}

TEST_F(MonitorExposureTest, AnOwnRuleOfAServiceClassSaysThatItJudgesByPortNumber) {
  MonitorSpec spec;
  spec.vantages = {{"in", VantageRole::kInside}, {"out", VantageRole::kOutside}};
  for (const char* service : {"remote-admin", "database"}) {
    ExpectationRule rule;
    rule.name = std::string("own-") + service;
    rule.services = {service};
    if (rule.name == "own-database") rule.reason = "the data stays here";
    spec.expectations.push_back(rule);
  }
  MonitorExposureConfig config = Config();
  config.expectations = *ExpectationSet::Compile(spec);
  MonitorExposure own{config};
  in_.states[kDb] = kOpenSym;
  in_.when = out_.when = now_;
  const ExposureStep step = own.OnRun({in_.Make(true), out_.Make(true)}, now_);
  ASSERT_EQ(step.findings.found.size(), 2u);
  for (const Finding& f : step.findings.found) {
    const bool database = f.key.rule == "own-database";
    EXPECT_NE(f.text.find(database ? "must not be: by port number database; the data stays here"
                                   : "must not be: by port number remote-admin"),
              std::string::npos)
        << f.text;
    EXPECT_EQ(f.remedy.find("if it is "), 0u) << f.remedy;
  }
}

TEST_F(MonitorExposureTest, AConfirmedOpeningIsOneEventAndItsFinding) {
  Run();
  out_.states[kDb] = kOpenSym;
  in_.states[kDb] = kOpenSym;
  const ExposureStep run = Run();
  EXPECT_EQ(run.confirmation.probes.size(), 2u);
  EXPECT_TRUE(run.confirmation.events.empty());
  EXPECT_TRUE(Findings().empty());
  const ExposureStep step = Confirm();
  ASSERT_EQ(step.confirmation.events.size(), 2u);
  EXPECT_EQ(step.confirmation.events[0].trail[1].what, TrailStep::What::kOtherVantage);
  EXPECT_EQ(step.confirmation.events[0].trail[1].symbol, kOpenSym);
  EXPECT_EQ(Findings(), (Texts{"must-not-be-open/no-clear-text/in/10.0.0.2/3306",
                               "must-not-be-open/no-databases-from-outside/out/10.0.0.2/3306"}));
  EXPECT_EQ(all_.Compare(kDb).exposure, ExposureClass::kOpenEverywhere);
  EXPECT_TRUE(Run().confirmation.probes.empty());
}

TEST_F(MonitorExposureTest, ComparesFromWhatEachVantageSaw) {
  Run();
  const Comparison c = all_.Compare(kSsh);
  EXPECT_EQ(c.exposure, ExposureClass::kOpenOnlyInside);
  EXPECT_EQ(c.barrier, ExposureBarrier::kNetwork);
  EXPECT_EQ(all_.Compare(Sub("10.0.0.9", 9)).exposure, ExposureClass::kNotComparable);
  ASSERT_TRUE(all_.OnVerdict("out", kBad, CanaryPhase::kBefore, now_).ok());
  EXPECT_EQ(all_.Compare(kWeb).exposure, ExposureClass::kNotComparable);
  EXPECT_EQ(all_.Compare(kWeb).open, 1u);
}

TEST_F(MonitorExposureTest, AMissingPortIsAFindingOnlyWhenReallyObserved) {
  out_.states[kWeb] = kOwedSym;  // no outcome
  Run();
  EXPECT_TRUE(Findings().empty());
  out_.states[kWeb] = kSilentSym;
  Run(true, false);  // not complete
  EXPECT_TRUE(Findings().empty());
  Run();
  EXPECT_EQ(Findings(), Texts{"must-be-open/web-is-up/out/10.0.0.1/80"});
  const Finding& f = all_.findings().state().open.begin()->second;
  EXPECT_EQ(f.severity, Severity::kCritical);
  EXPECT_NE(f.text.find("filtered/no-response"), std::string::npos);
  const WallTime since = f.since;
  out_.states[kWeb] = kOwedSym;  // a lost probe says nothing new
  now_ += seconds(3600);
  all_.OnRun({out_.Make()}, now_);
  EXPECT_EQ(all_.findings().state().open.begin()->second.since, since);
  out_.states[kWeb] = kOpenSym;
  Run();
  EXPECT_EQ(Findings().size(), 1u);  // until it is confirmed
  EXPECT_EQ(Confirm().findings.resolved.size(), 1u);
  EXPECT_TRUE(Findings().empty());
}

TEST_F(MonitorExposureTest, AQuarantinedVantageIsOneFindingAndItsRunChangesNothing) {
  Run();
  ASSERT_TRUE(all_.OnVerdict("out", kGood, CanaryPhase::kBefore, now_).ok());
  const auto step = all_.OnVerdict("out", kBad, CanaryPhase::kDuring, now_);
  ASSERT_EQ(step->findings.found.size(), 1u);
  EXPECT_EQ(Findings(), Texts{"vantage-quarantined/vantage-quarantined/out//"});
  const auto before = all_.baselines().at("out");
  out_.states.clear();
  out_.other = kSilentSym;
  // Healthy again at the end: what was seen in between is not believed.
  EXPECT_EQ(all_.OnVerdict("out", kGood, CanaryPhase::kAfter, now_)->findings.resolved.size(), 1u);
  const ExposureStep run = Run();
  EXPECT_EQ(run.runs.at("out").use, RunUse::kDiscarded);
  EXPECT_EQ(run.runs.at("in").use, RunUse::kFolded);
  EXPECT_TRUE(run.confirmation.probes.empty());
  EXPECT_EQ(all_.baselines().at("out"), before);
  ASSERT_TRUE(all_.OnVerdict("out", kGood, CanaryPhase::kBefore, now_).ok());
  EXPECT_EQ(Run().runs.at("out").use, RunUse::kFolded);
}

TEST_F(MonitorExposureTest, QuarantineEndsConfirmationsWithoutAWord) {
  Run();
  out_.states[kDb] = kOpenSym;
  Run();
  const auto probe = all_.confirmations().Outstanding().at(0);
  ASSERT_TRUE(all_.OnVerdict("out", kBad, CanaryPhase::kBefore, now_).ok());
  EXPECT_TRUE(all_.confirmations().Outstanding().empty());
  EXPECT_EQ(all_.OnAnswer({probe.key, 1, {kOpenSym, {}, 0, now_, ""}}, now_), ExposureStep());
  ASSERT_TRUE(all_.OnVerdict("out", kGood, CanaryPhase::kBefore, now_).ok());
  Run();
  EXPECT_EQ(Confirm().confirmation.events.size(), 1u);  // the next run found it again
}

TEST_F(MonitorExposureTest, AProxyIsOneFinding) {
  Run();
  for (uint16_t port = 1; port <= 4000; ++port) out_.states[Sub("10.0.0.1", port)] = kResetSym;
  now_ += seconds(3600);
  VantageRun run = out_.Make();
  run.folded[kSsh.target] = HostAnswers::kSynProxy;
  const ExposureStep step = all_.OnRun({run}, now_);
  EXPECT_TRUE(step.confirmation.probes.empty());
  EXPECT_EQ(Findings(), Texts{"syn-proxy/syn-proxy/out/10.0.0.1/"});
  EXPECT_EQ(all_.Compare(kWeb).exposure, ExposureClass::kNotComparable);
}

TEST_F(MonitorExposureTest, AMassChangeIsOneFindingUntilItIsAccepted) {
  Run();
  for (uint16_t port = 1; port <= 51; ++port) {
    in_.states[Sub("10.0.0.5", port)] = kOpenSym;
    in_.states[Sub("10.0.0.6", port)] = kOpenSym;
  }
  const ExposureStep step = Run();
  EXPECT_EQ(step.runs.at("in").candidates, 102u);
  EXPECT_TRUE(step.confirmation.probes.empty());
  EXPECT_EQ(Findings(), Texts{"mass-change/mass-change/in//"});
  EXPECT_NE(step.findings.found[0].text.find("102 opened; for example 10.0.0.5:1"),
            std::string::npos);
  Run();
  EXPECT_EQ(Findings().size(), 1u);
  ASSERT_TRUE(all_.AcceptNextRun("in").ok());
  const ExposureStep accepted = Run();
  EXPECT_EQ(accepted.runs.at("in").added.size(), 102u);
  EXPECT_EQ(accepted.findings.resolved.size(), 1u);
  EXPECT_TRUE(accepted.confirmation.probes.empty());
  EXPECT_FALSE(all_.AcceptNextRun("no-such").ok());
}

TEST_F(MonitorExposureTest, ConfirmationThatIsFullIsAMassChangeToo) {
  Run();
  for (uint16_t port = 1; port <= 60; ++port) {
    in_.states[Sub("10.0.0.5", port)] = kOpenSym;
    out_.states[Sub("10.0.0.5", port)] = kOpenSym;
  }
  const ExposureStep step = Run();
  EXPECT_EQ(step.confirmation.probes.size(), 60u);  // of "in"
  EXPECT_EQ(Findings(), Texts{"mass-change/mass-change/out//"});
  const WallTime since = all_.baselines().at("out").mass->since;
  Confirm();
  Run();
  EXPECT_EQ(all_.confirmations().Outstanding().size(), 60u);  // now "out" has its turn
  EXPECT_FALSE(all_.baselines().at("out").mass.has_value());
  EXPECT_LT(since, now_);
}

TEST_F(MonitorExposureTest, ANameWithoutAddressIsOneFindingAndNoClosure) {
  Run();
  now_ += seconds(3600);
  std::vector<VantageRun> runs = {in_.Make(), out_.Make()};
  for (VantageRun& r : runs) {
    r.unresolved = {"www.example"};
    std::erase_if(r.open, [](const OpenSighting& s) { return s.subject.target.is_name(); });
    r.lookup = [](const Subject& s) -> std::optional<SubjectOutcome> {
      if (s.target.is_name()) return std::nullopt;
      return SubjectOutcome{kClosedSym, *s.target.address(), 0, {}, ""};
    };
  }
  const ExposureStep names =
      all_.OnNames({{"www.example", {NameProblem::kNoSuchName, "", false, {}}}}, true, now_);
  ASSERT_EQ(names.findings.found.size(), 1u);
  EXPECT_EQ(names.findings.found[0].severity, Severity::kCritical) << "of the rule behind it";
  const ExposureStep step = all_.OnRun(runs, now_);
  EXPECT_TRUE(step.confirmation.probes.empty());
  EXPECT_EQ(Findings(), Texts{"name-not-found/name-not-found//www.example/"});
  const Subject www = Sub("www.example", 80);
  for (const VantageView& view : all_.ViewsOf(www)) EXPECT_FALSE(view.outcome.has_value());
  EXPECT_EQ(all_.WhyUnknown(www, "in")->cause, UnknownCause::kNameNotFound);
  EXPECT_EQ(all_.baselines().at("in").open.count(www), 1u) << "it is held against it later";
  const ExposureStep back = all_.OnNames({}, true, now_);
  EXPECT_EQ(back.findings.resolved.size(), 1u);
  EXPECT_EQ(all_.WhyUnknown(www, "in")->cause, UnknownCause::kNoOutcome)
      << "until a run has looked";
  Run();
  EXPECT_FALSE(all_.WhyUnknown(www, "in").has_value());
}

TEST_F(MonitorExposureTest, NamesThatCouldNotBeLookedUpAreOneFindingUntilARunHasThemAll) {
  Run();
  NameTroubles down;
  for (const char* name : {"a.example", "b.example", "www.example"})
    down[name] = {NameProblem::kCouldNotAsk, "no answer", false, {}};
  all_.OnNames(down, false, now_);
  EXPECT_EQ(Findings(), Texts{"name-not-looked-up/name-not-looked-up///"});
  // A run that begins again knows of some of them; it resolves nothing before its end.
  EXPECT_EQ(all_.OnNames({}, false, now_ + seconds(1)), ExposureStep());
  const MonitorExposure::State state = all_.Snapshot();
  EXPECT_EQ(state.names.size(), 3u);
  EXPECT_EQ(state.names.at("a.example").since, now_);
  down.erase("www.example");
  const ExposureStep step = all_.OnNames(down, true, now_ + seconds(2));
  EXPECT_EQ(step, ExposureStep()) << "still one finding";
  EXPECT_EQ(all_.findings().state().open.begin()->second.severity, Severity::kMedium);
}

TEST_F(MonitorExposureTest, AnOpeningSaysWhatTheRunBeforeSaw) {
  Run();
  now_ += seconds(3600);
  in_.when = now_;
  const Subject fresh = Sub("10.0.0.3", 23), again = Sub("10.0.0.3", 24), silent = kDb;
  for (const Subject& s : {fresh, again, silent}) in_.states[s] = kOpenSym;
  VantageRun run = in_.Make();
  run.previous = [&](const Subject& s) -> std::optional<SubjectOutcome> {
    if (s == fresh) return std::nullopt;
    return SubjectOutcome{s == again ? kOpenSym : kSilentSym, *s.target.address(), 0, {}, ""};
  };
  std::map<Subject, Symbol> from;
  all_.OnRun({std::move(run)}, now_);
  for (const auto& [key, pending] : all_.confirmations().state().pending)
    from[key.subject] = pending.candidate.from;
  EXPECT_EQ(from.at(silent), kSilentSym);
  EXPECT_EQ(from.at(fresh), Symbol()) << "not known";
  EXPECT_EQ(from.at(again), Symbol()) << "seen open there, and not confirmed";
}

TEST_F(MonitorExposureTest, AnExpiredRuleIsAFindingAndAppliesNoMore) {
  MonitorExposureConfig c = Config();
  ExposureRule allow;
  allow.id = "ssh-for-now";
  allow.ports = *ParsePorts("22");
  allow.action = ExpectAction::kMayBeOpen;
  allow.expires = now_ + seconds(5000);
  std::vector<ExposureRule> rules = c.expectations.rules();
  rules.insert(rules.begin(), allow);
  c.expectations = *ExpectationSet::Make(rules);
  all_.Configure(c);
  out_.states[kSsh] = kOpenSym;
  Run();
  EXPECT_TRUE(Findings().empty());
  EXPECT_EQ(all_.Tick(now_ + seconds(1)), ExposureStep());
  all_.Tick(now_ + seconds(1400));
  EXPECT_EQ(Findings(), (Texts{"must-not-be-open/no-remote-admin-from-outside/out/10.0.0.1/22",
                               "rule-expired/ssh-for-now///"}));
}

TEST_F(MonitorExposureTest, AVantageThatCannotBeJudgedSaysSo) {
  for (int i = 0; i < 4; ++i) Run();
  EXPECT_TRUE(Findings().empty());
  Run();
  EXPECT_EQ(Findings(), (Texts{"no-canaries/no-canaries/in//", "no-canaries/no-canaries/out//"}));
}

TEST_F(MonitorExposureTest, CanariesAreChosenOnceTheBaselineIsStable) {
  for (int host = 1; host <= 4; ++host) {
    in_.states[Sub(fmt::format("10.0.0.{}", host), 80)] = kOpenSym;
  }
  for (int i = 0; i < 3; ++i) Run();
  EXPECT_TRUE(all_.canaries().at("in").empty());
  Run();
  size_t open = 0, closed = 0;
  for (const Canary& c : all_.canaries().at("in")) ++(c.open ? open : closed);
  EXPECT_EQ(open, 5u);  // four addresses, and the one behind the name
  EXPECT_EQ(closed, 3u);
}

TEST_F(MonitorExposureTest, AVantageThatIsRemovedIsForgottenSilently) {
  Run();
  in_.states.erase(kSsh);
  Run();
  EXPECT_EQ(all_.confirmations().Outstanding().size(), 1u);
  MonitorExposureConfig c = Config();
  c.vantages.erase("in");
  all_.Configure(c);
  EXPECT_TRUE(all_.confirmations().Outstanding().empty());
  EXPECT_EQ(all_.baselines().size(), 1u);
  const ExposureStep step = all_.OnRun({in_.Make()}, now_);
  EXPECT_EQ(step.runs.at("in").use, RunUse::kUnknown);
  EXPECT_FALSE(all_.OnVerdict("in", kGood, CanaryPhase::kBefore, now_).ok());
}

TEST_F(MonitorExposureTest, CandidatesThatLeaveTheCoveredSpaceEndWithoutAWord) {
  Run();
  in_.states[kDb] = kOpenSym;
  Run();
  EXPECT_EQ(all_.confirmations().Outstanding().size(), 1u);
  in_.covered = Cover("10.0.0.1", "1-4000", {"www.example"});
  const ExposureStep step = Run();
  EXPECT_TRUE(all_.confirmations().Outstanding().empty());
  EXPECT_TRUE(step.confirmation.events.empty());
}

}  // namespace
}  // namespace portolan
