#include "common/scan/chunk_codec.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "common/scan/varint.h"

namespace portolan {
namespace {

std::vector<Symbol> AllSymbols() {
  std::vector<Symbol> all;
  for (int s = 0; s < 8; ++s) {
    for (int r = 0; r < 64; ++r) {
      if (IsValid(static_cast<State>(s), static_cast<Reason>(r)))
        all.push_back({static_cast<State>(s), static_cast<Reason>(r)});
    }
  }
  return all;
}

constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};
constexpr Symbol kClosed{State::kClosed, Reason::kConnRefused};
constexpr Symbol kSilent{State::kFiltered, Reason::kNoResponse};

// The code width that an encoding took.
int WidthOf(std::string_view encoded) {
  uint64_t version = 0, count = 0, symbols = 0;
  EXPECT_TRUE(TakeVarint(encoded, version) && TakeVarint(encoded, count) &&
              TakeVarint(encoded, symbols));
  return encoded[2 * symbols];
}

void ExpectRoundTrip(const std::vector<Symbol>& outcomes) {
  const std::string encoded = EncodeOutcomes(outcomes);
  EXPECT_EQ(encoded, EncodeOutcomes(outcomes));
  const auto decoded = DecodeOutcomes(encoded, outcomes.size());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->size(), outcomes.size());
  std::map<std::pair<State, Reason>, uint64_t> expected, actual;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    ASSERT_EQ(decoded->At(i), outcomes[i]) << "position " << i << " of " << outcomes.size();
    ++expected[{outcomes[i].state, outcomes[i].reason}];
  }
  ASSERT_EQ(decoded->totals.size(), decoded->table.size());
  for (size_t i = 0; i < decoded->table.size(); ++i) {
    actual[{decoded->table[i].state, decoded->table[i].reason}] = decoded->totals[i];
    if (i > 0) {
      EXPECT_GE(decoded->totals[i - 1], decoded->totals[i]);
    }
  }
  EXPECT_EQ(actual, expected);
  const auto counted = CountOutcomes(encoded, outcomes.size());
  ASSERT_TRUE(counted.ok()) << counted.status();
  EXPECT_EQ(counted->count, outcomes.size());
  EXPECT_EQ(counted->table, decoded->table);
  EXPECT_EQ(counted->totals, decoded->totals);
  if (!outcomes.empty()) {
    EXPECT_FALSE(DecodeOutcomes(encoded, outcomes.size() - 1).ok());
    EXPECT_FALSE(CountOutcomes(encoded, outcomes.size() - 1).ok());
  }
}

TEST(ChunkCodec, EncodesAsVersionOneDidWhenItWasFixed) {
  EXPECT_EQ(EncodeOutcomes({}), std::string("\x01\0\0\0\0", 5));
  // Three refused: version, count, symbols, table, b = 0, no exceptions.
  EXPECT_EQ(EncodeOutcomes(std::vector<Symbol>(3, kClosed)),
            std::string("\x01\x03\x01\x02\x0a\0\0", 7));
  // Twelve silent, one open at 10: one exception, gap 10.
  std::vector<Symbol> silent(12, kSilent);
  silent[10] = kOpen;
  EXPECT_EQ(EncodeOutcomes(silent), std::string("\x01\x0c\x02\x03\x14\x01\x01\0\x01\x0a", 10));
  // Alternating: one bit each, 0101...; a tie in frequency goes to the lower numbers.
  std::vector<Symbol> alternating;
  for (int i = 0; i < 20; ++i) alternating.push_back(i % 2 == 0 ? kSilent : kClosed);
  EXPECT_EQ(EncodeOutcomes(alternating),
            std::string("\x01\x14\x02\x02\x0a\x03\x14\x01\x55\x55\x05\0", 12));
}

TEST(ChunkCodec, RoundTripsAnyMixOfAnyLength) {
  const std::vector<Symbol> all = AllSymbols();
  ASSERT_EQ(all.size(), 22u);
  std::mt19937_64 random(1);
  for (int round = 0; round < 3000; ++round) {
    const size_t size = random() % (round % 10 == 0 ? 3000 : 70);
    const size_t kinds = 1 + random() % all.size();
    const unsigned skew = 1 + random() % 6;  // high: most positions have the first symbols
    const size_t first = random() % all.size();
    std::vector<Symbol> outcomes;
    for (size_t i = 0; i < size; ++i) {
      size_t k = kinds;
      for (unsigned j = 0; j < skew; ++j) k = std::min<size_t>(k, random() % kinds);
      outcomes.push_back(all[(first + k) % all.size()]);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectRoundTrip(outcomes));
  }
}

