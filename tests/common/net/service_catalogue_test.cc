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
    EXPECT_EQ(s.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.+/"), s.name.npos)
        << s.name;
    EXPECT_NE(s.name.find_first_of("abcdefghijklmnopqrstuvwxyz"), s.name.npos) << s.name;
    EXPECT_LE(s.name.size(), 30u) << s.name;
    EXPECT_FALSE(s.description.empty()) << s.port;
    EXPECT_LE(s.description.size(), 60u) << s.description;
    EXPECT_NE(ServiceClassName(s.service_class), "") << s.port;
  }
}

TEST(ServiceCatalogue, HoldsWhatAnOwnerOfANetworkMustKnow) {
  EXPECT_GE(ServiceCatalogue().size(), 400u);
  for (const int port :
       {21,    22,    23,    25,    53,    80,    88,    102,   110,   111,  135,  139,
        143,   389,   443,   445,   465,   502,   587,   623,   636,   873,  993,  995,
        1433,  1521,  1883,  2049,  2181,  2375,  2376,  2379,  2380,  3000, 3306, 3389,
        4243,  4646,  5000,  5432,  5601,  5672,  5900,  5901,  5902,  5903, 5985, 5986,
        6379,  6443,  8080,  8200,  8443,  8500,  8883,  9090,  9092,  9100, 9200, 9300,
        10250, 10255, 11211, 15672, 20000, 27017, 44818, 47808, 50051, 61616}) {
    EXPECT_NE(FindService(static_cast<uint16_t>(port)), nullptr) << port;
  }
}

TEST(ServiceCatalogue, WhatIsOpenEverywhereComesFirst) {
  for (const int port : {22, 80, 443, 445, 3389, 8080})
    EXPECT_LE(FindService(static_cast<uint16_t>(port))->rank, 10) << port;
  for (const int port : {23, 3306, 5432, 6379, 6443, 9200, 10250, 27017, 5900, 5985}) {
    EXPECT_LE(FindService(static_cast<uint16_t>(port))->rank, 30) << port;
  }
  for (const int port : {7, 9, 17, 70})
    EXPECT_GT(FindService(static_cast<uint16_t>(port))->rank, 500) << port;
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
