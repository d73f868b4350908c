// What a probe costs: the engines, and the runner over them, against bare loops that make every
// system call that a correct engine must (bare_loops.h). All probe closed ports of 127.0.0.0/8 or
// of what --first says, which must be on this machine too: both ends' work is in the numbers and
// nothing leaves it. Interleaved runs, medians.
//   engine_bench [--engine both|epoll|io_uring] [--seconds S] [--runs N] [--window W]
//                [--min-ratio R] [--min-plain R] [--name NAME] [--first ADDRESS] [--addresses N]
// Exits 1 when an engine is below R (0.85) of the loop that makes the same calls, or below
// --min-plain (0: not looked at) of the loop that makes a socket for every probe, or leaves a
// descriptor open.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "agent/engine/probe_engine.h"
#include "agent/runner/runner.h"
#include "bench/bare_loops.h"
#include "bench/summary.h"
#include "common/base/status.h"

namespace portolan {
namespace {

uint16_t g_port = 0;  // closed on all of loopback: bound by us, not listening
uint32_t g_first = 0x7f000001u;
uint32_t g_addresses = 1'000'000;  // of each thread

// The n-th target of a thread.
uint32_t Target(uint32_t thread, uint64_t n) {
  return g_first + thread * g_addresses + static_cast<uint32_t>(n % g_addresses);
}

bench::BareTargets TargetsOf(uint32_t thread) {
  return {[thread](uint64_t n) { return bench::BareTargets::Target{Target(thread, n), g_port}; }};
}

std::unique_ptr<ProbeEngine> MakeEngineOrDie(EngineChoice choice, uint32_t window) {
  auto made = MakeEngine(choice, {window, {}}, SystemClock());
  if (!made.ok()) {
    fmt::print(stderr, "{}\n", made.status().ToString());
    exit(2);
  }
  return std::move(made->engine);
}

uint64_t EngineLoop(EngineChoice choice, uint32_t thread, uint32_t window, Time until) {
  auto engine = MakeEngineOrDie(choice, window);
  std::vector<ProbeOutcome> out;
  uint64_t started = 0, done = 0;
  while (SystemClock().Now() < until) {
    for (int burst = 0; burst < 64; ++burst) {
      if (!engine->Start(IpAddress::V4(Target(thread, started)), g_port, std::chrono::seconds(1),
                         started, kNever))
        break;
      ++started;
    }
    out.clear();
    engine->Poll(
        engine->in_flight() < window ? Duration::zero() : Duration(std::chrono::milliseconds(100)),
        out);
    for (const ProbeOutcome& outcome : out) done += outcome.state == State::kClosed;
  }
  return done;
}

class CountingSink final : public ReportSink {
 public:
  void PutOpen(const OpenReport&) override {}
  void PutChunk(ChunkReport chunk) override { bytes += chunk.outcomes.size(); }
  void PutFinding(const FindingReport&) override {}
  bool HasRoom() const override { return true; }
  size_t bytes = 0;
};

uint64_t RunnerLoop(EngineChoice choice, uint32_t thread, uint32_t window, Time until) {
  auto engine = MakeEngineOrDie(choice, window);
  CountingSink sink;
  Runner runner(*engine, sink, Scope::Default());
  Block block;
  block.addresses = IpSet::Of(
      {{IpAddress::V4(Target(thread, 0)), IpAddress::V4(Target(thread, g_addresses - 1))}});
  block.ports = PortSet::Of({{g_port, g_port}});
  ScanContext context;
  context.scan = "s";
  context.overlay = std::make_shared<DenyOverlay>();
  uint64_t token = 0;
  const auto grant = [&] {
    // A new seed each time: the order of probing is random, as in a scan.
    context.space = ScanSpace::Create({block}, ++token).value();
    context.scan = std::to_string(token);
    runner.SetContext(context);
    AgentLease lease;
    lease.token = Token{token};
    lease.scan = context.scan;
    lease.ranges.Add({0, context.space->size()});
    lease.deadline = kNever;
    if (!runner.Grant(std::move(lease)).ok()) exit(2);
  };
  std::vector<ProbeOutcome> out;
  for (Time now = SystemClock().Now(); now < until;) {
    if (!runner.has_work()) grant();
    const Time next = runner.Step(now, SystemClock().Wall());
    now = engine->Poll(
        std::clamp<Duration>(next - now, Duration::zero(), std::chrono::milliseconds(100)), out);
    const WallTime wall = SystemClock().Wall();
    for (const ProbeOutcome& outcome : out) runner.OnOutcome(outcome, now, wall);
    out.clear();
    now = SystemClock().Now();
  }
  const RunnerCounters& counters = runner.counters();
  return counters.attempts - engine->in_flight() - counters.local_failures;
}

using Loop = std::function<uint64_t(uint32_t thread, Time until)>;

struct Result {
  double rate = 0;  // probes a second, all threads
  // of one thread for one probe: what counts where other processes take part of the machine
  double cpu_us = 0;
};

double ThreadCpuSeconds() {
  timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return static_cast<double>(ts.tv_sec) + 1e-9 * static_cast<double>(ts.tv_nsec);
}

Result Measure(const Loop& loop, uint32_t threads, double seconds) {
  std::vector<std::thread> running;
  std::vector<uint64_t> done(threads);
  std::vector<double> cpu(threads);
  const Time begin = SystemClock().Now();
  const Time until = begin + FromSeconds(seconds);
  for (uint32_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      done[t] = loop(t, until);
      cpu[t] = ThreadCpuSeconds();
    });
  }
  for (std::thread& thread : running) thread.join();
  const double total = static_cast<double>(std::accumulate(done.begin(), done.end(), uint64_t{0}));
  return {total / ToSeconds(SystemClock().Now() - begin),
          1e6 * std::accumulate(cpu.begin(), cpu.end(), 0.0) / total};
}

