#include "common/monitor/expectation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "common/monitor/monitor_spec.h"
#include "common/scan/timing_template.h"

namespace portolan {
namespace {

TEST(RulePorts, UnionOfTextAndClasses) {
  ExpectationRule rule;
  EXPECT_EQ(RulePorts(rule)->size(), 65'536u);
  rule.ports = "22,8000-8001";
  EXPECT_EQ(RulePorts(rule)->ToString(), "22,8000-8001");
  rule.services = {"database"};
  const PortSet ports = *RulePorts(rule);
  EXPECT_TRUE(ports.Contains(22) && ports.Contains(5432) && ports.Contains(3306));
  EXPECT_FALSE(ports.Contains(443));
  rule.services = {"databases"};
  EXPECT_FALSE(RulePorts(rule).ok());
}

TEST(Profiles, SpeakOfWhatTheyAreNamedFor) {
  const auto ports = [](const char* profile) { return *RulePorts(FindProfile(profile)->rule); };
  for (const uint16_t port : {21, 23, 25, 110, 143, 389})
    EXPECT_TRUE(ports("no-clear-text").Contains(port)) << port;
  for (const uint16_t port : {22, 53, 80, 443, 993})
    EXPECT_FALSE(ports("no-clear-text").Contains(port)) << port;
  for (const uint16_t port : {22, 23, 3389, 5900})
    EXPECT_TRUE(ports("no-remote-admin-from-outside").Contains(port)) << port;
  for (const uint16_t port : {3306, 5432, 27017, 6379})
    EXPECT_TRUE(ports("no-databases-from-outside").Contains(port)) << port;
  for (const uint16_t port : {2379, 6443, 10250})
    EXPECT_TRUE(ports("no-control-planes-from-outside").Contains(port)) << port;
  EXPECT_EQ(ports("only-well-known").ToString(), "0,1024-65535");
  EXPECT_EQ(FindProfile("no-such"), nullptr);
  for (const ExpectationProfile& p : ExpectationProfiles()) {
    EXPECT_EQ(p.rule.role.has_value(), p.rule.name.ends_with("-from-outside")) << p.rule.name;
    EXPECT_EQ(p.rule.action, ExpectAction::kMustNotBeOpen);
    EXPECT_FALSE(p.description.empty() || p.rule.reason.empty());
    // A class of services is known by its port numbers only, and says so.
    EXPECT_EQ(p.rule.reason.starts_with("by port number"), !p.rule.services.empty()) << p.rule.name;
  }
}

TEST(RuleReason, WhatIsJudgedByAServiceClassIsKnownByThePortsNumberOnly) {
  EXPECT_EQ(RuleReason({"clear-text"}, "", 21), "by port number clear-text");
  EXPECT_EQ(RuleReason({"clear-text"}, "nothing unencrypted", 21),
            "by port number clear-text; nothing unencrypted");
  EXPECT_EQ(RuleReason({"clear-text", "remote-admin", "database"}, "", 23),
            "by port number clear-text and remote-admin");
  // A port that the rule names itself, a rule of ports, and a reason that says it already.
  EXPECT_EQ(RuleReason({"database"}, "ours", 21), "ours");
  EXPECT_EQ(RuleReason({}, "", 21), "");
  EXPECT_EQ(RuleReason({"clear-text"}, "by port number FTP", 21), "by port number FTP");
  for (const ServiceSet& set : ServiceSets()) {
    for (uint32_t i = 0; i < set.ports.size(); ++i) {
      EXPECT_EQ(RuleReason({std::string(set.name)}, "", set.ports.Select(i)),
                "by port number " + std::string(set.name));
    }
  }
}

TEST(ParseTargetNames, KeepsNamesAndAddressesApart) {
  const auto t = ParseTargetNames(
      {"192.0.2.0/30", "WWW.Example.org.", "2001:db8::1", "www.example.org", "192.0.2.9"});
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ(t->addresses.ToString(), "192.0.2.0/30,192.0.2.9,2001:db8::1");
  EXPECT_THAT(t->names, testing::ElementsAre("www.example.org"));
  for (const char* bad : {"", "192.0.2.1:80", "a.example:22", "192.0.2.1 192.0.2.2", "192.0.2.0/33",
                          "192.0.2.1 # host", "-x"})
    EXPECT_FALSE(ParseTargetNames({bad}).ok()) << bad;
}

TEST(ParseEndpointText, OneAddressOrNameAndPort) {
  EXPECT_EQ(ParseEndpointText("192.0.2.1:22")->host, "192.0.2.1");
  EXPECT_EQ(ParseEndpointText("[2001:DB8::1]:443")->host, "2001:db8::1");
  EXPECT_EQ(ParseEndpointText("Host.Example.:8443")->host, "host.example");
  EXPECT_EQ(ParseEndpointText("host.example:8443")->port, 8443);
  for (const char* bad : {"", "192.0.2.1", "host.example", "192.0.2.0/24", "192.0.2.1:22 x:1",
                          "192.0.2.1:70000", "2001:db8::1:443x"})
    EXPECT_FALSE(ParseEndpointText(bad).ok()) << bad;
}

TEST(RuleVantages, ListAndRoleBothHold) {
  MonitorSpec spec;
  spec.vantages = {
      {"a", VantageRole::kInside}, {"b", VantageRole::kOutside}, {"c", VantageRole::kOutside}};
  ExpectationRule rule;
  EXPECT_THAT(RuleVantages(rule, spec), testing::ElementsAre("a", "b", "c"));
  rule.role = VantageRole::kOutside;
  EXPECT_THAT(RuleVantages(rule, spec), testing::ElementsAre("b", "c"));
  rule.vantages = {"a", "c"};
  EXPECT_THAT(RuleVantages(rule, spec), testing::ElementsAre("c"));
}

TEST(AllRules, OwnRulesFirstAndEveryRuleHasAnOwner) {
  MonitorSpec spec;
  spec.owner = "net";
  spec.profiles = {"only-well-known", "no-clear-text"};
  spec.expectations.resize(1);
  spec.expectations[0].name = "own";
  spec.expectations[0].owner = "web";
  const auto rules = AllRules(spec);
  ASSERT_EQ(rules.size(), 3u);
  EXPECT_EQ(rules[0].name, "own");
  EXPECT_EQ(rules[0].owner, "web");
  EXPECT_EQ(rules[1].name, "no-clear-text") << "what is worst decides";
  EXPECT_EQ(rules[2].owner, "net");
}

TEST(ExpectationRule, ExpiresAtItsDate) {
  ExpectationRule rule = FindProfile("only-well-known")->rule;
  EXPECT_FALSE(rule.HasExpired(WallTime::max()));
  rule.expires = FromUnixMicros(100);
  EXPECT_FALSE(rule.HasExpired(FromUnixMicros(99)));
  EXPECT_TRUE(rule.HasExpired(FromUnixMicros(100)));
}

TEST(MonitorRate, TemplateAndWhatDiffersFromIt) {
  MonitorRate rate;
  EXPECT_EQ(TimingOf(rate), TimingTemplateOf(3).timing);
  rate.level = 2;
  EXPECT_EQ(TimingOf(rate), TimingTemplateOf(2).timing);
  EXPECT_EQ(MaxRateOf(rate), 400);
  rate.max_rate = 0;
  EXPECT_EQ(MaxRateOf(rate), 0);
  rate.timeout = std::chrono::milliseconds(500);
  rate.address_rate = 3;
  EXPECT_EQ(TimingOf(rate).timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(TimingOf(rate).min_timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(TimingOf(rate).growth, 1u);
  EXPECT_EQ(TimingOf(rate).retries, TimingTemplateOf(2).timing.retries);
}

}  // namespace
}  // namespace portolan
