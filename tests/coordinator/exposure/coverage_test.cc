#include "coordinator/exposure/coverage.h"

#include <gtest/gtest.h>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

TEST(Coverage, ContainsAddressesAndNamesOnTheirPorts) {
  const Coverage c =
      Cover("10.0.0.0/24", "22,80", {"WWW.example."}).Plus(Cover("2001:db8::/64", "443"));
  EXPECT_TRUE(c.Contains(Sub("10.0.0.255", 22)));
  EXPECT_FALSE(c.Contains(Sub("10.0.1.0", 22)));
  EXPECT_FALSE(c.Contains(Sub("10.0.0.1", 443)));
  EXPECT_TRUE(c.Contains(Sub("2001:db8::ffff", 443)));
  EXPECT_TRUE(c.Contains(Sub("www.example", 80)));
  EXPECT_FALSE(c.Contains(Sub("www.example", 443)));
  EXPECT_FALSE(c.Contains(Sub("example", 80)));
  EXPECT_TRUE(c.ContainsTarget(TargetKey::OfName("www.example")));
  EXPECT_FALSE(c.ContainsTarget(TargetKey::Of(Ip("10.0.1.1"))));
  EXPECT_EQ(c.PortsOf(TargetKey::Of(Ip("10.0.0.1"))).ToString(), "22,80");
}

TEST(Coverage, BlocksOfTheSamePortsBecomeOneInAnyOrder) {
  const Coverage a = Cover("10.0.0.0/25", "80").Plus(Cover("10.0.0.128/25", "80"));
  EXPECT_EQ(a, Cover("10.0.0.0/24", "80"));
  EXPECT_EQ(a.blocks().size(), 1u);
  EXPECT_EQ(Cover("10.0.0.0/24", "80").Plus(Cover("10.0.0.0/24", "22")),
            Cover("10.0.0.0/24", "22").Plus(Cover("10.0.0.0/24", "80")));
  EXPECT_TRUE(Coverage::Of({{IpSet(), {}, *ParsePorts("1")}}).empty());
  EXPECT_TRUE(Coverage::Of({{Cover("10.0.0.1", "1").blocks()[0].addresses, {}, {}}}).empty());
}

TEST(Coverage, NamesCanBeTakenOut) {
  const Coverage c = Cover("10.0.0.1", "80", {"a.example", "b.example"});
  EXPECT_EQ(c.WithoutNames({"a.example"}), Cover("10.0.0.1", "80", {"b.example"}));
  EXPECT_EQ(c.OnlyNames({"a.example", "z.example"}), Cover("", "80", {"a.example"}));
  EXPECT_TRUE(c.OnlyNames({}).empty());
}

}  // namespace
}  // namespace portolan
