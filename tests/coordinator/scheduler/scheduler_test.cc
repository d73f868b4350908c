#include "coordinator/scheduler/scheduler.h"

#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace portolan {
namespace {

TEST_F(SchedulerTest, OneAgentFinishesAScan) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(100, 200))).ok());
  TestAgent a("x");
  for (int i = 0; i < 1000 && State("s") == ScanState::kRunning; ++i) {
    Sync(a);
    FinishAll(a);
    Advance(0.5);
    Tick();
  }
  EXPECT_EQ(State("s"), ScanState::kComplete);
  const auto v = s->GetScan("s");
  EXPECT_EQ(v->ledger.closed, 20'000u);
  EXPECT_EQ(v->ledger.Done(), 20'000u);
}

}  // namespace
}  // namespace portolan
