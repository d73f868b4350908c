#include "common/scan/scan_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace portolan {
namespace {

IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }
IpRange Range(const std::string& first, const std::string& last) { return {Ip(first), Ip(last)}; }
IpRange One(const std::string& address) { return Range(address, address); }

std::shared_ptr<const ScanSpace> MustCreate(std::vector<Block> blocks, uint64_t seed) {
  auto space = ScanSpace::Create(std::move(blocks), seed);
  EXPECT_TRUE(space.ok()) << space.status();
  return *space;
}

// Disjoint blocks of some IPv4 and IPv6 addresses and some ports.
std::vector<Block> RandomBlocks(std::mt19937_64& random, size_t max_addresses, size_t max_ports) {
  std::vector<Block> blocks;
  const size_t count = 1 + random() % 4;
  for (size_t b = 0; b < count; ++b) {
    std::vector<IpRange> addresses;
    for (int i = 1 + random() % 5; i > 0; --i) {
      const uint64_t span = random() % max_addresses;
      // Each block in a space of its own, up to the ends of what there is.
      const uint32_t v4 = (static_cast<uint32_t>(b) << 30 | 0x3FFFFFFFu) -
                          static_cast<uint32_t>(random() % (3 * max_addresses) + span);
      const uint128 v6 = (uint128{3 - b} << 126) + random() % (3 * max_addresses);
      if (random() % 2 == 0) {
        addresses.push_back({IpAddress::V4(v4), IpAddress::V4(v4 + static_cast<uint32_t>(span))});
      } else {
        addresses.push_back({IpAddress::V6(v6), IpAddress::V6(v6 + span)});
      }
    }
    std::vector<PortRange> ports;
    for (int i = 1 + random() % 3; i > 0; --i) {
      const unsigned first = random() % 2 == 0 ? 0 : 65536 - static_cast<unsigned>(max_ports);
      const unsigned from = first + static_cast<unsigned>(random() % max_ports);
      ports.push_back({static_cast<uint16_t>(from), static_cast<uint16_t>(std::min<unsigned>(
                                                        65535, from + random() % max_ports))});
    }
    blocks.push_back({IpSet::Of(addresses), PortSet::Of(ports)});
  }
  return blocks;
}

TEST(ScanSpace, MapsAsVersionOneDidWhenItWasFixed) {
  // Computed by an independent program from the description in the header. If this fails, stored
  // scans would be read wrongly.
  struct Golden {
    uint64_t index;
    const char* address;
    uint16_t port;
  };
  const auto check = [](std::vector<Block> blocks, uint64_t seed, uint64_t size,
                        const std::vector<Golden>& goldens) {
    const auto space = MustCreate(std::move(blocks), seed);
    EXPECT_EQ(space->size(), size);
    for (const Golden& g : goldens) {
      const ScanSpace::Endpoint e = space->At(g.index);
      EXPECT_EQ(e.address.ToString(), g.address) << g.index;
      EXPECT_EQ(e.port, g.port) << g.index;
      EXPECT_EQ(space->IndexOf(Ip(g.address), g.port), g.index);
    }
  };
  check({{IpSet::Of({Range("10.0.0.0", "10.255.255.255")}), PortSet::Of({{1, 65535}})}}, 1,
        1099494850560u,
        {{0u, "10.121.219.89", 27481},
         {1u, "10.229.144.24", 37117},
         {2u, "10.152.252.13", 56904},
         {366498283520u, "10.137.187.239", 63642},
         {549747425280u, "10.162.240.48", 2028},
         {1099494850558u, "10.37.110.47", 43426},
         {1099494850559u, "10.113.177.95", 26860}});
  check({{IpSet::Of({Range("192.0.2.0", "192.0.2.255"), One("198.51.100.7"),
                     Range("2001:db8::", "2001:db8::ffff")}),
          PortSet::Of({{22, 22}, {80, 80}, {443, 443}, {8000, 8100}})}},
        0xfeedface, 6842472u,
        {{0u, "2001:db8::ed22", 8000},
         {1u, "2001:db8::51db", 8097},
         {2u, "2001:db8::dfe4", 8026},
         {2280824u, "2001:db8::9396", 8021},
         {3421236u, "2001:db8::8a05", 8007},
         {6842470u, "2001:db8::e5dc", 8042},
         {6842471u, "2001:db8::9c1d", 8043}});
  check({{IpSet::Of({One("192.0.2.1")}), PortSet::Of({{22, 22}})},
         {IpSet::Of({Range("10.0.0.0", "10.0.63.255"), One("2001:db8::1")}),
          PortSet::Of({{80, 81}, {443, 443}})}},
        77, 49156u,
        {{0u, "192.0.2.1", 22},
         {1u, "10.0.30.33", 81},
         {2u, "10.0.61.109", 443},
         {16385u, "10.0.39.22", 443},
         {24578u, "10.0.28.78", 80},
         {49154u, "10.0.58.47", 443},
         {49155u, "10.0.58.47", 81}});
}

