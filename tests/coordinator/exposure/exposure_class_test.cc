#include "coordinator/exposure/exposure_class.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

constexpr VantageRole kIn = VantageRole::kInside, kOut = VantageRole::kOutside;
using enum ExposureClass;

VantageView View(VantageRole side, std::optional<Symbol> symbol,
                 const std::string& address = "10.0.0.1") {
  if (!symbol) return {side, std::nullopt};
  return {side, SubjectOutcome{*symbol, Ip(address), 0, {}, ""}};
}

struct Row {
  std::vector<VantageView> views;
  ExposureClass exposure;
  ExposureBarrier barrier;
};

TEST(ExposureClass, IsThatOfTheTable) {
  const Symbol admin{State::kFiltered, Reason::kAdminProhibited};
  const Symbol proto{State::kFiltered, Reason::kProtoUnreachable};
  const Symbol self{State::kClosed, Reason::kSelfConnect};
  const Symbol host{State::kUnreachable, Reason::kHostUnreachable};
  const Symbol ttl{State::kUnreachable, Reason::kTtlExceeded};
  using B = ExposureBarrier;
  const std::vector<Row> table = {
      {{}, kNotComparable, B::kNone},
      {{View(kIn, kOpenSym)}, kOpenEverywhere, B::kNone},
      {{View(kIn, kOpenSym), View(kOut, kResetSym)}, kOpenEverywhere, B::kNone},
      {{View(kIn, kOpenSym), View(kOut, kSilentSym)}, kOpenOnlyInside, B::kNetwork},
      {{View(kIn, kOpenSym), View(kOut, admin)}, kOpenOnlyInside, B::kNetwork},
      {{View(kIn, kOpenSym), View(kOut, host)}, kOpenOnlyInside, B::kNetwork},
      {{View(kIn, kOpenSym), View(kOut, kNoRouteSym)}, kOpenOnlyInside, B::kNetwork},
      {{View(kIn, kOpenSym), View(kOut, ttl)}, kOpenOnlyInside, B::kNetwork},
      {{View(kIn, kOpenSym), View(kOut, kRejectSym)}, kOpenOnlyInside, B::kHostFirewall},
      {{View(kIn, kOpenSym), View(kOut, proto)}, kOpenOnlyInside, B::kHostFirewall},
      // A RST where others see the same address open is a reject; at another address it is not.
      {{View(kIn, kOpenSym), View(kOut, kClosedSym)}, kOpenOnlyInside, B::kHostFirewall},
      {{View(kIn, kOpenSym), View(kOut, kClosedSym, "10.0.0.2")},
       kOpenOnlyInside,
       B::kNotListening},
      {{View(kIn, kOpenSym), View(kOut, self)}, kOpenOnlyInside, B::kNotListening},
      {{View(kIn, kSilentSym), View(kOut, kOpenSym)}, kOpenOnlyOutside, B::kNetwork},
      // One inside is enough for "only inside", whatever the others inside see.
      {{View(kIn, kOpenSym), View(kIn, kSilentSym), View(kOut, kSilentSym)},
       kOpenOnlyInside,
       B::kNetwork},
      {{View(kIn, kOpenSym), View(kOut, kOpenSym), View(kOut, kSilentSym)},
       kOpenFromSome,
       B::kNetwork},
      // Nobody looked from outside, so "only inside" would claim too much.
      {{View(kIn, kOpenSym), View(kIn, kRejectSym)}, kOpenFromSome, B::kHostFirewall},
      {{View(kOut, kOpenSym), View(kOut, kSilentSym)}, kOpenFromSome, B::kNetwork},
      {{View(kIn, kOpenSym), View(kOut, kSilentSym), View(kOut, kRejectSym)},
       kOpenOnlyInside,
       B::kMixed},
      {{View(kIn, kClosedSym), View(kOut, kClosedSym)}, kNotOpen, B::kNotListening},
      {{View(kIn, kClosedSym), View(kOut, kSilentSym)}, kNotOpen, B::kMixed},
      {{View(kIn, kOpenSym), View(kOut, std::nullopt)}, kNotComparable, B::kNone},
      {{View(kIn, kOpenSym), View(kOut, kOwedSym)}, kNotComparable, B::kNone},
      {{View(kIn, kOpenSym), View(kOut, Symbol{State::kNotProbed, Reason::kAgentScope})},
       kNotComparable,
       B::kNone},
      {{View(kIn, kSilentSym), View(kOut, std::nullopt)}, kNotComparable, B::kNetwork},
  };
  for (size_t i = 0; i < table.size(); ++i) {
    const Comparison c = CompareVantages(table[i].views);
    EXPECT_EQ(c.exposure, table[i].exposure) << "row " << i;
    EXPECT_EQ(c.barrier, table[i].barrier) << "row " << i;
  }
}

