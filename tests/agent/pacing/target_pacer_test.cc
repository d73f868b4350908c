#include "agent/pacing/target_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace portolan {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Time At(double s) { return Time(FromSeconds(1000 + s)); }
IpAddress Host(uint32_t i) { return IpAddress::V4(0xC6120000u + i); }

TEST(RttEstimator, FollowsRfc6298ButForItsFloor) {
  RttEstimator e;
  e.Sample(milliseconds(100));
  EXPECT_EQ(e.mean(), FromSeconds(0.1f));
  EXPECT_NEAR(ToSeconds(e.Timeout()), 0.300, 1e-6);  // 4 deviations of half the first sample
  e.Sample(milliseconds(180));
  EXPECT_NEAR(ToSeconds(e.mean()), 0.110, 1e-6);
  // deviation 0.05 + (0.08 - 0.05) / 4 = 0.0575
  EXPECT_NEAR(ToSeconds(e.Timeout()), 0.110 + 4 * 0.0575, 1e-6);
  for (int i = 0; i < 1000; ++i) e.Sample(milliseconds(50));
  EXPECT_NEAR(ToSeconds(e.Timeout()), 0.100, 1e-3);  // never less than twice the mean
}

TEST(Pace, SilenceNeverRaisesItAndAnswersDo) {
  const PaceLimit limit{100, 32, 50};
  Pace silent, answering;
  const auto count = [&](Pace& pace, bool answers) {
    int started = 0;
    for (double t = 0; t < 3; t += 0.0005) {
      while (pace.MayStart(limit, At(t)) <= At(t)) {
        pace.OnStart(limit, At(t));
        ++started;
        if (answers) pace.OnAnswer({At(t)}, At(t));
        pace.OnEnd(At(t));
      }
    }
    return started;
  };
  EXPECT_NEAR(count(silent, false), 300, 3);
  EXPECT_GT(count(answering, true), 5000);
}

TEST(Pace, HoldsWhatIsInFlight) {
  const PaceLimit limit{0, 4, 2};
  Pace pace;
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(pace.MayStart(limit, At(0)), At(0));
    pace.OnStart(limit, At(0));
  }
  EXPECT_EQ(pace.MayStart(limit, At(0)), kNever);
  for (int i = 0; i < 100; ++i) pace.OnAnswer({At(0)}, At(0));
  for (int i = 0; i < 4; ++i) {
    ASSERT_LE(pace.MayStart(limit, At(0)), At(0));
    pace.OnStart(limit, At(0));
  }
  EXPECT_EQ(pace.MayStart(limit, At(0)), kNever);  // growth 2
  pace.OnEnd(At(0));
  EXPECT_LE(pace.MayStart(limit, At(0)), At(0));
}

// Less than one in flight: one at a time, and rests, so that on average it is as much as that.
TEST(Pace, APartOfOneInFlightIsHeldOnAverage) {
  for (const double most : {0.9, 1.0 / 3, 0.1, 0.01}) {
    SCOPED_TRACE(most);
    std::mt19937_64 random(1);
    const PaceLimit limit = PaceLimit{0, 1, 1}.Times(most);
    Pace pace;
    double t = 0, busy = 0;
    for (int i = 0; i < 500; ++i) {
      const Time may = pace.MayStart(limit, At(t));
      ASSERT_NE(may, kNever);
      t = std::max(t, ToSeconds(may - At(0)));
      // What was in flight so far, and its rests, never come to more than the part.
      if (t > 0) {
        EXPECT_LE(busy / t, most * (1 + 1e-6));
      }
      pace.OnStart(limit, At(t));
      ASSERT_EQ(pace.MayStart(limit, At(t)), kNever);
      const double took = 0.001 + static_cast<double>(random() % 1500) / 1000;
      t += took;
      busy += took;
      pace.OnEnd(At(t));
    }
    EXPECT_NEAR(busy / t, most, 0.01 * most + 0.003);
  }
}

TEST(Pace, PartsOfAFleetAddUpToNoMoreThanTheWhole) {
  const PaceLimit whole{100, 32, 50};
  for (int n = 1; n <= 32; ++n) {
    const PaceLimit part = whole.Times(1.0 / n);
    Pace pace;
    int started = 0;
    while (pace.MayStart(PaceLimit{0, part.in_flight, 1}, At(0)) <= At(0)) {
      pace.OnStart(part, At(0));
      ++started;
    }
    EXPECT_LE(started * n, 32) << n;
    EXPECT_GT(started * n, 16) << n;
    EXPECT_NEAR(part.rate * n, 100, 1e-9);
  }
}

