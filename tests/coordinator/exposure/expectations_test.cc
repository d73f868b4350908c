#include "coordinator/exposure/expectations.h"

#include <gtest/gtest.h>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

constexpr VantageSide kIn = VantageSide::kInside, kOut = VantageSide::kOutside;

ExposureRule Rule(const std::string& id, const std::string& ports, ExpectedAction action) {
  ExposureRule r;
  r.id = id;
  if (!ports.empty()) r.ports = *ParsePorts(ports);
  r.action = action;
  return r;
}

std::string Decides(const ExpectationSet& set, const Subject& s, const std::string& vantage = "v",
                    VantageSide side = kOut, WallTime now = At(0)) {
  const ExposureRule* rule = set.Find(s, vantage, side, now);
  return rule == nullptr ? "" : rule->id;
}

TEST(Expectations, TheFirstRuleThatMatchesDecides) {
  std::vector<ExposureRule> rules = {Rule("one-host", "22", ExpectedAction::kMayBeOpen),
                                     Rule("all", "22", ExpectedAction::kMustNotBeOpen)};
  rules[0].addresses = Cover("10.0.0.1", "1").blocks()[0].addresses;
  const ExpectationSet set = *ExpectationSet::Make(rules);
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 22)), "one-host");
  EXPECT_EQ(Decides(set, Sub("10.0.0.2", 22)), "all");
  EXPECT_EQ(Decides(set, Sub("10.0.0.2", 23)), "");
}

TEST(Expectations, NamesMatchNamesAndAddressesMatchAddresses) {
  std::vector<ExposureRule> rules = {Rule("name", "", ExpectedAction::kMayBeOpen),
                                     Rule("net", "", ExpectedAction::kMayBeOpen)};
  rules[0].names = {"WWW.example", "*.sub.example"};
  rules[1].addresses = Cover("0.0.0.0/0", "1").blocks()[0].addresses;
  const ExpectationSet set = *ExpectationSet::Make(rules);
  EXPECT_EQ(Decides(set, Sub("www.example", 1)), "name");
  EXPECT_EQ(Decides(set, Sub("a.b.sub.example", 1)), "name");
  EXPECT_EQ(Decides(set, Sub("sub.example", 1)), "");
  EXPECT_EQ(Decides(set, Sub("evilsub.example", 1)), "");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 1)), "net");
}

TEST(Expectations, VantagesAndSidesNarrowARule) {
  std::vector<ExposureRule> rules = {Rule("both", "", ExpectedAction::kMayBeOpen),
                                     Rule("side", "", ExpectedAction::kMayBeOpen)};
  rules[0].vantages = {"a", "b"};
  rules[0].side = kOut;
  rules[1].side = kIn;
  const ExpectationSet set = *ExpectationSet::Make(rules);
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 1), "a", kOut), "both");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 1), "a", kIn), "side");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 1), "c", kOut), "");
}

TEST(Expectations, AnExpiredRuleNoLongerApplies) {
  std::vector<ExposureRule> rules = {Rule("for-now", "22", ExpectedAction::kMayBeOpen),
                                     Rule("all", "22", ExpectedAction::kMustNotBeOpen)};
  rules[0].expires = At(100);
  const ExpectationSet set = *ExpectationSet::Make(rules);
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 22), "v", kOut, At(99)), "for-now");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 22), "v", kOut, At(100)), "all");
}

TEST(Expectations, MustBeOpenNamesAFewSubjectsOnly) {
  ExposureRule r = Rule("web", "80,443", ExpectedAction::kMustBeOpen);
  EXPECT_FALSE(ExpectationSet::Make({r}).ok());  // no targets
  r.names = {"b.example"};
  r.addresses = Cover("10.0.0.0/31", "1").blocks()[0].addresses;
  const auto set = ExpectationSet::Make({r});
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->required(), (std::vector<Subject>{Sub("10.0.0.0", 80), Sub("10.0.0.0", 443),
                                                   Sub("10.0.0.1", 80), Sub("10.0.0.1", 443),
                                                   Sub("b.example", 80), Sub("b.example", 443)}));
  r.addresses = Cover("2001:db8::/32", "1").blocks()[0].addresses;
  EXPECT_FALSE(ExpectationSet::Make({r}).ok());
  r.addresses = IpSet();
  r.ports = *ParsePorts("1-65535");
  EXPECT_FALSE(ExpectationSet::Make({r}).ok());
  r.ports = *ParsePorts("80");
  r.names = {"*.example"};
  EXPECT_FALSE(ExpectationSet::Make({r}).ok());
  // Many small ones together.
  std::vector<ExposureRule> many;
  for (int i = 0; i < 50; ++i) {
    many.push_back(Rule("r" + std::to_string(i), "1-5000", ExpectedAction::kMustBeOpen));
    many.back().names = {"n" + std::to_string(i)};
  }
  EXPECT_FALSE(ExpectationSet::Make(many).ok());
}

TEST(Expectations, RuleIdsAreUniqueAndBounded) {
  const ExposureRule a = Rule("a", "", ExpectedAction::kMayBeOpen);
  EXPECT_FALSE(ExpectationSet::Make({a, a}).ok());
  EXPECT_FALSE(ExpectationSet::Make({Rule("", "", ExpectedAction::kMayBeOpen)}).ok());
  EXPECT_FALSE(
      ExpectationSet::Make({Rule(std::string(101, 'x'), "", ExpectedAction::kMayBeOpen)}).ok());
}

TEST(Profiles, ComeFromTheCatalogueInOneOrder) {
  std::vector<std::string> names = ProfileNames();
  std::reverse(names.begin(), names.end());
  const auto rules = ProfileRules(names);
  ASSERT_TRUE(rules.ok());
  const ExpectationSet set = *ExpectationSet::Make(*rules);
  const auto decides = [&](uint16_t port, VantageSide side) {
    return Decides(set, Sub("10.0.0.1", port), "v", side);
  };
  EXPECT_EQ(decides(3306, kOut), "profile:no-databases-from-outside");
  EXPECT_EQ(decides(3306, kIn), "profile:only-well-known");
  EXPECT_EQ(decides(6443, kOut), "profile:no-control-planes-from-outside");
  EXPECT_EQ(decides(22, kOut), "profile:no-remote-admin-from-outside");
  EXPECT_EQ(decides(22, kIn), "");
  EXPECT_EQ(decides(23, kIn), "profile:no-clear-text");
  EXPECT_EQ(decides(21, kOut), "profile:no-clear-text");
  EXPECT_EQ(decides(25, kOut), "profile:no-clear-text");
  EXPECT_EQ(decides(80, kOut), "");
  EXPECT_EQ(decides(443, kOut), "");
  EXPECT_EQ(decides(1023, kIn), "");
  EXPECT_EQ(decides(1024, kIn), "profile:only-well-known");
  EXPECT_FALSE(ProfileRules({"no-such"}).ok());
  for (const ExposureRule& rule : *rules) {
    EXPECT_FALSE(rule.reason.empty());
    EXPECT_NE(RemedyText(rule, Sub("10.0.0.1", 3306)).find(rule.id), std::string::npos);
  }
}

TEST(Expectations, ServiceClassesAreTheirPortsOfTheCatalogue) {
  ExposureRule r = Rule("db", "1", ExpectedAction::kMustNotBeOpen);
  r.service_class = ServiceClass::kDatabase;
  const ExpectationSet set = *ExpectationSet::Make({r});
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 5432)), "db");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 1)), "db");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 443)), "");
}

}  // namespace
}  // namespace portolan
