// Limits on targets divided over agents.
#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace portolan {
namespace {

// `addresses` from 10.0.0.0 + `first` on, 100 attempts/s to each.
ScanSpec Limited(uint64_t addresses, uint32_t ports, uint32_t first = 0) {
  ScanSpec spec;
  const uint32_t from = 0x0a000000u + first;
  Block block{IpSet::Of({{IpAddress::V4(from),
                          IpAddress::V4(from + static_cast<uint32_t>(addresses) - 1)}}),
              PortSet::Of({{1, static_cast<uint16_t>(ports)}})};
  spec.space = *ScanSpace::Create({block}, 1);
  spec.timing.address_rate = 100;
  return spec;
}

class SchedulerTargets : public SchedulerTest {
 protected:
  // Some rounds in which everybody asks.
  void Settle(std::vector<TestAgent*> agents, int rounds = 12) {
    for (int i = 0; i < rounds; ++i) {
      for (TestAgent* a : agents) Sync(*a);
      Tick();
      Advance(0.3);
    }
  }
  static double Of(const TestAgent& a, const ScanId& scan) {
    auto it = a.fractions.find(scan);
    return it == a.fractions.end() ? -1 : it->second;
  }
};

TEST_F(SchedulerTargets, EvenPartsOfASplitScan) {
  ASSERT_TRUE(Submit(MakeScan("s", Limited(4000, 200))).ok());
  TestAgent a("x"), b("y"), c("z");
  Settle({&a, &b, &c});
  for (const TestAgent* agent : {&a, &b, &c}) EXPECT_NEAR(Of(*agent, "s"), 1.0 / 3, 1e-9);
}

TEST_F(SchedulerTargets, AnEachVantageScanIsDividedOverAllLanes) {
  ScanSpec spec = Limited(40, 20);
  spec.mode = ScanMode::kEachVantage;
  spec.vantages = {"a", "b", "c"};
  ASSERT_TRUE(Submit(MakeScan("s", spec, {"a", "b", "c"})).ok());
  TestAgent a("x", "a"), b("y", "b"), c("z", "c");
  Settle({&a, &b, &c});
  for (const TestAgent* agent : {&a, &b, &c}) EXPECT_NEAR(Of(*agent, "s"), 1.0 / 3, 1e-9);
  FinishAll(b);
  Settle({&a, &b, &c}, 12);
  FinishAll(b);
  Settle({&a, &b, &c}, 12);
  ASSERT_TRUE(s->GetScan("s")->lanes[1].finished);
  EXPECT_DOUBLE_EQ(Of(a, "s"), 0.5);
  EXPECT_DOUBLE_EQ(Of(c, "s"), 0.5);
}

TEST_F(SchedulerTargets, ANewcomerGetsWhatTheOthersHaveGivenUpOnceNothingOfItIsInFlight) {
  ASSERT_TRUE(Submit(MakeScan("s", Limited(4000, 200))).ok());
  s->TakeWoken();
  TestAgent a("x"), b("y");
  EXPECT_DOUBLE_EQ(Sync(a).fractions.at("s"), 1);
  EXPECT_TRUE(Sync(b).leases.empty()) << "nothing is left";
  Advance(0.1);
  Tick();
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"x"});
  EXPECT_DOUBLE_EQ(Sync(a).fractions.at("s"), 0.5);
  EXPECT_TRUE(Sync(b).leases.empty()) << "x has not confirmed";
  EXPECT_FALSE(Sync(a).news);
  Advance(1.5);
  Tick();
  EXPECT_TRUE(s->TakeWoken().empty()) << "x still waits for answers to what it began before";
  EXPECT_TRUE(Sync(b).leases.empty());
  Advance(0.1);
  EXPECT_LE(s->NextEvent(), now);
  Tick();
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"y"});
  const SyncDecision d = Sync(b);
  EXPECT_DOUBLE_EQ(d.fractions.at("s"), 0.5);
  EXPECT_EQ(d.leases.size(), 1u);
}