// The same in words, over sets.
Comparison Slow(const std::vector<VantageView>& views) {
  Comparison c;
  std::set<VantageRole> open_on, shut_on;
  std::set<ExposureBarrier> barriers;
  for (const VantageView& v : views) {
    const Symbol s = v.outcome ? v.outcome->symbol : Symbol();
    if (s == kOpenSym || s == kResetSym) {
      ++c.open;
      open_on.insert(v.side);
    } else if (s.state == State::kOwed || s.state == State::kNotProbed) {
      ++c.unknown;
    } else {
      ++c.not_open;
      shut_on.insert(v.side);
      bool rejects = false;
      for (const VantageView& w : views) {
        rejects |= w.outcome && w.outcome->symbol.state == State::kOpen &&
                   w.outcome->address == v.outcome->address;
      }
      if (s == kClosedSym) {
        barriers.insert(rejects ? ExposureBarrier::kHostFirewall : ExposureBarrier::kNotListening);
      } else if (s.reason == Reason::kSelfConnect) {
        barriers.insert(ExposureBarrier::kNotListening);
      } else if (s == kRejectSym || s.reason == Reason::kProtoUnreachable) {
        barriers.insert(ExposureBarrier::kHostFirewall);
      } else {
        barriers.insert(ExposureBarrier::kNetwork);
      }
    }
  }
  if (barriers.size() > 1) c.barrier = ExposureBarrier::kMixed;
  if (barriers.size() == 1) c.barrier = *barriers.begin();
  if (c.unknown > 0 || views.empty()) return c;
  if (c.open == 0) c.exposure = kNotOpen;
  if (c.not_open == 0) c.exposure = kOpenEverywhere;
  if (c.open == 0 || c.not_open == 0) return c;
  c.exposure = kOpenFromSome;
  if (open_on == std::set{kIn} && shut_on.count(kOut)) c.exposure = kOpenOnlyInside;
  if (open_on == std::set{kOut} && shut_on.count(kIn)) c.exposure = kOpenOnlyOutside;
  return c;
}

TEST(ExposureClass, EveryCombinationOfUpToThreeVantagesIsAsTheSlowReferenceSays) {
  std::vector<VantageView> all;
  for (const VantageRole side : {kIn, kOut}) {
    all.push_back(View(side, std::nullopt));
    for (int state = 1; state <= 6; ++state) {
      for (int reason = 0; reason <= 53; ++reason) {
        const Symbol s{static_cast<State>(state), static_cast<Reason>(reason)};
        if (!IsValid(s.state, s.reason)) continue;
        for (const char* address : {"10.0.0.1", "10.0.0.2"}) all.push_back(View(side, s, address));
      }
    }
  }
  ASSERT_GT(all.size(), 60u);
  for (const VantageView& a : all) {
    ASSERT_EQ(CompareVantages(std::vector{a}), Slow({a}));
    for (const VantageView& b : all) {
      ASSERT_EQ(CompareVantages(std::vector{a, b}), Slow({a, b}));
      for (const VantageView& c : all) {
        ASSERT_EQ(CompareVantages(std::vector{a, b, c}), Slow({a, b, c}));
      }
    }
  }
}

