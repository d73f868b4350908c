// Scans of simulated networks in virtual time (tests/agent/runner/virtual_scan.h): how long each
// takes, what it finds and what it sends, a line for each world and timing template over a range of
// seeds. Not a benchmark of the machine: the same figures on any.
//   pace_model [--seeds=FIRST-LAST] [--templates=345] [--add="NAME=VALUE ..."] [WORLD...]
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tests/agent/runner/virtual_scan.h"

namespace {

struct NamedWorld {
  const char* name;
  const char* preset;
  const char* changes;
  const char* ports;
};
constexpr NamedWorld kWorlds[] = {
    {"answering", "onehost", "rtt=20", ""},
    {"answering50", "onehost", "", ""},
    {"firewalled", "onehost-drop", "open=0.01 rtt=20 loss-out=0.01 loss-in=0.01", "1-1000"},
    {"firewalled-far", "onehost-drop", "open=0.01 rtt=10..120 loss-out=0.01 loss-in=0.01",
     "1-1000"},
    {"firewalled-all", "onehost-drop", "loss-out=0.005 loss-in=0.005", ""},
    {"silent", "onehost-drop", "alive=0", "1-1000"},
    {"rstlimited1", "rstlimited", "fw-port-unreach=0 fw-admin=0", "1-1000"},
    {"rstlimited300", "rstlimited", "fw-port-unreach=0 fw-admin=0", "1-300"},
    {"prefixlimited", "ratelimited", "fw-drop=0.34", "1-100"},
    {"ratelimited", "ratelimited", "", ""},
    {"standard", "standard", "", ""},
    {"lossy", "lossy", "", ""},
    {"fast256", "fast256", "", ""},
};

int Usage() {
  std::fputs(
      "usage: pace_model [--seeds=FIRST-LAST] [--templates=345] [--add=\"...\"] [WORLD...]\n",
      stderr);
  for (const NamedWorld& w : kWorlds) std::fprintf(stderr, "  %s\n", w.name);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  unsigned long long first = 1, last = 5;
  std::string templates = "345", add;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (a.starts_with("--seeds=")) {
      if (std::sscanf(argv[i] + 8, "%llu-%llu", &first, &last) != 2 || first > last) return Usage();
    } else if (a.starts_with("--templates=")) {
      templates = a.substr(12);
      if (templates.find_first_not_of("012345") != std::string::npos) return Usage();
    } else if (a.starts_with("--add=")) {
      add = a.substr(6);
    } else if (a.starts_with("--")) {
      return Usage();
    } else {
      names.emplace_back(a);
    }
  }
  for (const std::string& name : names) {
    const bool known = std::any_of(std::begin(kWorlds), std::end(kWorlds),
                                   [&](const NamedWorld& w) { return name == w.name; });
    if (!known) return Usage();
  }
  for (const NamedWorld& w : kWorlds) {
    if (!names.empty() && std::find(names.begin(), names.end(), w.name) == names.end()) continue;
    for (const char level : templates) {
      std::vector<double> took;
      portolan::VirtualScanResult sum;
      double all = 0;
      for (unsigned long long seed = first; seed <= last; ++seed) {
        const portolan::VirtualScanResult r = portolan::RunVirtualScan(
            portolan::VirtualWorld(w.preset, fmt::format("{} {}", w.changes, add), seed,
                                   static_cast<uint32_t>(level - '0'), w.ports));
        took.push_back(r.seconds);
        all += r.seconds;
        sum.planned += r.planned;
        sum.open += r.open;
        sum.found += r.found;
        sum.false_open += r.false_open;
        sum.false_filtered += r.false_filtered;
        sum.unresolved += r.unresolved;
        sum.owed += r.owed;
        sum.syns += r.syns;
        sum.max_syn_second_address = std::max(sum.max_syn_second_address, r.max_syn_second_address);
        sum.max_syn_second_prefix = std::max(sum.max_syn_second_prefix, r.max_syn_second_prefix);
        sum.max_half_open_address = std::max(sum.max_half_open_address, r.max_half_open_address);
        if (first == last && std::getenv("PACE_SECONDS") != nullptr) {
          for (const uint64_t s : r.syns_by_second)
            std::printf("%llu ", static_cast<unsigned long long>(s));
          std::printf("\n");
        }
      }
      std::sort(took.begin(), took.end());
      fmt::print(
          "{:15} -T{} {:7.2f} s median ({:.2f}-{:.2f}, sum {:.1f}), recall {:.3f} % of {}, false "
          "open {}, false "
          "filtered {}, unresolved {}, owed {}; {} SYNs ({:.2f} a port), in a second {} to an "
          "address, {} to a prefix, half open {}\n",
          w.name, level, took[took.size() / 2], took.front(), took.back(), all, 100 * sum.recall(),
          sum.open, sum.false_open, sum.false_filtered, sum.unresolved, sum.owed, sum.syns,
          static_cast<double>(sum.syns) / static_cast<double>(sum.planned),
          sum.max_syn_second_address, sum.max_syn_second_prefix, sum.max_half_open_address);
      std::fflush(stdout);
    }
  }
}
