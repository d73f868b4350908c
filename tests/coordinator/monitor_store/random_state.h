#pragma once

#include <random>
#include <string>
#include <vector>

#include "coordinator/monitor_store/exposure_codec.h"

namespace portolan {

// State of monitors that is as odd as its types allow: nothing that a monitor could not hold, and
// much that it will rarely. The same seed gives the same.
class RandomState {
 public:
  explicit RandomState(uint64_t seed) : random_(seed) {}

  uint64_t Below(uint64_t n) { return random_() % n; }
  bool Coin() { return Below(2) == 0; }
  // Small ones mostly, and the largest.
  uint64_t Number() { return Below(8) == 0 ? ~uint64_t{0} : random_() >> Below(64); }
  uint32_t Number32() { return static_cast<uint32_t>(Number()); }

  WallTime When() {
    if (Below(20) == 0) return FromUnixMicros(static_cast<int64_t>(Number()));
    return FromUnixMicros(1'700'000'000'000'000 + static_cast<int64_t>(Below(1'000'000'000'000)));
  }
  std::string Text(size_t longest) {
    std::string text(Below(longest + 1), ' ');
    for (char& c : text) c = static_cast<char>('a' + Below(26));
    return text;
  }
  std::string Agent() { return Below(20) == 0 ? Text(200) : "agent-" + std::to_string(Below(5)); }
  std::string Vantage() { return Below(20) == 0 ? Text(200) : "v" + std::to_string(Below(3)); }
  IpAddress Ip() {
    if (Below(4) == 0) {
      return IpAddress::V6((uint128{0x20010DB8} << 96) + (Coin() ? random_() : Below(4)));
    }
    return IpAddress::V4(static_cast<uint32_t>(Coin() ? random_() : 0x0A000000 + Below(20)));
  }
  TargetKey Target() {
    if (Below(4) > 0) return TargetKey::Of(Ip());
    return TargetKey::OfName(Below(20) == 0 ? Text(400) : "h" + Text(2) + ".example");
  }
  uint16_t Port() { return static_cast<uint16_t>(Coin() ? Below(10) : Below(65536)); }
  portolan::Subject Subject() { return {Target(), Port()}; }
  Symbol Seen() {
    static const std::vector<Symbol> all = {{State::kOpen, Reason::kSynAck},
                                            {State::kOpen, Reason::kResetAfterAccept},
                                            {State::kClosed, Reason::kConnRefused},
                                            {State::kFiltered, Reason::kNoResponse},
                                            {State::kUnreachable, Reason::kTtlExceeded},
                                            {State::kNotProbed, Reason::kCancelled},
                                            {State::kOwed, Reason::kLocalFailure},
                                            {}};
    return all[Below(all.size())];
  }
  SubjectOutcome Outcome() { return {Seen(), Ip(), Number32(), When(), Agent()}; }
  std::vector<TrailStep> Trail() {
    std::vector<TrailStep> trail(Below(5));
    for (TrailStep& s : trail) {
      s = {static_cast<TrailStep::What>(1 + Below(4)),
           When(),
           Vantage(),
           Agent(),
           Ip(),
           Seen(),
           Number32(),
           Number32()};
    }
    return trail;
  }
  ChangeKind Kind() { return static_cast<ChangeKind>(1 + Below(kChangeKinds)); }

  Coverage Covered() {
    std::vector<CoverageBlock> blocks(Below(4));
    for (CoverageBlock& block : blocks) {
      std::vector<IpRange> ranges;
      for (size_t n = Below(4); n > 0; --n) {
        const IpAddress ip = Ip();
        const uint64_t more = Below(1000);
        if (ip.is_v6()) {
          ranges.push_back({ip, IpAddress::V6(ip.value() + more)});
        } else if (ip.value() < 0xFFFF0000) {
          ranges.push_back({ip, IpAddress::V4(static_cast<uint32_t>(ip.value() + more))});
        }
      }
      block.addresses = IpSet::Of(std::move(ranges));
      for (size_t n = Below(3); n > 0; --n) block.names.push_back("h" + Text(3) + ".example");
      const uint16_t first = Port();
      block.ports = PortSet::Of({{first, first}, {0, static_cast<uint16_t>(Below(100))}});
    }
    return Coverage::Of(std::move(blocks));
  }
  VantageBaseline Baseline(size_t open = 30) {
    VantageBaseline b;
    b.established = Coin();
    b.accept_next = Coin();
    b.last_complete = When();
    b.runs = Number32();
    b.covered = Covered();
    for (size_t n = Below(open + 1); n > 0; --n) {
      const portolan::Subject s = Subject();
      const IpAddress* own = s.target.address();
      b.open[s] = {When(),
                   When(),
                   Number32(),
                   Coin() ? Reason::kSynAck : Reason::kResetAfterAccept,
                   own != nullptr && Coin() ? *own : Ip(),
                   Number32()};
    }
    for (size_t n = Below(open / 2 + 1); n > 0; --n) b.not_open[Subject()] = {Seen(), Ip(), When()};
    for (size_t n = Below(3); n > 0; --n) {
      b.folded[Target()] = {Coin() ? HostAnswers::kAnswersEverywhere : HostAnswers::kSynProxy,
                            When(), Coin()};
    }
    for (size_t n = Below(3); n > 0; --n) b.unresolved[Text(20)] = When();
    if (Coin()) {
      b.mass.emplace();
      b.mass->since = When();
      for (uint64_t& n : b.mass->count) n = Number();
      for (size_t n = Below(5); n > 0; --n) b.mass->examples.push_back(Subject());
    }
    return b;
  }
  VantageHealth Health() {
    return {{static_cast<CanaryState>(1 + Below(3)), Text(100)}, When(), Coin()};
  }
  std::vector<Canary> Canaries() {
    std::vector<Canary> canaries(Below(6));
    for (Canary& c : canaries) c = {Subject(), Ip(), Coin(), Coin()};
    return canaries;
  }
  Confirmations::State Confirming() {
    Confirmations::State state;
    state.next_sequence = Number();
    for (size_t n = Below(6); n > 0; --n) {
      PendingChange p;
      p.candidate = {Vantage(), Subject(),  Kind(), Seen(),  Seen(),
                     Ip(),      Number32(), When(), Agent(), Trail()};
      p.agreed = Number32();
      p.denied = Number32();
      p.lost = Number32();
      p.number = Number32();
      p.not_before = When();
      p.latest = Outcome();
      p.trail = Trail();
      for (size_t k = Below(3); k > 0; --k) p.avoid.push_back(Agent());
      state.pending[{p.candidate.vantage, p.candidate.subject}] = p;
    }
    for (size_t n = Below(6); n > 0; --n) {
      ChangeHistory h;
      for (size_t k = Below(6); k > 0; --k) h.changes.push_back(When());
      h.flapping = Coin();
      h.since = When();
      h.told = Seen();
      h.now = Outcome();
      h.untold = Number32();
      state.history[{Vantage(), Subject()}] = h;
    }
    return state;
  }
  portolan::Finding Finding() {
    portolan::Finding f;
    f.key.kind = static_cast<FindingKind>(1 + Below(static_cast<uint64_t>(kLastFindingKind)));
    f.key.rule = Text(80);
    f.key.vantage = Vantage();
    if (Coin()) f.key.target = Target();
    if (Coin()) f.key.port = Port();
    f.severity = static_cast<Severity>(1 + Below(5));
    f.address = Ip();
    f.since = When();
    f.found = When();
    f.resolved = When();
    f.owner = Text(20);
    f.text = Text(100);
    f.remedy = Text(100);
    return f;
  }
  StoredFindings Findings() {
    StoredFindings findings;
    findings.evaluated = When();
    findings.stale = Coin();
    for (size_t n = Below(6); n > 0; --n) {
      const portolan::Finding f = Finding();
      findings.board.open[f.key] = f;
      findings.board.total[{f.key.kind, f.key.rule}] = Number();
    }
    return findings;
  }
  ExposureEvent Event() {
    ExposureEvent e;
    e.sequence = Number();
    e.time = When();
    e.monitor = Text(40);
    e.vantage = Vantage();
    e.subject = Subject();
    e.address = Ip();
    e.kind = Kind();
    e.from = Seen();
    e.to = Seen();
    e.trail = Trail();
    e.id = Below(4) == 0 ? Text(40) : MakeEventId(e);
    return e;
  }
  NameTrouble Trouble() {
    return {static_cast<NameProblem>(1 + Below(4)), Text(80), Coin(), When()};
  }
  StoredNames Names() {
    StoredNames names;
    names.looked_up = When();
    for (size_t n = Below(6); n > 0; --n) names.troubles[Text(40)] = Trouble();
    return names;
  }
  std::vector<UnresolvedName> Unresolved() {
    std::vector<UnresolvedName> names(Below(6));
    for (UnresolvedName& n : names) n = {Text(40), Trouble()};
    return names;
  }
  // Some of them of the same run.
  portolan::LastRuns LastRuns() {
    portolan::LastRuns runs;
    std::shared_ptr<const LookedRun> last;
    for (size_t n = Below(5); n > 0; --n) {
      if (last == nullptr || Coin()) {
        LookedRun run{Number(), Text(20), When(), {}};
        for (size_t k = Below(4); k > 0; --k) {
          for (size_t a = Below(3); a > 0; --a) run.names[Text(30)].push_back(Ip());
        }
        last = std::make_shared<const LookedRun>(run);
      }
      runs[Text(10)] = last;
    }
    return runs;
  }
  MonitorPlanState Plan() {
    MonitorPlanState p;
    p.generation = Number();
    p.next_number = Number();
    p.handled_until = When();
    p.paused = Coin();
    if (Coin()) p.pending = {static_cast<RunTrigger>(1 + Below(3)), When(), When()};
    if (Coin()) {
      p.running = {Text(40), Number(), Number(), static_cast<RunTrigger>(1 + Below(3)),
                   When(),   When(),   When()};
    }
    if (Coin()) p.overrun_since = When();
    for (uint64_t* n : {&p.scheduled_runs, &p.manual_runs, &p.skipped, &p.missed, &p.while_paused,
                        &p.clock_resets, &p.failures_in_row}) {
      *n = Number();
    }
    p.last_outcome = static_cast<RunOutcome>(Below(4));
    p.last_started = When();
    p.last_ended = When();
    p.last_success = When();
    return p;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace portolan
