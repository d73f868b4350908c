#include "coordinator/results/result_reader.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <future>
#include <map>
#include <random>

#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "coordinator/ingest/compactor.h"

namespace portolan {
namespace {

constexpr Symbol kClosed{State::kClosed, Reason::kConnRefused};
constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};
constexpr Symbol kSilent{State::kFiltered, Reason::kNoResponse};
constexpr Symbol kNoWay{State::kUnreachable, Reason::kHostUnreachable};
constexpr Symbol kExcludedSymbol{State::kNotProbed, Reason::kExcluded};
constexpr Symbol kUnknown{State::kOwed, Reason::kNone};

class ResultReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    place_ = std::filesystem::temp_directory_path() / "portolan_results_XXXXXX";
    ASSERT_NE(mkdtemp(place_.data()), nullptr);
    SqliteOptions options;
    options.directory = place_;
    options.sync_full = false;
    store_ = *OpenSqliteStore(options);
    ASSERT_TRUE(store_->Load().ok());
  }
  void TearDown() override {
    reader_.reset();
    store_.reset();
    std::filesystem::remove_all(place_);
  }
  void Commit(WriteBatch batch) {
    std::promise<void> done;
    store_->Write(std::move(batch), [&] { done.set_value(); });
    done.get_future().wait();
  }
  // Two blocks, both families, three groups (one of a single address).
  void MakeSpace() {
    Block many{IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0A000000 + 4599)}}),
               PortSet::Of({{22, 22}, {80, 81}})};
    Block one{IpSet::Of({{*IpAddress::Parse("2001:db8::1"), *IpAddress::Parse("2001:db8::1")}}),
              PortSet::Of({{1, 500}})};
    space_ = *ScanSpace::Create({many, one}, 11);
    ASSERT_EQ(space_->group_count(), 3u);
  }
  void Create(ScanMode mode, std::vector<std::string> lanes) {
    ScanSpec spec;
    spec.space = space_;
    spec.mode = mode;
    spec.names = {{"host.example", {IpAddress::V4(0x0A000003), *IpAddress::Parse("2001:db8::1")}}};
    WriteBatch batch;
    batch.new_scans.emplace_back();
    ScanRecord& record = batch.new_scans.back();
    record.id = "scan";
    record.spec = std::make_shared<const ScanSpec>(spec);
    for (size_t i = 0; i < lanes.size(); ++i) {
      record.lanes.emplace_back();
      record.lanes.back().id = LaneId{i + 1};
      record.lanes.back().vantage = lanes[i];
      if (mode == ScanMode::kEachVantage) spec.vantages = lanes;
    }
    Commit(std::move(batch));
    reader_ = std::make_unique<ResultReader>(*store_, ResultReader::Options{1 << 20});
  }
  // All pages; checks their sizes.
  absl::StatusOr<std::vector<Observation>> All(const ResultQuery& query) {
    std::vector<Observation> all;
    std::string token;
    size_t pages = 0;
    do {
      auto page = reader_->Page("scan", query, token);
      if (!page.ok()) return page.status();
      EXPECT_LE(page->observations.size(), query.limit);
      all.insert(all.end(), page->observations.begin(), page->observations.end());
      token = page->next_page_token;
    } while (!token.empty() && ++pages < 1'000'000);
    return all;
  }

  std::string place_;
  std::shared_ptr<const ScanSpace> space_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ResultReader> reader_;
};

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
      ASSERT_EQ(o.name,
                address == IpAddress::V4(0x0A000003) || address.is_v6() ? "host.example" : "");
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomResultsTest, ::testing::Range(1u, 9u));

TEST_F(ResultReaderTest, GapOfATrillionPositionsIsListedLazily) {
  Block huge{IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0AFFFFFF)}}),
             PortSet::Of({{1, 65535}})};
  space_ = *ScanSpace::Create({huge}, 5);
  ASSERT_GT(space_->size(), 1'000'000'000'000u);
  Create(ScanMode::kEachVantage, {"a"});
  WriteBatch batch;
  batch.changes = {PutGaps{LaneId{1}, {{{0, space_->size()}, Reason::kNoAgent}}}};
  Commit(std::move(batch));
  ResultQuery query;
  query.states = {State::kNotProbed, State::kClosed};
  query.limit = 2000;
  std::string token;
  for (int i = 0; i < 5; ++i) {
    const auto page = reader_->Page("scan", query, token);
    ASSERT_TRUE(page.ok());
    ASSERT_EQ(page->observations.size(), 2000u);
    EXPECT_EQ(page->observations[7].reason, Reason::kNoAgent);
    EXPECT_EQ(page->observations[7].agent, "");
    token = page->next_page_token;
    ASSERT_FALSE(token.empty());
  }
  query.addresses = IpSet::Of({{IpAddress::V4(0x0A123456), IpAddress::V4(0x0A123456)}});
  query.limit = 10'000;
  EXPECT_EQ(All(query)->size(), 65'535u);
  // Nothing of it is of a state that nobody reported.
  query.addresses = IpSet();
  query.states = {State::kClosed};
  EXPECT_EQ(All(query)->size(), 0u);
}

