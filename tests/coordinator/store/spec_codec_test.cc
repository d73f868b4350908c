#include "coordinator/store/spec_codec.h"

#include <gtest/gtest.h>

#include <random>

#include "common/base/bytes.h"

namespace portolan {
namespace {

IpAddress Address(std::string_view text) { return *IpAddress::Parse(text); }

ScanSpec Spec() {
  ScanSpec spec;
  spec.name = "name";
  spec.target_texts = {"10.0.0.0/8", "::1"};
  spec.vantages = {"a", "b"};
  spec.names = {{"host.example", {Address("10.0.0.1"), Address("2001:db8::1")}}};
  Block a{IpSet::Of({{Address("0.0.0.0"), Address("0.0.0.3")},
                     {Address("255.255.255.255"), Address("255.255.255.255")},
                     {Address("::"), Address("::1")},
                     {Address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0"),
                      Address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}}),
          PortSet::Of({{0, 0}, {65535, 65535}})};
  Block b{IpSet::Of({{Address("10.0.0.0"), Address("10.0.0.9")}}), PortSet::Of({{1, 1000}})};
  spec.space = *ScanSpace::Create({a, b}, UINT64_MAX);
  return spec;
}

TEST(SpecCodec, SpaceWithTheLastAddressesComesBack) {
  const ScanSpec spec = Spec();
  ScanSpec got;
  ASSERT_TRUE(DecodeSpace(EncodeSpace(spec), got).ok());
  ASSERT_EQ(got.space->blocks().size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(got.space->blocks()[i].addresses, spec.space->blocks()[i].addresses);
    EXPECT_EQ(got.space->blocks()[i].ports, spec.space->blocks()[i].ports);
  }
  EXPECT_EQ(got.space->seed(), UINT64_MAX);
  for (uint64_t i = 0; i < spec.space->size(); ++i) {
    ASSERT_EQ(got.space->At(i).address, spec.space->At(i).address);
    ASSERT_EQ(got.space->At(i).port, spec.space->At(i).port);
  }
}

TEST(SpecCodec, LateFieldsComeBackAndOlderSpecificationsHaveNone) {
  ScanSpec spec = Spec();
  spec.avoid_agents = {"edge-1", "edge-2"};
  spec.monitor = "web";
  spec.names_skipped = 120;
  spec.skipped_names = {{"gone.example", LookupProblem::kNoSuchName},
                        {"slow.example", LookupProblem::kCouldNotAsk}};
  spec.confirm_ports = PortSet::Of({{49152, 50000}, {65535, 65535}});
  const std::string encoded = EncodeSpec(spec);
  const auto got = DecodeSpec(encoded);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->first.confirm_ports, spec.confirm_ports);
  EXPECT_EQ(got->first.avoid_agents, spec.avoid_agents);
  EXPECT_EQ(got->first.monitor, "web");
  EXPECT_EQ(got->first.names_skipped, 120u);
  ASSERT_EQ(got->first.skipped_names.size(), 2u);
  EXPECT_EQ(got->first.skipped_names[1].name, "slow.example");
  EXPECT_EQ(got->first.skipped_names[1].problem, LookupProblem::kCouldNotAsk);
  // As written before there were any.
  spec.confirm_ports = PortSet();
  spec.avoid_agents.clear();
  spec.monitor.clear();
  spec.names_skipped = 0;
  spec.skipped_names.clear();
  std::string older = EncodeSpec(spec);
  older.resize(older.size() - 2);
  older[0] = 4;
  ASSERT_TRUE(DecodeSpec(older).ok());
  older.pop_back();
  for (char version = 3; version >= 2; --version) {
    older[0] = version;
    older.pop_back();
    const auto old = DecodeSpec(older);
    ASSERT_TRUE(old.ok()) << old.status();
    EXPECT_TRUE(old->first.confirm_ports.empty());
    EXPECT_TRUE(old->first.avoid_agents.empty());
    EXPECT_TRUE(old->first.monitor.empty());
  }
}

TEST(SpecCodec, ConfirmedPortsComeBack) {
  const std::vector<ConfirmedPort> ports = {{0, Held::kNotHeld}, {65535, Held::kQuiet}};
  EXPECT_EQ(*DecodeConfirmed(EncodeConfirmed(ports)), ports);
  EXPECT_TRUE(DecodeConfirmed("")->empty());
  for (const char* bad : {"a", "ab", "ab\x06",
                          "ab\x04"
                          "c"})
    EXPECT_FALSE(DecodeConfirmed(bad).ok());
}

TEST(SpecCodec, AttemptsKeepTheirOrderAndRanges) {
  const Attempts attempts = {
      {{100, 200}, 3}, {{0, 1}, 1}, {{uint64_t{1} << 62, (uint64_t{1} << 62) + 1}, 100}};
  EXPECT_EQ(*DecodeAttempts(EncodeAttempts(attempts)), attempts);
  EXPECT_TRUE(DecodeAttempts("")->empty());
}

TEST(SpecCodec, AddressKeysSortLikeAddresses) {
  std::mt19937_64 random(1);
  std::vector<IpAddress> all = {Address("0.0.0.0"), Address("255.255.255.255"), Address("::"),
                                Address("::1")};
  for (int i = 0; i < 200; ++i) {
    all.push_back(IpAddress::V4(static_cast<uint32_t>(random())));
    all.push_back(IpAddress::V6(static_cast<uint128>(random()) << 64 | random()));
  }
  for (const IpAddress& a : all) {
    EXPECT_EQ(*AddressFromKey(AddressKey(a)), a);
    for (const IpAddress& b : all) ASSERT_EQ(AddressKey(a) < AddressKey(b), a < b);
  }
  for (const char* bad : {"", "\x04",
                          "\x04"
                          "abc",
                          "\x06"
                          "abcd",
                          "\x05"
                          "abcd"})
    EXPECT_FALSE(AddressFromKey(bad).ok());
}

// A damaged file must end in an error, not in a crash or in a huge allocation.
TEST(SpecCodec, DamagedBytesNeverCrash) {
  std::mt19937 random(2);
  const ScanSpec spec = Spec();
  DenyOverlay overlay;
  overlay.version = 3;
  overlay.rules = {{spec.space->blocks()[0].addresses, PortSet::Of({{5, 6}}), "text"}};
  const std::vector<CompactedGroup::Segment> segments = {
      {{{5, 9}, {11, 12}}, "agent", "v", FromUnixMicros(-5)}};
  const std::vector<std::string> good = {EncodeSpec(spec),
                                         EncodeSpace(spec),
                                         EncodeOverlay(overlay),
                                         EncodeRanges({{1, 5}, {9, 10}}),
                                         EncodeAttempts({{{4, 9}, 2}}),
                                         EncodeSegments(segments)};
  for (int i = 0; i < 60'000; ++i) {
    const size_t which = random() % good.size();
    std::string bytes = good[which];
    for (uint64_t n = random() % 4; n > 0; --n)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 3 == 0) bytes.resize(random() % (bytes.size() + 1));
    if (random() % 9 == 0) bytes += static_cast<char>(random());
    ScanSpec into;
    (void)DecodeSpec(bytes);
    (void)DecodeSpace(bytes, into);
    (void)DecodeOverlay(bytes);
    (void)DecodeRanges(bytes);
    (void)DecodeAttempts(bytes);
    (void)DecodeSegments(bytes);
  }
  EXPECT_TRUE(absl::IsDataLoss(DecodeSpec("").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeSpec(good[0] + "x").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeRanges("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F").status()));
}

