#include <map>
#include <random>

#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "coordinator/ingest/compactor.h"
#include "coordinator/results/scan_outcomes.h"
#include "tests/coordinator/results/result_reader_fixture.h"

namespace portolan {
namespace {

// Random outcomes in every form that they are stored in, against what was put in.
class RandomResultsTest : public ResultReaderTest,
                          public ::testing::WithParamInterface<uint32_t> {};

TEST_P(RandomResultsTest, EveryQueryGivesWhatWasStored) {
  MakeSpace();
  std::mt19937 random(GetParam());
  const auto pick = [&](uint64_t n) { return random() % n; };
  const bool split = GetParam() % 2 == 0;
  Create(split ? ScanMode::kSplit : ScanMode::kEachVantage,
         split ? std::vector<std::string>{""} : std::vector<std::string>{"a", "b", "c"});
  const size_t lanes = split ? 1 : 3;
  struct Truth {
    Symbol symbol;
    std::string vantage, agent;
    WallTime when;
  };
  std::map<std::pair<uint64_t, size_t>, Truth> truth;  // by position and lane
  WriteBatch batch;
  Compactor compactor(*store_);
  std::vector<FinishedGroup> finished;
  for (size_t lane = 0; lane < lanes; ++lane) {
    const LaneId id{lane + 1};
    for (uint64_t g = 0; g < space_->group_count(); ++g) {
      const IndexRange range = space_->GroupNumber(g).range;
      const uint64_t form = pick(5);  // nothing; one gap; chunks with holes; chunks and gaps,
                                      // whole: compacted, or left as they are
      if (form == 0) continue;
      PutGaps gaps{id, {}};
      if (form == 1) {
        gaps.gaps = {{range, Reason::kNoAgent}};
        for (uint64_t i = range.begin; i < range.end; ++i)
          truth[{i, lane}] = {{State::kNotProbed, Reason::kNoAgent}, "", "", {}};
      }
      for (uint64_t at = range.begin; form > 1 && at < range.end;) {
        const IndexRange part{at, std::min(range.end, at + 1 + pick(1500))};
        at = part.end;
        if (pick(6) == 0) {
          if (form == 2) continue;
          gaps.gaps.push_back({part, Reason::kCancelled});
          for (uint64_t i = part.begin; i < part.end; ++i)
            truth[{i, lane}] = {{State::kNotProbed, Reason::kCancelled}, "", "", {}};
          continue;
        }
        std::vector<Symbol> first, second;
        for (uint64_t i = part.begin; i < part.end; ++i) {
          constexpr Symbol kAll[] = {kClosed, kOpen, kSilent, kNoWay, kExcludedSymbol};
          const Symbol s = kAll[pick(5)];
          const bool later = pick(30) == 0;
          first.push_back(later ? kUnknown : s);
          second.push_back(later && form != 2 ? s : kUnknown);
        }
        for (const auto* outcomes : {&first, &second}) {
          StoredChunk chunk;
          chunk.lane = id;
          chunk.range = part;
          chunk.agent = "agent-" + std::to_string(pick(3));
          chunk.vantage = split ? std::string(1, static_cast<char>('a' + pick(3)))
                                : std::string(1, static_cast<char>('a' + lane));
          chunk.start = FromUnixMicros(static_cast<int64_t>(1'000'000 + part.begin));
          chunk.outcomes = EncodeOutcomes(*outcomes);
          for (uint64_t i = part.begin; i < part.end; ++i) {
            const Symbol s = (*outcomes)[i - part.begin];
            if (s == kUnknown) continue;
            truth[{i, lane}] = {s, chunk.vantage, chunk.agent, chunk.start};
            if (s != kOpen) continue;
            StoredRow row;
            row.lane = id;
            row.row.index = i;
            row.row.rtt_us = static_cast<uint32_t>(i);
            row.row.when = FromUnixMicros(static_cast<int64_t>(2'000'000 + i));
            row.row.source = IpAddress::V4(99);
            row.address = space_->At(i).address;
            row.port = space_->At(i).port;
            row.agent = chunk.agent;
            row.vantage = chunk.vantage;
            row.token = Token{1};
            truth[{i, lane}].when = row.row.when;
            batch.rows.push_back(row);
          }
          batch.chunks.push_back(std::move(chunk));
        }
      }
      if (!gaps.gaps.empty()) batch.changes.push_back(gaps);
      if (form == 3) finished.push_back({id, space_, range});
    }
  }
  Commit(std::move(batch));
  for (const FinishedGroup& group : finished) compactor.Offer(group);
  compactor.Drain();
  EXPECT_EQ(compactor.counters().errors + compactor.counters().unfinished, 0u);

  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    ResultQuery query;
    for (const State s :
         {State::kOpen, State::kClosed, State::kFiltered, State::kUnreachable, State::kNotProbed}) {
      if (pick(2)) query.states.push_back(s);
    }
    if (pick(2)) {
      std::vector<IpRange> ranges;
      for (uint64_t n = 1 + pick(4); n > 0; --n) {
        const uint32_t first = 0x0A000000 + static_cast<uint32_t>(pick(4700));
        ranges.push_back({IpAddress::V4(first),
                          IpAddress::V4(first + static_cast<uint32_t>(pick(pick(2) ? 3 : 5000)))});
      }
      if (pick(2))
        ranges.push_back(
            {*IpAddress::Parse("2001:db8::"), *IpAddress::Parse("2001:db8::ffff:ffff")});
      query.addresses = IpSet::Of(ranges);
    }
    if (pick(2)) query.ports = PortSet::Of({{80, static_cast<uint16_t>(80 + pick(30))}});
    if (pick(3) == 0)
      query.vantages = pick(2) ? std::vector<std::string>{"b"} : std::vector<std::string>{"a", "c"};
    query.limit = pick(3) == 0 ? 1 + pick(5) : 500 + pick(3000);
    if (query.addresses.empty() || query.addresses.size() > 30)
      query.limit = std::max<size_t>(query.limit, 700);

    using Key = std::tuple<uint64_t, IpAddress, uint16_t, size_t>;
    std::map<Key, const Truth*> want;
    const bool rows = std::all_of(query.states.begin(), query.states.end(),
                                  [](State s) { return s == State::kOpen; });
    for (const auto& [where, t] : truth) {
      const auto [index, lane] = where;
      const ScanSpace::Endpoint e = space_->At(index);
      const bool state =
          rows ? t.symbol == kOpen
               : std::count(query.states.begin(), query.states.end(), t.symbol.state) > 0;
      const std::string vantage = split ? t.vantage : std::string(1, static_cast<char>('a' + lane));
      if (!state || (!query.addresses.empty() && !query.addresses.Contains(e.address)) ||
          (!query.ports.empty() && !query.ports.Contains(e.port)) ||
          (!query.vantages.empty() &&
           std::count(query.vantages.begin(), query.vantages.end(), vantage) == 0)) {
        continue;
      }
      want[{rows ? 0 : space_->GroupOf(index).range.begin, e.address, e.port, lane}] = &t;
    }
    const auto got = All(query);
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(got->size(), want.size());
    size_t i = 0;
    for (const auto& [key, t] : want) {
      const auto& [group, address, port, lane] = key;
      const Observation& o = (*got)[i++];
      ASSERT_EQ(o.address, address);
      ASSERT_EQ(o.port, port);
      ASSERT_EQ(o.lane.value, lane + 1);
      ASSERT_EQ(o.state, t->symbol.state);
      ASSERT_EQ(o.reason, t->symbol.reason);
      ASSERT_EQ(o.agent, t->agent);
      ASSERT_EQ(o.when, t->when);
      ASSERT_EQ(o.vantage, split ? t->vantage : std::string(1, static_cast<char>('a' + lane)));
      ASSERT_EQ(o.rtt_us.has_value(), o.state == State::kOpen);
      ASSERT_EQ(o.source.has_value(), o.state == State::kOpen);
      const bool named = address == IpAddress::V4(0x0A000003) || address.is_v6();
      // Two names lead there: both are kept.
      ASSERT_EQ(o.names, named ? (std::vector<std::string>{"host.example", "alias.example"})
                               : std::vector<std::string>{});
    }
  }
  // Asked one by one.
  auto outcomes = ScanOutcomes::Open(*store_, "scan", 1 << 16);
  ASSERT_TRUE(outcomes.ok()) << outcomes.status();
  for (int i = 0; i < 2000; ++i) {
    const uint64_t index = pick(space_->size());
    const size_t lane = pick(lanes);
    const ScanSpace::Endpoint e = space_->At(index);
    const std::string vantage = split ? "" : std::string(1, static_cast<char>('a' + lane));
    const auto got = (*outcomes)->At(vantage, e.address, e.port);
    ASSERT_TRUE(got.ok()) << got.status();
    const auto it = truth.find({index, lane});
    ASSERT_EQ(got->has_value(), it != truth.end());
    if (it == truth.end()) continue;
    ASSERT_EQ((*got)->symbol, it->second.symbol);
    ASSERT_EQ((*got)->agent, it->second.agent);
    ASSERT_EQ((*got)->when, it->second.when);
  }
  EXPECT_FALSE((*outcomes)->At("nowhere", space_->At(0).address, space_->At(0).port)->has_value());
  EXPECT_FALSE((*outcomes)->At(split ? "" : "a", IpAddress::V4(1), 1)->has_value());
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomResultsTest, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace portolan