TEST(ScanSpace, EveryEndpointOfEveryBlockHasExactlyOnePosition) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 150; ++round) {
    const std::vector<Block> blocks = RandomBlocks(random, round % 10 == 0 ? 6000 : 20, 6);
    const auto space = MustCreate(blocks, random());
    std::set<std::pair<IpAddress, uint16_t>> seen;
    uint64_t expected = 0;
    for (const Block& b : blocks)
      expected += static_cast<uint64_t>(b.addresses.size()) * b.ports.size();
    ASSERT_EQ(space->size(), expected);
    for (uint64_t i = 0; i < space->size(); ++i) {
      const ScanSpace::Endpoint e = space->At(i);
      ASSERT_TRUE(seen.emplace(e.address, e.port).second) << "position " << i;
      bool planned = false;
      for (const Block& b : blocks)
        planned = planned || (b.addresses.Contains(e.address) && b.ports.Contains(e.port));
      ASSERT_TRUE(planned);
      ASSERT_EQ(space->IndexOf(e.address, e.port), i);
    }
  }
}

TEST(ScanSpace, GroupsCutTheSpaceIntoAdjacentRanges) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 100; ++round) {
    const auto space =
        MustCreate(RandomBlocks(random, 20'000, round % 2 == 0 ? 5 : 20'000), random());
    uint64_t at = 0, addresses = 0;
    for (uint64_t n = 0; n < space->group_count(); ++n) {
      const ScanSpace::Group g = space->GroupNumber(n);
      ASSERT_EQ(g.range.begin, at);
      ASSERT_EQ(g.range.size(), g.addresses * g.ports);
      ASSERT_GT(g.addresses, 0u);
      ASSERT_LE(g.addresses, ScanSpace::kMaxGroupAddresses);
      ASSERT_LE(g.range.size(), ScanSpace::kMaxGroupPositions);
      for (uint64_t i :
           {g.range.begin, g.range.end - 1, g.range.begin + random() % g.range.size()}) {
        const ScanSpace::Group of = space->GroupOf(i);
        ASSERT_EQ(of.range, g.range);
        ASSERT_EQ(of.block, g.block);
        ASSERT_EQ(of.number, g.number);
        const auto of_address = space->GroupOfAddress(space->At(i).address);
        ASSERT_TRUE(of_address.has_value());
        ASSERT_EQ(of_address->range, g.range);
      }
      at = g.range.end;
      addresses += g.addresses;
    }
    ASSERT_EQ(at, space->size());
    ASSERT_EQ(addresses, space->address_count());
  }
}

TEST(ScanSpace, InverseHoldsInHugeSpaces) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 1000; ++round) {
    const unsigned bits = random() % 46;
    const uint128 first = uint128{0x20010db8u} << 96 | random();
    const uint32_t last_port = static_cast<uint32_t>(random() % 65536);
    const uint16_t first_port = static_cast<uint16_t>(random() % (last_port + 1));
    const auto space = MustCreate(
        {{IpSet::Of(
              {{IpAddress::V6(first), IpAddress::V6(first + (uint128{1} << bits) + random() % 99)},
               One("10.0.0.1")}),
          PortSet::Of({{first_port, static_cast<uint16_t>(last_port)}})},
         {IpSet::Of({Range("10.1.0.0", "10.2.3.4")}), PortSet::Of({{80, 80}, {443, 443}})}},
        random());
    for (uint64_t i :
         {uint64_t{0}, space->size() - 1, random() % space->size(), random() % space->size()}) {
      const ScanSpace::Endpoint e = space->At(i);
      ASSERT_EQ(space->IndexOf(e.address, e.port), i);
    }
  }
}