// Whatever is asked for when: in no window more than 1 + rate x (w + 10 ms), neither to an address
// nor to a prefix; and a caller that asks again when it was told to is let through.
TEST(TargetPacer, NeverAboveAnyLimitOverAnyWindow) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    TargetPacer pacer(1024);
    const double rate = 20 + static_cast<double>(random() % 200);
    const double prefix_rate = rate * (1 + static_cast<double>(random() % 8));
    const TargetLimits limits{{rate, 16, 1}, {prefix_rate, 0, 1}};
    std::map<uint32_t, std::vector<double>> by_address, by_prefix;
    std::vector<TargetPacer::Target> flying;
    double t = 0;
    while (t < 4) {
      const uint32_t host = static_cast<uint32_t>(random() % 40) * 51;  // several to a /24
      TargetPacer::Target target;
      ASSERT_TRUE(pacer.Find(Host(host), target));
      const Time may = pacer.MayStart(target, limits, At(t));
      if (may <= At(t)) {
        pacer.OnStart(target, limits, At(t));
        by_address[host].push_back(t);
        by_prefix[host / 256].push_back(t);
        flying.push_back(target);
      } else if (may != kNever) {
        ASSERT_LE(pacer.MayStart(target, limits, may), may);
      }
      while (flying.size() > random() % 64) {
        pacer.OnNothing(flying.front(), At(t));
        flying.erase(flying.begin());
      }
      t += static_cast<double>(random() % 1000) * 1e-6;
    }
    const auto check = [](const std::vector<double>& times, double limit) {
      for (size_t i = 0; i < times.size(); ++i) {
        for (size_t j = i; j < times.size(); ++j) {
          const double count = static_cast<double>(j - i + 1);
          ASSERT_LE(count, 1.001 + limit * (times[j] - times[i] + 0.010));
        }
      }
    };
    for (const auto& [host, times] : by_address) check(times, rate);
    for (const auto& [prefix, times] : by_prefix) check(times, prefix_rate);
  }
}

TEST(TargetPacer, RemembersWhatIsInFlightHoweverManyComeAndGo) {
  TargetPacer pacer(64);
  const TargetLimits limits{{0, 1, 1}, {}};
  TargetPacer::Target busy;
  ASSERT_TRUE(pacer.Find(Host(7), busy));
  pacer.OnStart(busy, limits, At(0));
  for (uint32_t i = 1000; i < 5000; ++i) {
    TargetPacer::Target other;
    if (pacer.Find(Host(i), other)) {
      pacer.OnStart(other, limits, At(0));
      pacer.OnNothing(other, At(0));
    }
  }
  TargetPacer::Target again;
  ASSERT_TRUE(pacer.Find(Host(7), again));
  EXPECT_EQ(again.address, busy.address);
  EXPECT_EQ(pacer.MayStart(again, limits, At(0)), kNever);
}

TEST(TargetPacer, FullOfAttemptsInFlightItTakesNoMoreAddresses) {
  TargetPacer pacer(8);  // one set
  const TargetLimits limits;
  std::vector<TargetPacer::Target> all(8);
  for (uint32_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(pacer.Find(Host(i), all[i]));
    pacer.OnStart(all[i], limits, At(0));
  }
  TargetPacer::Target more;
  EXPECT_FALSE(pacer.Find(Host(9), more));
  pacer.OnNothing(all[3], At(0));
  EXPECT_TRUE(pacer.Find(Host(9), more));
}