TEST_F(SchedulerTargets, AnAgentThatIsGoneKeepsItsPartUntilItsLeasesExpire) {
  ASSERT_TRUE(Submit(MakeScan("s", Limited(4000, 200))).ok());
  TestAgent a("x"), b("y");
  Settle({&a, &b});
  ASSERT_DOUBLE_EQ(Of(a, "s"), 0.5);
  double waited = 0;
  for (; Of(a, "s") < 0.9 && waited < 60; waited += 0.5) {
    Settle({&a}, 1);
    Advance(0.2);
  }
  EXPECT_GE(waited, 9);
  EXPECT_LE(waited, 13);
}

TEST_F(SchedulerTargets, ScansThatShareAPrefixAreDividedAsOne) {
  ASSERT_TRUE(Submit(MakeScan("one", Limited(10, 2000))).ok());
  ASSERT_TRUE(Submit(MakeScan("two", Limited(10, 2000, 200))).ok());  // of the same /24
  ASSERT_TRUE(Submit(MakeScan("far", Limited(10, 2000, 256))).ok());
  TestAgent a("x"), b("y");
  a.room = b.room = 1000;
  Settle({&a, &b});
  size_t seen = 0;
  for (const TestAgent* agent : {&a, &b}) {
    for (const char* scan : {"one", "two"}) {
      if (Of(*agent, scan) < 0) continue;  // it holds no lease of this one
      EXPECT_DOUBLE_EQ(Of(*agent, scan), 0.5);
      ++seen;
    }
  }
  EXPECT_GE(seen, 2u);
}

TEST_F(SchedulerTargets, AgentsOfDifferentScansOfTheSameTargetsCountTogether) {
  ScanSpec one = Limited(10, 2000), two = Limited(10, 2000);
  one.vantages = {"a"};
  two.vantages = {"b"};
  ASSERT_TRUE(Submit(MakeScan("one", one)).ok());
  TestAgent a("x", "a"), b("y", "b");
  Settle({&a, &b});
  EXPECT_DOUBLE_EQ(Of(a, "one"), 1);
  ASSERT_TRUE(Submit(MakeScan("two", two)).ok());
  EXPECT_TRUE(Sync(b).leases.empty());
  Settle({&a, &b});
  EXPECT_DOUBLE_EQ(Of(a, "one"), 0.5);
  EXPECT_DOUBLE_EQ(Of(b, "two"), 0.5);
}

TEST_F(SchedulerTargets, AScanBetweenTwoOthersJoinsThemAndItsEndPartsThem) {
  ScanSpec left = Limited(10, 5000), right = Limited(10, 5000, 1024), bridge = Limited(1034, 1);
  left.vantages = {"a"};
  right.vantages = {"b"};
  bridge.vantages = {"a"};
  ASSERT_TRUE(Submit(MakeScan("left", left)).ok());
  ASSERT_TRUE(Submit(MakeScan("right", right)).ok());
  TestAgent a("x", "a"), b("y", "b");
  Settle({&a, &b});
  EXPECT_DOUBLE_EQ(Of(a, "left"), 1);
  EXPECT_DOUBLE_EQ(Of(b, "right"), 1);
  ASSERT_TRUE(Submit(MakeScan("bridge", bridge)).ok());
  Settle({&a, &b}, 10);
  EXPECT_DOUBLE_EQ(Of(a, "left"), 0.5);
  EXPECT_DOUBLE_EQ(Of(b, "right"), 0.5);
  ASSERT_TRUE(s->Cancel("bridge", now, Wall()).ok());
  Settle({&a, &b}, 12);
  ASSERT_EQ(State("bridge"), ScanState::kCancelled);
  EXPECT_DOUBLE_EQ(Of(a, "left"), 1);
  EXPECT_DOUBLE_EQ(Of(b, "right"), 1);
}

