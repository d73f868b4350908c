// Rates divided over agents, and the order of scans.
#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace portolan {
namespace {

TEST_F(SchedulerTest, ANewAgentGetsItsShareAfterTheOthersConfirmLess) {
  ScanSpec spec = MakeSpec(4000, 200);
  spec.max_rate = 100;
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  s->TakeWoken();
  TestAgent a("x"), b("y");
  EXPECT_DOUBLE_EQ(Sync(a).shares.at("s"), 100);
  EXPECT_TRUE(Sync(b).leases.empty()) << "no share, no lease";
  Advance(0.1);
  Tick();
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"x"});
  auto d = Sync(a);
  EXPECT_TRUE(d.news);
  EXPECT_DOUBLE_EQ(d.shares.at("s"), 50);
  EXPECT_TRUE(Sync(b).leases.empty()) << "x has not confirmed";
  EXPECT_FALSE(Sync(a).news);
  EXPECT_EQ(s->TakeWoken(), std::vector<std::string>{"y"});
  d = Sync(b);
  EXPECT_DOUBLE_EQ(d.shares.at("s"), 50);
  EXPECT_EQ(d.leases.size(), 1u);
}

TEST_F(SchedulerTest, TheShareOfADeadAgentGoesToTheOthers) {
  ScanSpec spec = MakeSpec(4000, 200);
  spec.max_rate = 100;
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  TestAgent a("x"), b("y");
  for (int i = 0; i < 3; ++i) {
    Sync(a);
    Sync(b);
    Tick();
    Advance(0.3);
  }
  EXPECT_DOUBLE_EQ(a.shares.at("s"), 50);
  EXPECT_DOUBLE_EQ(b.shares.at("s"), 50);
  for (int i = 0; i < 5; ++i) {
    Advance(3);
    Sync(a);
    Tick();
  }
  Sync(a);
  EXPECT_DOUBLE_EQ(a.shares.at("s"), 100);
}

TEST_F(SchedulerTest, AScanWithoutALimitSaysSo) {
  ASSERT_TRUE(Submit(MakeScan("s", MakeSpec(4000, 200))).ok());
  TestAgent a("x");
  EXPECT_LT(Sync(a).shares.at("s"), 0);
}

TEST_F(SchedulerTest, ASlowAgentLeavesWhatItCannotUse) {
  ScanSpec spec = MakeSpec(4000, 200);
  spec.max_rate = 1000;
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  TestAgent a("x"), b("y");
  b.rate = 10;
  for (int i = 0; i < 12; ++i) {
    a.rate = a.shares.count("s") ? a.shares["s"] : 0;
    Sync(a);
    Sync(b);
    Tick();
    Advance(2);
  }
  EXPECT_NEAR(b.shares.at("s"), 16, 1);
  EXPECT_NEAR(a.shares.at("s"), 984, 1);
}

// Silent targets: retries and the kernel's second SYNs take three quarters of what is sent.
TEST_F(SchedulerTest, AnAgentThatSpendsItsShareOnRetriesKeepsIt) {
  ScanSpec spec = MakeSpec(4000, 200);
  spec.max_rate = 1000;
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  TestAgent a("x");
  for (int i = 0; i < 30; ++i) {
    a.sent = a.shares.count("s") ? a.shares["s"] : 0;
    a.rate = a.sent / 4;
    Sync(a);
    Tick();
    Advance(2);
    ASSERT_DOUBLE_EQ(a.shares.at("s"), 1000) << "after " << 2 * i << " s";
  }
}

// Else it would be short of its share again and again, and get less and less.
TEST_F(SchedulerTest, AnAgentThatDoesNotSayWhatItSendsKeepsItsShare) {
  ScanSpec spec = MakeSpec(4000, 200);
  spec.max_rate = 1000;
  ASSERT_TRUE(Submit(MakeScan("s", spec)).ok());
  TestAgent a("x");
  a.sent = 0;
  for (int i = 0; i < 30; ++i) {
    a.rate = a.shares.count("s") ? a.shares["s"] / 4 : 0;
    Sync(a);
    Tick();
    Advance(2);
  }
  EXPECT_DOUBLE_EQ(a.shares.at("s"), 1000);
}

TEST_F(SchedulerTest, TheRateOfAnEachVantageScanIsOverAllLanes) {
  ScanSpec spec = MakeSpec(4000, 200);
  spec.max_rate = 100;
  spec.mode = ScanMode::kEachVantage;
  spec.vantages = {"a", "b"};
  ASSERT_TRUE(Submit(MakeScan("s", spec, {"a", "b"})).ok());
  TestAgent a("x", "a"), b("y", "b");
  for (int i = 0; i < 3; ++i) {
    Sync(a);
    Sync(b);
    Tick();
    Advance(0.3);
  }
  EXPECT_DOUBLE_EQ(a.shares.at("s") + b.shares.at("s"), 100);
}

TEST_F(SchedulerTest, LanesOfAScanStartInDifferentPlaces) {
  ScanSpec spec = MakeSpec(40'000, 2);
  spec.mode = ScanMode::kEachVantage;
  spec.vantages = {"a", "b"};
  ASSERT_TRUE(Submit(MakeScan("s", spec, {"a", "b"})).ok());
  TestAgent a("x", "a"), b("y", "b");
  Sync(a);
  Sync(b);
  const uint64_t first_a = *a.held.begin()->second.ranges.First(),
                 first_b = *b.held.begin()->second.ranges.First();
  EXPECT_EQ(first_a, 0u);
  EXPECT_EQ(first_b, spec.space->GroupOf(first_b).range.begin);
  EXPECT_GT(first_b, 20'000u);
}

TEST_F(SchedulerTest, PrioritiesShareAnAgent) {
  ScanSpec low = MakeSpec(4000, 2000), normal = low, high = low;
  low.priority = Priority::kLow;
  high.priority = Priority::kHigh;
  ASSERT_TRUE(Submit(MakeScan("low", low)).ok());
  ASSERT_TRUE(Submit(MakeScan("normal", normal)).ok());
  ASSERT_TRUE(Submit(MakeScan("high", high)).ok());
  TestAgent a("x");
  a.rate = 1000;
  a.known = {{"low", 0}, {"normal", 0}, {"high", 0}};
  for (int i = 0; i < 400; ++i) {
    Sync(a);
    FinishAll(a);
    Advance(1);
    Tick();
  }
  const auto done = [&](const char* id) {
    return static_cast<double>(s->GetScan(id)->ledger.Done());
  };
  EXPECT_GT(done("low"), 10'000);
  EXPECT_NEAR(done("high") / done("normal"), 4, 0.5);
  EXPECT_NEAR(done("normal") / done("low"), 4, 0.7);
}

TEST_F(SchedulerTest, ALimitedScanLeavesTheRestOfAnAgentToOthers) {
  ScanSpec limited = MakeSpec(4000, 200), other = limited;
  limited.max_rate = 10;
  ASSERT_TRUE(Submit(MakeScan("limited", limited)).ok());
  ASSERT_TRUE(Submit(MakeScan("other", other)).ok());
  TestAgent a("x");
  Sync(a);
  uint64_t got = 0;
  for (const auto& [token, l] : a.held) got += l.scan == "other" ? l.ranges.size() : 0;
  EXPECT_GT(got, 4000u);
}

}  // namespace
}  // namespace portolan
