// What a probe costs: the epoll engine, and the runner over it, against bare loops that make every
// system call that a correct engine must (and nothing else: no timeouts, no checks, no outcomes
// kept). All probe closed ports of 127.0.0.0/8 or of what --first says, which must be on this
// machine too: both ends' work is in the numbers and nothing leaves it. Interleaved runs, medians.
//   engine_bench [--seconds S] [--runs N] [--window W] [--min-ratio R] [--name NAME] [--first
//   ADDRESS] [--addresses N]
// Exits 1 when an engine is below R (0.85) of the loop that makes the same calls.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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
#include "bench/summary.h"

namespace portolan {
namespace {

uint16_t g_port = 0;  // closed on all of loopback: bound by us, not listening
uint32_t g_first = 0x7f000001u;
uint32_t g_addresses = 1'000'000;  // of each thread

// The n-th target of a thread.
uint32_t Target(uint32_t thread, uint64_t n) {
  return g_first + thread * g_addresses + static_cast<uint32_t>(n % g_addresses);
}

void FillAddress(sockaddr_in& to, uint32_t address) {
  to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(g_port);
  to.sin_addr.s_addr = htonl(address);
}

void DrainErrors(int fd) {
  sockaddr_storage name;
  char control[256];
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = sizeof name;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  while (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
  }
}

int NewSocket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
  return fd;
}

// Probes until `until`; returns how many were answered. `reuse`: the sockets stay.
uint64_t BareLoop(uint32_t thread, uint32_t window, Time until, bool reuse) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<int> idle;
  std::vector<epoll_event> events(512);
  uint64_t started = 0, done = 0;
  uint32_t in_flight = 0;
  std::vector<int> all;
  while (SystemClock().Now() < until) {
    for (int burst = 0; burst < 64 && in_flight < window; ++burst) {
      int fd;
      const bool fresh = idle.empty();
      if (fresh) {
        fd = NewSocket();
        if (reuse) all.push_back(fd);
      } else {
        fd = idle.back();
        idle.pop_back();
      }
      sockaddr_in to;
      FillAddress(to, Target(thread, started++));
      if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) {
        fmt::print(stderr, "connect: {}\n", strerror(errno));
        exit(2);
      }
      if (fresh) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.fd = fd;
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
      }
      ++in_flight;
    }
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()),
                                 in_flight < window ? 0 : 100);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      int error = 0;
      socklen_t length = sizeof error;
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
      if (error == 0) continue;  // the echo of a disconnect
      DrainErrors(fd);
      if (reuse) {
        sockaddr unspec{};
        unspec.sa_family = AF_UNSPEC;
        connect(fd, &unspec, sizeof unspec);
        idle.push_back(fd);
      } else {
        close(fd);
      }
      --in_flight;
      ++done;
    }
  }
  for (int fd : all) close(fd);
  close(epoll);
  return done;
}

std::unique_ptr<ProbeEngine> MakeEngine(uint32_t window) {
  auto engine = MakeEpollEngine({window, {}}, SystemClock());
  if (!engine.ok()) {
    fmt::print(stderr, "{}\n", engine.status().ToString());
    exit(2);
  }
  return *std::move(engine);
}

uint64_t EngineLoop(uint32_t thread, uint32_t window, Time until) {
  auto engine = MakeEngine(window);
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
  bool HasRoom() const override { return true; }
  size_t bytes = 0;
};

uint64_t RunnerLoop(uint32_t thread, uint32_t window, Time until) {
  auto engine = MakeEngine(window);
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
  double cpu_us =
      0;  // of one thread for one probe: what counts where other processes take part of the machine
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
  std::string name_of_run = "engine";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const double value = std::atof(argv[i + 1]);
    if (flag == "--seconds") seconds = value;
    if (flag == "--runs") runs = std::max(1u, static_cast<uint32_t>(value));
    if (flag == "--window") window = std::max(1u, static_cast<uint32_t>(value));
    if (flag == "--min-ratio") min_ratio = value;
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

  const std::vector<std::pair<std::string, Loop>> loops = {
      {"bare loop, new sockets",
       [&](uint32_t t, Time until) { return BareLoop(t, window, until, false); }},
      {"bare loop, sockets used again",
       [&](uint32_t t, Time until) { return BareLoop(t, window, until, true); }},
      {"engine", [&](uint32_t t, Time until) { return EngineLoop(t, window, until); }},
      {"runner over engine", [&](uint32_t t, Time until) { return RunnerLoop(t, window, until); }},
  };
  bool good = true;
  struct Summary {
    std::string name, figure;
    bool met;
  };
  std::vector<Summary> summaries;
  for (uint32_t threads : {1u, 2u}) {
    std::map<std::string, std::vector<double>> rates, costs;
    for (uint32_t run = 0; run < runs; ++run) {
      for (const auto& [name, loop] : loops) {
        const Result result = Measure(loop, threads, seconds);
        rates[name].push_back(result.rate);
        costs[name].push_back(result.cpu_us);
      }
    }
    const std::string& baseline = loops[1].first;
    fmt::print("{} thread{}, {} in flight each, medians of {} runs of {} s\n", threads,
               threads == 1 ? "" : "s", window, runs, seconds);
    for (const auto& [name, loop] : loops) {
      const double ratio = bench::Median(rates[name]) / bench::Median(rates[baseline]);
      fmt::print(
          "  {:<32}{:>9.0f} probes/s {:>5.2f} of baseline {:>7.2f} us CPU a probe {:>5.2f} of "
          "baseline\n",
          name, bench::Median(rates[name]), ratio, bench::Median(costs[name]),
          bench::Median(costs[baseline]) / bench::Median(costs[name]));
      if (name != "engine") continue;
      good = good && ratio >= min_ratio;
      summaries.push_back(
          {fmt::format("{}-{}", name_of_run, threads),
           fmt::format("{:.2f} of the bare loop, {:.0f} of {:.0f} probes/s, {} thread{}", ratio,
                       bench::Median(rates[name]), bench::Median(rates[baseline]), threads,
                       threads == 1 ? "" : "s"),
           ratio >= min_ratio});
    }
  }
  close(holder);
  for (const Summary& line : summaries)
    bench::PrintSummary(line.name, line.figure, fmt::format("at least {}", min_ratio), line.met);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace portolan

int main(int argc, char** argv) { return portolan::Main(argc, argv); }
