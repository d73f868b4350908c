// How an agent ends: drained, or superseded by another of its name.
#include "tests/agent/link/control_harness.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;

TEST_F(AgentControlTest, DrainGivesBackFinishesTellsAndIsDone) {
  Make(2);
  Exchange({{1, 100}, {2, 100}});
  Observe();
  control_->BeginCall(now_);
  Held(1).unprobed = 40;  // 60 are begun
  idle_ = false;
  control_->StartDrain();
  EXPECT_EQ(Next(), AgentControl::Step::kCancel);
  EXPECT_EQ(Held(1).ranges.size(), 60u);
  control_->OnCancelled(now_);
  const AgentControl::Ask ask = Exchange({{1, 60}});
  EXPECT_TRUE(ask.draining);
  EXPECT_EQ(ask.room, 0u);
  EXPECT_FALSE(control_->state().leases.contains(Token{2})) << "nothing of it was begun";
  now_ += seconds(1);
  ASSERT_EQ(Next(), AgentControl::Step::kCall);
  control_->BeginCall(now_);
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
  Held(1).reported = true;
  idle_ = true;
  spooled_ = {Token{1}};
  now_ += milliseconds(500);
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
  spooled_.clear();
  EXPECT_EQ(Next(), AgentControl::Step::kCancel);
  EXPECT_FALSE(control_->drained());
  control_->OnCancelled(now_);
  ASSERT_EQ(Next(), AgentControl::Step::kCall);
  control_->BeginCall(now_);
  EXPECT_FALSE(control_->drained()) << "the good-bye is under way";
  Answer({});
  EXPECT_TRUE(control_->drained());
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
}

TEST_F(AgentControlTest, GoodbyeThatIsParkedIsEnough) {
  Make(1);
  Exchange({});
  control_->StartDrain();
  ASSERT_EQ(Next(), AgentControl::Step::kCall);
  control_->BeginCall(now_);
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
  now_ += milliseconds(250);
  EXPECT_EQ(Next(), AgentControl::Step::kCancel);
  control_->OnCancelled(now_);
  EXPECT_TRUE(control_->drained());
}

TEST_F(AgentControlTest, DrainWithoutACoordinatorIsDoneAtOnceWhenNothingIsHeld) {
  Make(1);
  control_->StartDrain();
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
  EXPECT_TRUE(control_->drained());
}

TEST_F(AgentControlTest, DrainWithACoordinatorAwayWaitsForWhatIsHeld) {
  Make(1);
  Exchange({{1, 100}});
  control_->BeginCall(now_);
  EXPECT_TRUE(control_->OnFailure(Unavailable("away"), now_).ok());
  control_->StartDrain();
  Held(1).unprobed = 50;
  spooled_ = {Token{1}};
  Observe();
  EXPECT_FALSE(control_->drained());
  EXPECT_EQ(control_->state().leases.size(), 1u);
}

TEST_F(AgentControlTest, OperatorsDrainCanBeTakenBack) {
  Make(1);
  Exchange({{1, 100}});
  Observe();
  control_->BeginCall(now_);
  DesiredState d = Desired({{1, 100}}, -1);
  d.drain = true;
  control_->OnAnswer(d, now_);
  Obey();
  EXPECT_TRUE(threads_[0].draining);
  Observe();
  EXPECT_THAT(control_->state().leases, IsEmpty());
  Exchange({});
  EXPECT_FALSE(threads_[0].draining);
  EXPECT_FALSE(control_->drained());
}

TEST_F(AgentControlTest, SupersededAgentGivesUpEverything) {
  Make(2);
  Exchange({{1, 100}, {2, 100}});
  control_->BeginCall(now_);
  EXPECT_FALSE(control_->OnFailure(Aborted("newer incarnation"), now_).ok());
  Obey();
  EXPECT_THAT(threads_[0].leases, IsEmpty());
  EXPECT_THAT(threads_[1].leases, IsEmpty());
}

}  // namespace
}  // namespace portolan
