// Runners under seeded chance: several scans, leases granted, shrunk, renewed, revoked and given
// back at any moment, shares that change, exclusions that are added, a spool that fills, a network
// that answers, refuses, loses and fails. What must hold is checked at every attempt, report and
// end.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "agent/runner/chunk.h"
#include "tests/agent/runner/runner_harness.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 31)) * 0x9E3779B97F4A7C15u;
  return (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u >> 7;
}

class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : seed_(seed),
        random_(seed),
        scope_(Scope::Create({}, {ParseScopeRule("10.0.0.0-10.3.255.255 7").value()})),
        h_([this](const IpAddress& a, uint16_t p) { return Answer(a, p); },
           static_cast<uint32_t>(1 + random_() % (random_() % 3 == 0 ? 20 : 2000)), scope_) {
    for (int i = 0; i < 3; ++i) {
      Scan scan;
      scan.name = std::string(1, static_cast<char>('a' + i));
      scan.space = MakeSpace(static_cast<uint8_t>(i), 1 + random_() % 60,
                             static_cast<uint16_t>(8 + random_() % 100), seed);
      scan.timing.timeout = milliseconds(50 + random_() % 1500);
      scan.timing.retries = random_() % 4;
      scan.timing.retry_delay = milliseconds(random_() % 1500);
      h_.AddScan(scan.name, scan.space, scan.timing);
      scan.overlay = std::make_shared<DenyOverlay>();
      scan.ungranted = IntervalSet{{0, scan.space->size()}};
      scans_.push_back(scan);
    }
  }

  void Run() {
    for (int step = 0; step < 60; ++step) {
      Act();
      const Time until = h_.clock.Now() + Duration(random_() % 2'000'000'000);
      for (int i = 0; h_.clock.Now() < until; ++i) {
        ASSERT_LT(i, 1'000'000);
        h_.Turn(until);
        CheckAttempts();
      }
      CheckProgress();
    }
    // Everything that is held can be finished.
    h_.sink.room = true;
    h_.runner.SetMaxRate(0);
    for (Scan& scan : scans_) h_.runner.SetShare(scan.name, -1);
    for (const LeaseProgress& progress : h_.runner.Progress()) Renew(progress.token, kNever);
    failing_ = false;
    h_.RunToEnd();
    CheckAttempts();
    CheckProgress();
    for (const LeaseProgress& progress : h_.runner.Progress()) {
      EXPECT_TRUE(progress.reported);
      EXPECT_EQ(h_.sink.Positions(progress.token), progress.ranges);
    }
    CheckReports();
    EXPECT_EQ(h_.engine.in_flight(), 0u);
    EXPECT_EQ(h_.runner.open_positions(), 0u);
  }

 private:
  struct Scan {
    std::string name;
    std::shared_ptr<const ScanSpace> space;
    ProbeTiming timing;
    std::shared_ptr<const DenyOverlay> overlay;
    IntervalSet ungranted;
    std::map<uint64_t, uint32_t> attempts;  // by position
  };
  struct Lease {
    size_t scan;
    IntervalSet granted;
    Time deadline;
    bool forgotten = false;
  };

  // By what the endpoint is and by chance: answers, refusals, silence that may be loss, failures on
  // our side.
  FakeAnswer Answer(const IpAddress& address, uint16_t port) {
    const uint64_t kind = Mix(static_cast<uint64_t>(address.value()) * 65'536 + port + seed_) % 10;
    if (failing_ && random_() % 8 == 0)
      return FakeAnswer::Failure(random_() % 2 == 0 ? EMFILE : EADDRNOTAVAIL);
    if (random_() % 10 == 0) return FakeAnswer::Silence();
    const Duration after(1 + random_() % 80'000'000);
    if (kind < 2) return FakeAnswer::Open(after);
    if (kind < 6) return FakeAnswer::Closed(after);
    return FakeAnswer::Silence();
  }

  void Renew(Token token, Time deadline) {
    leases_[token].deadline = deadline;
    h_.runner.Renew(token, deadline);
  }

  void Act() {
    Scan& scan = scans_[random_() % scans_.size()];
    const std::vector<LeaseProgress> held = h_.runner.Progress();
    const Token any = held.empty() ? Token{999} : held[random_() % held.size()].token;
    switch (random_() % 12) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const Token token{next_token_++};
        const size_t index = static_cast<size_t>(&scan - scans_.data());
        Lease lease{index, scan.ungranted.TakeFront(1 + random_() % 2000),
                    h_.clock.Now() + milliseconds(random_() % 8000)};
        if (random_() % 3 == 0 && lease.granted.size() > 10)
          lease.granted.Remove({*lease.granted.First() + 3, *lease.granted.First() + 7});
        AgentLease granted;
        granted.token = token;
        granted.scan = scan.name;
        granted.ranges = lease.granted;
        granted.deadline = lease.deadline;
        ASSERT_EQ(h_.runner.Grant(granted), absl::OkStatus());
        leases_[token] = lease;
        break;
      }
      case 4:
        Renew(any, h_.clock.Now() + milliseconds(random_() % 20'000));
        break;
      case 5:
        switch (random_() % 3) {
          case 0:
            h_.runner.Forget(any);
            leases_[any].forgotten = true;
            break;
          case 1:
            h_.runner.Revoke(any);
            leases_[any].deadline = Time::min();
            break;
          default:
            h_.runner.GiveBack(any);
        }
        break;
      case 6: {
        IntervalSet desired;
        for (int i = 0; i < 3; ++i) {
          const uint64_t at = random_() % 6000;
          desired.Add({at, at + random_() % 2000});
        }
        h_.runner.Shrink(any, desired);
        break;
      }
      case 7:
        h_.runner.SetShare(scan.name, random_() % 4 == 0 ? 0
                                      : random_() % 3 == 0
                                          ? -1
                                          : static_cast<double>(1 + random_() % 2000));
        break;
      case 8:
        h_.runner.SetMaxRate(random_() % 2 == 0 ? 0 : static_cast<double>(10 + random_() % 3000));
        break;
      case 9: {
        auto overlay = std::make_shared<DenyOverlay>(*scan.overlay);
        ++overlay->version;
        overlay->rules.push_back(
            ParseScopeRule(IpAddress::V4(0x0a000000u |
                                         static_cast<uint32_t>(&scan - scans_.data()) << 16 |
                                         random_() % 60)
                               .ToString())
                .value());
        overlay->Prepare();
        scan.overlay = overlay;
        h_.runner.UpdateOverlay(scan.name, overlay);
        break;
      }
      case 10:
        h_.sink.room = !h_.sink.room;
        break;
      default:
        failing_ = !failing_;
    }
  }

  // Whether a lease in force has a port of this address.
  bool HoldsHost(const Scan& scan, const IpAddress& address, Time at) {
    return std::any_of(leases_.begin(), leases_.end(), [&](const auto& entry) {
      const Lease& lease = entry.second;
      if (lease.forgotten || &scans_[lease.scan] != &scan || at >= lease.deadline) return false;
      for (const IndexRange& range : lease.granted.ToVector()) {
        for (uint64_t i = range.begin; i < range.end; ++i) {
          if (scan.space->At(i).address == address) return true;
        }
      }
      return false;
    });
  }

  // Of the attempts that left since the last check: each belongs to a lease in force, is allowed,
  // and is not one too many.
  void CheckAttempts() {
    const auto& started = h_.engine.started();
    for (; checked_ < started.size(); ++checked_) {
      const FakeEngine::Started& attempt = started[checked_];
      Scan& scan = scans_[static_cast<uint64_t>(attempt.address.value()) >> 16 & 0xff];
      const uint64_t index = scan.space->IndexOf(attempt.address, attempt.port).value();
      ASSERT_TRUE(scope_.Allows(attempt.address, attempt.port));
      ASSERT_FALSE(scan.overlay->Denies(attempt.address, attempt.port));
      const bool covered = std::any_of(leases_.begin(), leases_.end(), [&](const auto& entry) {
        const Lease& lease = entry.second;
        return !lease.forgotten && &scans_[lease.scan] == &scan && attempt.at < lease.deadline &&
               lease.granted.Contains(index);
      });
      if (covered) {
        ++scan.attempts[index];
        continue;
      }
      // A port that answered may be asked whether its host still does, for another one's sake.
      ASSERT_TRUE(scan.attempts[index] > 0 && HoldsHost(scan, attempt.address, attempt.at))
          << scan.name << " " << index;
    }
  }

  void CheckProgress() {
    for (const LeaseProgress& progress : h_.runner.Progress()) {
      const Lease& lease = leases_[progress.token];
      ASSERT_FALSE(lease.forgotten);
      ASSERT_TRUE(lease.granted.Contains(progress.ranges));
      const IntervalSet reported = h_.sink.Positions(progress.token);
      ASSERT_TRUE(progress.ranges.Contains(reported));
      ASSERT_LE(progress.unprobed + reported.size(), progress.ranges.size());
      ASSERT_EQ(progress.reported, reported == progress.ranges);
    }
  }

  void CheckReports() {
    uint64_t total = 0;
    for (const auto& [token, symbols] : h_.sink.outcomes) {
      const Lease& lease = leases_[token];
      const Scan& scan = scans_[lease.scan];
      total += symbols.size();
      for (const auto& [index, symbol] : symbols) {
        ASSERT_TRUE(lease.granted.Contains(index));
        const ScanSpace::Endpoint endpoint = scan.space->At(index);
        const auto it = scan.attempts.find(index);
        const uint32_t attempts = it == scan.attempts.end() ? 0 : it->second;
        if (symbol.state == State::kNotProbed) {
          ASSERT_TRUE(scan.overlay->Denies(endpoint.address, endpoint.port));
        } else if (symbol.reason == Reason::kRefusedByScope) {
          ASSERT_FALSE(scope_.Allows(endpoint.address, endpoint.port));
          ASSERT_EQ(attempts, 0u);
        } else if (symbol.reason == Reason::kNoResponse) {
          ASSERT_GE(attempts, scan.timing.retries + 1);
        } else if (symbol.state != State::kOwed) {
          ASSERT_GE(attempts, 1u);
        }
      }
    }
    const RunnerCounters& c = h_.runner.counters();
    EXPECT_EQ(c.begun, total);
    EXPECT_EQ(c.open + c.closed + c.filtered + c.unreachable + c.not_probed + c.owed, total);
    EXPECT_EQ(c.attempts, h_.engine.counters().started);
    for (const ChunkReport& chunk : h_.sink.chunks) {
      const Scan& scan = scans_[leases_[chunk.token].scan];
      // Proven losses may hold its positions up.
      ASSERT_LE(milliseconds(chunk.duration_ms),
                ChunkLimits::kExtended * ChunkLimits::For(scan.timing).close_after);
      ASSERT_LE(chunk.range.end, scan.space->GroupOf(chunk.range.begin).range.end);
    }
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
  const Scope scope_;
  bool failing_ = false;
  RunnerHarness h_;
  std::vector<Scan> scans_;
  std::map<Token, Lease> leases_;
  uint64_t next_token_ = 1;
  size_t checked_ = 0;
};

TEST(RunnerSimulation, HoldsItsPromisesUnderManySeeds) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Simulation(seed).Run();
    if (testing::Test::HasFailure()) return;
  }
}