TEST_F(SchedulerTargets, WithoutLimitsOrOnLoopbackNothingIsDivided) {
  ScanSpec loopback = Limited(4, 1000);
  Block block{IpSet::Of({{IpAddress::V4(0x7f000001), IpAddress::V4(0x7f000004)}}),
              PortSet::Of({{1, 1000}})};
  loopback.space = *ScanSpace::Create({block}, 1);
  ASSERT_TRUE(Submit(MakeScan("free", MakeSpec(40, 1000))).ok());
  ASSERT_TRUE(Submit(MakeScan("loopback", loopback)).ok());
  TestAgent a("x"), b("y");
  Sync(a);
  Sync(b);
  for (const TestAgent* agent : {&a, &b}) {
    EXPECT_FALSE(agent->held.empty());
    EXPECT_TRUE(agent->fractions.empty());
  }
}

TEST_F(SchedulerTargets, AnAgentThatKnowsNoFractionsCountsAsUsingAll) {
  ASSERT_TRUE(Submit(MakeScan("s", Limited(4000, 200))).ok());
  TestAgent old("x"), b("y");
  Sync(old);
  old.fractions.clear();
  for (int i = 0; i < 6; ++i) {
    Sync(old);
    old.fractions.clear();
    Sync(b);
    Tick();
    Advance(0.5);
    EXPECT_TRUE(b.held.empty() || Of(b, "s") == 0);
  }
  // It goes: its leases expire.
  for (int i = 0; i < 30; ++i) {
    Sync(b);
    Tick();
    Advance(0.5);
  }
  EXPECT_DOUBLE_EQ(Of(b, "s"), 1);
}

TEST_F(SchedulerTargets, AfterARestartNothingRisesUntilTheFormerHoldersHaveCalled) {
  ScanRecord record = MakeScan("s", Limited(4000, 200));
  const LaneId lane = record.lanes[0].id;
  record.leases = {{Token{1}, lane, "x", {{0, 100}}, 1, true},
                   {Token{2}, lane, "y", {{100, 200}}, 1, true}};
  s->Restore(std::move(record), now);
  TestAgent a("x"), b("y"), c("z");
  a.held[Token{1}] = {Token{1}, lane, "s", {{0, 100}}, 1};
  b.held[Token{2}] = {Token{2}, lane, "s", {{100, 200}}, 1};
  a.shares = b.shares = {{"s", -1}};
  a.fractions = {{"s", 0.25}};
  b.fractions = {{"s", 0.75}};
  EXPECT_TRUE(Sync(c).leases.empty());
  EXPECT_LE(Sync(a).fractions.at("s"), 0.25);
  EXPECT_TRUE(Sync(c).leases.empty()) << "what y uses is not known";
  Settle({&b, &a, &c}, 20);
  for (const TestAgent* agent : {&a, &b, &c}) EXPECT_NEAR(Of(*agent, "s"), 1.0 / 3, 1e-9);
}

// A crowd comes and goes; all together never use more than the whole, and nobody who holds leases
// is left with less than half of its even part for long.
TEST_F(SchedulerTargets, ACrowdThatComesAndGoesIsServed) {
  ASSERT_TRUE(Submit(MakeScan("s", Limited(40'000, 1000))).ok());
  std::vector<std::unique_ptr<TestAgent>> crowd;
  for (int round = 0; round < 12; ++round) {
    const size_t wanted = round % 3 == 0 ? 40 : round % 3 == 1 ? 150 : 7;
    while (crowd.size() < wanted) {
      static int number = 0;
      crowd.push_back(std::make_unique<TestAgent>("agent" + std::to_string(number++)));
    }
    crowd.resize(wanted);
    for (int i = 0; i < 40; ++i) {
      double sum = 0;
      for (auto& a : crowd) {
        auto d = s->Synchronize(a->Report(), now, Wall());
        ASSERT_TRUE(d.ok());
        a->Obey(*d);
      }
      for (auto& a : crowd) sum += a->held.empty() ? 0 : Of(*a, "s");
      ASSERT_LE(sum, 1 + 1e-6);
      Tick();
      Advance(0.5);
    }
    for (auto& a : crowd) {
      EXPECT_FALSE(a->held.empty());
      EXPECT_GT(Of(*a, "s"), 0.5 / static_cast<double>(wanted));
    }
  }
}

}  // namespace
}  // namespace portolan
