#include "common/scope/scope.h"

#include <gtest/gtest.h>

#include <random>

#include "common/base/status.h"
#include "common/net/target_parser.h"

namespace portolan {
namespace {

using Strings = std::vector<std::string>;

std::vector<ScopeRule> Rules(const Strings& texts) {
  std::vector<ScopeRule> rules;
  for (const std::string& t : texts) rules.push_back(*ParseScopeRule(t));
  return rules;
}
Scope Make(const Strings& allow, const Strings& deny = {}) {
  return Scope::Create(Rules(allow), Rules(deny));
}
IpAddress A(std::string_view text) { return *IpAddress::Parse(text); }
std::string Check(const Scope& scope, const std::string& targets, std::string_view ports = "80") {
  const auto list = ParseAddressTargets({targets});
  EXPECT_TRUE(list.ok()) << list.status();
  const absl::Status status = scope.Check(list->addresses, *ParsePorts(ports));
  if (status.ok()) return "ok";
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  return std::string(Message(status));
}

TEST(Scope, DefaultAllowsLoopbackAndPrivateNetworksOnly) {
  const Scope scope = Scope::Default();
  for (const char* ok :
       {"127.0.0.1", "127.255.255.255", "::1", "10.0.0.0", "10.255.255.255", "172.16.0.0",
        "172.31.255.255", "192.168.0.1", "100.64.0.0", "100.127.255.255", "fc00::", "fdff:ffff::1",
        "198.18.0.0", "198.19.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1",
        "::ffff:10.0.0.1"}) {
    EXPECT_TRUE(scope.Allows(A(ok), 80)) << ok;
    EXPECT_EQ(Check(scope, ok), "ok");
  }
  for (const char* bad : {"8.8.8.8",
                          "1.1.1.1",
                          "9.255.255.255",
                          "11.0.0.0",
                          "172.15.255.255",
                          "172.32.0.0",
                          "192.167.255.255",
                          "192.169.0.0",
                          "100.63.255.255",
                          "100.128.0.0",
                          "198.17.255.255",
                          "198.20.0.0",
                          "192.0.1.255",
                          "192.0.3.0",
                          "128.0.0.0",
                          "126.255.255.255",
                          "::2",
                          "fbff:ffff::1",
                          "fe00::",
                          "2001:db7:ffff::",
                          "2001:db9::",
                          "2600::1",
                          "64:ff9b::a00:1",
                          "2002:a00:1::1",
                          "::ffff:8.8.8.8"}) {
    EXPECT_FALSE(scope.Allows(A(bad), 80)) << bad;
    EXPECT_NE(Check(scope, bad).find("public address; allow it with --allow"), std::string::npos)
        << bad;
  }
}

TEST(Scope, SomeAddressesAreNeverAllowedByANetwork) {
  const Scope scope = Make({"*"});
  EXPECT_TRUE(scope.Allows(A("8.8.8.8"), 80));
  EXPECT_TRUE(scope.Allows(A("2600::1"), 80));
  for (const char* bad :
       {"169.254.169.254", "169.254.0.1", "169.254.170.2", "100.100.100.200", "168.63.129.16",
        "fd00:ec2::254", "fd20:ce::254", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.255.255.255",
        "240.0.0.1", "255.255.255.255", "fe80::1", "febf::1", "ff02::1", "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1"}) {
    EXPECT_FALSE(scope.Allows(A(bad), 80)) << bad;
    EXPECT_FALSE(Scope::Default().Allows(A(bad), 80)) << bad;
    EXPECT_NE(Check(scope, bad).find(", never probed by default; allow it with --allow"),
              std::string::npos)
        << Check(scope, bad);
    // Only the rule that is exactly the address lifts it.
    const Scope lifted = Make({bad});
    EXPECT_TRUE(lifted.Allows(A(bad), 80)) << bad;
    EXPECT_TRUE(Make({A(bad).ToString() + (A(bad).is_v6() ? "/128" : "/32")}).Allows(A(bad), 80))
        << bad;
    EXPECT_FALSE(Make({bad}, {bad}).Allows(A(bad), 80)) << "deny wins";
  }
  EXPECT_FALSE(Make({"169.254.169.254/31"}).Allows(A("169.254.169.254"), 80));
  const Scope on_port = Make({"169.254.169.254 80"});
  EXPECT_TRUE(on_port.Allows(A("169.254.169.254"), 80));
  EXPECT_FALSE(on_port.Allows(A("169.254.169.254"), 81));
}

TEST(Scope, MappedAddressesInsideAV6NetworkAreNoWayAroundTheV4Rules) {
  const Scope scope = Make({"::/0"}, {"8.8.8.0/24"});
  const IpAddress mapped = IpAddress::V6(uint128{0xffff08080808});
  EXPECT_FALSE(scope.Allows(mapped, 80));
  EXPECT_EQ(Check(scope, "::fffe:ffff:0/95"),
            "::ffff:0.0.0.0: IPv4-mapped address, never probed by default; allow it with --allow "
            "::ffff:0.0.0.0");
}

TEST(Scope, AllowRulesAddToTheDefaultUnlessOneIsNone) {
  EXPECT_TRUE(Make({"8.8.8.0/24"}).Allows(A("8.8.8.8"), 80));
  EXPECT_TRUE(Make({"8.8.8.0/24"}).Allows(A("10.0.0.1"), 80));
  const Scope only = Make({"none", "8.8.8.0/24"});
  EXPECT_TRUE(only.Allows(A("8.8.8.8"), 80));
  EXPECT_FALSE(only.Allows(A("10.0.0.1"), 80));
  EXPECT_EQ(Check(only, "10.0.0.1"),
            "10.0.0.1: not among the allowed addresses; allow it with --allow 10.0.0.1");
  EXPECT_FALSE(Make({"none"}).Allows(A("127.0.0.1"), 80));
  EXPECT_TRUE(Make({"none"}).allowed_addresses().empty());
}

TEST(Scope, DenyWinsAndIsNamed) {
  const Scope scope = Make({"10.9.0.1"}, {"10.9.0.0/16", "10.8.0.0/16 22", "* 25"});
  EXPECT_EQ(Check(scope, "10.9.0.1"), "10.9.0.1: denied by rule \"10.9.0.0/16\"");
  EXPECT_EQ(Check(scope, "10.0.0.0/8"), "10.9.0.0: denied by rule \"10.9.0.0/16\"");
  EXPECT_EQ(Check(scope, "10.8.0.0/16"), "ok");
  EXPECT_EQ(Check(scope, "10.8.0.0/16", "20-24"), "10.8.0.0:22: denied by rule \"10.8.0.0/16 22\"");
  EXPECT_EQ(Check(scope, "10.0.0.1", "20-30"), "10.0.0.1:25: denied by rule \"* 25\"");
  EXPECT_EQ(Check(scope, "::1", "25"), "[::1]:25: denied by rule \"* 25\"");
  EXPECT_FALSE(scope.Allows(A("127.0.0.1"), 25));
  EXPECT_TRUE(scope.Allows(A("127.0.0.1"), 26));
  EXPECT_EQ(Check(Make({}, {"0.0.0.0/0"}), "127.0.0.1"), "127.0.0.1: denied by rule \"0.0.0.0/0\"");
}

TEST(Scope, RefusalsNameTheFirstTargetAndHowFarTheyReach) {
  const Scope scope = Scope::Default();
  EXPECT_EQ(Check(scope, "8.8.8.8"), "8.8.8.8: public address; allow it with --allow 8.8.8.8");
  EXPECT_EQ(Check(scope, "10.0.0.1 8.8.8.0/24 9.9.9.9"),
            "8.8.8.0/24: public addresses; allow them with --allow 8.8.8.0/24");
  EXPECT_EQ(Check(scope, "10.0.0.0/7"),
            "11.0.0.0/8: public addresses; allow them with --allow 11.0.0.0/8");
  EXPECT_EQ(Check(scope, "0.0.0.0/0"),
            "0.0.0.0: unspecified address, never probed by default; allow it with --allow 0.0.0.0");
  EXPECT_EQ(
      Check(scope, "1.0.0.0-10.0.0.5"),
      "1.0.0.0-9.255.255.255: public addresses; allow them with --allow 1.0.0.0-9.255.255.255");
  EXPECT_EQ(Check(scope, "223.0.0.0-225.0.0.0"),
            "223.0.0.0/8: public addresses; allow them with --allow 223.0.0.0/8");
  const Scope ports = Make({"8.8.8.8 53,443"});
  EXPECT_EQ(Check(ports, "8.8.8.8", "53"), "ok");
  EXPECT_EQ(Check(ports, "8.8.8.8", "53-54"),
            "8.8.8.8:54: allowed on ports 53,443 only; allow it with --allow \"8.8.8.8 54\"");
}

TEST(Scope, ARemedyFollowedLiftsTheRefusal) {
  // Following the advice again and again must end, and end with everything allowed but what is
  // never allowed by a network.
  Strings allow = {"none"};
  const std::string target = "198.0.0.0-202.255.255.255 2001::-2003:: 10.0.0.0/7";
  std::string answer;
  for (int i = 0; i < 50 && answer != "ok"; ++i) {
    answer = Check(Make(allow), target);
    const size_t at = answer.find("--allow ");
    if (at != answer.npos) allow.push_back(answer.substr(at + 8));
  }
  EXPECT_EQ(answer.substr(0, 11), "2002:a9fe::")
      << answer;  // each of these would need a rule of its own
}

TEST(Scope, HugeSetsAreCheckedByTheirRanges) {
  const Scope scope = Make({"*"}, {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 65535"});
  EXPECT_EQ(Check(scope, "2001:db8::/32", "0-65534"), "ok");
  EXPECT_EQ(Check(scope, "2001:db8::/32", "-"),
            "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535: denied by rule "
            "\"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 65535\"");
  EXPECT_EQ(Check(scope, "1.0.0.0-126.255.255.255", "0-65535").substr(0, 15), "100.100.100.200");
}

TEST(Scope, AllowedAndDeniedAddressesArePartition) {
  const Scope scope = Make({"8.8.8.8 53"}, {"10.0.0.0/9", "10.128.0.0/9 22"});
  EXPECT_TRUE(scope.allowed_addresses().Contains(A("8.8.8.8")));
  EXPECT_TRUE(scope.allowed_addresses().Contains(A("10.128.0.1")));
  EXPECT_TRUE(scope.denied_addresses().Contains(A("10.0.0.1")));
  EXPECT_TRUE(scope.allowed_addresses().Intersection(scope.denied_addresses()).empty());
  EXPECT_EQ(scope.allowed_addresses().Union(scope.denied_addresses()).ToString(), "0.0.0.0/0,::/0");
}

TEST(Scope, DescribesItsRules) {
  EXPECT_EQ(Make({"8.8.8.8 53"}, {"10.0.0.0/9"}).Describe(),
            (Strings{"allow loopback, private, benchmark and documentation networks (default)",
                     "allow 8.8.8.8 53", "deny 10.0.0.0/9",
                     "deny metadata, link-local, multicast, broadcast, reserved and unspecified "
                     "addresses (always)"}));
  EXPECT_EQ(Make({"none"}).Describe()[0], "allow none");
}

// The documented meaning, rule by rule, against the compiled form.
TEST(Scope, AgreesWithANaiveReadingOfRandomRules) {
  const Strings addresses = {"9.255.255.255",
                             "10.0.0.0",
                             "10.0.0.1",
                             "10.0.0.2",
                             "10.0.0.255",
                             "10.0.1.0",
                             "169.254.169.253",
                             "169.254.169.254",
                             "224.0.0.0",
                             "223.255.255.255",
                             "255.255.255.255",
                             "0.0.0.0",
                             "::",
                             "::1",
                             "::2",
                             "fe80::1",
                             "fc00::1",
                             "2001:db8::1",
                             "2600::1",
                             "8.8.8.8"};
  const Strings networks = {"10.0.0.0/24",    "10.0.0.0/31", "0.0.0.0/0", "::/0",      "*",
                            "169.254.0.0/16", "224.0.0.0/3", "fe80::/9",  "8.0.0.0/6", "::/127"};
  const std::vector<uint16_t> ports = {0, 22, 80, 81, 65535};
  std::mt19937 random(31);
  const auto random_rules = [&] {
    Strings rules;
    for (int n = static_cast<int>(random() % 4); n > 0; --n) {
      std::string rule = random() % 2 ? addresses[random() % addresses.size()]
                                      : networks[random() % networks.size()];
      if (random() % 2)
        rule += std::vector<std::string>{" 22", " 80-81", " 0-80", " -"}[random() % 4];
      if (random() % 12 == 0) rule = "none";
      rules.push_back(rule);
    }
    return rules;
  };
  const IpSet defaults =
      ParseAddressTargets({"127.0.0.0/8 ::1 10.0.0.0/8 fc00::/7 2001:db8::/32"})->addresses;
  const IpSet never =
      ParseAddressTargets({"169.254.0.0/16 224.0.0.0/3 0.0.0.0/8 :: fe80::/10"})->addresses;
  for (int round = 0; round < 2000; ++round) {
    const Strings allow_texts = random_rules();
    const Strings deny_texts = random_rules();
    const auto allow = Rules(allow_texts);
    const auto deny = Rules(deny_texts);
    const Scope scope = Scope::Create(allow, deny);
    DenyOverlay overlay{1, deny};
    DenyOverlay prepared = overlay;
    prepared.Prepare();
    bool no_default = false;
    for (const auto& r : allow) no_default |= r.is_none();
    for (const std::string& text : addresses) {
      const IpAddress a = A(text);
      bool all_ports = true;
      for (const uint16_t p : ports) {
        bool allowed = !no_default && defaults.Contains(a) && !never.Contains(a);
        for (const auto& r : allow)
          allowed |= r.Matches(a, p) && (!never.Contains(a) || r.addresses.size() == 1);
        bool denied = false;
        for (const auto& r : deny) denied |= r.Matches(a, p);
        ASSERT_EQ(scope.Allows(a, p), allowed && !denied)
            << text << " " << p << " allow " << ::testing::PrintToString(allow_texts) << " deny "
            << ::testing::PrintToString(deny_texts);
        ASSERT_EQ(overlay.Denies(a, p), denied);
        ASSERT_EQ(prepared.Denies(a, p), denied);
        all_ports &= allowed && !denied;
      }
      const PortSet port_set = PortSet::Of({{0, 0}, {22, 22}, {80, 81}, {65535, 65535}});
      ASSERT_EQ(scope.Check(IpSet::Of({{a, a}}), port_set).ok(), all_ports);
    }
  }
}

TEST(DenyOverlay, RulesAddedAfterPrepareStillCount) {
  DenyOverlay overlay;
  EXPECT_FALSE(overlay.Denies(A("10.0.0.1"), 22));
  overlay.rules = Rules({"10.0.0.0/8"});
  overlay.Prepare();
  overlay.rules.push_back(*ParseScopeRule("192.168.0.0/16 22"));
  EXPECT_TRUE(overlay.Denies(A("10.0.0.1"), 22));
  EXPECT_TRUE(overlay.Denies(A("192.168.0.1"), 22));
  EXPECT_FALSE(overlay.Denies(A("192.168.0.1"), 23));
}

}  // namespace
}  // namespace portolan
