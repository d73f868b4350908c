// Random histories: what MonitorExposure tells equals what the slow reference tells, also when it
// is stored and restored in the middle of anything.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/coordinator/exposure/builders.h"
#include "tests/coordinator/exposure/slow_exposure.h"

namespace portolan {
namespace {

using std::chrono::seconds;

const std::vector<std::string> kTargets = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "a.example",
                                           "b.example"};
constexpr uint16_t kPorts = 4;

std::vector<Subject> Universe() {
  std::vector<Subject> all;
  for (const std::string& t : kTargets) {
    for (uint16_t port = 1; port <= kPorts; ++port) all.push_back(Sub(t, port));
  }
  return all;
}

class History {
 public:
  explicit History(uint32_t seed)
      : random_(seed), config_(MakeConfig()), fast_(config_), slow_(Universe(), config_) {
    for (const auto& [name, side] : config_.vantages) {
      for (const Subject& s : Universe()) truth_[name][s] = Any();
    }
    for (const std::string& t : kTargets) targets_.insert(t);
    ports_ = {1, 2, 3};
  }

  void Play(int rounds) {
    for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) {
      Change();
      if (Chance(3)) Reorder();
      Judge(CanaryPhase::kBefore);
      Between();
      Judge(CanaryPhase::kDuring);
      Judge(CanaryPhase::kAfter);
      DoRun();
      for (int n = Number(8); n > 0; --n) Between();
    }
  }
  size_t events = 0, transient = 0, flapping = 0, abandoned = 0, mass = 0, folded = 0;

