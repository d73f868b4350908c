#include "common/dns/resolver_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/dns/hosts_table.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Servers(const ResolverConfig& config) {
  std::vector<std::string> out;
  for (const NameServer& server : config.servers) out.push_back(server.ToString());
  return out;
}

TEST(ResolvConf, IsReadAsGlibcReadsIt) {
  const ResolverConfig config = ParseResolvConf(
      "# by hand\n"
      "domain first.test\n"
      "nameserver 198.18.0.1 # the first\r\n"
      "nameserver\t2001:db8::53\n"
      "nameserver nonsense\n"
      "nameserver 198.18.0.3\n"
      "nameserver 198.18.0.4\n"
      "search a.test. b.test\n"
      "options ndots:3 timeout:2 attempts:99 rotate edns0 unknown ndots:x\n"
      "options use-vc no-aaaa single-request\n");
  EXPECT_THAT(Servers(config), ElementsAre("198.18.0.1", "2001:db8::53", "198.18.0.3"));
  EXPECT_THAT(config.search, ElementsAre("a.test", "b.test"));
  EXPECT_EQ(config.ndots, 3);
  EXPECT_EQ(config.timeout, std::chrono::seconds(2));
  EXPECT_EQ(config.attempts, 5);
  EXPECT_TRUE(config.rotate && config.edns && config.use_tcp && config.no_aaaa &&
              config.one_by_one);
}

TEST(ResolvConf, HasDefaults) {
  const ResolverConfig config = ParseResolvConf("", "", "", "host.corp.test");
  EXPECT_THAT(Servers(config), ElementsAre("127.0.0.1"));
  EXPECT_THAT(config.search, ElementsAre("corp.test"));
  EXPECT_EQ(config.ndots, 1);
  EXPECT_EQ(config.timeout, std::chrono::seconds(5));
  EXPECT_EQ(config.attempts, 2);
}

TEST(ResolvConf, EnvironmentGoesBeforeTheFile) {
  const ResolverConfig config = ParseResolvConf("search a.test\noptions ndots:2\n", "b.test c.test",
                                                "ndots:4 timeout:1", "host.corp.test");
  EXPECT_THAT(config.search, ElementsAre("b.test", "c.test"));
  EXPECT_EQ(config.ndots, 4);
  EXPECT_EQ(config.timeout, std::chrono::seconds(1));
}

TEST(ResolvConf, LinkLocalServersCannotBeAskedDirectly) {
  const ResolverConfig config = ParseResolvConf("nameserver fe80::1%eth0\n");
  EXPECT_THAT(config.servers, IsEmpty());
  EXPECT_THAT(config.unusable_servers, ElementsAre("fe80::1%eth0"));
}

TEST(SearchPlan, FollowsNdotsAndTheFinalDot) {
  ResolverConfig config;
  config.search = {"a.test", "b.test"};
  EXPECT_THAT(PlanSearch("db", config).names, ElementsAre("db.a.test", "db.b.test", "db"));
  EXPECT_EQ(PlanSearch("db", config).as_it_is, 2u);
  EXPECT_THAT(PlanSearch("db.", config).names, ElementsAre("db"));
  EXPECT_THAT(PlanSearch("www.db", config).names,
              ElementsAre("www.db", "www.db.a.test", "www.db.b.test"));
  config.ndots = 2;
  EXPECT_THAT(PlanSearch("www.db", config).names,
              ElementsAre("www.db.a.test", "www.db.b.test", "www.db"));
  const std::string label(60, 'x');
  const std::string almost = label + "." + label + "." + label + "." + label;  // 243 characters
  config.search = {"very-long-domain.test"};
  EXPECT_THAT(PlanSearch(almost, config).names, ElementsAre(almost));
}

TEST(HostsTable, KnowsEveryNameOfEveryLine) {
  const HostsTable table = HostsTable::Parse(
      "127.0.0.1 localhost\n"
      "::1 localhost ip6-localhost # loopback\r\n"
      "198.18.0.9\tDb.test db alias_1.\n"
      "198.18.0.8 db.test\n"
      "fe80::1%lo0 lo\n"
      "nonsense db.test\n"
      "# 198.18.0.7 commented\n"
      "198.18.0.6");
  ASSERT_NE(table.Find("DB.TEST."), nullptr);
  EXPECT_EQ(table.Find("db.test")->size(), 2u);
  EXPECT_EQ(table.Find("db.test")->at(0).ToString(), "198.18.0.8");
  EXPECT_EQ(table.Find("localhost")->size(), 2u);
  EXPECT_NE(table.Find("alias_1"), nullptr);
  EXPECT_NE(table.Find("lo"), nullptr);
  EXPECT_EQ(table.Find("commented"), nullptr);
  EXPECT_EQ(table.size(), 6u);
}

TEST(HostsTable, LocalhostIsReserved) {
  EXPECT_TRUE(IsLocalhost("LocalHost.") && IsLocalhost("a.localhost"));
  EXPECT_FALSE(IsLocalhost("notlocalhost") || IsLocalhost("localhost.test"));
}

}  // namespace
}  // namespace portolan
