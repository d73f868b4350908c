// Probes a second of a bare loop over each port of a network, once and in random order: what
// peers.sh holds a whole scan of the same against.
//   world_rate --first=198.19.0.0 [--addresses=256] [--ports=1000] [--loop=epoll|io_uring]
//              [--window=W] [--seconds=60]
// Ports 1 to --ports of so many addresses, all of which must answer. Prints the seconds that it
// took. Only for 198.18.0.0/15, which belongs to nobody.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <cstdlib>
#include <numeric>

#include "agent/engine/probe_engine.h"
#include "bench/bare_loops.h"
#include "bench/summary.h"
#include "common/base/clock.h"

namespace portolan::bench {
namespace {

int Main(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {"first", "addresses", "ports", "loop", "window", "seconds"});
  const uint32_t first = ntohl(inet_addr(arguments.Text("first", "198.19.0.0").c_str()));
  const auto addresses = static_cast<uint32_t>(arguments.Number("addresses", 256));
  const auto ports = static_cast<uint32_t>(arguments.Number("ports", 1000));
  if (addresses == 0 || ports == 0 || ports > 65535 || first >> 17 != 0xC6120000u >> 17 ||
      (uint64_t{first} + addresses - 1) >> 17 != 0xC6120000u >> 17) {
    fmt::print(stderr, "give addresses of 198.18.0.0/15, and 1 to 65535 ports\n");
    return 2;
  }
  const uint64_t count = uint64_t{addresses} * ports;
  uint64_t step = 1'000'003;  // a prime, so that the order visits each once
  while (std::gcd(step, count) != 1) step += 2;
  const BareTargets targets{[=](uint64_t n) {
                              const uint64_t at = n * step % count;
                              return BareTargets::Target{
                                  first + static_cast<uint32_t>(at % addresses),
                                  static_cast<uint16_t>(1 + at / addresses)};
                            },
                            count};
  RaiseFileLimit();
  const auto window = static_cast<uint32_t>(arguments.Number("window", kDefaultWindow));
  const Time begin = SystemClock().Now();
  const Time until = begin + FromSeconds(arguments.Number("seconds", 60));
  const uint64_t done = arguments.Text("loop", "epoll") == "io_uring"
                            ? BareUring(targets, window, until)
                            : BareReusing(targets, window, until);
  if (done != count) {
    fmt::print(stderr, "world_rate: {} of {} were answered\n", done, count);
    return 1;
  }
  fmt::print("{:.3f}\n", ToSeconds(SystemClock().Now() - begin));
  return 0;
}

}  // namespace
}  // namespace portolan::bench

int main(int argc, char** argv) { return portolan::bench::Main(argc, argv); }