TEST(TargetPacer, TimeoutIsTheAddresssOwnThenItsNeighboursThenEverybodys) {
  TargetPacer pacer;
  const TargetLimits limits;
  const Duration least = milliseconds(100), most = milliseconds(1500);
  const auto answer = [&](uint32_t host, Duration rtt) {
    TargetPacer::Target t;
    ASSERT_TRUE(pacer.Find(Host(host), t));
    pacer.OnStart(t, limits, At(0));
    pacer.OnAnswer(t, {rtt, true, {At(0)}}, At(0));
  };
  const auto timeout = [&](uint32_t host, bool last) {
    TargetPacer::Target t;
    EXPECT_TRUE(pacer.Find(Host(host), t));
    return pacer.WaitOf(t, least, most, last).timeout;
  };
  EXPECT_EQ(timeout(1, false), most);  // nothing is known
  for (uint32_t i = 0; i < 7; ++i) answer(i, milliseconds(40));
  EXPECT_EQ(timeout(0, false), FromSeconds(0.12f));
  EXPECT_EQ(timeout(0, true), most);     // before silence is believed
  EXPECT_EQ(timeout(100, false), most);  // too few neighbours
  answer(7, milliseconds(200));
  EXPECT_GE(timeout(100, false), milliseconds(300));  // half more than the slowest
  EXPECT_LT(timeout(100, false), most);
  EXPECT_EQ(timeout(256 * 9, false), most);  // elsewhere
  for (uint32_t i = 0; i < 64; ++i) answer(256 * 2 + i * 256, milliseconds(20));
  EXPECT_LT(timeout(256 * 200, false), most);
  answer(3, milliseconds(1));
  EXPECT_GE(timeout(3, false), least);
}

// A host that has answered: what it leaves unanswered counts as in flight for as long as its
// answers take, although its last try is heard for longer.
TEST(TargetPacer, WhatWaitsForLongerThanAnswersTakeCountsNoMore) {
  TargetPacer pacer;
  const TargetLimits limits{{0, 4, 1}, {}};
  TargetPacer::Target host;
  ASSERT_TRUE(pacer.Find(Host(1), host));
  std::vector<TargetPacer::Target> flying(4, host);
  for (TargetPacer::Target& t : flying) pacer.OnStart(t, limits, At(0));
  EXPECT_EQ(pacer.MayStart(host, limits, At(1)), kNever) << "nothing is known of it";
  // One is answered: of the others nothing is known, but that they are older than its answers.
  pacer.OnAnswer(flying[0], {milliseconds(20), true, {At(0)}}, At(0.02));
  std::vector<TargetPacer::Target> more(4, host);
  for (TargetPacer::Target& t : more) {
    ASSERT_LE(pacer.MayStart(host, limits, At(0.03)), At(0.03));
    const TargetPacer::Wait wait = pacer.WaitOf(t, milliseconds(100), milliseconds(1500), true);
    EXPECT_EQ(wait.counts, milliseconds(100));
    EXPECT_EQ(wait.timeout, milliseconds(1500)) << "one answer is not enough to wait for less";
    pacer.OnStart(t, limits, At(0.03));
  }
  EXPECT_EQ(pacer.MayStart(host, limits, At(0.1)), kNever);
  pacer.OnOverdue(more[0], At(0.13));
  pacer.OnOverdue(more[0], At(0.13));
  EXPECT_LE(pacer.MayStart(host, limits, At(0.13)), At(0.13));
  TargetPacer::Target last = host;
  pacer.OnStart(last, limits, At(0.13));
  EXPECT_EQ(pacer.MayStart(host, limits, At(0.14)), kNever) << "one, however often it was said";
  // Each ends once, and what has not counted takes nothing from what does.
  for (size_t i = 1; i < 4; ++i) pacer.OnNothing(flying[i], At(1.5));
  pacer.OnNothing(more[0], At(1.53));
  EXPECT_EQ(pacer.MayStart(host, limits, At(1.6)), kNever);
  for (size_t i = 1; i < 4; ++i) pacer.OnNothing(more[i], At(1.53));
  pacer.OnNothing(last, At(1.6));
  for (int i = 0; i < 4; ++i) {
    ASSERT_LE(pacer.MayStart(host, limits, At(2)), At(2));
    pacer.OnStart(last, limits, At(2));
  }
  EXPECT_EQ(pacer.MayStart(host, limits, At(2)), kNever);
}

