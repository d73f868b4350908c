#include "common/scope/endpoint_set.h"

#include <gtest/gtest.h>

#include <array>
#include <bitset>
#include <random>

namespace portolan {
namespace {

// The naive model: 32 addresses around the border of the families and at both ends of the number
// space, by 8 ports.
constexpr int kAddresses = 32;
constexpr int kPorts = 8;
constexpr std::array<uint16_t, kPorts> kPortOf = {0, 1, 2, 80, 81, 1000, 65534, 65535};
using Model = std::array<std::bitset<kPorts>, kAddresses>;

IpAddress Nth(int i) {
  if (i < 8) return IpAddress::V4(static_cast<uint32_t>(i));
  if (i < 16) return IpAddress::V4(0xffffffff - 15 + static_cast<uint32_t>(i));
  if (i < 24) return IpAddress::V6(static_cast<uint128>(i - 16));
  return IpAddress::V6(~uint128{0} - static_cast<uint128>(31 - i));
}

struct Made {
  std::vector<EndpointSet::Item> items;
  Model model{};
};

Made RandomItems(std::mt19937& random) {
  Made out;
  for (int n = static_cast<int>(random() % 5); n > 0; --n) {
    EndpointSet::Item item;
    std::vector<IpRange> ranges;
    std::bitset<kAddresses> addresses;
    for (int k = 1 + static_cast<int>(random() % 2); k > 0; --k) {
      const int eighth = static_cast<int>(random() % 4) * 8;
      int a = eighth + static_cast<int>(random() % 8);
      int b = eighth + static_cast<int>(random() % 8);
      if (a > b) std::swap(a, b);
      ranges.push_back({Nth(a), Nth(b)});
      for (int i = a; i <= b; ++i) addresses.set(i);
    }
    item.addresses = IpSet::Of(std::move(ranges));
    std::bitset<kPorts> ports;
    if (random() % 3 == 0) {
      ports.set();
    } else {
      std::vector<PortRange> port_ranges;
      for (int k = 1 + static_cast<int>(random() % 2); k > 0; --k) {
        int a = static_cast<int>(random() % kPorts);
        int b = random() % 2 ? a : static_cast<int>(random() % kPorts);
        if (a > b) std::swap(a, b);
        port_ranges.push_back({kPortOf[a], kPortOf[b]});
        for (int p = a; p <= b; ++p) ports.set(p);
      }
      item.ports = PortSet::Of(std::move(port_ranges));
    }
    for (int i = 0; i < kAddresses; ++i) {
      if (addresses.test(i)) out.model[i] |= ports;
    }
    out.items.push_back(std::move(item));
  }
  return out;
}

void ExpectEqual(const EndpointSet& set, const Model& model) {
  for (int i = 0; i < kAddresses; ++i) {
    for (int p = 0; p < kPorts; ++p) {
      ASSERT_EQ(set.Contains(Nth(i), kPortOf[p]), model[i].test(p))
          << Nth(i).ToString() << " " << kPortOf[p];
      ASSERT_EQ(set.PortsOf(Nth(i)).Contains(kPortOf[p]), model[i].test(p));
    }
    // Not the other way round: ports between those of the model may be left.
    ASSERT_TRUE(set.Addresses().Contains(Nth(i)) || model[i].none());
    ASSERT_EQ(set.Addresses().Contains(Nth(i)), !set.PortsOf(Nth(i)).empty());
  }
  ASSERT_EQ(set.empty(), set.Addresses().empty());
}

TEST(EndpointSet, AgreesWithANaiveTableOnRandomSets) {
  std::mt19937 random(21);
  for (int round = 0; round < 2000; ++round) {
    const Made a = RandomItems(random);
    const Made b = RandomItems(random);
    const EndpointSet set_a = EndpointSet::Of(a.items);
    const EndpointSet set_b = EndpointSet::Of(b.items);
    ExpectEqual(set_a, a.model);
    Model difference = a.model;
    for (int i = 0; i < kAddresses; ++i) difference[i] &= ~b.model[i];
    ExpectEqual(set_a.Minus(set_b), difference);

    // The first missing endpoint: of the first item of `b`, on ports that the model knows.
    if (b.items.empty()) continue;
    const IpSet& addresses = b.items[0].addresses;
    PortSet ports;
    for (int k = 1 + static_cast<int>(random() % 3); k > 0; --k) {
      const uint16_t p = kPortOf[random() % kPorts];
      ports = ports.Union(PortSet::Of({{p, p}}));
    }
    std::optional<EndpointSet::Endpoint> expected;
    for (int i = 0; i < kAddresses && !expected; ++i) {
      if (!addresses.Contains(Nth(i))) continue;
      for (int p = 0; p < kPorts && !expected; ++p) {
        if (ports.Contains(kPortOf[p]) && !a.model[i].test(p)) expected = {Nth(i), kPortOf[p]};
      }
    }
    const auto found = set_a.FirstMissing(addresses, ports);
    ASSERT_EQ(found.has_value(), expected.has_value());
    if (found) {
      ASSERT_EQ(FormatEndpoint(found->address, found->port),
                FormatEndpoint(expected->address, expected->port));
    }
  }
}

TEST(EndpointSet, EmptyPortsMeanAllPortsAndNothingIsMissingOfNothing) {
  const IpSet all4 = IpSet::Of({{IpAddress::V4(0), IpAddress::V4(0xffffffff)}});
  const EndpointSet set = EndpointSet::Of({{all4, {}}});
  EXPECT_TRUE(set.Contains(IpAddress::V4(0xffffffff), 65535));
  EXPECT_FALSE(set.Contains(IpAddress::V6(0), 1));
  EXPECT_FALSE(EndpointSet().FirstMissing(all4, PortSet()).has_value());
  EXPECT_FALSE(EndpointSet().FirstMissing(IpSet(), PortSet::Of({{1, 1}})).has_value());
  EXPECT_TRUE(set.Minus(set).empty());
}

}  // namespace
}  // namespace portolan