TEST(ScanSpace, WhatIsNotPlannedHasNoPosition) {
  const auto one =
      MustCreate({{IpSet::Of({Range("10.0.0.1", "10.0.0.9")}), PortSet::Of({{80, 80}})}}, 1);
  EXPECT_EQ(one->IndexOf(Ip("10.0.0.0"), 80), std::nullopt);
  EXPECT_EQ(one->IndexOf(Ip("10.0.0.1"), 81), std::nullopt);
  EXPECT_EQ(one->IndexOf(Ip("::a00:1"), 80), std::nullopt);
  EXPECT_EQ(one->GroupOfAddress(Ip("10.0.0.10")), std::nullopt);
  const auto two =
      MustCreate({{IpSet::Of({One("10.0.0.5"), One("10.0.0.9")}), PortSet::Of({{80, 80}})},
                  {IpSet::Of({One("10.0.0.7")}), PortSet::Of({{22, 22}})}},
                 1);
  EXPECT_EQ(two->IndexOf(Ip("10.0.0.7"), 80), std::nullopt);
  EXPECT_EQ(two->IndexOf(Ip("10.0.0.6"), 80), std::nullopt);
  EXPECT_EQ(two->IndexOf(Ip("10.0.0.4"), 80), std::nullopt);
  EXPECT_EQ(two->IndexOf(Ip("10.0.0.7"), 22), 2u);
  EXPECT_EQ(two->GroupOfAddress(Ip("10.0.0.8")), std::nullopt);
}

TEST(ScanSpace, AGroupIsASampleOfAllNetworks) {
  const auto space = MustCreate(
      {{IpSet::Of({Range("10.0.0.0", "10.255.255.255")}), PortSet::Of({{443, 443}})}}, 9);
  const GroupView view(space, space->GroupNumber(17));
  std::map<uint64_t, int> by_slash_16;
  for (uint64_t n = 0; n < view.size(); ++n)
    ++by_slash_16[static_cast<uint64_t>(view.AtNatural(n).address.value()) >> 16];
  EXPECT_GT(by_slash_16.size(), 250u);  // of 256, 16 addresses each on average
  for (const auto& [net, n] : by_slash_16) EXPECT_LT(n, 45);
}

