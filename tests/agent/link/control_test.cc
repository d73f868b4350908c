// Leases and calls: what is held, told, cut short and repeated.
#include "tests/agent/link/control_harness.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;

TEST_F(AgentControlTest, LeasesAreSpreadOverThreadsByWork) {
  Make(2);
  Exchange({{1, 1000}, {2, 400}, {3, 400}, {4, 100}});
  EXPECT_THAT(threads_[0].leases, testing::SizeIs(1));
  EXPECT_THAT(threads_[1].leases, testing::SizeIs(3));
}

TEST_F(AgentControlTest, LargeLeaseIsDividedAndToldAsOne) {
  Make(3);
  Exchange({{1, 30'000}});
  IntervalSet all;
  for (FakeThread& t : threads_) {
    ASSERT_THAT(t.leases, testing::SizeIs(1));
    FakeThread::Lease& part = t.leases[Token{1}];
    EXPECT_EQ(part.ranges.size(), 10'000u);
    EXPECT_FALSE(all.Intersects(part.ranges));
    all.Add(part.ranges);
    part.unprobed = 7'000;
  }
  EXPECT_EQ(all, (IntervalSet{{100'000, 130'000}}));
  Observe();
  LeaseProgress p = control_->Progress().at(Token{1});
  EXPECT_EQ(p.ranges, all);
  EXPECT_EQ(p.unprobed, 21'000u);
  // Taken back in part: each thread keeps what is its own.
  Exchange({{1, 12'000}});
  uint64_t left = 0;
  for (FakeThread& t : threads_) left += t.leases[Token{1}].ranges.size();
  EXPECT_EQ(left, 12'000u);
  // Over only when every part is; the third has nothing left.
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(control_->state().leases.contains(Token{1}));
    threads_[i].leases[Token{1}].unprobed = 0;
    threads_[i].leases[Token{1}].reported = true;
    Observe();
  }
  EXPECT_FALSE(control_->state().leases.contains(Token{1}));
  for (FakeThread& t : threads_) EXPECT_THAT(t.leases, IsEmpty());
}

TEST_F(AgentControlTest, PartThatAThreadRefusedIsGivenBackAlone) {
  Make(2);
  Exchange({{1, 10'000}});
  threads_[1].leases.clear();
  Observe();
  EXPECT_EQ(control_->Progress().at(Token{1}).ranges.size(), 5'000u);
}

TEST_F(AgentControlTest, LeaseIsListedUntilItsLastReportIsAcknowledged) {
  Make(1);
  Exchange({{1, 100}});
  Held(1).unprobed = 0;
  Observe();
  EXPECT_EQ(control_->state().leases.size(), 1u);
  spooled_ = {Token{1}};
  Held(1).reported = true;
  Observe();
  EXPECT_EQ(control_->state().leases.size(), 1u);
  spooled_.clear();
  Observe();
  EXPECT_THAT(control_->state().leases, IsEmpty());
  EXPECT_THAT(threads_[0].leases, IsEmpty());
}

TEST_F(AgentControlTest, RevokedLeaseIsListedUntilWhatWasBegunIsAcknowledgedAndThenToldAtOnce) {
  Make(1);
  Exchange({{1, 100}});
  Held(1).unprobed = 60;
  Exchange({});
  Observe();
  EXPECT_EQ(control_->Progress().at(Token{1}).ranges.size(), 40u);
  // The call that is parked says that it is held.
  ASSERT_EQ(Next(), AgentControl::Step::kCall);
  control_->BeginCall(now_);
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
  Held(1).reported = true;
  spooled_ = {Token{1}};
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
  spooled_.clear();
  EXPECT_EQ(Next(), AgentControl::Step::kCancel);
  EXPECT_THAT(control_->state().leases, IsEmpty());
  EXPECT_THAT(threads_[0].leases, IsEmpty());
  control_->OnCancelled(now_);
  ASSERT_EQ(Next(), AgentControl::Step::kCall);
  control_->BeginCall(now_);
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
}

TEST_F(AgentControlTest, LeaseThatAThreadRefusedIsGivenBack) {
  Make(1);
  Exchange({{1, 100}});
  threads_[0].leases.clear();
  Observe();
  EXPECT_THAT(control_->state().leases, IsEmpty());
}

TEST_F(AgentControlTest, ParkedCallIsCutShortWhenWorkRunsLow) {
  Make(1);
  rate_ = 1000;
  Exchange({{1, 4000}});
  ASSERT_EQ(Next(), AgentControl::Step::kCall);
  EXPECT_EQ(control_->BeginCall(now_).room, 65536u - 4000u);
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
  now_ += seconds(1);
  Held(1).unprobed = 3000;
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
  now_ += seconds(1);
  Held(1).unprobed = 1900;
  EXPECT_EQ(Next(), AgentControl::Step::kCancel);
  EXPECT_EQ(Next(), AgentControl::Step::kWait) << "it was cancelled already";
  control_->OnCancelled(now_);
  EXPECT_EQ(Next(), AgentControl::Step::kCall);
  control_->BeginCall(now_);
  EXPECT_EQ(Next(), AgentControl::Step::kWait) << "nothing new to say";
}

TEST_F(AgentControlTest, RunningOutOfWorkIsToldOnce) {
  Make(1);
  Exchange({{1, 10}});
  control_->BeginCall(now_);
  Held(1).unprobed = 0;
  now_ += seconds(1);
  EXPECT_EQ(Next(), AgentControl::Step::kCancel);
  control_->OnCancelled(now_);
  ASSERT_EQ(Next(), AgentControl::Step::kCall);
  control_->BeginCall(now_);
  now_ += seconds(2);
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
}

TEST_F(AgentControlTest, CallsAreNotCutShortWhenRenewalsAreDue) {
  Make(1);
  rate_ = 1000;
  Exchange({{1, 2000}});
  now_ += seconds(6);
  control_->BeginCall(now_);
  Held(1).unprobed = 0;
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
}

TEST_F(AgentControlTest, RoomIsNoneWhileTheSpoolIsFullAndTheCallIsRepeatedWhenItIsNot) {
  Make(1);
  Exchange({});
  has_room_ = false;
  ASSERT_EQ(Next(), AgentControl::Step::kCall);
  EXPECT_EQ(control_->BeginCall(now_).room, 0u);
  EXPECT_EQ(Next(), AgentControl::Step::kWait);
  has_room_ = true;
  now_ += seconds(1);
  EXPECT_EQ(Next(), AgentControl::Step::kCancel);
}

TEST_F(AgentControlTest, RatesAreOfAllThreads) {
  Make(2);
  rate_ = 100;
  const AgentControl::Ask ask = Exchange({});
  EXPECT_DOUBLE_EQ(ask.measured_rate, 200);
  EXPECT_DOUBLE_EQ(ask.sent_rate, 600);
}

TEST_F(AgentControlTest, RoomFollowsTheMeasuredRate) {
  Make(1);
  rate_ = 100'000;
  Exchange({{1, 100'000}});
  Observe();
  EXPECT_EQ(control_->BeginCall(now_).room, 1'900'000u);
}

TEST_F(AgentControlTest, FencedLeaseIsGivenUpAndAnAnswerUnderWayDoesNotBringItBack) {
  Make(1);
  Exchange({{1, 100}, {2, 100}});
  Observe();
  control_->BeginCall(now_);
  control_->OnFenced({Token{1}});
  Obey();
  EXPECT_FALSE(threads_[0].leases.contains(Token{1}));
  Answer({{1, 100}, {2, 100}});
  EXPECT_FALSE(threads_[0].leases.contains(Token{1}));
  EXPECT_TRUE(threads_[0].leases.contains(Token{2}));
}

TEST_F(AgentControlTest, LeasesAreKeptThroughAnOutage) {
  Make(1);
  Exchange({{1, 100}});
  for (int i = 0; i < 5; ++i) {
    now_ = std::max(now_, control_->WakeAt(now_));
    while (Next() != AgentControl::Step::kCall) now_ += milliseconds(100);
    control_->BeginCall(now_);
    EXPECT_TRUE(control_->OnFailure(Unavailable("away"), now_).ok());
  }
  EXPECT_TRUE(threads_[0].leases.contains(Token{1}));
  EXPECT_EQ(Held(1).deadline, Time(seconds(1010))) << "nobody renewed it";
}

}  // namespace
}  // namespace portolan
