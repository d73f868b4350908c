#include "agent/pacing/silence.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

uint32_t TriesUntilBelieved(double loss, uint32_t retries, uint32_t grants) {
  float certainty = 0;
  for (uint32_t tries = 1; tries < 1000; ++tries) {
    certainty += Silence::Certainty(loss);
    if (tries > retries && Silence::IsBelieved(certainty, retries, grants)) return tries;
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

}  // namespace
}  // namespace portolan
