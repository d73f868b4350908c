#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "cli/render/vantage_join.h"
#include "tests/cli/render/rows.h"

namespace portolan {
namespace {

TEST(VantageTable, MarksWhatDiffersAndExplains) {
  StringOutput out;
  const std::vector<std::string> vantages = {"office", "dmz", "cloud"};
  VantageTable table(vantages, {}, out);
  VantageJoin join(vantages, table, [](const auto& endpoints, const auto& add) {
    EXPECT_EQ(endpoints.size(), 2u);  // port 80 is known from everywhere
    add(Row("10.0.0.1", 22, State::kClosed, "conn-refused", "dmz"));
    add(Row("10.0.0.1", 22, State::kFiltered, "no-response", "cloud"));
    add(Row("10.0.0.1", 80, State::kClosed, "conn-refused", "elsewhere"));  // no column
    add(Row("10.0.0.9", 443, State::kOpen, "syn-ack", "cloud"));            // was not asked for
    add(Row("10.0.0.2", 443, State::kNotProbed, "cancelled", "cloud"));
    return absl::OkStatus();
  });
  for (const ResultRow& row :
       {Row("10.0.0.1", 22), Row("10.0.0.1", 80, State::kOpen, "syn-ack", "cloud"),
        Row("10.0.0.1", 80, State::kOpen, "syn-ack", "dmz"), Row("10.0.0.1", 80),
        Row("10.0.0.2", 443)}) {
    ASSERT_TRUE(join.Add(row).ok());
  }
  ASSERT_TRUE(join.Finish(End(6, 5, 1)).ok());
  EXPECT_EQ(
      out.text(),
      "  PORT       SERVICE BY PORT  office        dmz                    cloud\n"
      "10.0.0.1\n"
      "* 22/tcp     ssh              open 0.42 ms  closed (conn-refused)  filtered (no-response)\n"
      "  80/tcp     http             open 0.42 ms  open 0.42 ms           open 0.42 ms\n"
      "10.0.0.2\n"
      "  443/tcp    https            open 0.42 ms  -                      not-probed (cancelled)\n"
      "\n"
      "* the vantages differ\n"
      "- not observed from there\n"
      "scan abc: complete in 2.5 s\n"
      "planned 6 = open 5 + closed 1 + filtered 0 + unreachable 0 + not probed 0\n");
}

TEST(VantageTable, WhatWasNotObservedDiffersFromNothing) {
  PortRow row;
  row.cells = {VantageCell{State::kOpen, "syn-ack", 1}, std::nullopt,
               VantageCell{State::kNotProbed, "no-agent", {}}};
  EXPECT_FALSE(row.Differs());
  row.cells.push_back(VantageCell{State::kFiltered, "no-response", {}});
  EXPECT_TRUE(row.Differs());
}

// Against a naive model: every port that is open from somewhere is a row that shows the truth of
// every vantage, and no lookup is larger than allowed.
TEST(VantageJoin, ShowsTheTruthOfEveryVantageInBoundedLookups) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const std::vector<std::string> vantages = {"a", "b", "c"};
    std::map<VantageJoin::Endpoint, std::vector<State>> truth;
    for (int i = 0; i < 60; ++i) {
      auto& states = truth[{IpAddress::V4(static_cast<uint32_t>(random() % 12)),
                            static_cast<uint16_t>(random() % 9)}];
      states.clear();
      for (size_t v = 0; v < vantages.size(); ++v)
        states.push_back(static_cast<State>(1 + random() % 3));
    }
    const auto row_of = [&](const VantageJoin::Endpoint& e, size_t v) {
      return Row(e.first.ToString(), e.second, truth[e][v], "r", vantages[v]);
    };
    const size_t max_product = 1 + random() % 20;
    StringOutput out;
    VantageTable table(vantages, {}, out);
    size_t looked_up = 0;
    VantageJoin join(
        vantages, table,
        [&](const auto& endpoints, const auto& add) {
          std::set<IpAddress> ips;
          std::set<uint16_t> ports;
          for (const auto& e : endpoints) ips.insert(e.first), ports.insert(e.second);
          EXPECT_LE(ips.size() * ports.size(), max_product);
          EXPECT_TRUE(std::is_sorted(endpoints.begin(), endpoints.end()));
          looked_up += endpoints.size();
          for (const auto& entry :
               truth) {  // a lookup of addresses x ports answers more than was asked
            if (!ips.count(entry.first.first) || !ports.count(entry.first.second)) continue;
            for (size_t v = 0; v < vantages.size(); ++v) add(row_of(entry.first, v));
          }
          return absl::OkStatus();
        },
        max_product);
    std::string expected;
    size_t partly_open = 0;
    for (const auto& [endpoint, states] : truth) {
      size_t open = 0;
      for (size_t v = 0; v < states.size(); ++v) {
        if (states[v] != State::kOpen) continue;
        ++open;
        ASSERT_TRUE(join.Add(row_of(endpoint, v)).ok());
      }
      partly_open += open > 0 && open < states.size();
    }
    ASSERT_TRUE(join.Finish(End(1, 1, 0)).ok());
    EXPECT_EQ(looked_up, partly_open) << seed;
    // Every cell is known, and the lines that differ are exactly the partly open ones.
    EXPECT_EQ(out.text().find("not observed"), std::string::npos) << seed;
    size_t marked = 0;
    for (size_t at = out.text().find("\n* "); at != std::string::npos;
         at = out.text().find("\n* ", at + 1))
      ++marked;
    EXPECT_EQ(marked, partly_open + (partly_open > 0)) << seed;  // and the legend
  }
}

TEST(VantageJoin, AFailedLookupIsTheResult) {
  StringOutput out;
  VantageTable table({"a", "b"}, {}, out);
  VantageJoin join({"a", "b"}, table,
                   [](const auto&, const auto&) { return absl::UnavailableError("gone"); });
  ASSERT_TRUE(join.Add(Row("10.0.0.1", 1, State::kOpen, "syn-ack", "a")).ok());
  EXPECT_EQ(join.Finish(End(1, 1, 0)).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace portolan