TEST(Subject, NamesAreLowerCaseAndSortBehindAddresses) {
  EXPECT_EQ(TargetKey::OfName("WWW.Example."), TargetKey::OfName("www.example"));
  EXPECT_EQ(TargetKey::FromString("10.0.0.1"), TargetKey::Of(Ip("10.0.0.1")));
  EXPECT_LT(Sub("10.0.0.9", 1), Sub("10.0.0.10", 1));
  EXPECT_LT(Sub("2001:db8::1", 1), Sub("a.example", 1));
  EXPECT_LT(Sub("a.example", 9), Sub("a.example", 10));
  for (const char* text : {"10.0.0.1", "2001:db8::1", "a.example"}) {
    EXPECT_EQ(TargetKey::FromString(text).ToString(), text);
  }
  EXPECT_EQ(Sub("2001:db8::1", 80).ToString(), "[2001:db8::1]:80");
}

TEST(Subject, ANameIsOpenWhereAnyAddressIsAndUnknownWhileAnyMightBe) {
  const auto o = [](Symbol s) {
    return std::optional(SubjectOutcome{s, Ip("10.0.0.1"), 0, {}, ""});
  };
  using V = std::vector<std::optional<SubjectOutcome>>;
  EXPECT_EQ(JoinOutcomes(V{}), std::nullopt);
  EXPECT_EQ(JoinOutcomes(V{std::nullopt, o(kOpenSym)})->symbol, kOpenSym);
  EXPECT_EQ(JoinOutcomes(V{std::nullopt, o(kClosedSym)}), std::nullopt);
  EXPECT_EQ(JoinOutcomes(V{o(kOwedSym), o(kClosedSym)}), std::nullopt);
  EXPECT_EQ(JoinOutcomes(V{o(kNoRouteSym), o(kSilentSym), o(kClosedSym)})->symbol, kClosedSym);
}

// A vantage whose hosts have no IPv6 sees what IPv4 shows.
TEST(Subject, AFamilyThatTheVantageCannotAskDoesNotDecideWhatANameIs) {
  const auto at = [](const char* address, Symbol s) {
    return std::optional(SubjectOutcome{s, Ip(address), 0, {}, ""});
  };
  const Symbol outside{State::kNotProbed, Reason::kAgentScope};
  const Symbol given_up{State::kNotProbed, Reason::kAttempts};
  using V = std::vector<std::optional<SubjectOutcome>>;
  const auto v6 = at("2001:db8::1", outside);
  EXPECT_EQ(JoinOutcomes(V{v6, at("10.0.0.1", kClosedSym)})->symbol, kClosedSym);
  EXPECT_EQ(JoinOutcomes(V{at("10.0.0.1", kOpenSym), v6})->symbol, kOpenSym);
  EXPECT_EQ(JoinOutcomes(V{at("10.0.0.1", outside), at("2001:db8::1", kSilentSym)})->symbol,
            kSilentSym);
  // Nothing was observed, or an address of a family that can be asked was not.
  EXPECT_EQ(JoinOutcomes(V{v6}), std::nullopt);
  EXPECT_EQ(JoinOutcomes(V{v6, at("10.0.0.1", outside)}), std::nullopt);
  EXPECT_EQ(JoinOutcomes(V{at("10.0.0.1", outside), at("10.0.0.2", kClosedSym)}), std::nullopt);
  EXPECT_EQ(JoinOutcomes(V{v6, at("10.0.0.1", kClosedSym), at("10.0.0.2", given_up)}),
            std::nullopt);
  EXPECT_EQ(JoinOutcomes(V{v6, std::nullopt, at("10.0.0.1", kClosedSym)}), std::nullopt);
}

}  // namespace
}  // namespace portolan
