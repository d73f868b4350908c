#include <atomic>
#include <thread>

#include "tests/coordinator/control/control_fixture.h"

namespace portolan {
namespace {

using ControlShutdown = ControlTest;

TEST_F(ControlShutdown, EverythingThatWaitsIsAnswered) {
  FakeAgent agent(*control_, "a1", "lab");
  auto scan = Create(Request());
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_TRUE(agent.OpenStream());
  auto parked = agent.Begin();
  Waiter<std::shared_ptr<const ScanStatus>> watch_end;
  control_->Watch(scan->id, [done = watch_end.done()](
                                absl::StatusOr<std::shared_ptr<const ScanStatus>> s, bool last) {
    if (last) done(std::move(s));
  });
  Settle();
  control_->BeginShutdown();
  EXPECT_EQ(parked.Wait().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(agent.peer().WaitEnd().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(watch_end.Wait().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Get(scan->id).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(agent.Sync().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(control_->Ready().ok());
  EXPECT_FALSE(control_->TakeSnapshot().has_value());
}

TEST_F(ControlShutdown, SlowNamesDoNotHoldItUp) {
  names_.Hold();
  ScanRequest request = Request();
  request.targets = {"name.example"};
  std::vector<Waiter<ScanStatus>> waiters(10);
  for (auto& w : waiters) control_->CreateScan(request, "", "", w.done());
  names_.WaitForStarted(10);
  control_->BeginShutdown();
  for (auto& w : waiters) EXPECT_EQ(w.Wait().status().code(), absl::StatusCode::kUnavailable);
  names_.WaitForCancelled(10);
}

// Calls of every kind from several threads while it stops: each is answered exactly once, and
// nothing hangs.
TEST_F(ControlShutdown, CallsThatRaceWithTheEndAreAnsweredOnce) {
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> asked{0};
    auto answered = std::make_shared<std::atomic<int>>(0);
    std::atomic<bool> stop{false};
    const auto count = [answered](auto&&...) { ++*answered; };
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 2000 && !stop; ++i) {
          switch ((i + t) % 6) {
            case 0:
              ++asked;
              control_->CreateScan(Request(), "", "", count);
              break;
            case 1:
              ++asked;
              control_->GetScan("last", count);
              break;
            case 2:
              ++asked;
              control_->ListAgents(count);
              break;
            case 3:
              ++asked;
              control_->ListScans(10, "", count);
              break;
            case 4: {
              ++asked;
              AgentCall call;
              call.report.name = "a" + std::to_string(i % 5);
              call.report.vantage = "lab";
              call.report.incarnation = std::string(16, static_cast<char>('a' + t));
              call.report.room = 1000;
              control_->Synchronize(control_->NextCallId(), std::move(call), count);
              break;
            }
            case 5: {
              ++asked;
              control_->Watch(
                  "last", [answered](absl::StatusOr<std::shared_ptr<const ScanStatus>>, bool last) {
                    if (last) ++*answered;
                  });
              break;
            }
          }
        }
      });
    }
    Settle();
    control_->BeginShutdown();
    stop = true;
    for (std::thread& t : threads) t.join();
    control_->Stop();
    EXPECT_EQ(*answered, asked);
    control_.reset();
    Start();
  }
}

}  // namespace
}  // namespace portolan