int Main(int argc, char** argv) {
  double seconds = 1, min_ratio = 0.85;
  uint32_t runs = 5, window = 512;
  double min_plain = 0;
  std::string name_of_run = "engine", which = "both";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const double value = std::atof(argv[i + 1]);
    if (flag == "--seconds") seconds = value;
    if (flag == "--runs") runs = std::max(1u, static_cast<uint32_t>(value));
    if (flag == "--window") window = std::max(1u, static_cast<uint32_t>(value));
    if (flag == "--min-ratio") min_ratio = value;
    if (flag == "--min-plain") min_plain = value;
    if (flag == "--engine") which = argv[i + 1];
    if (flag == "--name") name_of_run = argv[i + 1];
    if (flag == "--first") g_first = ntohl(inet_addr(argv[i + 1]));
    if (flag == "--addresses") g_addresses = std::max(1u, static_cast<uint32_t>(value));
  }
  // Loopback, or a network that is for benchmarks alone: a mistyped address must not be probed.
  constexpr uint32_t kLoopback = 127, kBenchmark = 0xC6120000u >> 17;
  const uint64_t last = uint64_t{g_first} + 2 * uint64_t{g_addresses} - 1;
  if (!(g_first >> 24 == kLoopback && last >> 24 == kLoopback) &&
      !(g_first >> 17 == kBenchmark && last >> 17 == kBenchmark)) {
    fmt::print(stderr, "--first, --addresses: give addresses of 127.0.0.0/8 or 198.18.0.0/15\n");
    return 2;
  }
  const int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  socklen_t length = sizeof any;
  if (bind(holder, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) return 2;
  getsockname(holder, reinterpret_cast<sockaddr*>(&any), &length);
  g_port = ntohs(any.sin_port);

  struct Contender {
    std::string name;
    Loop loop;
    std::string baseline;  // the loop that makes the same calls
    std::string summary;   // its line in the summary; empty: none
  };
  const std::string plain = "bare loop, new sockets", reusing = "bare loop, sockets used again",
                    twin = "bare io_uring";
  std::vector<Contender> loops = {
      {plain, [&](auto t, Time until) { return bench::BarePlain(TargetsOf(t), window, until); },
       reusing, ""},
      {reusing, [&](auto t, Time until) { return bench::BareReusing(TargetsOf(t), window, until); },
       reusing, ""}};
  const auto add = [&](EngineChoice choice, const std::string& name, const std::string& baseline,
                       const std::string& summary) {
    loops.push_back({name + " engine",
                     [=](uint32_t t, Time until) { return EngineLoop(choice, t, window, until); },
                     baseline, summary});
    loops.push_back({"runner over " + name,
                     [=](uint32_t t, Time until) { return RunnerLoop(choice, t, window, until); },
                     baseline, ""});
  };
  if (which != "io_uring") add(EngineChoice::kEpoll, "epoll", reusing, name_of_run);
  if (which != "epoll") {
    const auto uring = MakeUringEngine({1, {}}, SystemClock());
    if (uring.ok()) {
      loops.push_back(
          {twin, [&](auto t, Time until) { return bench::BareUring(TargetsOf(t), window, until); },
           twin, ""});
      add(EngineChoice::kUring, "io_uring", twin, name_of_run + "-io_uring");
    } else {
      fmt::print("no io_uring here: {}\n", Message(uring.status()));
    }
  }
  const uint64_t open_before = RaiseFileLimit().open;
  bool good = true;
  uint64_t probes = 0;
  struct Summary {
    std::string name, figure, wanted;
    bool met;
  };
  std::vector<Summary> summaries;
  for (uint32_t threads : {1u, 2u}) {
    std::map<std::string, std::vector<double>> rates, costs;
    for (uint32_t run = 0; run < runs; ++run) {
      for (const Contender& c : loops) {
        const Result result = Measure(c.loop, threads, seconds);
        rates[c.name].push_back(result.rate);
        costs[c.name].push_back(result.cpu_us);
        probes += static_cast<uint64_t>(result.rate * seconds);
      }
    }
    fmt::print("{} thread{}, {} in flight each, medians of {} runs of {} s\n", threads,
               threads == 1 ? "" : "s", window, runs, seconds);
    for (const Contender& c : loops) {
      const double rate = bench::Median(rates[c.name]), cost = bench::Median(costs[c.name]);
      const double ratio = rate / bench::Median(rates[c.baseline]);
      const double of_plain = rate / bench::Median(rates[plain]);
      fmt::print(
          "  {:<32}{:>9.0f} probes/s {:>6.2f} us CPU a probe; of its baseline {:>5.2f} in rate "
          "{:>5.2f} in CPU, of new sockets {:>5.2f}\n",
          c.name, rate, cost, ratio, bench::Median(costs[c.baseline]) / cost, of_plain);
      if (c.summary.empty()) continue;
      const bool met = ratio >= min_ratio && of_plain >= min_plain;
      good = good && met;
      summaries.push_back(
          {fmt::format("{}-{}", c.summary, threads),
           fmt::format("{:.2f} of the bare loop, {:.2f} of new sockets, {:.0f} of {:.0f} probes/s, "
                       "{:.2f} us, {} thread{}",
                       ratio, of_plain, rate, bench::Median(rates[c.baseline]), cost, threads,
                       threads == 1 ? "" : "s"),
           min_plain > 0 ? fmt::format("at least {} and {}", min_ratio, min_plain)
                         : fmt::format("at least {}", min_ratio),
           met});
    }
  }
  const uint64_t open_after = RaiseFileLimit().open;
  summaries.push_back(
      {name_of_run + "-leak",
       fmt::format("{} descriptors more than before after {} probes",
                   static_cast<int64_t>(open_after) - static_cast<int64_t>(open_before), probes),
       "none", open_after <= open_before});
  good = good && open_after <= open_before;
  close(holder);
  for (const Summary& line : summaries)
    bench::PrintSummary(line.name, line.figure, line.wanted, line.met);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace portolan

int main(int argc, char** argv) { return portolan::Main(argc, argv); }
