#include "common/scan/storage_codec.h"

#include <gtest/gtest.h>

#include <random>

namespace portolan {
namespace {

TEST(StorageCodec, GivesBackWhatItWasGiven) {
  std::mt19937_64 random(1);
  for (size_t size : {0u, 1u, 2u, 10u, 100u, 1000u, 100'000u}) {
    for (unsigned letters : {1u, 2u, 256u}) {
      std::string plain(size, '\0');
      for (char& c : plain) c = static_cast<char>(random() % letters);
      const std::string stored = CompressForStorage(plain);
      EXPECT_LE(stored.size(), plain.size() + 1);
      const auto back = DecompressFromStorage(stored, size);
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(*back, plain);
    }
  }
}

TEST(StorageCodec, ShrinksWhatRepeats) {
  EXPECT_LT(CompressForStorage(std::string(1 << 20, 'x')).size(), 200u);
}

TEST(StorageCodec, RefusesMoreThanTheLimit) {
  EXPECT_EQ(DecompressFromStorage(CompressForStorage(std::string(1000, 'x')), 999).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecompressFromStorage(CompressForStorage("ab"), 1).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(StorageCodec, SurvivesDamage) {
  std::mt19937_64 random(2);
  std::string plain(5000, '\0');
  for (char& c : plain) c = static_cast<char>(random() % 3);
  const std::string stored = CompressForStorage(plain);
  ASSERT_EQ(stored[0], 1);
  EXPECT_FALSE(DecompressFromStorage("", 100).ok());
  EXPECT_FALSE(DecompressFromStorage("\x02zz", 100).ok());
  EXPECT_FALSE(DecompressFromStorage(stored + stored.substr(1), 20'000).ok());
  for (size_t cut = 0; cut < stored.size(); cut += 7)
    EXPECT_FALSE(DecompressFromStorage(stored.substr(0, cut), 5000).ok());
  for (int i = 0; i < 2000; ++i) {
    std::string bad = stored;
    bad[random() % bad.size()] = static_cast<char>(random());
    // must not crash; may succeed where the damage changes a literal
    const auto back = DecompressFromStorage(bad, 5000);
    if (back.ok()) {
      EXPECT_LE(back->size(), 5000u);
    }
  }
}

}  // namespace
}  // namespace portolan
