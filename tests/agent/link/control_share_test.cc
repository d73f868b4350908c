// How rates are divided over the threads.
#include <random>

#include "tests/agent/link/control_harness.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;

TEST_F(AgentControlTest, ContextAndShareComeBeforeTheGrantAndGoLongAfterIt) {
  Make(2);
  Exchange({{1, 100}}, 50);  // FakeThread asserts the order
  Held(1).reported = true;
  Held(1).unprobed = 0;
  Observe();
  now_ += seconds(5);
  Exchange({}, kNoShare);
  EXPECT_TRUE(threads_[0].contexts.contains("a"));
  now_ += seconds(31);
  Exchange({}, kNoShare);
  Obey();
  EXPECT_THAT(threads_[0].contexts, IsEmpty());
  EXPECT_THAT(threads_[1].contexts, IsEmpty());
}

TEST_F(AgentControlTest, GrantWithoutAShareIsHeldNotUnlimited) {
  Make(1);
  Exchange({{1, 100}}, kNoShare);
  EXPECT_EQ(threads_[0].shares["a"], 0);
  EXPECT_EQ(control_->TakeProblems().size(), 1u);
  Exchange({{1, 100}}, 70);
  EXPECT_EQ(threads_[0].shares["a"], 70);
}

TEST_F(AgentControlTest, ShareMovesToTheThreadThatHasTheWork) {
  Make(2);
  Exchange({{1, 100}, {2, 100}}, 100);
  Observe();
  EXPECT_DOUBLE_EQ(threads_[0].shares["a"], 50);
  EXPECT_DOUBLE_EQ(threads_[1].shares["a"], 50);
  Held(1).unprobed = 0;
  Held(1).reported = true;
  Observe();
  Observe();
  EXPECT_DOUBLE_EQ(threads_[0].shares["a"] + threads_[1].shares["a"], 100);
  EXPECT_DOUBLE_EQ(std::max(threads_[0].shares["a"], threads_[1].shares["a"]), 100);
}

TEST_F(AgentControlTest, AFractionIsToldToAllThreadsAndKeptUntilTheNext) {
  Make(2);
  fraction_ = 0;
  Exchange({{1, 100}}, -1);  // FakeThread asserts that it comes before the grant
  for (const double fraction : {0.0, 0.5, 0.25, 1.0}) {
    fraction_ = fraction;
    now_ += seconds(4);
    Exchange({{1, 100}}, -1);
    EXPECT_EQ(threads_[0].fractions["a"], fraction);
    EXPECT_EQ(threads_[1].fractions["a"], fraction);
    EXPECT_EQ(control_->state().fractions.at("a"), fraction);
  }
  Held(1).unprobed = 0;
  Held(1).reported = true;
  now_ += seconds(4);
  Exchange({}, kNoShare);
  now_ += seconds(31);
  Exchange({}, kNoShare);
  EXPECT_THAT(control_->state().fractions, IsEmpty());
  EXPECT_THAT(threads_[0].fractions, IsEmpty());
}

TEST_F(AgentControlTest, OwnLimitIsDividedBeforeWorkComes) {
  Make(2, 1000);
  Exchange({{1, 100}});
  EXPECT_DOUBLE_EQ(threads_[0].max_rate, 1000);
  Exchange({{1, 100}, {2, 100}});
  EXPECT_DOUBLE_EQ(threads_[0].max_rate, 500);
  EXPECT_DOUBLE_EQ(threads_[1].max_rate, 500);
}

// Whatever comes and goes: after every single order, the threads that hold a lease of the scan may
// together send no more than the scan's share (or than the larger of the old and the new one, until
// all orders of an answer are carried out).
TEST_F(AgentControlTest, ThreadsTogetherNeverExceedTheShare) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    threads_.clear();
    revision_ = 0;
    Make(1 + random() % 4);
    std::map<uint64_t, uint64_t> given;
    uint64_t next = 1;
    double share = 100;
    for (int step = 0; step < 60; ++step) {
      now_ += milliseconds(100 + random() % 2000);
      for (FakeThread& t : threads_) {
        for (auto& [token, l] : t.leases) {
          l.unprobed -= std::min<uint64_t>(l.unprobed, random() % 3000);
          if (l.unprobed == 0 && random() % 2 == 0) l.reported = true;
        }
      }
      Observe();
      std::erase_if(
          given, [&](const auto& g) { return !control_->state().leases.contains(Token{g.first}); });
      if (control_->Next(now_) != AgentControl::Step::kCall) continue;
      control_->BeginCall(now_);
      while (random() % 3 != 0 && given.size() < 10) given[next++] = 1 + random() % 9000;
      const double old = share;
      if (random() % 3 == 0) share = static_cast<double>(random() % 1000);
      control_->OnAnswer(Desired({given.begin(), given.end()}, share), now_);
      for (const Order& o : control_->TakeOrders()) {
        std::visit([&](const auto& what) { threads_[o.thread](what); }, o.what);
        double sum = 0;
        for (const FakeThread& t : threads_) {
          if (!t.leases.empty()) sum += t.shares.at("a");
        }
        ASSERT_LE(sum, std::max(old, share) + 1e-6);
      }
      Observe();
      Observe();
      double sum = 0;
      bool any = false;
      for (const FakeThread& t : threads_) {
        for (const auto& [token, l] : t.leases) any = any || !l.reported;
        if (const auto it = t.shares.find("a"); it != t.shares.end()) sum += it->second;
      }
      if (any) {
        ASSERT_NEAR(sum, share, 1e-6);
      }
    }
  }
}

}  // namespace
}  // namespace portolan
