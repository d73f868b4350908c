#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/runner/runner.h"
#include "common/scan/chunk_codec.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_engine.h"

namespace portolan {

// Networks.
inline FakeAnswer AllClosed(const IpAddress&, uint16_t) {
  return FakeAnswer::Closed(std::chrono::milliseconds(1));
}
inline FakeAnswer AllSilent(const IpAddress&, uint16_t) { return FakeAnswer::Silence(); }
// A third of each.
inline FakeAnswer Mixed(const IpAddress& address, uint16_t port) {
  switch ((static_cast<uint64_t>(address.value()) + port) % 3) {
    case 0:
      return FakeAnswer::Open(std::chrono::milliseconds(2));
    case 1:
      return FakeAnswer::Closed(std::chrono::milliseconds(3));
    default:
      return FakeAnswer::Silence();
  }
}

inline constexpr Symbol kNoResponse = {State::kFiltered, Reason::kNoResponse};
inline constexpr Symbol kChunkClosed = {State::kOwed, Reason::kChunkClosed};
inline constexpr Symbol kFailed = {State::kOwed, Reason::kLocalFailure};

// Keeps what a runner reports and checks what must hold of every report.
class RecordingSink final : public ReportSink {
 public:
  void PutOpen(const OpenReport& open) override {
    EXPECT_FALSE(Reported(open.token, open.row.index)) << "an open port after its chunk";
    opens[open.token][open.row.index] = open.row;
  }
  void PutChunk(ChunkReport chunk) override {
    EXPECT_FALSE(chunk.range.empty());
    EXPECT_LE(chunk.range.size(), 65'536u);
    const auto decoded = DecodeOutcomes(chunk.outcomes, 65'536);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(decoded->codes.size(), chunk.range.size());
    auto& symbols = outcomes[chunk.token];
    for (size_t i = 0; i < decoded->codes.size(); ++i) {
      const Symbol symbol = decoded->At(i);
      const uint64_t index = chunk.range.begin + i;
      EXPECT_NE(symbol.reason, Reason::kNone);
      EXPECT_TRUE(symbols.emplace(index, symbol).second)
          << "position " << index << " reported twice";
      EXPECT_TRUE(symbol.state != State::kOpen || opens[chunk.token].contains(index));
    }
    chunks.push_back(std::move(chunk));
  }
  void PutFinding(const FindingReport& report) override {
    EXPECT_EQ(CheckHostFinding(report.finding), absl::OkStatus());
    findings.push_back(report);
  }
  bool HasRoom() const override { return room; }

  bool Reported(Token token, uint64_t index) const {
    const auto it = outcomes.find(token);
    return it != outcomes.end() && it->second.contains(index);
  }
  IntervalSet Positions(Token token) const {
    IntervalSet set;
    if (const auto it = outcomes.find(token); it != outcomes.end()) {
      for (const auto& [index, symbol] : it->second) set.Add({index, index + 1});
    }
    return set;
  }
  uint64_t Count(Symbol symbol) const {
    uint64_t count = 0;
    for (const auto& [token, symbols] : outcomes) {
      for (const auto& [index, s] : symbols) count += s == symbol;
    }
    return count;
  }
  uint64_t CountState(State state) const {
    uint64_t count = 0;
    for (const auto& [token, symbols] : outcomes) {
      for (const auto& [index, s] : symbols) count += s.state == state;
    }
    return count;
  }

  bool room = true;
  std::vector<ChunkReport> chunks;
  std::vector<FindingReport> findings;
  std::map<Token, std::map<uint64_t, Symbol>> outcomes;
  std::map<Token, std::map<uint64_t, OpenRow>> opens;
};

// `addresses` from 10.N.0.0 on, `ports` from 1 on.
inline std::shared_ptr<const ScanSpace> MakeSpace(uint8_t n, uint32_t addresses, uint16_t ports,
                                                  uint64_t seed = 1) {
  const uint32_t first = 0x0a000000u | uint32_t{n} << 16;
  Block block;
  block.addresses = IpSet::Of({{IpAddress::V4(first), IpAddress::V4(first + addresses - 1)}});
  block.ports = PortSet::Of({{1, ports}});
  return ScanSpace::Create({block}, seed).value();
}

// A runner over a fake engine and a fake clock, and the loop of the probe thread.
class RunnerHarness {
 public:
  explicit RunnerHarness(FakeEngine::Network network, uint32_t window = 256,
                         Scope scope = Scope::Default(), RunnerOptions options = {})
      : engine(clock, window, std::move(network)),
        runner(engine, sink, std::move(scope), options) {}

  void AddScan(const std::string& name, std::shared_ptr<const ScanSpace> space,
               ProbeTiming timing = {}, PortSet confirm_ports = {}) {
    ScanContext context;
    context.scan = name;
    context.space = std::move(space);
    context.timing = timing;
    context.overlay = std::make_shared<DenyOverlay>();
    context.confirm_ports = std::move(confirm_ports);
    runner.SetContext(context);
  }
  void Grant(uint64_t token, const std::string& scan, IntervalSet ranges,
             Duration term = std::chrono::hours(100), uint32_t attempt = 1) {
    AgentLease lease;
    lease.token = Token{token};
    lease.lane = LaneId{1};
    lease.scan = scan;
    lease.ranges = std::move(ranges);
    lease.deadline = clock.Now() + term;
    lease.attempt = attempt;
    ASSERT_EQ(runner.Grant(std::move(lease)), absl::OkStatus());
  }

  // One turn of the loop; time moves to the next event, at most to `until`.
  void Turn(Time until) {
    const Time now = clock.Now();
    // Below a minute, at which the fake engine would block.
    const Time next =
        std::min({runner.Step(now, clock.Wall()), until, now + std::chrono::seconds(50)});
    outcomes_.clear();
    const Time after = engine.Poll(std::max(next - now, Duration::zero()), outcomes_);
    for (const ProbeOutcome& outcome : outcomes_) runner.OnOutcome(outcome, after, clock.Wall());
  }
  void RunFor(Duration duration) {
    const Time until = clock.Now() + duration;
    for (int i = 0; clock.Now() < until; ++i) {
      ASSERT_LT(i, 5'000'000) << "the runner does not let time pass";
      Turn(until);
    }
  }
  // Until nothing is left to begin or to report.
  void RunToEnd(Duration limit = std::chrono::hours(10)) {
    const Time until = clock.Now() + limit;
    for (int i = 0; (runner.has_work() || !runner.idle()) && clock.Now() < until; ++i) {
      ASSERT_LT(i, 5'000'000) << "the runner does not let time pass";
      Turn(until);
    }
    EXPECT_TRUE(runner.idle());
  }
  LeaseProgress ProgressOf(uint64_t token) const {
    for (LeaseProgress& progress : runner.Progress()) {
      if (progress.token == Token{token}) return progress;
    }
    return {};
  }

  FakeClock clock;
  RecordingSink sink;
  FakeEngine engine;
  Runner runner;

 private:
  std::vector<ProbeOutcome> outcomes_;
};

}  // namespace portolan