TEST(ScanSpace, RefusesWhatIsNoSpace) {
  const auto why = [](std::vector<Block> blocks) {
    const auto space = ScanSpace::Create(std::move(blocks), 1);
    EXPECT_EQ(space.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(space.status().message());
  };
  const IpSet ten = IpSet::Of({Range("10.0.0.0", "10.0.0.255")});
  const PortSet web = PortSet::Of({{80, 80}, {443, 443}});
  EXPECT_THAT(why({}), testing::HasSubstr("empty"));
  EXPECT_THAT(why({{ten, web}, {IpSet(), web}}),
              testing::HasSubstr("block 1 of the scan space has no addresses"));
  EXPECT_THAT(why({{ten, PortSet()}}),
              testing::HasSubstr("block 0 of the scan space has no ports"));
  EXPECT_THAT(why({{ten, web},
                   {IpSet::Of({One("192.0.2.1"), One("10.0.0.255")}), PortSet::Of({{22, 22}})}}),
              testing::HasSubstr("address 10.0.0.255 is in two blocks"));
  EXPECT_THAT(why({{ten, web},
                   {IpSet::Of({One("192.0.2.1")}), web},
                   {IpSet::Of({Range("9.0.0.0", "11.0.0.0")}), web}}),
              testing::HasSubstr("address 10.0.0.0 is in two blocks"));
  EXPECT_EQ(why({{IpSet::Of({Range("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")}),
                  PortSet::Of({{1, 65535}})}}),
            "the scan space has 5.2e+33 positions (addresses times ports), the limit is 4.6e+18: "
            "scan fewer addresses or ports");
  EXPECT_THAT(why({{IpSet::Of({Range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}),
                    PortSet::Of({{0, 65535}})}}),
              testing::HasSubstr("limit"));
}

TEST(ScanSpace, TakesExactlyTheLimit) {
  const uint128 net = uint128{0x20010db8u} << 96;
  const auto create = [&](uint64_t addresses, uint16_t last_port, bool more) {
    std::vector<Block> blocks = {
        {IpSet::Of({{IpAddress::V6(net), IpAddress::V6(net + addresses - 1)}}),
         PortSet::Of({{0, last_port}})}};
    if (more) blocks.push_back({IpSet::Of({One("10.0.0.1")}), PortSet::Of({{80, 80}})});
    return ScanSpace::Create(std::move(blocks), 1);
  };
  const auto whole = create(uint64_t{1} << 46, 65535, false);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ((*whole)->size(), ScanSpace::kMaxPositions);
  EXPECT_FALSE(create(uint64_t{1} << 46, 65535, true).ok());
  EXPECT_FALSE(create((uint64_t{1} << 46) + 1, 65535, false).ok());
  EXPECT_TRUE(create(uint64_t{1} << 62, 0, false).ok());
  EXPECT_FALSE(create(uint64_t{1} << 62, 0, true).ok());
  EXPECT_TRUE(create((uint64_t{1} << 62) - 1, 0, true).ok());
  const ScanSpace::Endpoint last = (*whole)->At(ScanSpace::kMaxPositions - 1);
  EXPECT_EQ((*whole)->IndexOf(last.address, last.port), ScanSpace::kMaxPositions - 1);
}

TEST(ScanSpace, ManyBlocksOfOneAddressEach) {
  std::vector<Block> blocks;
  for (uint32_t i = 0; i < 65536; ++i) {
    // Interleaved addresses, so that neighbours are never of one block.
    blocks.push_back({IpSet::Of({{IpAddress::V4(i * 2654435761u), IpAddress::V4(i * 2654435761u)}}),
                      PortSet::Of({{static_cast<uint16_t>(i), static_cast<uint16_t>(i)}})});
  }
  const auto space = MustCreate(std::move(blocks), 5);
  EXPECT_EQ(space->size(), 65536u);
  EXPECT_EQ(space->group_count(), 65536u);
  for (uint32_t i = 0; i < 65536; i += 97) {
    EXPECT_EQ(space->IndexOf(IpAddress::V4(i * 2654435761u), static_cast<uint16_t>(i)), i);
    EXPECT_EQ(space->GroupOf(i).block, i);
  }
}

// ---- GroupView ----

TEST(GroupView, AgreesWithTheSpaceAndItsNaturalOrderAscends) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 60; ++round) {
    const auto space = MustCreate(RandomBlocks(random, round % 10 == 0 ? 6000 : 30, 5), random());
    for (uint64_t n = 0; n < space->group_count(); ++n) {
      const ScanSpace::Group group = space->GroupNumber(n);
      const GroupView view(space, group);
      ASSERT_EQ(view.size(), group.range.size());
      for (uint64_t i = group.range.begin; i < group.range.end; ++i) {
        const ScanSpace::Endpoint a = space->At(i), b = view.At(i),
                                  c = view.AtNatural(view.NaturalOf(i));
        ASSERT_EQ(a.address, b.address);
        ASSERT_EQ(a.port, b.port);
        ASSERT_EQ(a.address, c.address);
        ASSERT_EQ(a.port, c.port);
        ASSERT_EQ(view.IndexOfNatural(view.NaturalOf(i)), i);
      }
      for (uint64_t k = 0; k < view.size(); ++k) {
        const ScanSpace::Endpoint e = view.AtNatural(k);
        if (k > 0) {
          const ScanSpace::Endpoint before = view.AtNatural(k - 1);
          ASSERT_TRUE(before.address < e.address ||
                      (before.address == e.address && before.port < e.port));
        }
        ASSERT_EQ(view.NaturalOfAddress(e.address), k / group.ports * group.ports);
      }
      ASSERT_EQ(view.NaturalOfAddress(Ip("77.77.77.77")), std::nullopt);
    }
  }
}

TEST(GroupView, LargestGroupAgreesWithTheSpace) {
  const auto space =
      MustCreate({{IpSet::Of({Range("10.0.0.0", "10.0.1.43")}), PortSet::Of({{0, 65535}})}}, 6);
  ASSERT_EQ(space->group_count(), 2u);
  EXPECT_EQ(space->GroupNumber(0).range.size(), ScanSpace::kMaxGroupPositions);
  EXPECT_EQ(space->GroupNumber(1).addresses, 44u);
  std::mt19937_64 random(7);
  for (uint64_t n : {0u, 1u}) {
    const GroupView view(space, space->GroupNumber(n));
    for (int k = 0; k < 20'000; ++k) {
      const uint64_t i = view.group().range.begin + random() % view.size();
      const ScanSpace::Endpoint a = space->At(i), b = view.At(i),
                                c = view.AtNatural(view.NaturalOf(i));
      ASSERT_TRUE(a.address == b.address && a.port == b.port && a.address == c.address &&
                  a.port == c.port);
      ASSERT_EQ(view.IndexOfNatural(view.NaturalOf(i)), i);
    }
  }
}

}  // namespace
}  // namespace portolan
