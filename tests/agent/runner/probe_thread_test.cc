#include "agent/runner/probe_thread.h"

#include <gtest/gtest.h>

#include <atomic>

#include "agent/runner/spool.h"
#include "tests/agent/runner/runner_harness.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<ProbeEngine> MakeEngine(FakeClock& clock) {
  return std::make_unique<FakeEngine>(clock, 64, [](const IpAddress&, uint16_t port) {
    return port % 10 == 0 ? FakeAnswer::Open(milliseconds(1)) : FakeAnswer::Closed(milliseconds(1));
  });
}

void PostLease(ProbeThread& thread, uint64_t token, IntervalSet ranges) {
  thread.Post([token, ranges](Runner& runner, Time now) {
    ScanContext context;
    context.scan = "s";
    context.space = MakeSpace(1, 100, 100);
    context.overlay = std::make_shared<DenyOverlay>();
    runner.SetContext(context);
    AgentLease lease;
    lease.token = Token{token};
    lease.scan = "s";
    lease.ranges = ranges;
    lease.deadline = now + std::chrono::hours(1);
    EXPECT_EQ(runner.Grant(lease), absl::OkStatus());
  });
}

TEST(ProbeThread, RunsALeaseAndAnswersWhatIsTrueAfterTheCommandsBefore) {
  FakeClock clock;
  Spool spool({}, clock);
  ProbeThread thread(MakeEngine(clock), spool, Scope::Default(), clock);
  EXPECT_EQ(thread.engine_name(), "fake");
  EXPECT_EQ(thread.window(), 64u);
  EXPECT_TRUE(thread.Ask().idle);
  PostLease(thread, 7, IntervalSet{{0, 10'000}});
  ASSERT_EQ(thread.Ask().leases.size(), 1u);
  ProbeThread::Snapshot snapshot;
  for (int i = 0; i < 100'000 && !snapshot.idle; ++i) snapshot = thread.Ask();
  ASSERT_TRUE(snapshot.idle);
  EXPECT_TRUE(snapshot.leases.front().reported);
  EXPECT_EQ(snapshot.counters.open, 1000u);
  EXPECT_EQ(snapshot.counters.closed, 9000u);
  EXPECT_EQ(snapshot.engine.started, 10'000u);
  EXPECT_EQ(snapshot.scans.size(), 1u);
  EXPECT_TRUE(spool.Holds(Token{7}));
  EXPECT_EQ(spool.Stats().opens, 1000u);
}

TEST(ProbeThread, CommandsRunInOrder) {
  FakeClock clock;
  Spool spool({}, clock);
  ProbeThread thread(MakeEngine(clock), spool, Scope::Default(), clock);
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) thread.Post([&order, i](Runner&, Time) { order.push_back(i); });
  thread.Ask();
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(ProbeThread, StopEndsItInTheMiddleOfALeaseAndAskStillReturns) {
  FakeClock clock;
  Spool spool({}, clock);
  ProbeThread thread(MakeEngine(clock), spool, Scope::Default(), clock);
  PostLease(thread, 1, IntervalSet{{0, 10'000}});
  thread.Stop();
  thread.Stop();
  thread.Post([](Runner&, Time) { FAIL(); });
  EXPECT_TRUE(thread.Ask().leases.empty());
}

TEST(ProbeThread, ManyThreadsMayAsk) {
  FakeClock clock;
  Spool spool({}, clock);
  ProbeThread thread(MakeEngine(clock), spool, Scope::Default(), clock);
  PostLease(thread, 1, IntervalSet{{0, 10'000}});
  std::vector<std::thread> askers;
  std::atomic<int> leases = 0;
  for (int i = 0; i < 4; ++i) {
    askers.emplace_back([&] {
      for (int j = 0; j < 100; ++j) leases += static_cast<int>(thread.Ask().leases.size());
    });
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(leases, 400);
}

}  // namespace
}  // namespace portolan
