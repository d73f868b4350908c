// Probes a second of the engine alone, over the targets and in the order of a scan: what run.sh
// holds the whole path against.
//   engine_rate --targets=127.0.0.0/13 --ports=2-17 [--seconds=S] [--window=W] [--engine=auto]
// Prints one number. The kernel and this program's one thread are all that works.
#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "agent/engine/probe_engine.h"
#include "bench/summary.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/scan/scan_space.h"
#include "common/scope/scope.h"

namespace portolan::bench {
namespace {

constexpr size_t kPrepared = 1 << 20;  // targets, in a circle, so that finding them is not measured
constexpr int kBurst = 64;

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  fmt::print(stderr, "{}\n", Message(value.status()));
  std::exit(2);
}

std::vector<ScanSpace::Endpoint> Prepare(const Arguments& arguments) {
  RaiseFileLimit();
  const TargetList targets =
      OrDie(ParseAddressTargets({arguments.Text("targets", "127.0.0.0/13")}));
  const PortSet ports = OrDie(ParsePorts(arguments.Text("ports", "2-17")));
  if (const absl::Status s = Scope::Default().Check(targets.addresses, ports); !s.ok())
    OrDie<int>(s);
  const auto space = OrDie(ScanSpace::Create(OrDie(MakeBlocks(targets, ports, {})), 1));
  std::vector<ScanSpace::Endpoint> out;
  for (uint64_t n = 0; n < space->group_count() && out.size() < kPrepared; ++n) {
    const GroupView view(space, space->GroupNumber(n));
    for (uint64_t i = view.group().range.begin;
         i < view.group().range.end && out.size() < kPrepared; ++i)
      out.push_back(view.At(i));
  }
  return out;
}

int Main(int argc, char** argv) {
  const Arguments arguments(argc, argv, {"targets", "ports", "seconds", "window", "engine"});
  const auto targets = Prepare(arguments);  // from loopback or a private network, or it ends here
  EngineOptions options;
  options.window = static_cast<uint32_t>(arguments.Number("window", kDefaultWindow));
  const auto choice = EngineChoiceFromName(arguments.Text("engine", "auto"));
  if (!choice) OrDie<int>(InvalidArgument("--engine: must be auto, epoll or io_uring"));
  const auto engine = OrDie(MakeEngine(*choice, options, SystemClock())).engine;
  std::vector<ProbeOutcome> outcomes;
  uint64_t started = 0, refused = 0, other = 0;
  const Time begin = SystemClock().Now();
  const Time until = begin + FromSeconds(arguments.Number("seconds", 10));
  Time now = begin;
  while (now < until) {
    bool full = false;
    for (int i = 0; i < kBurst && !full; ++i) {
      const ScanSpace::Endpoint& to = targets[started % targets.size()];
      full = !engine->Start(to.address, to.port, std::chrono::milliseconds(1500), started, kNever);
      if (!full) ++started;
    }
    outcomes.clear();
    now = engine->Poll(full ? Duration(std::chrono::milliseconds(10)) : Duration::zero(), outcomes);
    for (const ProbeOutcome& o : outcomes) ++(o.state == State::kClosed ? refused : other);
  }
  const double seconds = ToSeconds(SystemClock().Now() - begin);
  fmt::print("{:.0f}\n", static_cast<double>(refused) / seconds);
  if (other > 0)
    fmt::print(stderr, "engine_rate: {} probes were not refused: choose closed ports\n", other);
  return 0;
}

}  // namespace
}  // namespace portolan::bench

int main(int argc, char** argv) { return portolan::bench::Main(argc, argv); }
