#include "agent/pacing/silence.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

uint32_t TriesUntilBelieved(double loss, uint32_t retries, uint32_t grants,
                            double answer_odds = 1) {
  float certainty = 0;
  for (uint32_t tries = 1; tries < 1000; ++tries) {
    certainty += Silence::Certainty(loss);
    if (tries > retries && Silence::IsBelieved(certainty, retries, answer_odds, grants))
      return tries;
  }
  return 1000;
}

TEST(Silence, WithoutProvenLossTheTriesAskedForAreEnough) {
  for (uint32_t retries = 0; retries <= 10; ++retries)
    EXPECT_EQ(TriesUntilBelieved(0, retries, 0), retries + 1);
}

TEST(Silence, TakesMoreTriesTheMoreIsLost) {
  EXPECT_EQ(TriesUntilBelieved(0.1, 1, 0), 3u);  // 10^-3
  EXPECT_EQ(TriesUntilBelieved(0.5, 1, 0), 9u);  // 2^-9 < 10^-2.5 < 2^-8
  EXPECT_GT(TriesUntilBelieved(0.9, 1, 0), 50u);
  EXPECT_LT(TriesUntilBelieved(1, 1, 0), 1000u);  // never for ever
}

TEST(Silence, IsBelievedMoreEasilyWithEachGrantAndAlwaysInTheEnd) {
  uint32_t before = 1000;
  for (uint32_t grants = 0; grants <= 4; ++grants) {
    const uint32_t tries = TriesUntilBelieved(0.8, 1, grants);
    EXPECT_LT(tries, before);
    before = tries;
  }
  EXPECT_EQ(TriesUntilBelieved(1, 1, 4), 2u);
  EXPECT_EQ(TriesUntilBelieved(1, 1, 400), 2u);
}

TEST(Silence, OfAHostThatAnswersNearlyEverythingIsAskedOnceMore) {
  EXPECT_EQ(TriesUntilBelieved(0, 1, 0, 2), 2u);
  EXPECT_EQ(TriesUntilBelieved(0, 1, 0, 5), 3u);
  EXPECT_EQ(TriesUntilBelieved(0, 1, 0, 20), 3u);
  EXPECT_EQ(TriesUntilBelieved(0, 1, 0, 1e9), 3u);
  EXPECT_EQ(TriesUntilBelieved(0, 0, 0, 1e9), 1u) << "no retry was asked for";
  EXPECT_EQ(TriesUntilBelieved(0, 2, 0, 1e9), 3u) << "three tries are enough already";
  EXPECT_EQ(TriesUntilBelieved(0, 1, 0, 0.01), 2u) << "never less than asked for";
  EXPECT_EQ(TriesUntilBelieved(0.9, 1, 4, 1e9), 2u) << "no scan goes on for ever";
}

}  // namespace
}  // namespace portolan
