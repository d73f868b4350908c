#include "common/scan/host_finding.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

HostFinding Everywhere() {
  HostFinding f;
  f.kind = HostFindingKind::kAnswersEverywhere;
  f.opens = 9;
  f.outcomes = 10;
  f.confirmed = {{50000, Held::kQuiet}, {60000, Held::kReset}};
  return f;
}

HostFinding Stopped() {
  HostFinding f;
  f.kind = HostFindingKind::kStoppedAnswering;
  f.sentinel = 443;
  f.silences = 7;
  return f;
}

TEST(HostFinding, NumbersAndNamesNeverChange) {
  // Stored, sent, and read by scripts.
  EXPECT_EQ(static_cast<int>(HostFindingKind::kAnswersEverywhere), 1);
  EXPECT_EQ(static_cast<int>(HostFindingKind::kSynProxy), 2);
  EXPECT_EQ(static_cast<int>(HostFindingKind::kStoppedAnswering), 3);
  EXPECT_EQ(HostFindingName(HostFindingKind::kAnswersEverywhere), "answers-everywhere");
  EXPECT_EQ(HostFindingName(HostFindingKind::kSynProxy), "syn-proxy");
  EXPECT_EQ(HostFindingName(HostFindingKind::kStoppedAnswering), "stopped-answering");
  EXPECT_EQ(static_cast<int>(Held::kReset), 1);
  EXPECT_EQ(static_cast<int>(Held::kQuiet), 4);
  EXPECT_EQ(static_cast<int>(Held::kNoWindow), 5);
  int valid = 0;
  for (int i = 0; i < 256; ++i) {
    const auto kind = static_cast<HostFindingKind>(i);
    EXPECT_EQ(IsValid(kind), HostFindingName(kind) != "unknown");
    if (!IsValid(kind)) continue;
    ++valid;
    EXPECT_EQ(HostFindingFromName(HostFindingName(kind)), kind);
  }
  EXPECT_EQ(valid, 3);
  EXPECT_EQ(HostFindingFromName("unknown"), std::nullopt);
}

TEST(HostFinding, EvidenceMustBelongToItsKind) {
  EXPECT_TRUE(CheckHostFinding(Everywhere()).ok());
  EXPECT_TRUE(CheckHostFinding(Stopped()).ok());
  const auto broken = [](HostFinding f, auto&& change) {
    change(f);
    return absl::IsInvalidArgument(CheckHostFinding(f));
  };
  EXPECT_TRUE(broken(Everywhere(), [](auto& f) { f.kind = static_cast<HostFindingKind>(0); }));
  EXPECT_TRUE(broken(Everywhere(), [](auto& f) { f.kind = static_cast<HostFindingKind>(4); }));
  EXPECT_TRUE(broken(Everywhere(), [](auto& f) { f.opens = 11; }));
  EXPECT_TRUE(broken(Everywhere(), [](auto& f) { f.confirmed.clear(); }));
  EXPECT_TRUE(broken(Everywhere(), [](auto& f) { f.sentinel = 1; }));
  EXPECT_TRUE(broken(Everywhere(), [](auto& f) { f.confirmed.resize(17); }));
  EXPECT_TRUE(broken(Everywhere(), [](auto& f) { f.confirmed[0].held = static_cast<Held>(6); }));
  // Somebody who completes handshakes for others resets each of them.
  EXPECT_TRUE(broken(Everywhere(), [](auto& f) { f.kind = HostFindingKind::kSynProxy; }));
  EXPECT_TRUE(broken(Stopped(), [](auto& f) { f.sentinel.reset(); }));
  EXPECT_TRUE(broken(Stopped(), [](auto& f) { f.confirmed = {{1, Held::kQuiet}}; }));
}

}  // namespace
}  // namespace portolan
