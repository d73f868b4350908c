#include "common/rpc/convert.h"

#include <gtest/gtest.h>

#include <random>

#include "common/scan/timing_template.h"

namespace portolan {
namespace {

IpRange Range(const char* cidr) { return *ParseCidr(cidr); }

std::vector<Block> SomeBlocks() {
  return {{IpSet::Of({Range("198.18.0.0/24"), Range("2001:db8::/120")}),
           PortSet::Of({{22, 22}, {80, 90}})},
          {IpSet::Of({Range("198.19.0.5/32")}), PortSet::Of({{0, 65535}})}};
}

TEST(Convert, ASpaceSurvivesTheWayThereAndBack) {
  v1::ScanSpace proto;
  ToProto(SomeBlocks(), 42, &proto);
  auto space = FromProto(proto);
  ASSERT_TRUE(space.ok()) << space.status();
  auto direct = ScanSpace::Create(SomeBlocks(), 42);
  ASSERT_TRUE(direct.ok());
  ASSERT_EQ((*space)->size(), (*direct)->size());
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t index = random() % (*space)->size();
    EXPECT_EQ((*space)->At(index).address, (*direct)->At(index).address);
    EXPECT_EQ((*space)->At(index).port, (*direct)->At(index).port);
  }
}

TEST(Convert, HostileSpacesAreRefused) {
  const auto refused = [](const v1::ScanSpace& proto) {
    return FromProto(proto).status().code() == absl::StatusCode::kInvalidArgument;
  };
  v1::ScanSpace good;
  ToProto(SomeBlocks(), 1, &good);
  v1::ScanSpace p;
  EXPECT_TRUE(refused(p));  // nothing at all
  p = good, p.set_permutation_version(99);
  EXPECT_TRUE(refused(p));
  p = good, p.clear_blocks();
  EXPECT_TRUE(refused(p));
  p = good, p.mutable_blocks(0)->clear_addresses();
  EXPECT_TRUE(refused(p));
  p = good, p.mutable_blocks(0)->clear_ports();
  EXPECT_TRUE(refused(p));
  p = good, p.mutable_blocks(0)->mutable_addresses(0)->set_first("abc");
  EXPECT_TRUE(refused(p));
  p = good, p.mutable_blocks(0)->mutable_addresses(0)->set_first("");
  EXPECT_TRUE(refused(p));
  p = good, p.mutable_blocks(0)->mutable_addresses(0)->set_first(
                std::string("\xff\xff\xff\xff", 4));  // above last
  EXPECT_TRUE(refused(p));
  p = good,
  p.mutable_blocks(0)->mutable_addresses(0)->set_last(std::string(16, '\0'));  // two families
  EXPECT_TRUE(refused(p));
  p = good, p.mutable_blocks(0)->mutable_ports(0)->set_last(65536);
  EXPECT_TRUE(refused(p));
  p = good, p.mutable_blocks(0)->mutable_ports(0)->set_first(100);
  EXPECT_TRUE(refused(p));
  p = good, *p.add_blocks() = good.blocks(0);  // overlaps
  EXPECT_TRUE(refused(p));
  p = good;
  {
    auto* all = p.add_blocks();
    all->add_addresses()->set_first(std::string(16, '\0'));
    all->mutable_addresses(0)->set_last(std::string(16, '\xff'));
    all->add_ports()->set_last(65535);
  }
  EXPECT_TRUE(refused(p));  // more positions than there may be
}

TEST(Convert, RandomBytesNeverCrashTheSpace) {
  std::mt19937 random(3);
  v1::ScanSpace good;
  ToProto(SomeBlocks(), 1, &good);
  const std::string bytes = good.SerializeAsString();
  for (int i = 0; i < 3000; ++i) {
    std::string mutated = bytes;
    for (int k = 0; k < 3; ++k) mutated[random() % mutated.size()] = static_cast<char>(random());
    v1::ScanSpace p;
    if (p.ParseFromString(mutated)) (void)FromProto(p);
  }
}

TEST(Convert, TimingFillsInDefaultsAndRefusesWhatIsOutOfRange) {
  v1::ProbeTiming t;
  EXPECT_EQ(*FromProto(t), TimingTemplateOf(kDefaultTemplate).timing);
  for (uint32_t level = 0; level < kTemplates; ++level) {
    t.set_level(level);
    EXPECT_EQ(*FromProto(t), TimingTemplateOf(level).timing);
    v1::ProbeTiming whole;
    ToProto(TimingTemplateOf(level).timing, &whole);
    EXPECT_EQ(*FromProto(whole), TimingTemplateOf(level).timing);
  }
  t.set_level(kTemplates);
  EXPECT_FALSE(FromProto(t).ok());
  t.clear_level();
  t.set_address_rate(-1);
  EXPECT_FALSE(FromProto(t).ok());
  t.clear_address_rate();
  t.set_growth(1001);
  EXPECT_FALSE(FromProto(t).ok());
  t.clear_growth();
  t.set_retries(0);
  t.set_retry_delay_ms(0);
  t.set_timeout_ms(50);
  auto zero = FromProto(t);
  ASSERT_TRUE(zero.ok());
  EXPECT_EQ(zero->retries, 0u);
  EXPECT_EQ(zero->retry_delay, Duration::zero());
  v1::ProbeTiming back;
  ToProto(*zero, &back);
  EXPECT_EQ(*FromProto(back), *zero);
  t.set_timeout_ms(49);
  EXPECT_FALSE(FromProto(t).ok());
  t.set_timeout_ms(60'001);
  EXPECT_FALSE(FromProto(t).ok());
  t.set_timeout_ms(0);
  t.set_retries(11);
  EXPECT_FALSE(FromProto(t).ok());
  t.set_retries(10);
  t.set_retry_delay_ms(60'001);
  EXPECT_FALSE(FromProto(t).ok());
}

TEST(Convert, RangesMustBeSortedDisjointAndWithinLimits) {
  const auto parse = [](std::vector<std::pair<uint64_t, uint64_t>> ranges, uint64_t limit,
                        size_t most) {
    google::protobuf::RepeatedPtrField<v1::IndexRange> proto;
    for (const auto& [b, e] : ranges) {
      auto* r = proto.Add();
      r->set_begin(b);
      r->set_end(e);
    }
    return FromProto(proto, limit, most);
  };
  EXPECT_EQ(*parse({{0, 5}, {7, 9}}, 9, 2), (IntervalSet{{0, 5}, {7, 9}}));
  EXPECT_EQ(*parse({{0, 5}, {5, 9}}, 9, 2), (IntervalSet{{0, 9}}));
  EXPECT_TRUE(parse({}, 0, 0)->empty());
  EXPECT_FALSE(parse({{0, 5}, {7, 9}}, 9, 1).ok());
  EXPECT_FALSE(parse({{0, 5}, {7, 9}}, 8, 2).ok());
  EXPECT_FALSE(parse({{5, 5}}, 9, 2).ok());
  EXPECT_FALSE(parse({{6, 5}}, 9, 2).ok());
  EXPECT_FALSE(parse({{0, 5}, {4, 9}}, 9, 2).ok());
  EXPECT_FALSE(parse({{7, 9}, {0, 5}}, 9, 2).ok());
  EXPECT_FALSE(parse({{0, UINT64_MAX}}, UINT64_MAX - 1, 2).ok());
}

TEST(Convert, ALedgerSurvivesTheWayThereAndBack) {
  Ledger l;
  l.open = 1, l.closed = 2, l.filtered = 3, l.unreachable = 4, l.extra = 10;
  for (uint64_t i = 0; i < 5; ++i) l.not_probed[i] = 5 + i;
  v1::Ledger proto;
  ToProto(l, 45, &proto);
  EXPECT_EQ(proto.planned(), 45u);
  EXPECT_EQ(proto.not_probed_cancelled(), 9u);
  const Ledger back = FromProto(proto);
  EXPECT_EQ(back.Done(), 45u);
  EXPECT_EQ(back.extra, 10u);
  EXPECT_EQ(back.not_probed[3], 8u);
}

}  // namespace
}  // namespace portolan