 private:
  bool Chance(int percent) { return Number(100) < percent; }
  int Number(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  Symbol Any() {
    static const std::vector<Symbol> all = {kOpenSym,   kOpenSym,   kOpenSym,
                                            kResetSym,  kClosedSym, kClosedSym,
                                            kSilentSym, kRejectSym, kNoRouteSym};
    return all[Number(static_cast<int>(all.size()))];
  }

  MonitorExposureConfig MakeConfig() {
    MonitorExposureConfig c;
    c.monitor = "m";
    c.vantages = {{"in", VantageRole::kInside}, {"out", VantageRole::kOutside}};
    if (Chance(50)) c.vantages["out2"] = VantageRole::kOutside;
    c.confirmation.probes = 1 + Number(4);
    c.confirmation.needed = Number(static_cast<int>(c.confirmation.probes) + 1);
    c.confirmation.max_lost = Number(4);
    c.confirmation.flap_changes = 1 + Number(3);
    c.confirmation.flap_window = seconds(3600 * (1 + Number(20)));
    c.confirmation.stable_for = seconds(3600 * (1 + Number(4)));
    c.confirmation.max_active = Chance(50) ? 2 + Number(4) : 1000;
    restless_ = 3 + Number(10);
    ExposureRule must, some, any;
    must.id = "must";
    must.addresses = Cover("10.0.0.1", "1").blocks()[0].addresses;
    must.names = {"a.example"};
    must.ports = *ParsePorts("1-2");
    must.action = ExpectAction::kMustBeOpen;
    must.side = VantageRole::kOutside;
    some.id = "some";
    some.ports = *ParsePorts("2");
    some.action = ExpectAction::kMayBeOpen;
    some.expires = At(1'000'000 + 3600 * 30);
    any.id = "any";
    any.ports = *ParsePorts("2-3");
    c.expectations = *ExpectationSet::Make({must, some, any});
    return c;
  }

  void Change() {
    for (auto& [name, states] : truth_) {
      for (auto& [s, symbol] : states) {
        if (Chance(restless_)) symbol = Any();
      }
    }
  }
  // Another space, or a person's word.
  void Reorder() {
    if (Chance(30)) {
      const std::string v = Chance(50) ? "in" : "out";
      ASSERT_TRUE(fast_.AcceptNextRun(v).ok());
      slow_.AcceptNext(v);
      return;
    }
    const std::string& t = kTargets[Number(static_cast<int>(kTargets.size()))];
    if (targets_.erase(t) == 0) targets_.insert(t);
    const uint16_t port = static_cast<uint16_t>(1 + Number(kPorts));
    if (Chance(50) && ports_.erase(port) == 0) ports_.insert(port);
  }

  void Judge(CanaryPhase phase) {
    for (const auto& [name, side] : config_.vantages) {
      CanaryState state = CanaryState::kHealthy;
      if (Chance(6)) state = CanaryState::kQuarantined;
      if (Chance(4)) state = CanaryState::kUnknown;
      const auto step = fast_.OnVerdict(name, {state, "because"}, phase, now_);
      ASSERT_TRUE(step.ok());
      slow_.Verdict(name, state, phase);
      Take(*step, {});
    }
  }

  void DoRun() {
    now_ += seconds(Number(3600));
    std::vector<VantageRun> runs;
    std::vector<SlowExposure::Run> slow_runs;
    std::set<std::string> unresolved;
    for (const char* name : {"a.example", "b.example"}) {
      if (Chance(6) && targets_.count(name) && !ports_.empty()) unresolved.insert(name);
    }
    for (const auto& [name, side] : config_.vantages) {
      SlowExposure::Run run;
      run.vantage = name;
      run.complete = Chance(85);
      run.has_lookup = run.complete || Chance(50);
      run.unresolved = unresolved;
      run.when = now_;
      for (const std::string& t : targets_) {
        for (const uint16_t port : ports_) run.covered.insert(Sub(t, port));
        if (Chance(3)) run.folded.insert(TargetKey::FromString(t));
        if (Chance(70) && folded_.count({name, t})) run.folded.insert(TargetKey::FromString(t));
        folded_.erase({name, t});
        if (run.folded.count(TargetKey::FromString(t))) folded_.insert({name, t});
      }
      folded += run.folded.size();
      for (const Subject& s : run.covered) {
        if (unresolved.count(std::string(s.target.name()))) continue;
        const bool lost = run.complete ? Chance(2) : Chance(50);
        if (!lost) run.seen[s] = truth_[name][s];
      }
      runs.push_back(Real(run));
      slow_runs.push_back(run);
    }
    std::shuffle(runs.begin(), runs.end(), random_);
    NameTroubles troubles;
    for (const std::string& name : unresolved) {
      const auto problem = static_cast<NameProblem>(1 + Number(4));
      troubles[name] = {problem, "because", false, {}};
    }
    slow_.SetNames(troubles);
    if (Chance(50)) Take(fast_.OnNames(troubles, false, now_), {});
    Take(fast_.OnNames(troubles, true, now_), {});
    const ExposureStep step = fast_.OnRun(runs, now_);
    Take(step, slow_.OnRun(slow_runs, now_));
    Compare();
  }

  VantageRun Real(const SlowExposure::Run& run) {
    VantageRun real;
    real.vantage = run.vantage;
    real.complete = run.complete;
    std::vector<CoverageBlock> blocks;
    for (const std::string& t : targets_) {
      std::vector<PortRange> ranges;
      for (const uint16_t p : ports_) ranges.push_back({p, p});
      const TargetKey key = TargetKey::FromString(t);
      CoverageBlock block{{}, {}, PortSet::Of(ranges)};
      if (key.is_name()) {
        block.names = {t};
      } else {
        block.addresses = IpSet::Of({{*key.address(), *key.address()}});
      }
      blocks.push_back(std::move(block));
    }
    real.covered = Coverage::Of(blocks);
    const auto address = [](const Subject& s) {
      return s.target.is_name() ? Ip("10.9.9.9") : *s.target.address();
    };
    for (const auto& [s, symbol] : run.seen) {
      if (!IsOpen(symbol)) continue;
      real.open.push_back({s, address(s), 1, symbol.reason, run.when, "agent"});
    }
    std::shuffle(real.open.begin(), real.open.end(), random_);
    if (run.has_lookup) {
      real.lookup = [run, address](const Subject& s) -> std::optional<SubjectOutcome> {
        const auto it = run.seen.find(s);
        if (it == run.seen.end()) return std::nullopt;
        return SubjectOutcome{it->second, address(s), 1, run.when, "agent"};
      };
    }
    for (const TargetKey& t : run.folded) real.folded[t] = HostAnswers::kSynProxy;
    real.unresolved = run.unresolved;
    return real;
  }

  // Some probes are answered, some late, some twice; time passes.
  void Between() {
    if (Chance(10)) Store();
    now_ += seconds(Number(Chance(10) ? 8000 : 400));
    for (const ConfirmationProbe& p : fast_.confirmations().Outstanding()) {
      if (p.not_before > now_ || Chance(15)) continue;
      Symbol seen = truth_[p.key.vantage][p.key.subject];
      if (Chance(8)) seen = Any();
      if (Chance(12)) seen = kOwedSym;
      const uint32_t number = Chance(5) ? p.number - 1 : p.number;
      const ConfirmationAnswer answer{p.key, number, {seen, p.address, 1, now_, "agent"}};
      Take(fast_.OnAnswer(answer, now_), slow_.OnAnswer(answer, now_));
    }
    Take(fast_.Tick(now_), slow_.Tick(now_));
    Compare();
  }

  void Store() {
    const MonitorExposure::State state = fast_.Snapshot();
    fast_ = MonitorExposure(config_);
    fast_.Restore(state);
    EXPECT_EQ(fast_.Snapshot(), state);
  }

  void Take(const ExposureStep& step, SlowExposure::Lines expected) {
    SlowExposure::Lines lines;
    for (const ExposureEvent& e : step.confirmation.events) {
      lines.push_back(EventLine(e));
      EXPECT_TRUE(ids_.insert(e.id).second) << "an id twice";
      EXPECT_EQ(e.kind, KindOfChange(e.from, e.to));
      ++events;
    }
    for (const SettledChange& s : step.confirmation.settled) {
      lines.push_back(SettledLine(s.candidate.vantage, s.candidate.subject, s.as));
      transient += s.as == SettledAs::kTransient;
      flapping += s.as == SettledAs::kFlapping;
      abandoned += s.as == SettledAs::kAbandoned;
    }
    std::sort(lines.begin(), lines.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(lines, expected);
    for (const Finding& f : step.findings.found) {
      EXPECT_TRUE(findings_.insert(f.key.ToString()).second);
    }
    for (const Finding& f : step.findings.resolved) {
      EXPECT_EQ(findings_.erase(f.key.ToString()), 1u);
    }
  }

  void Compare() {
    SlowExposure::Lines probes, open;
    for (const auto& p : fast_.confirmations().Outstanding()) probes.push_back(ProbeLine(p));
    EXPECT_EQ(probes, slow_.Outstanding());
    for (const auto& [name, b] : fast_.baselines()) {
      for (const auto& [s, r] : b.open) {
        open.push_back(fmt::format("{} {} {} since {}", name, s.ToString(), ReasonName(r.reason),
                                   ToUnixMicros(r.since)));
      }
      for (const auto& [s, r] : b.not_open) {
        open.push_back(fmt::format("{} {} {}", name, s.ToString(), SymbolText(r.symbol)));
      }
      mass += b.mass.has_value();
    }
    SlowExposure::Lines expected = slow_.Open();
    std::sort(open.begin(), open.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(open, expected);
    EXPECT_EQ(findings_, slow_.Findings(now_));
  }

  std::mt19937 random_;
  int restless_ = 0;  // percent of the positions that change between two runs
  WallTime now_ = At(1'000'000);
  MonitorExposureConfig config_;
  MonitorExposure fast_;
  SlowExposure slow_;
  std::map<std::string, std::map<Subject, Symbol>> truth_;
  std::set<std::string> targets_;
  std::set<uint16_t> ports_;
  std::set<std::pair<std::string, std::string>> folded_;
  std::set<std::string> ids_, findings_;
};

TEST(ExposureHistory, TellsWhatTheSlowReferenceTells) {
  size_t events = 0, transient = 0, flapping = 0, abandoned = 0, mass = 0, folded = 0;
  for (uint32_t seed = 1; seed <= 250; ++seed) {
    SCOPED_TRACE(seed);
    History history(seed);
    history.Play(40);
    if (HasFailure()) return;
    events += history.events;
    transient += history.transient;
    flapping += history.flapping;
    abandoned += history.abandoned;
    mass += history.mass;
    folded += history.folded;
  }
  // All of it really happened.
  EXPECT_GT(events, 1000u);
  EXPECT_GT(transient, 200u);
  EXPECT_GT(flapping, 200u);
  EXPECT_GT(abandoned, 200u);
  EXPECT_GT(mass, 200u);
  EXPECT_GT(folded, 200u);
}

}  // namespace
}  // namespace portolan
