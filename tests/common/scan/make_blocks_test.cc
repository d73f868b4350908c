#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <utility>

#include "common/scan/scan_space.h"

namespace portolan {
namespace {

using Plan = std::set<std::pair<IpAddress, uint16_t>>;

IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }
IpSet Ips(const std::string& first, const std::string& last) {
  return IpSet::Of({{Ip(first), Ip(last)}});
}

// Every endpoint of the blocks, one by one; fails when one is there twice, or two blocks have the
// same ports.
Plan Expand(const std::vector<Block>& blocks) {
  Plan plan;
  std::set<PortSet> port_sets;
  for (const Block& b : blocks) {
    EXPECT_FALSE(b.addresses.empty());
    EXPECT_FALSE(b.ports.empty());
    EXPECT_TRUE(port_sets.insert(b.ports).second) << "two blocks of ports " << b.ports.ToString();
    for (uint128 i = 0; i < b.addresses.size(); ++i) {
      for (uint32_t k = 0; k < b.ports.size(); ++k) {
        EXPECT_TRUE(plan.emplace(b.addresses.Select(i), b.ports.Select(k)).second)
            << "planned twice";
      }
    }
  }
  return plan;
}

class Inputs {
 public:
  explicit Inputs(uint64_t seed) : random_(seed) {}
  uint64_t Below(uint64_t n) { return random_() % n; }
  IpAddress Address() {
    const uint64_t i = Below(16);
    return Below(3) == 0 ? IpAddress::V6((uint128{0x20010db8u} << 96) + i)
                         : IpAddress::V4(0xFFFFFFF0u + static_cast<uint32_t>(i));
  }
  IpSet Addresses(uint64_t max) {
    std::vector<IpRange> ranges;
    for (uint64_t i = Below(max + 1); i > 0; --i) {
      IpAddress a = Address(), b = Address();
      if (a.is_v6() != b.is_v6()) b = a;
      ranges.push_back({std::min(a, b), std::max(a, b)});
    }
    return IpSet::Of(std::move(ranges));
  }
  uint16_t Port() { return static_cast<uint16_t>(Below(2) == 0 ? Below(6) : 65535 - Below(6)); }
  PortSet Ports(uint64_t max) {
    std::vector<PortRange> ranges;
    for (uint64_t i = Below(max + 1); i > 0; --i) {
      const uint16_t p = Port();
      ranges.push_back({p, static_cast<uint16_t>(std::min<uint64_t>(65535, p + Below(4)))});
    }
    return PortSet::Of(std::move(ranges));
  }
  std::vector<TargetList::Endpoint> Endpoints(uint64_t max) {
    std::vector<TargetList::Endpoint> out;
    for (uint64_t i = Below(max + 1); i > 0; --i) out.push_back({Address(), Port()});
    return out;
  }

 private:
  std::mt19937_64 random_;
};

TEST(MakeBlocks, PlansEachWantedEndpointOnceAndNoExcludedOne) {
  Inputs in(1);
  int made = 0, refused = 0;
  for (int round = 0; round < 4000; ++round) {
    TargetList targets;
    targets.addresses = in.Addresses(3);
    targets.endpoints = in.Endpoints(round % 3 * 6);
    const PortSet ports = in.Ports(3);
    Exclusions ex;
    if (in.Below(2) == 0) ex.addresses = in.Addresses(2);
    if (in.Below(2) == 0) ex.ports = in.Ports(2);
    if (in.Below(2) == 0) ex.endpoints = in.Endpoints(12);

    Plan expected;
    for (uint128 i = 0; i < targets.addresses.size(); ++i) {
      for (uint32_t k = 0; k < ports.size(); ++k)
        expected.emplace(targets.addresses.Select(i), ports.Select(k));
    }
    for (const auto& e : targets.endpoints) expected.emplace(e.address, e.port);
    for (auto it = expected.begin(); it != expected.end();) {
      const bool out = ex.addresses.Contains(it->first) || ex.ports.Contains(it->second);
      it = out ? expected.erase(it) : std::next(it);
    }
    for (const auto& e : ex.endpoints) expected.erase({e.address, e.port});

    const auto blocks = MakeBlocks(targets, ports, ex);
    if (expected.empty() || (ports.empty() && !targets.addresses.empty())) {
      ASSERT_EQ(blocks.status().code(), absl::StatusCode::kInvalidArgument);
      ++refused;
      continue;
    }
    ASSERT_TRUE(blocks.ok()) << blocks.status();
    ASSERT_EQ(Expand(*blocks), expected);
    const auto space = ScanSpace::Create(*blocks, 1);
    ASSERT_TRUE(space.ok()) << space.status();
    ASSERT_EQ((*space)->size(), expected.size());
    ++made;
  }
  EXPECT_GT(made, 2000);
  EXPECT_GT(refused, 100);
}

TEST(MakeBlocks, PlainTargetsAreOneBlock) {
  const auto blocks =
      MakeBlocks({.addresses = Ips("10.0.0.0", "10.255.255.255"), .endpoints = {}, .names = {}},
                 PortSet::Of({{1, 65535}}), {});
  ASSERT_TRUE(blocks.ok());
  ASSERT_EQ(blocks->size(), 1u);
  EXPECT_EQ((*blocks)[0].addresses, Ips("10.0.0.0", "10.255.255.255"));
  EXPECT_EQ((*blocks)[0].ports.size(), 65535u);
}

TEST(MakeBlocks, OrderAndRepetitionOfEndpointsDoNotMatter) {
  TargetList a, b;
  a.endpoints = {{Ip("10.0.0.1"), 80}, {Ip("10.0.0.2"), 22}, {Ip("10.0.0.1"), 443}};
  b.endpoints = {
      {Ip("10.0.0.1"), 443}, {Ip("10.0.0.1"), 80}, {Ip("10.0.0.2"), 22}, {Ip("10.0.0.1"), 443}};
  const auto x = MakeBlocks(a, {}, {}), y = MakeBlocks(b, {}, {});
  ASSERT_TRUE(x.ok() && y.ok());
  ASSERT_EQ(x->size(), 2u);
  ASSERT_EQ(y->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*x)[i].addresses, (*y)[i].addresses);
    EXPECT_EQ((*x)[i].ports, (*y)[i].ports);
  }
  EXPECT_EQ((*x)[0].ports.ToString(), "22");  // by port sets
}

TEST(MakeBlocks, SaysWhyThereIsNothingToProbe) {
  const auto why = [](const TargetList& targets, const PortSet& ports, const Exclusions& ex) {
    const auto blocks = MakeBlocks(targets, ports, ex);
    EXPECT_EQ(blocks.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(blocks.status().message());
  };
  TargetList net;
  net.addresses = Ips("10.0.0.0", "10.0.0.255");
  EXPECT_THAT(why({}, PortSet::Of({{80, 80}}), {}), testing::HasSubstr("no targets"));
  EXPECT_THAT(why(net, {}, {}),
              testing::AllOf(testing::HasSubstr("10.0.0.0/24"), testing::HasSubstr("-p")));
  Exclusions ex;
  ex.ports = PortSet::Of({{1, 100}});
  const std::string message = why(net, PortSet::Of({{80, 80}}), ex);
  EXPECT_THAT(message, testing::HasSubstr(
                           "nothing left to probe: of 256 addresses on 1 port, all are excluded"));
  EXPECT_THAT(message, testing::HasSubstr("100 ports"));
}

}  // namespace
}  // namespace portolan
