#include "coordinator/control/scan_estimate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "common/scan/timing_template.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

constexpr double kYear = 365.25 * 86'400;

ScanSpec Spec(const std::string& network, uint16_t last_port, uint32_t level = kDefaultTemplate) {
  ScanSpec spec;
  spec.space =
      *ScanSpace::Create({{IpSet::Of({*ParseCidr(network)}), PortSet::Of({{1, last_port}})}}, 1);
  spec.timing = TimingTemplateOf(level).timing;
  spec.max_rate = TimingTemplateOf(level).max_rate;
  return spec;
}

TEST(ScanEstimate, IsByTheScansOwnRate) {
  ScanSpec spec = Spec("10.0.0.0/16", 1000);
  spec.max_rate = 1000;
  const ScanEstimate e = EstimateScan(spec, {});
  EXPECT_DOUBLE_EQ(e.probes, 65'536e3);
  EXPECT_DOUBLE_EQ(e.seconds, 65'536);
  EXPECT_THAT(e.limit, HasSubstr("max_rate"));
}

TEST(ScanEstimate, IsByTheFleetWhereTheScanHasNoRate) {
  ScanSpec spec = Spec("10.0.0.0/8", 1000, 5);
  EXPECT_DOUBLE_EQ(EstimateScan(spec, {}).rate, kAssumedAgentRate);
  EXPECT_DOUBLE_EQ(EstimateScan(spec, {{"dmz", 5e4}, {"lab", 3e4}}).rate, 8e4);
  spec.vantages = {"lab"};
  EXPECT_DOUBLE_EQ(EstimateScan(spec, {{"dmz", 5e4}, {"lab", 3e4}}).rate, 3e4);
  spec.vantages = {"lab", "nobody"};
  EXPECT_DOUBLE_EQ(EstimateScan(spec, {{"dmz", 5e4}, {"lab", 3e4}}).rate, 3e4 + kAssumedAgentRate);
}

TEST(ScanEstimate, EachVantageTakesAsLongAsTheSlowest) {
  ScanSpec spec = Spec("10.0.0.0/8", 1000, 5);
  spec.mode = ScanMode::kEachVantage;
  spec.vantages = {"dmz", "lab"};
  const ScanEstimate e = EstimateScan(spec, {{"dmz", 1e6}, {"lab", 1e4}});
  EXPECT_DOUBLE_EQ(e.seconds, 16'777'216e3 / 1e4);
  EXPECT_THAT(e.limit, HasSubstr("lab"));
  spec.max_rate = 1e4;  // over both lanes
  EXPECT_DOUBLE_EQ(EstimateScan(spec, {{"dmz", 1e6}, {"lab", 1e4}}).seconds,
                   2 * 16'777'216e3 / 1e4);
}

TEST(ScanEstimate, IsByTheLimitsOnTargets) {
  // A /24 and all ports at 1,000/s; one address and all ports at 100/s.
  EXPECT_DOUBLE_EQ(EstimateScan(Spec("10.0.0.0/24", 65'535), {}).seconds, 256 * 65'535 / 1e3);
  EXPECT_DOUBLE_EQ(EstimateScan(Spec("10.0.0.1/32", 65'535), {}).seconds, 655.35);
  // Loopback has none.
  EXPECT_DOUBLE_EQ(EstimateScan(Spec("127.0.0.0/24", 65'535), {}).seconds, 256 * 65'535 / 1e5);
  EXPECT_DOUBLE_EQ(EstimateScan(Spec("::1/128", 65'535), {}).seconds, 65'535 / 1e5);
}

TEST(ScanEstimate, ANetworkOfIpv6IsOnePrefixHoweverLarge) {
  const ScanEstimate e = EstimateScan(Spec("2001:db8::/66", 1), {});
  EXPECT_DOUBLE_EQ(e.seconds, 4611686018427387904.0 / 1000);
  EXPECT_GT(e.seconds / kYear, 1e8);
  EXPECT_THAT(e.limit, HasSubstr("/64"));
  // Parts of one /64 add up; those of two do not.
  ScanSpec spec = Spec("2001:db8::/120", 1);
  spec.space = *ScanSpace::Create(
      {{IpSet::Of({*ParseCidr("2001:db8::/112"), *ParseCidr("2001:db8::2:0/112")}),
        PortSet::Of({{1, 1}})}},
      1);
  EXPECT_DOUBLE_EQ(EstimateScan(spec, {}).seconds, 2 * 65.536);
  spec.space = *ScanSpace::Create(
      {{IpSet::Of({*ParseCidr("2001:db8::/112"), *ParseCidr("2001:db8:0:1::/112")}),
        PortSet::Of({{1, 1}})}},
      1);
  EXPECT_DOUBLE_EQ(EstimateScan(spec, {}).seconds, 65.536);
}

TEST(ScanEstimate, OnlyWhatTakesMoreThanAYearIsRefused) {
  const ScanSpec long_one = Spec("2001:db8::/66", 1);
  const absl::Status refused = CheckLength(long_one, {}, false);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("146 million years"));
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("4.61e+18 probes"));
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("--yes"));
  EXPECT_TRUE(CheckLength(long_one, {}, true).ok());
  // What people scan every day.
  EXPECT_TRUE(CheckLength(Spec("10.0.0.0/8", 65'535), {}, false).ok());
  EXPECT_TRUE(CheckLength(Spec("10.0.0.0/16", 1000, 2), {}, false).ok());
  EXPECT_TRUE(CheckLength(Spec("2001:db8::/112", 1000), {}, false).ok());
  ScanSpec edge = Spec("10.0.0.0/16", 1000);
  edge.max_rate = 65'536e3 / kYear * 1.01;
  EXPECT_TRUE(CheckLength(edge, {}, false).ok());
  edge.max_rate = 65'536e3 / kYear * 0.99;
  EXPECT_FALSE(CheckLength(edge, {}, false).ok());
}

TEST(YearsText, IsForPeople) {
  EXPECT_EQ(YearsText(1.25 * kYear), "1.2 years");
  EXPECT_EQ(YearsText(40 * kYear), "40 years");
  EXPECT_EQ(YearsText(12'345 * kYear), "12345 years");
  EXPECT_EQ(YearsText(3e6 * kYear), "3 million years");
  EXPECT_EQ(YearsText(5e12 * kYear), "5e+03 billion years");
}

}  // namespace
}  // namespace portolan
