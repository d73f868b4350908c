#include "coordinator/exposure/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/net/service_catalogue.h"
#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

ExplainedSight Sight(const std::string& vantage, std::optional<Symbol> symbol,
                     std::optional<ExpectAction> action = std::nullopt,
                     const std::string& address = "10.0.0.1") {
  ExplainedSight sight;
  sight.vantage = vantage;
  if (symbol) sight.outcome = SubjectOutcome{*symbol, Ip(address), 100, At(1), "a1"};
  sight.action = action;
  return sight;
}

std::vector<std::string> Steps(const Subject& subject, const std::vector<ExplainedSight>& sights) {
  std::vector<VantageView> views;
  for (const ExplainedSight& s : sights) views.push_back({s.side, s.outcome});
  return NextSteps(subject, CompareVantages(views), sights);
}

TEST(Explain, EveryServiceOfTheCatalogueIsExplainedAndEveryClassInItsOwnWords) {
  std::set<std::string> whys;
  for (const Service& s : ServiceCatalogue()) {
    const std::string text = ServiceText(s.port);
    EXPECT_THAT(text, HasSubstr(std::string(s.description))) << s.port;
    EXPECT_EQ(text.find("clear text") != std::string::npos, s.cleartext) << s.port;
    EXPECT_THAT(text, HasSubstr("By its number")) << "nothing more is known of what answers";
  }
  EXPECT_THAT(ServiceText(5432), HasSubstr("the data itself"));
  EXPECT_THAT(ServiceText(22), HasSubstr("controls the machine"));
  EXPECT_THAT(ServiceText(64321), HasSubstr("no service that is commonly known"));
}

TEST(Explain, AnOpenForbiddenPortBeginsWithWhoNeedsItAndLeadsToTheProgram) {
  const auto steps =
      Steps(Sub("10.0.0.1", 5432), {Sight("cloud", kOpenSym, ExpectAction::kMustNotBeOpen)});
  ASSERT_GE(steps.size(), 3u);
  EXPECT_THAT(steps[0], AllOf(HasSubstr("must not be open from cloud"), HasSubstr("may-be-open")));
  EXPECT_THAT(steps[1], HasSubstr("ss -ltnp 'sport = :5432'"));
  EXPECT_THAT(steps.back(), HasSubstr("nc -vz 10.0.0.1 5432"));
}

TEST(Explain, AMissingPortThatRefusesLeadsToTheServiceNotToTheNetwork) {
  const auto steps =
      Steps(Sub("10.0.0.1", 443), {Sight("in", kClosedSym, ExpectAction::kMustBeOpen),
                                   Sight("out", kClosedSym, ExpectAction::kMustBeOpen)});
  EXPECT_THAT(steps[0], HasSubstr("must be open from in and out"));
  EXPECT_THAT(steps, Contains(HasSubstr("systemctl")));
  EXPECT_THAT(steps, Not(Contains(HasSubstr("traceroute"))));
  EXPECT_THAT(steps, Not(Contains(HasSubstr("reject"))));
}

TEST(Explain, ARefusalWhereOthersSeeItOpenIsARejectOfTheFirewall) {
  const auto steps = Steps(Sub("10.0.0.1", 443), {Sight("in", kOpenSym), Sight("out", kClosedSym)});
  EXPECT_THAT(steps, Contains(AllOf(HasSubstr("from out are answered with a reject"),
                                    HasSubstr("nft list ruleset"))));
  EXPECT_THAT(steps, Not(Contains(HasSubstr("systemctl"))));
}

TEST(Explain, SilenceLeadsToTheWayAndEachOtherAnswerToItsOwnPlace) {
  EXPECT_THAT(
      Steps(Sub("10.0.0.1", 22), {Sight("in", kOpenSym), Sight("out", kSilentSym)}),
      Contains(AllOf(HasSubstr("traceroute -T -p 22 10.0.0.1"), HasSubstr("where the ways part"))));
  const auto one = [](Symbol symbol) { return Steps(Sub("10.0.0.1", 22), {Sight("v", symbol)}); };
  EXPECT_THAT(one({State::kFiltered, Reason::kAdminProhibited}), Contains(HasSubstr("policy")));
  EXPECT_THAT(one({State::kFiltered, Reason::kThrottled}), Contains(HasSubstr("addressRate")));
  EXPECT_THAT(one(kRejectSym), Contains(HasSubstr("reject")));
  EXPECT_THAT(one(kNoRouteSym), Contains(HasSubstr("ip route get 10.0.0.1")));
  EXPECT_THAT(one({State::kUnreachable, Reason::kHostUnreachable}),
              Contains(HasSubstr("ip neigh")));
  EXPECT_THAT(one({State::kUnreachable, Reason::kTtlExceeded}), Contains(HasSubstr("circles")));
  EXPECT_THAT(one({State::kOpen, Reason::kResetAfterAccept}), Contains(HasSubstr("reset at once")));
}

TEST(Explain, WhatIsNotKnownIsSaidAndNothingAtAllLeadsToAMonitor) {
  std::vector<ExplainedSight> sights = {Sight("a", std::nullopt), Sight("b", std::nullopt),
                                        Sight("c", std::nullopt)};
  sights[0].unknown = sights[2].unknown = "the name x.example does not exist";
  sights[1].unknown = "no run from there has been complete yet";
  const auto steps = Steps(Sub("x.example", 22), sights);
  EXPECT_THAT(steps, Contains(HasSubstr("not known what a and c see: the name x.example does not "
                                        "exist.")));
  EXPECT_THAT(steps,
              Contains(HasSubstr("not known what b sees: no run from there has been complete "
                                 "yet.")));
  EXPECT_THAT(Steps(Sub("10.0.0.1", 22), {}), testing::ElementsAre(HasSubstr("monitor apply")));
}

TEST(Explain, ANameWithSeveralAddressesIsLookedUpFirstAndNoCommandHoldsAStrangeName) {
  EXPECT_THAT(Steps(Sub("www.example", 80),
                    {Sight("a", kOpenSym), Sight("b", kSilentSym, std::nullopt, "10.0.0.2")}),
              Contains(HasSubstr("getent ahosts www.example")));
  for (const std::string& step : Steps(Sub("$(reboot)", 80), {Sight("a", kOpenSym)}))
    EXPECT_THAT(step, Not(HasSubstr("reboot")));
}

TEST(Explain, ManyVantagesAreCountedNotListed) {
  std::vector<ExplainedSight> sights;
  for (int i = 0; i < 64; ++i) sights.push_back(Sight("v" + std::to_string(i), kSilentSym));
  const auto steps = Steps(Sub("10.0.0.1", 22), sights);
  EXPECT_THAT(steps, Contains(HasSubstr("v4 and 59 others")));
  EXPECT_LE(steps.size(), 12u);
}

}  // namespace
}  // namespace portolan