// Without failures, changes of mind and limits below what is needed, nothing is owed, whatever the
// timing.
TEST(RunnerSimulation, CalmScansOweNothing) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    RunnerHarness h(
        [&](const IpAddress& a, uint16_t port) {
          return (static_cast<uint64_t>(a.value()) + port) % 3 == 0
                     ? FakeAnswer::Silence()
                     : FakeAnswer::Closed(Duration(random() % 50'000'000));
        },
        static_cast<uint32_t>(20 + random() % 3000));
    ProbeTiming timing;
    timing.timeout = milliseconds(50 + random() % 4000);
    timing.retries = random() % 4;
    timing.retry_delay = milliseconds(random() % 2000);
    h.AddScan("s", MakeSpace(1, 100, 100), timing);
    const double rate = static_cast<double>(5 + random() % 5000);
    if (random() % 2 == 0) h.runner.SetShare("s", rate);
    const uint64_t positions = std::min<uint64_t>(10'000, static_cast<uint64_t>(rate * 60));
    h.Grant(1, "s", IntervalSet{{0, positions}});
    h.RunToEnd();
    EXPECT_EQ(h.sink.CountState(State::kOwed), 0u)
        << timing.timeout.count() << " " << timing.retries << " " << timing.retry_delay.count();
    EXPECT_EQ(h.sink.Positions(Token{1}).size(), positions);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace portolan
