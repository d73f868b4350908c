#include "agent/link/control.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "common/base/status.h"

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// Stands for the probe threads: keeps what it is ordered, and walks leases when told to.
struct FakeThread {
  struct Lease {
    std::string scan;
    IntervalSet ranges;
    uint64_t unprobed = 0;
    bool reported = false;
    Time deadline;
  };
  std::map<Token, Lease> leases;
  std::map<std::string, double> shares, fractions;
  std::set<std::string> contexts;
  double max_rate = 0;
  double fraction = 1;  // the coordinator's last word
  bool draining = false;

  void operator()(const order::SetContext& o) { contexts.insert(o.context->scan); }
  void operator()(const order::DropContext& o) {
    contexts.erase(o.scan);
    shares.erase(o.scan);
    fractions.erase(o.scan);
  }
  void operator()(const order::Grant& o) {
    ASSERT_TRUE(contexts.contains(o.lease.scan));
    ASSERT_TRUE(shares.contains(o.lease.scan)) << "granted before its rate was set";
    ASSERT_EQ(fractions.contains(o.lease.scan) ? fractions[o.lease.scan] : 1, fraction)
        << "granted before its fraction was set";
    ASSERT_FALSE(leases.contains(o.lease.token));
    leases[o.lease.token] = {o.lease.scan, o.lease.ranges, o.lease.ranges.size(), false,
                             o.lease.deadline};
    if (draining) GiveBack(leases[o.lease.token]);
  }
  void operator()(const order::Shrink& o) {
    Lease& l = leases[o.token];
    l.ranges = l.ranges.Intersection(o.ranges);
    l.unprobed = std::min(l.unprobed, l.ranges.size());
  }
  void operator()(const order::Revoke& o) { GiveBack(leases[o.token]); }
  void operator()(const order::Forget& o) { leases.erase(o.token); }
  void operator()(const order::Renew& o) { leases[o.token].deadline = o.deadline; }
  void operator()(const order::SetDraining& o) {
    draining = o.draining;
    if (!draining) return;
    for (auto& [token, l] : leases) GiveBack(l);
  }
  void operator()(const order::SetShare& o) { shares[o.scan] = o.rate; }
  void operator()(const order::SetTargetFraction& o) { fractions[o.scan] = o.fraction; }
  void operator()(const order::SetMaxRate& o) { max_rate = o.rate; }

  static void GiveBack(Lease& l) {
    l.ranges.TakeBack(l.unprobed);
    l.unprobed = 0;
    if (l.ranges.empty()) l.reported = true;
  }
};

class AgentControlTest : public testing::Test {
 protected:
  void Make(size_t threads, double max_rate = 0) {
    AgentControlOptions options;
    options.threads = threads;
    options.max_rate = max_rate;
    threads_.resize(threads);
    control_ = std::make_unique<AgentControl>(options);
    Obey();
  }

  void Obey() {
    for (const Order& o : control_->TakeOrders()) {
      std::visit([&](const auto& what) { threads_[o.thread](what); }, o.what);
    }
  }

  void Observe() {
    std::vector<ProbeThread::Snapshot> snapshots(threads_.size());
    for (size_t i = 0; i < threads_.size(); ++i) {
      for (const auto& [token, l] : threads_[i].leases) {
        snapshots[i].leases.push_back({token, l.scan, l.ranges, l.unprobed, l.reported});
      }
      snapshots[i].counters.measured_rate = rate_;
      snapshots[i].idle = idle_;
    }
    control_->Observe(
        snapshots, {has_room_, spooled_.empty(), [this](Token t) { return spooled_.contains(t); }});
    Obey();
  }

  AgentControl::Step Next() {
    Observe();
    return control_->Next(now_);
  }

  static DesiredContext Context(const std::string& scan) {
    const IpAddress net = IpAddress::V4(0xC6120000);
    static const auto space = *ScanSpace::Create(
        {{IpSet::Of({{net, IpAddress::V4(0xC612FFFF)}}), PortSet::Of({{1, 1000}})}}, 7);
    return {scan, space, {}, std::make_shared<const DenyOverlay>()};
  }

  // Calls, and is answered with these leases (token, positions) of scan "a" at once.
  AgentControl::Ask Exchange(const std::vector<std::pair<uint64_t, uint64_t>>& leases,
                             double share = -1) {
    Observe();
    EXPECT_EQ(control_->Next(now_), AgentControl::Step::kCall);
    const AgentControl::Ask ask = control_->BeginCall(now_);
    Answer(leases, share);
    return ask;
  }
  void Answer(const std::vector<std::pair<uint64_t, uint64_t>>& leases, double share = -1) {
    control_->OnAnswer(Desired(leases, share), now_);
    Obey();
  }
  DesiredState Desired(const std::vector<std::pair<uint64_t, uint64_t>>& leases, double share) {
    DesiredState d;
    d.epoch = 1;
    d.revision = ++revision_;
    d.lease_term = seconds(10);
    for (const auto& [token, size] : leases) {
      d.leases.push_back(
          {Token{token}, LaneId{1}, "a", {{token * 100'000, token * 100'000 + size}}, 1});
    }
    if (share != kNoShare) {
      d.shares = {{"a", share}};
      if (fraction_ < 1) d.fractions = {{"a", fraction_}};
      for (FakeThread& t : threads_) t.fraction = fraction_;
    }
    if (!leases.empty() && !control_->state().contexts.contains("a")) d.contexts = {Context("a")};
    return d;
  }

  FakeThread::Lease& Held(uint64_t token) {
    for (FakeThread& t : threads_) {
      if (t.leases.contains(Token{token})) return t.leases[Token{token}];
    }
    ADD_FAILURE() << "nobody holds " << token;
    static FakeThread::Lease none;
    return none;
  }

  static constexpr double kNoShare = -77;
  std::unique_ptr<AgentControl> control_;
  std::vector<FakeThread> threads_;
  std::set<Token> spooled_;
  Time now_ = Time(seconds(1000));
  double rate_ = 0;
  double fraction_ = 1;
  bool has_room_ = true;
  bool idle_ = true;
  uint64_t revision_ = 0;
};

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