TEST(SpecCodec, TimesOfReceiptComeBackAndOlderGroupsHaveNone) {
  std::vector<CompactedGroup::Segment> segments(3);
  for (size_t i = 0; i < segments.size(); ++i) {
    segments[i].positions = {{10 * i, 10 * i + 5}};
    segments[i].agent = "a";
  }
  const std::string older = EncodeSegments(segments);
  const auto read = DecodeSegments(older);
  ASSERT_TRUE(read.ok()) << read.status();
  for (const auto& s : *read) EXPECT_FALSE(s.time_of_receipt);
  segments[0].time_of_receipt = segments[2].time_of_receipt = true;
  const std::string bytes = EncodeSegments(segments);
  EXPECT_EQ(bytes.substr(0, older.size()), older) << "what older programs wrote is read";
  const auto back = DecodeSegments(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  for (size_t i = 0; i < segments.size(); ++i)
    EXPECT_EQ((*back)[i].time_of_receipt, segments[i].time_of_receipt) << i;
  EXPECT_TRUE(absl::IsDataLoss(DecodeSegments(older + std::string("\x01\x03")).status()));
}

TEST(Bytes, NumbersComeBack) {
  ByteWriter w;
  const uint64_t numbers[] = {0, 1, 127, 128, 1u << 20, uint64_t{1} << 63, UINT64_MAX};
  for (const uint64_t n : numbers) {
    w.Varint(n);
    w.Signed(static_cast<int64_t>(n));
    w.Fixed64(n);
  }
  w.Double(-0.25);
  w.String("s");
  const std::string bytes = w.Take();
  ByteReader r(bytes);
  for (const uint64_t n : numbers) {
    EXPECT_EQ(r.Varint(), n);
    EXPECT_EQ(r.Signed(), static_cast<int64_t>(n));
    EXPECT_EQ(r.Fixed64(), n);
  }
  EXPECT_EQ(r.Double(), -0.25);
  EXPECT_EQ(r.String(), "s");
  EXPECT_TRUE(r.done());
  EXPECT_EQ(r.Byte(), 0);
  EXPECT_FALSE(r.ok());
}

}  // namespace
}  // namespace portolan