TEST_F(ResultReaderTest, RefusesWhatItCannotAnswer) {
  MakeSpace();
  Create(ScanMode::kEachVantage, {"a", "b"});
  const auto status = [&](ResultQuery query, const std::string& token = "",
                          const ScanId& id = "scan") {
    return reader_->Page(id, query, token).status();
  };
  EXPECT_TRUE(status({}).ok());
  EXPECT_TRUE(absl::IsNotFound(status({}, "", "other")));
  EXPECT_TRUE(absl::IsNotFound(status({}, "", "sca")));
  EXPECT_TRUE(absl::IsNotFound(status({}, "", "")));
  ResultQuery query;
  query.limit = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(status(query)));
  query.limit = 10'001;
  EXPECT_TRUE(absl::IsInvalidArgument(status(query)));
  query = {};
  query.states = {State::kOwed};
  EXPECT_TRUE(absl::IsInvalidArgument(status(query)));
  query = {};
  query.vantages = {"a", "nowhere"};
  EXPECT_THAT(std::string(Message(status(query))), ::testing::HasSubstr("nowhere"));
  EXPECT_TRUE(absl::IsInvalidArgument(status({}, "not a token")));
}

TEST_F(ResultReaderTest, ForgedTokensAreRefusedOrHarmless) {
  MakeSpace();
  Create(ScanMode::kEachVantage, {"a", "b"});
  WriteBatch batch;
  const IndexRange range = space_->GroupNumber(0).range;
  StoredChunk chunk;
  chunk.lane = LaneId{2};
  chunk.range = range;
  chunk.outcomes = EncodeOutcomes(std::vector<Symbol>(range.size(), kClosed));
  batch.chunks.push_back(chunk);
  Commit(std::move(batch));
  ResultQuery query;
  query.states = {State::kClosed, State::kOpen};
  query.limit = 10;
  const std::string good = reader_->Page("scan", query, "")->next_page_token;
  ASSERT_FALSE(good.empty());
  std::mt19937 random(3);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    // Beyond the digest, where the place is.
    bad[12 + random() % (bad.size() - 12)] = kAlphabet[random() % kAlphabet.size()];
    if (random() % 2)
      bad.insert(12 + random() % (bad.size() - 12), 1, kAlphabet[random() % kAlphabet.size()]);
    refused += !reader_->Page("scan", query, bad).ok();
  }
  EXPECT_GT(refused, 100);
  ResultQuery other = query;
  other.states = {State::kClosed};
  EXPECT_TRUE(absl::IsInvalidArgument(reader_->Page("scan", other, good).status()));
}

TEST_F(ResultReaderTest, DeletedScanIsNotAnsweredFromMemory) {
  MakeSpace();
  Create(ScanMode::kEachVantage, {"a"});
  ASSERT_TRUE(reader_->Page("scan", {}, "").ok());
  WriteBatch finish;
  finish.changes = {PutScanState{"scan", ScanState::kComplete, {}, FromUnixMicros(5)}};
  Commit(std::move(finish));
  WriteBatch remove;
  remove.delete_scans = {"scan"};
  Commit(std::move(remove));
  EXPECT_TRUE(absl::IsNotFound(reader_->Page("scan", {}, "").status()));
}

TEST_F(ResultReaderTest, RunningGroupIsReadAnew) {
  MakeSpace();
  Create(ScanMode::kEachVantage, {"a"});
  ResultQuery query;
  query.states = {State::kClosed, State::kNotProbed};
  const auto put = [&](uint64_t begin, Symbol s) {
    WriteBatch batch;
    StoredChunk chunk;
    chunk.lane = LaneId{1};
    chunk.range = {begin, begin + 1};
    chunk.outcomes = EncodeOutcomes(std::vector<Symbol>{s});
    batch.chunks.push_back(chunk);
    Commit(std::move(batch));
  };
  put(0, kClosed);
  EXPECT_EQ(All(query)->size(), 1u);
  put(5, kClosed);
  EXPECT_EQ(All(query)->size(), 2u);
  WriteBatch gap;
  gap.changes = {PutGaps{LaneId{1}, {{{7, 9}, Reason::kCancelled}}}};
  Commit(std::move(gap));
  EXPECT_EQ(All(query)->size(), 4u);
}

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
    EXPECT_EQ(rows[0].name, "host.example");
    EXPECT_EQ(rows[0].open_ports, 3u);
    EXPECT_EQ(rows[0].ports, 3u);
    EXPECT_EQ(rows[1].finding.kind, HostFindingKind::kStoppedAnswering);
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
