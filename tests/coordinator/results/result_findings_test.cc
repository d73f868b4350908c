#include <map>

#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "tests/coordinator/results/result_reader_fixture.h"

namespace portolan {
namespace {

// Two vantages: one host answers everywhere as seen from the first only.
class FindingResultsTest : public ResultReaderTest {
 protected:
  void SetUp() override {
    ResultReaderTest::SetUp();
    MakeSpace();
    Create(ScanMode::kEachVantage, {"a", "b"});
    group_ = space_->GroupOfAddress(host_)->range;
    WriteBatch batch;
    for (const uint64_t lane : {1, 2}) {
      StoredChunk chunk;
      chunk.lane = LaneId{lane};
      chunk.range = group_;
      chunk.agent = "agent";
      chunk.vantage = lane == 1 ? "a" : "b";
      std::vector<Symbol> outcomes;
      for (uint64_t i = group_.begin; i < group_.end; ++i) {
        const ScanSpace::Endpoint e = space_->At(i);
        const bool open = e.address == host_ || e.port == 80;
        outcomes.push_back(open ? kOpen : kClosed);
        if (!open) continue;
        StoredRow row;
        row.lane = LaneId{lane};
        row.row.index = i;
        row.row.source = IpAddress::V4(1);
        row.address = e.address;
        row.port = e.port;
        row.agent = "agent";
        row.vantage = chunk.vantage;
        row.token = Token{1};
        batch.rows.push_back(row);
      }
      chunk.outcomes = EncodeOutcomes(outcomes);
      batch.chunks.push_back(std::move(chunk));
    }
    Commit(std::move(batch));
  }
  void Find(uint64_t lane, const IpAddress& address, HostFindingKind kind) {
    WriteBatch batch;
    StoredFinding f;
    f.lane = LaneId{lane};
    f.agent = "agent";
    f.vantage = "elsewhere";
    f.time_of_receipt = kind == HostFindingKind::kStoppedAnswering;
    f.finding.address = address;
    f.finding.kind = kind;
    if (CoversOpenPorts(kind)) {
      f.finding.confirmed = {{50000, Held::kReset}};
    } else {
      f.finding.sentinel = 80;
    }
    batch.findings.push_back(std::move(f));
    Commit(std::move(batch));
  }
  std::vector<FindingRow> AllFindings(ResultQuery query, uint64_t total) {
    std::vector<FindingRow> all;
    std::string token;
    do {
      const auto page = reader_->Findings("scan", query, token);
      EXPECT_TRUE(page.ok()) << page.status();
      EXPECT_LE(page->findings.size(), query.limit);
      EXPECT_EQ(page->total, total);
      all.insert(all.end(), page->findings.begin(), page->findings.end());
      token = page->next_page_token;
    } while (!token.empty() && all.size() < 1000);
    return all;
  }

  const IpAddress host_ = IpAddress::V4(0x0A000003);
  IndexRange group_;
};

TEST_F(FindingResultsTest, OpenPortsOfAHostThatAnswersEverywhereAreMarkedAndCanBeLeftOut) {
  const auto count = [&](std::vector<State> states, bool without) {
    ResultQuery query;
    query.states = std::move(states);
    query.addresses = IpSet::Of({{host_, host_}});
    query.without_everywhere_open = without;
    std::map<std::pair<std::string, std::optional<HostFindingKind>>, size_t> out;
    const auto all = All(query);
    EXPECT_TRUE(all.ok()) << all.status();
    if (!all.ok()) return out;
    for (const Observation& o : *all) ++out[{o.vantage, o.host_finding}];
    return out;
  };
  using Counts = std::map<std::pair<std::string, std::optional<HostFindingKind>>, size_t>;
  const std::vector<State> open = {State::kOpen}, both = {State::kOpen, State::kClosed};
  EXPECT_EQ(count(open, true), (Counts{{{"a", std::nullopt}, 3}, {{"b", std::nullopt}, 3}}));
  Find(1, host_, HostFindingKind::kSynProxy);
  Find(2, host_, HostFindingKind::kStoppedAnswering);  // says nothing of open ports
  for (const auto& states : {open, both}) {
    EXPECT_EQ(count(states, false),
              (Counts{{{"a", HostFindingKind::kSynProxy}, 3}, {{"b", std::nullopt}, 3}}));
    EXPECT_EQ(count(states, true), (Counts{{{"b", std::nullopt}, 3}}));
  }
  // Nothing else is left out.
  ResultQuery query;
  query.states = both;
  const size_t all = All(query)->size();
  query.without_everywhere_open = true;
  EXPECT_EQ(All(query)->size(), all - 3);
  query.limit = 1;
  query.states = open;
  query.addresses = IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0A000040)}});
  const auto some = All(query);
  ASSERT_TRUE(some.ok());
  for (const Observation& o : *some) EXPECT_FALSE(o.vantage == "a" && o.address == host_);
}

TEST_F(FindingResultsTest, FindingsAreListedWithTheirOpenPorts) {
  EXPECT_TRUE(AllFindings({}, 0).empty());
  const IpAddress six = *IpAddress::Parse("2001:db8::1");
  Find(2, six, HostFindingKind::kAnswersEverywhere);
  Find(1, host_, HostFindingKind::kSynProxy);
  Find(1, host_, HostFindingKind::kStoppedAnswering);
  for (const size_t limit : {1, 2, 500}) {
    ResultQuery query;
    query.limit = limit;
    const std::vector<FindingRow> rows = AllFindings(query, 3);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].finding.kind, HostFindingKind::kSynProxy);
    EXPECT_EQ(rows[0].vantage, "a");
    EXPECT_EQ(rows[0].names, (std::vector<std::string>{"host.example", "alias.example"}));
    EXPECT_EQ(rows[0].open_ports, 3u);
    EXPECT_EQ(rows[0].ports, 3u);
    EXPECT_EQ(rows[1].finding.kind, HostFindingKind::kStoppedAnswering);
    EXPECT_FALSE(rows[0].time_of_receipt);
    EXPECT_TRUE(rows[1].time_of_receipt);
    EXPECT_EQ(rows[2].finding.address, six);
    EXPECT_EQ(rows[2].vantage, "b");
    EXPECT_EQ(rows[2].open_ports, 0u);
    EXPECT_EQ(rows[2].ports, 500u);
  }
  ResultQuery query;
  query.vantages = {"b"};
  EXPECT_EQ(AllFindings(query, 3).size(), 1u);
  query.vantages = {};
  query.addresses = IpSet::Of({{host_, host_}});
  EXPECT_EQ(AllFindings(query, 3).size(), 2u);
  EXPECT_TRUE(absl::IsInvalidArgument(
      reader_->Findings("scan", {}, reader_->Findings("scan", query, "")->next_page_token + "x")
          .status()));
  EXPECT_TRUE(absl::IsNotFound(reader_->Findings("none", {}, "").status()));
}

}  // namespace
}  // namespace portolan
