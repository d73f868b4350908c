#include "common/net/service_catalogue.h"

#include <gtest/gtest.h>

#include <set>

namespace portolan {
namespace {

TEST(ServiceCatalogue, PortsAscendAndRanksAreOneToN) {
  const auto services = ServiceCatalogue();
  std::set<int> ranks;
  for (size_t i = 0; i < services.size(); ++i) {
    if (i > 0) {
      EXPECT_LT(services[i - 1].port, services[i].port);
    }
    ranks.insert(services[i].rank);
  }
  EXPECT_EQ(ranks.size(), services.size());
  EXPECT_EQ(*ranks.begin(), 1);
  EXPECT_EQ(*ranks.rbegin(), static_cast<int>(services.size()));
}

TEST(ServiceCatalogue, NamesCanBeWrittenInAPortExpression) {
  for (const Service& s : ServiceCatalogue()) {
    EXPECT_EQ(s.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.+/"), s.name.npos) << s.name;
    EXPECT_NE(s.name.find_first_of("abcdefghijklmnopqrstuvwxyz"), s.name.npos) << s.name;
    EXPECT_LE(s.name.size(), 30u) << s.name;
    EXPECT_FALSE(s.description.empty()) << s.port;
    EXPECT_LE(s.description.size(), 60u) << s.description;
    EXPECT_NE(ServiceClassName(s.service_class), "") << s.port;
  }
}

TEST(ServiceCatalogue, FindsByPort) {
  ASSERT_NE(FindService(22), nullptr);
  EXPECT_EQ(FindService(22)->name, "ssh");
  EXPECT_FALSE(FindService(22)->cleartext);
  EXPECT_TRUE(FindService(23)->cleartext);
  EXPECT_EQ(ServiceClassName(FindService(23)->service_class), "remote-admin");
  EXPECT_EQ(FindService(0), nullptr);
  EXPECT_EQ(FindService(65535), nullptr);
  EXPECT_EQ(ServiceName(443), "https");
  EXPECT_EQ(ServiceName(4), "");
}

}  // namespace
}  // namespace portolan
