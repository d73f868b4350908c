// What ingest costs: a chunk of 64 Ki positions verified, judged, trimmed; a group brought into its
// final form.
#include <benchmark/benchmark.h>

#include <random>

#include "common/scan/chunk_codec.h"
#include "coordinator/ingest/compactor.h"
#include "coordinator/ingest/ingest.h"

namespace portolan {
namespace {

constexpr uint32_t kPositions = 65536;

std::string Encoded(uint32_t n, int owed_percent) {
  std::mt19937 random(1);
  std::vector<Symbol> outcomes;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t x = random() % 100;
    outcomes.push_back(static_cast<int>(random() % 100) < owed_percent
                           ? Symbol{State::kOwed, Reason::kChunkClosed}
                       : x < 1  ? Symbol{State::kOpen, Reason::kSynAck}
                       : x < 60 ? Symbol{State::kClosed, Reason::kConnRefused}
                                : Symbol{State::kFiltered, Reason::kNoResponse});
  }
  return EncodeOutcomes(outcomes);
}

void BM_ParseChunk(benchmark::State& state) {
  const std::string bytes = Encoded(kPositions, static_cast<int>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(ParseChunk(Token{1}, 0, kPositions, {}, 0, bytes, 0));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kPositions);
}
BENCHMARK(BM_ParseChunk)->Arg(0)->Arg(2)->Unit(benchmark::kMicrosecond);

// Everything that the control thread does for a chunk: one of range(0) positions, again and again
// along a scan.
void BM_ApplyChunk(benchmark::State& state) {
  ScanSpec spec;
  spec.space =
      *ScanSpace::Create({Block{IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0AFFFFFF)}}),
                                PortSet::Of({{1, 4096}})}},
                         1);
  ScanRecord record;
  record.id = "scan";
  record.spec = std::make_shared<const ScanSpec>(spec);
  record.lanes.resize(1);
  record.lanes[0].id = LaneId{1};
  SchedulerOptions options;
  options.first_lease = options.max_lease;
  Scheduler scheduler(options, Token{1});
  Ingest ingest(scheduler);
  ingest.AddLane(LaneId{1}, "scan", "", spec.space);
  Time now = Time(std::chrono::seconds(1));
  if (!scheduler.Submit(record, now, {}).ok()) return state.SkipWithError("submit");
  const uint32_t n = static_cast<uint32_t>(state.range(0));
  const ParsedChunk parsed = *ParseChunk(Token{1}, 0, n, {}, 0, Encoded(n, 0), 0);
  AgentReport report;
  report.name = "agent";
  report.vantage = "v";
  report.incarnation = "i";
  report.measured_rate = 1e7;
  report.room = uint64_t{1} << 40;
  std::vector<std::pair<Token, IndexRange>> work;
  const auto refill = [&] {
    now += std::chrono::milliseconds(10);
    const auto decision = scheduler.Synchronize(report, now, {});
    report.leases.clear();
    report.revision_seen = decision->revision;
    for (const GrantedLease& lease : decision->leases) {
      report.leases.push_back({lease.token, lease.ranges, 0});
      for (const IndexRange& r : lease.ranges.ToVector()) {
        for (uint64_t at = r.begin; at + n <= r.end; at += n)
          work.push_back({lease.token, {at, at + n}});
      }
    }
    report.leases.clear();
    (void)scheduler.TakeChanges();
  };
  for (auto _ : state) {
    state.PauseTiming();
    for (int i = 0; work.empty() && i < 100; ++i) refill();
    if (work.empty()) {
      state.SkipWithError("no work");
      break;
    }
    ParsedBatch batch;
    batch.chunks.push_back(parsed);
    batch.chunks[0].token = work.back().first;
    batch.chunks[0].range = work.back().second;
    work.pop_back();
    state.ResumeTiming();
    auto result = ingest.Apply("agent", "v", std::move(batch), now, {});
    if (!result.ok() || result->batch.chunks.size() != 1) {
      state.SkipWithError("not accepted");
      break;
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * n);
}
BENCHMARK(BM_ApplyChunk)->Arg(1024)->Arg(65536)->Unit(benchmark::kMicrosecond)->Iterations(2000);

// A group of 2^22 positions in 64 chunks.
void BM_CompactGroup(benchmark::State& state) {
  const auto space =
      *ScanSpace::Create({Block{IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0A0FFFFF)}}),
                                PortSet::Of({{1, 1024}})}},
                         1);
  const IndexRange range = space->GroupNumber(0).range;
  Store::GroupOutcomes outcomes;
  const std::string bytes = Encoded(kPositions, 0);
  for (uint64_t at = range.begin; at < range.end; at += kPositions) {
    StoredChunk chunk;
    chunk.range = {at, at + kPositions};
    chunk.outcomes = bytes;
    outcomes.chunks.push_back(chunk);
  }
  for (auto _ : state) {
    auto group = CompactGroup(LaneId{1}, space, range, outcomes, {});
    if (!group.ok()) state.SkipWithError("not compacted");
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * range.size()));
}
BENCHMARK(BM_CompactGroup)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace portolan