TEST(ChunkCodec, TakesTheWidthThatIsSmallest) {
  std::mt19937_64 random(2);
  const std::vector<Symbol> all = AllSymbols();
  const auto mix = [&](std::vector<double> shares) {
    std::discrete_distribution<size_t> pick(shares.begin(), shares.end());
    std::vector<Symbol> outcomes;
    for (int i = 0; i < 20'000; ++i) outcomes.push_back(all[pick(random)]);
    ExpectRoundTrip(outcomes);
    return EncodeOutcomes(outcomes);
  };
  EXPECT_EQ(WidthOf(mix({1})), 0);
  EXPECT_EQ(WidthOf(mix({0.999, 0.001})), 0);
  EXPECT_EQ(WidthOf(mix({0.495, 0.495, 0.01})), 1);
  EXPECT_EQ(WidthOf(mix({0.3, 0.3, 0.3, 0.1})), 2);
  EXPECT_EQ(WidthOf(mix(std::vector<double>(15, 1))), 4);
  EXPECT_EQ(WidthOf(mix(std::vector<double>(21, 1))),
            4);  // 5 of 21 as exceptions still beat 8 bits
}

TEST(ChunkCodec, IsAsSmallAsItSays) {
  EXPECT_LE(EncodeOutcomes(std::vector<Symbol>(1 << 20, kSilent)).size(), 10u);
  std::mt19937_64 random(3);
  std::vector<Symbol> mixed;
  for (int i = 0; i < 1'000'000; ++i) {
    const uint64_t r = random() % 1000;
    mixed.push_back(r < 10 ? kOpen : r < 505 ? kClosed : kSilent);
  }
  EXPECT_LE(EncodeOutcomes(mixed).size(), 145'000u);  // 0.1377 bytes a position
}

TEST(ChunkCodecDeathTest, EncoderRefusesPairsThatDoNotExist) {
  EXPECT_DEATH(EncodeOutcomes(std::vector<Symbol>{{State::kClosed, Reason::kSynAck}}),
               "broken invariant");
  EXPECT_DEATH(EncodeOutcomes(std::vector<Symbol>{kOpen, {static_cast<State>(9), Reason::kSynAck}}),
               "broken invariant");
  EXPECT_DEATH(EncodeOutcomes(std::vector<Symbol>{{State::kOpen, static_cast<Reason>(65)}}),
               "broken invariant");
}

// ---- hostile input ----

void ExpectRefused(const std::string& encoded, std::string_view why) {
  const auto decoded = DecodeOutcomes(encoded, 1000);
  ASSERT_FALSE(decoded.ok()) << why;
  EXPECT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument) << why;
  const auto counted = CountOutcomes(encoded, 1000);
  ASSERT_FALSE(counted.ok()) << why;
  EXPECT_EQ(counted.status(), decoded.status());
  EXPECT_NE(std::string(decoded.status().message()).find(why), std::string::npos)
      << decoded.status() << ", not: " << why;
}

TEST(ChunkCodec, RefusesWhatIsNotWellFormed) {
  using std::string_literals::operator""s;
  ExpectRefused("", "no version");
  ExpectRefused("\x02\x00\x00\x00\x00"s, "chunk encoding 2");
  ExpectRefused("\x81\x00"s, "no version");  // 1, spelled with two bytes
  ExpectRefused("\x01", "no count");
  ExpectRefused("\x01\xe9\x07"s, "positions");                                  // 1001
  ExpectRefused("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, "positions");  // 2^64 - 1
  ExpectRefused("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s, "no count");   // above
  ExpectRefused("\x01\x03", "no symbol count");
  ExpectRefused("\x01\x03\x00\x00\x00"s, "bad symbol count");
  ExpectRefused("\x01\x00\x01\x01\x01\x00\x00"s, "bad symbol count");
  ExpectRefused("\x01\x03\x7f"s, "bad symbol count");
  ExpectRefused("\x01\x03\x02\x01\x01\x02"s, "cut short");
  ExpectRefused("\x01\x03\x01\x01\x0a\x00\x00"s, "no such state");
  ExpectRefused("\x01\x03\x01\xff\xff\x00\x00"s, "no such state");
  ExpectRefused("\x01\x03\x02\x01\x01\x01\x01\x00\x00"s, "symbol twice");
  ExpectRefused("\x01\x03\x01\x01\x01"s, "no code width");
  ExpectRefused("\x01\x03\x01\x01\x01\x03"s, "bad code width");
  ExpectRefused("\x01\x00\x00\x01\x00"s, "bad code width");
  ExpectRefused("\x01\x09\x01\x01\x01\x01\x00"s, "codes cut short");
  ExpectRefused("\x01\x03\x02\x01\x01\x02\x0a\x01\x08\x00"s, "bits set behind");
  ExpectRefused("\x01\x03\x01\x01\x01\x01\x02\x00"s, "not in the table");
  ExpectRefused("\x01\x03\x03\x01\x01\x02\x0a\x03\x14\x02\x3f\x00"s, "not in the table");
  ExpectRefused("\x01\x03\x01\x01\x01\x04\x10\x00\x00"s, "not in the table");
  ExpectRefused("\x01\x03\x01\x01\x01\x08\x00\x00\xff\x00"s, "not in the table");
  ExpectRefused("\x01\x03\x01\x01\x01\x00"s, "no exception count");
  ExpectRefused("\x01\x03\x01\x01\x01\x00\x01\x00"s, "without a symbol");
  ExpectRefused("\x01\x03\x02\x01\x01\x02\x0a\x00\x01"s, "too many exceptions");
  ExpectRefused("\x01\x01\x02\x01\x01\x02\x0a\x00\x02\x00\x00"s, "too many exceptions");
  ExpectRefused("\x01\x03\x02\x01\x01\x02\x0a\x00\x02\x00\x80"s, "exceptions cut short");
  ExpectRefused("\x01\x03\x02\x01\x01\x02\x0a\x00\x01\x03"s, "behind the last position");
  ExpectRefused("\x01\x03\x02\x01\x01\x02\x0a\x00\x02\x02\x00"s, "behind the last position");
  ExpectRefused("\x01\x03\x02\x01\x01\x02\x0a\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,
                "behind the last position");
  ExpectRefused("\x01\x03\x03\x01\x01\x02\x0a\x03\x14\x01\x02\x01\x01"s, "where there is a code");
  ExpectRefused("\x01\x03\x02\x01\x01\x02\x0a\x00\x01\x00\x00"s, "bytes behind the end");
  ExpectRefused("\x01\x00\x00\x00\x00\x00"s, "bytes behind the end");
}

TEST(ChunkCodec, RefusesEveryPrefixOfAnEncoding) {
  std::mt19937_64 random(4);
  const std::vector<Symbol> all = AllSymbols();
  std::vector<Symbol> outcomes;
  for (int i = 0; i < 500; ++i)
    outcomes.push_back(all[std::min(random() % all.size(), random() % all.size())]);
  const std::string encoded = EncodeOutcomes(outcomes);
  for (size_t cut = 0; cut < encoded.size(); ++cut) {
    EXPECT_FALSE(DecodeOutcomes(encoded.substr(0, cut), 500).ok());
    EXPECT_FALSE(CountOutcomes(encoded.substr(0, cut), 500).ok());
  }
}

TEST(ChunkCodec, DamagedInputIsRefusedOrConsistent) {
  std::mt19937_64 random(5);
  const std::vector<Symbol> all = AllSymbols();
  for (int round = 0; round < 20'000; ++round) {
    std::vector<Symbol> outcomes;
    const size_t kinds = 1 + random() % 6;
    for (size_t i = random() % 60; i > 0; --i)
      outcomes.push_back(all[std::min(random() % kinds, random() % kinds)]);
    std::string encoded = EncodeOutcomes(outcomes);
    for (int k = random() % 3; k >= 0; --k)
      encoded[random() % encoded.size()] = static_cast<char>(random());
    const auto decoded = DecodeOutcomes(encoded, 100);
    const auto counted = CountOutcomes(encoded, 100);
    ASSERT_EQ(decoded.status(), counted.status());
    if (!decoded.ok()) continue;
    ASSERT_EQ(counted->totals, decoded->totals);
    ASSERT_EQ(counted->count, decoded->size());
    std::vector<uint64_t> totals(decoded->table.size());
    for (uint8_t code : decoded->codes) {
      ASSERT_LT(code, totals.size());
      ++totals[code];
    }
    ASSERT_EQ(totals, decoded->totals);
  }
}

TEST(Varint, RoundTripsAndHasOneSpelling) {
  for (uint64_t v : {uint64_t{0}, uint64_t{1}, uint64_t{127}, uint64_t{128}, uint64_t{16383},
                     uint64_t{16384}, uint64_t{1} << 62, UINT64_MAX}) {
    std::string text;
    AppendVarint(v, text);
    std::string_view in = text;
    uint64_t back = 0;
    EXPECT_TRUE(TakeVarint(in, back));
    EXPECT_EQ(back, v);
    EXPECT_TRUE(in.empty());
    in = std::string_view(text).substr(0, text.size() - 1);
    EXPECT_FALSE(TakeVarint(in, back));
  }
  std::string_view padded("\x80\x00", 2);
  uint64_t back = 0;
  EXPECT_FALSE(TakeVarint(padded, back));
}

}  // namespace
}  // namespace portolan