// Whatever answers, stays silent or is overdue in whatever order: no more counts as in flight than
// the limit, and in the end nothing does.
TEST(TargetPacer, InFlightIsExactWhateverHappens) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    TargetPacer pacer(64);
    const TargetLimits limits{{0, 6, 1}, {}};
    struct Attempt {
      TargetPacer::Target target;
      double at;
    };
    std::vector<Attempt> flying;
    bool answered = false;
    double t = 0;
    for (int i = 0; i < 2000; ++i, t += 0.01) {
      TargetPacer::Target host;
      ASSERT_TRUE(pacer.Find(Host(1), host));
      if (pacer.MayStart(host, limits, At(t)) <= At(t)) {
        pacer.OnStart(host, limits, At(t));
        flying.push_back({host, t});
      }
      // Of those started since it has answered, that are not overdue.
      const auto counting = std::count_if(flying.begin(), flying.end(), [&](const Attempt& a) {
        return !a.target.overdue && !(a.target.before_answers && answered);
      });
      ASSERT_LE(counting, 6);
      ASSERT_EQ(counting == 6, pacer.MayStart(host, limits, At(t)) == kNever);
      if (flying.empty()) continue;
      const size_t which = random() % flying.size();
      switch (random() % 4) {
        case 0:
          pacer.OnOverdue(flying[which].target, At(t));
          continue;
        case 1:
          pacer.OnNothing(flying[which].target, At(t));
          break;
        case 2:
          if (i < 500) continue;
          pacer.OnAnswer(flying[which].target, {milliseconds(20), true, {At(flying[which].at)}},
                         At(t));
          answered = true;
          break;
        default:
          continue;
      }
      flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(which));
    }
    EXPECT_TRUE(answered);
  }
}

TEST(TargetPacer, FewAnswersRaiseAnAddressSoonAndAFirewallsSilenceDoesNotLowerIt) {
  const PaceLimit limit{100, 32, 200, 60};
  const auto started = [&](int answers) {
    Pace pace;
    for (int i = 0; i < answers; ++i) pace.OnAnswer({At(0)}, At(0));
    int count = 0;
    for (double t = 0; t < 1; t += 0.0005) {
      while (pace.MayStart(limit, At(t)) <= At(t)) {
        pace.OnStart(limit, At(t));
        pace.OnEnd(At(t));
        ++count;
      }
    }
    return count;
  };
  EXPECT_NEAR(started(0), 100, 2) << "nothing is known of it";
  EXPECT_NEAR(started(1), 163, 3);
  EXPECT_NEAR(started(10), 733, 10);
  EXPECT_NEAR(started(100), 1033, 15) << "then as at any target";
}

// The last try at a host that answers waits for less than would make the kernel send its SYN again.
TEST(TargetPacer, LastTryWaitsForLongOnlyWhereNothingIsKnownOrPortsAreSlow) {
  TargetPacer pacer;
  const TargetLimits limits;
  const Duration least = milliseconds(300), most = milliseconds(1500);
  TargetPacer::Target host;
  ASSERT_TRUE(pacer.Find(Host(1), host));
  const auto answer = [&](Duration rtt) {
    pacer.OnStart(host, limits, At(0));
    pacer.OnAnswer(host, {rtt, rtt <= seconds(1), {At(0)}}, At(2));
  };
  const auto waits = [&] {
    std::map<Duration, int> out;
    for (int i = 0; i < 160; ++i) ++out[pacer.WaitOf(host, least, most, true).timeout];
    return out;
  };
  for (int i = 0; i < 3; ++i) answer(milliseconds(20));
  EXPECT_EQ(waits(), (std::map<Duration, int>{{most, 160}}));
  answer(milliseconds(20));
  EXPECT_EQ(waits(), (std::map<Duration, int>{{seconds(1), 150}, {most, 10}})) << "a sample";
  answer(milliseconds(1200));  // one of them
  EXPECT_EQ(waits(), (std::map<Duration, int>{{most, 160}}));
  // A host that is far away.
  ASSERT_TRUE(pacer.Find(Host(2), host));
  for (int i = 0; i < 30; ++i) answer(milliseconds(350));
  EXPECT_NEAR(ToSeconds(waits().begin()->first), 1.4, 1e-3);
  EXPECT_NEAR(ToSeconds(pacer.WaitOf(host, least, most, false).timeout), 0.7, 1e-3);
}

TEST(TargetPacer, PrefixOfIpv6IsASlash64) {
  TargetPacer pacer;
  const IpAddress a = *IpAddress::Parse("2001:db8::1"), b = *IpAddress::Parse("2001:db8::ffff:2"),
                  c = *IpAddress::Parse("2001:db8:0:1::1");
  TargetPacer::Target ta, tb, tc;
  ASSERT_TRUE(pacer.Find(a, ta) && pacer.Find(b, tb) && pacer.Find(c, tc));
  EXPECT_EQ(ta.prefix, tb.prefix);
  EXPECT_NE(ta.prefix, tc.prefix);
}

}  // namespace
}  // namespace portolan
