// What common/scan costs: mapping a position, planning, and the chunk encoding.
#include <benchmark/benchmark.h>
#include <stdio.h>
#include <unistd.h>

#include <random>
#include <vector>

#include "common/scan/chunk_codec.h"
#include "common/scan/chunk_ops.h"
#include "common/scan/permutation.h"
#include "common/scan/scan_space.h"
#include "common/scan/storage_codec.h"

namespace portolan {
namespace {

void BM_PermutationForward(benchmark::State& state) {
  const Permutation p(static_cast<uint64_t>(state.range(0)), 42);
  uint64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(p.Forward(i));
    if (++i == p.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
// The cells of a group of a /8 x 65,535 ports; of 4,096 addresses x 1,000 ports; the worst case of
// cycle walking, one above a power of 4, where most steps land outside; all of IPv4.
BENCHMARK(BM_PermutationForward)
    ->Arg(256 * 65535)
    ->Arg(4096 * 1000)
    ->Arg((1 << 20) + 1)
    ->Arg(int64_t{1} << 32);

void BM_PermutationInverse(benchmark::State& state) {
  const Permutation p(256 * 65535, 42);
  uint64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(p.Inverse(i));
    if (++i == p.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_PermutationInverse);

IpSet Slash8() { return IpSet::Of({{IpAddress::V4(10u << 24), IpAddress::V4((11u << 24) - 1)}}); }

std::shared_ptr<const ScanSpace> Slash8AllPorts() {
  TargetList targets;
  targets.addresses = Slash8();
  auto blocks = MakeBlocks(targets, PortSet::Of({{1, 65535}}), {});
  return *ScanSpace::Create(*std::move(blocks), 7);
}

// Resident memory of this process, bytes.
double ResidentBytes() {
  long pages = 0, resident = 0;
  if (FILE* f = fopen("/proc/self/statm", "r")) {
    if (fscanf(f, "%ld %ld", &pages, &resident) != 2) resident = 0;
    fclose(f);
  }
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// A /8 on 65,535 ports: 1.1e12 positions. Limits: 50 ms, 20 MB.
void BM_PlanSlash8AllPorts(benchmark::State& state) {
  const double before = ResidentBytes();
  for (auto _ : state) {
    auto space = Slash8AllPorts();
    benchmark::DoNotOptimize(space->At(space->size() / 3));
  }
  state.counters["rss_growth_bytes"] = ResidentBytes() - before;
  state.counters["rss_bytes"] = ResidentBytes();
}
BENCHMARK(BM_PlanSlash8AllPorts)->Unit(benchmark::kMicrosecond);

void BM_OpenGroup(benchmark::State& state) {
  TargetList targets;
  targets.addresses = Slash8();
  const auto ports = state.range(0) == 1 ? PortSet::Of({{443, 443}}) : PortSet::Of({{1, 65535}});
  const auto space = *ScanSpace::Create(*MakeBlocks(targets, ports, {}), 7);
  uint64_t n = 0;
  for (auto _ : state) {
    const GroupView view(space, space->GroupNumber(n));
    benchmark::DoNotOptimize(view.size());
    n = (n + 1) % space->group_count();
  }
}
BENCHMARK(BM_OpenGroup)->Arg(1)->Arg(65535)->Unit(benchmark::kMicrosecond);

void BM_WalkGroup(benchmark::State& state) {
  const auto space = Slash8AllPorts();
  const GroupView view(space, space->GroupNumber(1));
  uint64_t i = view.group().range.begin;
  for (auto _ : state) {
    benchmark::DoNotOptimize(view.At(i));
    if (++i == view.group().range.end) i = view.group().range.begin;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_WalkGroup);

// Without a GroupView.
void BM_SpaceAt(benchmark::State& state) {
  const auto space = Slash8AllPorts();
  uint64_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(space->At(i++));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_SpaceAt);

// A million host:port lines: `range` endpoints an address, of 1,000 different ports.
void BM_MakeBlocksOfEndpoints(benchmark::State& state) {
  std::mt19937_64 random(1);
  TargetList targets;
  const uint64_t per_address = static_cast<uint64_t>(state.range(0));
  for (uint64_t i = 0; i < 1'000'000; i += per_address) {
    const IpAddress address = IpAddress::V4(static_cast<uint32_t>(random()));
    for (uint64_t k = 0; k < per_address; ++k) {
      targets.endpoints.push_back({address, static_cast<uint16_t>(1 + random() % 1000)});
    }
  }
  size_t blocks = 0;
  for (auto _ : state) {
    auto space = ScanSpace::Create(*MakeBlocks(targets, {}, {}), 7);
    benchmark::DoNotOptimize(space);
    blocks = (*space)->blocks().size();
  }
  state.counters["blocks"] = static_cast<double>(blocks);
}
BENCHMARK(BM_MakeBlocksOfEndpoints)->Arg(1)->Arg(3)->Unit(benchmark::kMillisecond);

// ---- chunk encoding ----

constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};
constexpr Symbol kRefused{State::kClosed, Reason::kConnRefused};
constexpr Symbol kSilent{State::kFiltered, Reason::kNoResponse};
constexpr Symbol kProhibited{State::kFiltered, Reason::kAdminProhibited};

enum Mix { kDark, kUsual, kFourWays, kHostByHost };

// dark: all silent. usual: 1 % open, 49.5 % refused, 49.5 % silent, at random. four ways: a quarter
// each. host by host: natural order of 256 addresses, each refusing or silent, but for 1 % open.
std::vector<Symbol> Outcomes(int64_t mix, size_t count) {
  std::mt19937_64 random(3);
  std::vector<Symbol> out(count, kSilent);
  bool refuses = false;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t r = random() % 1000;
    if (i % (count / 256 + 1) == 0) refuses = random() % 2 == 0;
    if (mix == kUsual) out[i] = r < 10 ? kOpen : r < 505 ? kRefused : kSilent;
    if (mix == kFourWays) {
      out[i] = r < 250 ? kOpen : r < 500 ? kRefused : r < 750 ? kProhibited : kSilent;
    }
    if (mix == kHostByHost) out[i] = r < 10 ? kOpen : refuses ? kRefused : kSilent;
  }
  return out;
}

void Report(benchmark::State& state, size_t count, size_t bytes) {
  state.SetItemsProcessed(static_cast<int64_t>(count) * static_cast<int64_t>(state.iterations()));
  state.counters["bytes_per_probe"] = static_cast<double>(bytes) / static_cast<double>(count);
}

void BM_EncodeOutcomes(benchmark::State& state) {
  const std::vector<Symbol> outcomes = Outcomes(state.range(0), 200'000);
  size_t bytes = 0;
  for (auto _ : state) bytes = EncodeOutcomes(outcomes).size();
  Report(state, outcomes.size(), bytes);
}
BENCHMARK(BM_EncodeOutcomes)->ArgName("mix")->Arg(kDark)->Arg(kUsual)->Arg(kFourWays);

void BM_CountOutcomes(benchmark::State& state) {
  const std::string encoded = EncodeOutcomes(Outcomes(state.range(0), 200'000));
  for (auto _ : state) benchmark::DoNotOptimize(CountOutcomes(encoded, 200'000)->totals);
  Report(state, 200'000, encoded.size());
}
BENCHMARK(BM_CountOutcomes)->ArgName("mix")->Arg(kDark)->Arg(kUsual)->Arg(kFourWays);

void BM_DecodeOutcomes(benchmark::State& state) {
  const std::string encoded = EncodeOutcomes(Outcomes(state.range(0), 200'000));
  for (auto _ : state) benchmark::DoNotOptimize(DecodeOutcomes(encoded, 200'000)->codes);
  Report(state, 200'000, encoded.size());
}
BENCHMARK(BM_DecodeOutcomes)->ArgName("mix")->Arg(kDark)->Arg(kUsual)->Arg(kFourWays);

void BM_Remask(benchmark::State& state) {
  const std::string encoded = EncodeOutcomes(Outcomes(kUsual, 200'000));
  const IntervalSet keep{{0, 50'000}, {60'000, 200'000}};
  for (auto _ : state) benchmark::DoNotOptimize(Remask(encoded, 200'000, 0, keep)->encoded);
  Report(state, 200'000, encoded.size());
}
BENCHMARK(BM_Remask);

// A finished group of 2^24 positions in natural order, as it is stored.
void BM_CompressGroup(benchmark::State& state) {
  const std::string encoded = EncodeOutcomes(Outcomes(state.range(0), 1 << 24));
  size_t bytes = 0;
  for (auto _ : state) bytes = CompressForStorage(encoded).size();
  Report(state, 1 << 24, bytes);
}
BENCHMARK(BM_CompressGroup)
    ->ArgName("mix")
    ->Arg(kDark)
    ->Arg(kUsual)
    ->Arg(kHostByHost)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace portolan
