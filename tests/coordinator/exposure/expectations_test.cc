#include "coordinator/exposure/expectations.h"

#include <gtest/gtest.h>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

constexpr VantageRole kIn = VantageRole::kInside, kOut = VantageRole::kOutside;

ExposureRule Rule(const std::string& id, const std::string& ports, ExpectAction action) {
  ExposureRule r;
  r.id = id;
  if (!ports.empty()) r.ports = *ParsePorts(ports);
  r.action = action;
  return r;
}

std::string Decides(const ExpectationSet& set, const Subject& s, const std::string& vantage = "v",
                    VantageRole side = kOut, WallTime now = At(0)) {
  const ExposureRule* rule = set.Find(s, vantage, side, now);
  return rule == nullptr ? "" : rule->id;
}

TEST(Expectations, TheFirstRuleThatMatchesDecides) {
  std::vector<ExposureRule> rules = {Rule("one-host", "22", ExpectAction::kMayBeOpen),
                                     Rule("all", "22", ExpectAction::kMustNotBeOpen)};
  rules[0].addresses = Cover("10.0.0.1", "1").blocks()[0].addresses;
  const ExpectationSet set = *ExpectationSet::Make(rules);
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 22)), "one-host");
  EXPECT_EQ(Decides(set, Sub("10.0.0.2", 22)), "all");
  EXPECT_EQ(Decides(set, Sub("10.0.0.2", 23)), "");
}

TEST(Expectations, NamesMatchNamesAndAddressesMatchAddresses) {
  std::vector<ExposureRule> rules = {Rule("name", "", ExpectAction::kMayBeOpen),
                                     Rule("net", "", ExpectAction::kMayBeOpen)};
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
  std::vector<ExposureRule> rules = {Rule("both", "", ExpectAction::kMayBeOpen),
                                     Rule("side", "", ExpectAction::kMayBeOpen)};
  rules[0].vantages = {"a", "b"};
  rules[0].side = kOut;
  rules[1].side = kIn;
  const ExpectationSet set = *ExpectationSet::Make(rules);
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 1), "a", kOut), "both");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 1), "a", kIn), "side");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 1), "c", kOut), "");
}

TEST(Expectations, AnExpiredRuleNoLongerApplies) {
  std::vector<ExposureRule> rules = {Rule("for-now", "22", ExpectAction::kMayBeOpen),
                                     Rule("all", "22", ExpectAction::kMustNotBeOpen)};
  rules[0].expires = At(100);
  const ExpectationSet set = *ExpectationSet::Make(rules);
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 22), "v", kOut, At(99)), "for-now");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 22), "v", kOut, At(100)), "all");
}

TEST(Expectations, MustBeOpenNamesAFewSubjectsOnly) {
  ExposureRule r = Rule("web", "80,443", ExpectAction::kMustBeOpen);
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
    many.push_back(Rule("r" + std::to_string(i), "1-5000", ExpectAction::kMustBeOpen));
    many.back().names = {"n" + std::to_string(i)};
  }
  EXPECT_FALSE(ExpectationSet::Make(many).ok());
}

TEST(Expectations, RuleIdsAreUniqueAndBounded) {
  const ExposureRule a = Rule("a", "", ExpectAction::kMayBeOpen);
  EXPECT_FALSE(ExpectationSet::Make({a, a}).ok());
  EXPECT_FALSE(ExpectationSet::Make({Rule("", "", ExpectAction::kMayBeOpen)}).ok());
  EXPECT_FALSE(
      ExpectationSet::Make({Rule(std::string(101, 'x'), "", ExpectAction::kMayBeOpen)}).ok());
}

MonitorSpec SpecWithProfiles() {
  MonitorSpec spec;
  spec.name = "edge";
  spec.owner = "netops";
  spec.vantages = {{"in", VantageRole::kInside}, {"out", VantageRole::kOutside}};
  for (const ExpectationProfile& p : ExpectationProfiles()) {
    spec.profiles.insert(spec.profiles.begin(), p.rule.name);
  }
  return spec;
}

TEST(Profiles, TheWorstDecidesInWhateverOrderTheyAreGiven) {
  const ExpectationSet set = *ExpectationSet::Compile(SpecWithProfiles());
  const auto decides = [&](uint16_t port, VantageRole side) {
    return Decides(set, Sub("10.0.0.1", port), side == kIn ? "in" : "out", side);
  };
  EXPECT_EQ(decides(3306, kOut), "no-databases-from-outside");
  EXPECT_EQ(decides(3306, kIn), "no-clear-text");
  EXPECT_EQ(decides(6443, kOut), "no-control-planes-from-outside");
  EXPECT_EQ(decides(22, kOut), "no-remote-admin-from-outside");
  EXPECT_EQ(decides(23, kOut), "no-remote-admin-from-outside");
  EXPECT_EQ(decides(22, kIn), "");
  EXPECT_EQ(decides(23, kIn), "no-clear-text");
  EXPECT_EQ(decides(21, kOut), "no-clear-text");
  EXPECT_EQ(decides(25, kOut), "no-clear-text");
  EXPECT_EQ(decides(80, kOut), "");
  EXPECT_EQ(decides(443, kOut), "");
  EXPECT_EQ(decides(1023, kIn), "");
  EXPECT_EQ(decides(1024, kIn), "only-well-known");
  for (const ExposureRule& rule : set.rules()) {
    EXPECT_EQ(rule.owner, "netops");
    EXPECT_FALSE(rule.reason.empty());
    EXPECT_NE(RemedyText(rule, Sub("10.0.0.1", 3306)).find(rule.id), std::string::npos);
  }
}

TEST(RemedyText, AdviceForAServiceHoldsOnlyIfThePortsNumberIsRight) {
  ExposureRule rule;
  rule.id = "r";
  EXPECT_EQ(
      RemedyText(rule, Sub("10.0.0.1", 23)).find("if it is telnet, as its port number says, "), 0u);
  EXPECT_EQ(RemedyText(rule, Sub("10.0.0.1", 21)).find("if it is ftp, as its port number says, "),
            0u);
  for (const uint16_t port : {80, 64'999})  // what to do depends on no guess
    EXPECT_EQ(RemedyText(rule, Sub("10.0.0.1", port)).find("stop the service"), 0u) << port;
}

TEST(Expectations, ASpecificationsOwnRulesComeBeforeItsProfiles) {
  MonitorSpec spec = SpecWithProfiles();
  ExpectationRule rule;
  rule.name = "the-database";
  rule.targets = {"10.0.0.1", "db.example"};
  rule.services = {"database"};
  rule.ports = "1";
  rule.role = kOut;
  rule.action = ExpectAction::kMayBeOpen;
  spec.expectations = {rule};
  const ExpectationSet set = *ExpectationSet::Compile(spec);
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 5432), "out", kOut), "the-database");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 1), "out", kOut), "the-database");
  EXPECT_EQ(Decides(set, Sub("db.example", 5432), "out", kOut), "the-database");
  EXPECT_EQ(Decides(set, Sub("10.0.0.2", 5432), "out", kOut), "no-databases-from-outside");
  EXPECT_EQ(Decides(set, Sub("10.0.0.1", 5432), "in", kIn), "no-clear-text");
  // One for a side on which nobody looks says nothing, instead of everything.
  spec.vantages.pop_back();
  spec.expectations[0].action = ExpectAction::kMustNotBeOpen;
  EXPECT_EQ(Decides(*ExpectationSet::Compile(spec), Sub("10.0.0.1", 1), "in", kIn), "");
}

}  // namespace
}  // namespace portolan
