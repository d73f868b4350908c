#include "coordinator/exposure/findings.h"

#include <gtest/gtest.h>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

FindingKey Key(const std::string& rule, uint16_t port) {
  return {FindingKind::kMustNotBeOpen, rule, "v", TargetKey::FromString("10.0.0.1"), port};
}
Finding Plain() { return {}; }

FindingBoard::Changes Round(FindingBoard& board, const std::vector<FindingKey>& keys, int64_t t) {
  board.Begin();
  for (const FindingKey& k : keys) board.Offer(k, Plain);
  return board.End(At(t));
}

TEST(FindingBoard, AFindingIsFoundOnceAndResolvedOnce) {
  FindingBoard board(10);
  EXPECT_EQ(Round(board, {Key("r", 1)}, 1).found.size(), 1u);
  EXPECT_EQ(Round(board, {Key("r", 1)}, 2), FindingBoard::Changes());
  EXPECT_EQ(board.state().open.at(Key("r", 1)).found, At(1));
  EXPECT_EQ(board.state().open.at(Key("r", 1)).since, At(1));
  const auto changes = Round(board, {}, 3);
  ASSERT_EQ(changes.resolved.size(), 1u);
  EXPECT_EQ(changes.resolved[0].resolved, At(3));
  EXPECT_TRUE(board.state().open.empty());
  EXPECT_TRUE(board.state().total.empty());
}

TEST(FindingBoard, KeepsKOfEachRuleAndCountsTheRest) {
  FindingBoard board(2);
  Round(board, {Key("r", 5), Key("r", 6), Key("r", 7), Key("s", 1)}, 1);
  EXPECT_EQ(board.state().open.size(), 3u);
  EXPECT_EQ(board.state().total.at({FindingKind::kMustNotBeOpen, "r"}), 3u);
  // What is open stays, though others come before it now.
  const auto same = Round(board, {Key("r", 1), Key("r", 5), Key("r", 6), Key("s", 1)}, 2);
  EXPECT_EQ(same, FindingBoard::Changes());
  // And makes room when it is resolved.
  const auto changes = Round(board, {Key("r", 1), Key("r", 2), Key("r", 6)}, 3);
  ASSERT_EQ(changes.found.size(), 1u);
  EXPECT_EQ(changes.found[0].key, Key("r", 1));
  EXPECT_EQ(changes.resolved.size(), 2u);
}

TEST(FindingBoard, MakesTextsOnlyOfWhatItMayKeep) {
  FindingBoard board(3);
  int made = 0;
  board.Begin();
  for (int port = 0; port < 65536; ++port) {
    board.Offer(Key("r", static_cast<uint16_t>(port)), [&] {
      ++made;
      return Finding();
    });
  }
  board.End(At(1));
  EXPECT_EQ(made, 3);
  EXPECT_EQ(board.state().open.size(), 3u);
}

TEST(FindingKey, IsTextWithoutAmbiguity) {
  EXPECT_EQ(Key("a/b %", 22).ToString(), "must-not-be-open/a%2fb%20%25/v/10.0.0.1/22");
  FindingKey key;
  key.kind = FindingKind::kQuarantined;
  key.rule = "vantage-quarantined";
  key.vantage = "v";
  EXPECT_EQ(key.ToString(), "vantage-quarantined/vantage-quarantined/v//");
}

TEST(Severity, NamesGoBothWays) {
  for (int i = 1; i <= 5; ++i) {
    const auto s = static_cast<Severity>(i);
    EXPECT_EQ(ParseSeverity(Name(s)), s);
  }
  EXPECT_EQ(ParseSeverity("bad"), std::nullopt);
}

}  // namespace
}  // namespace portolan
