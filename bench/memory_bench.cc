// The coordinator's memory while simulated agents complete ever larger scans, chunks in random
// order; and what the results take on disk. Real coordinator, real database.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "bench/lab.h"
#include "common/base/clock.h"

namespace portolan::bench {
namespace {

constexpr double kWantedGrowth = 1.10;
constexpr auto kSample = std::chrono::milliseconds(50);

// A scan of about 10^k positions with few groups or many.
v1::ScanRequestSpec SpecOf(int k, const std::string& shape) {
  v1::ScanRequestSpec spec;
  static const std::map<int, std::pair<const char*, const char*>> kDeep = {
      {6, {"127.0.0.0/28", "1-62500"}},
      {7, {"127.0.0.0/24", "1-39063"}},
      {8, {"127.0.0.0/21", "1-48829"}},
      {9, {"127.0.0.0/18", "1-61036"}}};
  static const std::map<int, std::pair<const char*, const char*>> kWide = {
      {6, {"127.0.0.0/14", "1-4"}},
      {7, {"127.0.0.0/11", "1-5"}},
      {8, {"127.0.0.0/8", "1-6"}},
      {9, {"127.0.0.0/8", "1-60"}}};
  const auto& [targets, ports] = (shape == "wide" ? kWide : kDeep).at(k);
  spec.add_targets(targets);
  spec.set_ports(ports);
  return spec;
}

std::vector<SimOptions> Agents(int count, double rate) {
  std::vector<SimOptions> out;
  for (int i = 0; i < count; ++i) {
    SimOptions o;
    o.name = fmt::format("agent-{}", i);
    o.vantage = "v";
    o.speed = rate / count;
    o.seed = static_cast<uint64_t>(i) + 1;
    out.push_back(o);
  }
  return out;
}

struct Memory {
  double median = 0, peak = 0;  // bytes, anonymous: what is mapped from files is the page cache's
  double seconds = 0;
};

Memory RunScan(Lab& lab, const v1::ScanRequestSpec& spec) {
  std::vector<double> samples;
  const auto begin = Steady::now();
  const std::string id = lab.Create(spec).id();
  auto next_look = begin;
  while (true) {
    samples.push_back(static_cast<double>(lab.coordinator().usage().resident_bytes));
    if (Steady::now() >= next_look) {
      const v1::Scan scan = lab.Get(id);
      if (scan.state() == v1::SCAN_STATE_COMPLETE) break;
      if (scan.state() > v1::SCAN_STATE_COMPLETE)
        Die("the scan ended otherwise: " + scan.status_message());
      if (Steady::now() - begin > std::chrono::minutes(10)) Die("a scan took more than 10 minutes");
      next_look = Steady::now() + std::chrono::milliseconds(500);
    }
    std::this_thread::sleep_for(kSample);
  }
  return {Median(samples), Quantile(samples, 0.9999999),
          std::chrono::duration<double>(Steady::now() - begin).count()};
}

// Until the files have not changed for 2 s: finished groups are still being brought into their
// final form.
void WaitForCompaction(Lab& lab) {
  uint64_t last = 0;
  double cpu = 0;
  for (int i = 0; i < 120; ++i) {
    const uint64_t now = lab.StoredBytes();
    const double cpu_now = lab.coordinator().usage().cpu_s;
    if (now == last && cpu_now - cpu < 0.1) return;
    last = now;
    cpu = cpu_now;
    std::this_thread::sleep_for(std::chrono::seconds(2));
  }
}

void MeasureMemory(const Arguments& arguments) {
  const int largest = static_cast<int>(arguments.Number("largest", 9));
  const std::string shape = arguments.Text("shape", "wide");
  const ChunkMaker maker(Mix::Named(arguments.Text("mix", "dark")), SimOptions().chunk, 1);
  Lab lab(arguments);
  SimFleet fleet(Agents(4, 16e6), maker, [&] { return lab.Connect(); });
  RunScan(lab, SpecOf(6, shape));  // connections, threads, caches
  double first = 0, worst = 0;
  for (int k = 6; k <= largest; ++k) {
    const Memory m = RunScan(lab, SpecOf(k, shape));
    fleet.RunFor(std::chrono::milliseconds(1));  // all live
    if (first == 0) first = m.median;
    worst = std::max(worst, m.median / first);
    fmt::print("  10^{} probes in {:6.1f} s: {:>10} resident (median), {:>10} at most; {} stored\n",
               k, m.seconds, MiB(static_cast<uint64_t>(m.median)),
               MiB(static_cast<uint64_t>(m.peak)), MiB(lab.StoredBytes()));
    std::fflush(stdout);
  }
  if (fleet.counters().fenced != 0) Die("tokens were fenced");
  PrintSummary("memory",
               fmt::format("{:.2f} of the memory at 10^6 probes, up to 10^{}", worst, largest),
               "at most 1.10", worst <= kWantedGrowth);
}

void MeasureStored(const Arguments& arguments, const std::string& mix) {
  const ChunkMaker maker(Mix::Named(mix), SimOptions().chunk, 1);
  uint64_t empty = 0;
  {
    Lab lab(arguments);
    empty = lab.StopAndMeasureStore();
  }
  Lab lab(arguments);
  v1::Ledger ledger;
  {
    SimFleet fleet(Agents(2, 4e6), maker, [&] { return lab.Connect(); });
    v1::ScanRequestSpec spec;
    spec.add_targets("127.0.0.0/16");
    spec.set_ports("1-153");
    ledger = lab.WaitForEnd(lab.Create(spec).id(), std::chrono::minutes(5)).ledger();
    WaitForCompaction(lab);
  }
  const auto bytes = static_cast<double>(lab.StopAndMeasureStore() - empty);
  const double millions = static_cast<double>(ledger.planned()) / 1e6;
  fmt::print("  {:<8} {:>10.0f} bytes a million outcomes ({} open rows, {:.0f} bytes a row)\n", mix,
             bytes / millions, ledger.open(),
             ledger.open() == 0 ? 0 : bytes / static_cast<double>(ledger.open()));
  std::fflush(stdout);
  PrintSummary("stored-" + mix, fmt::format("{} bytes a million outcomes", Count(bytes / millions)),
               "a figure", true);
}

int Main(int argc, char** argv) {
  std::vector<std::string> keys = kLabArguments;
  keys.insert(keys.end(), {"largest", "shape", "mix", "only"});
  const Arguments arguments(argc, argv, keys);
  const std::string only = arguments.Text("only");
  if (only.empty() || only == "memory") MeasureMemory(arguments);
  if (only.empty() || only == "stored") {
    for (const char* mix : {"dark", "refused", "network", "random"}) MeasureStored(arguments, mix);
  }
  return 0;
}

}  // namespace
}  // namespace portolan::bench

int main(int argc, char** argv) { return portolan::bench::Main(argc, argv); }
