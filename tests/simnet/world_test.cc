#include "tests/simnet/world.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/simnet/params.h"
#include "tests/simnet/truth.h"

namespace portolan::simnet {
namespace {

constexpr uint32_t kFirst = 0xc6130000;  // 198.19.0.0

Address V4(uint32_t n) { return kMappedPrefix | (kFirst + n); }
Address V6(uint64_t n) { return static_cast<Address>(0x20010db800ff0000u) << 64 | n; }

WorldOptions Zoo() {
  WorldOptions options;
  EXPECT_TRUE(SetParameters(FindPreset("zoo")->parameters, options).ok());
  return options;
}

// Whether `hits` of `n` draws look like a chance of `p`: within five standard deviations.
void ExpectFraction(double p, uint64_t hits, uint64_t n, const std::string& what) {
  const double mean = p * static_cast<double>(n);
  EXPECT_NEAR(static_cast<double>(hits), mean, 5 * std::sqrt(mean * (1 - p)) + 1) << what;
}

TEST(World, IsAFunctionOfSeedAddressAndPort) {
  const World world(Zoo()), twin(Zoo());
  WorldOptions other = Zoo();
  other.seed = 2;
  const World different(other);
  int differences = 0;
  for (uint32_t i = 0; i < 2000; ++i) {
    const uint32_t n = 1999 - i;  // in another order
    for (const Address a : {V4(n), V6(n)}) {
      const Host x = world.HostAt(a), y = twin.HostAt(a), z = different.HostAt(a);
      EXPECT_EQ(x.key, y.key);
      EXPECT_EQ(x.rtt, y.rtt);
      for (uint16_t port : {1, 80, 65535}) {
        const PortBehaviour p = world.PortAt(x, port), q = twin.PortAt(y, port);
        EXPECT_TRUE(p.answer == q.answer && p.after == q.after && p.slow == q.slow &&
                    p.second_syn == q.second_syn);
        differences += p.answer != different.PortAt(z, port).answer;
      }
    }
  }
  EXPECT_GT(differences, 3000);
}

TEST(World, FractionsAreThoseAskedFor) {
  const WorldOptions o = Zoo();
  const World world(o);
  constexpr uint64_t kHosts = 40'000;
  for (const bool v6 : {false, true}) {
    std::map<HostKind, uint64_t> kinds;
    std::map<Answer, uint64_t> firewalls, dead;
    uint64_t ports = 0, open = 0, uncovered = 0, closed = 0, resets = 0, banners = 0, served = 0;
    for (uint64_t n = 0; n < kHosts; ++n) {
      const Host host = world.HostAt(v6 ? V6(n) : V4(static_cast<uint32_t>(n)));
      ++kinds[host.kind];
      EXPECT_GE(host.rtt, std::chrono::milliseconds(1));
      EXPECT_LE(host.rtt, std::chrono::milliseconds(30));
      if (host.kind == HostKind::kDead) ++dead[host.blocked];
      if (host.kind != HostKind::kPlain) continue;
      ++firewalls[host.blocked];
      for (uint16_t port = 1; port <= 10; ++port) {
        const PortBehaviour p = world.PortAt(host, port);
        if (host.blocked == Answer::kReset) {
          ++ports;
          open += p.answer == Answer::kSynAck;
          if (p.answer != Answer::kSynAck) continue;
          ++served;
          resets += p.after == After::kReset;
          banners += p.after == After::kBanner;
        } else {
          uncovered += p.answer == Answer::kReset;
          closed += p.answer != Answer::kSynAck;
        }
      }
    }
    const uint64_t alive = kHosts - kinds[HostKind::kDead], plain = kinds[HostKind::kPlain];
    ExpectFraction(o.alive, alive, kHosts, "alive");
    ExpectFraction(o.all_open, kinds[HostKind::kAllOpen], alive, "all-open");
    ExpectFraction(o.syn_proxy, kinds[HostKind::kSynProxy], alive, "syn-proxy");
    ExpectFraction(o.tarpit, kinds[HostKind::kTarpit], alive, "tarpit");
    ExpectFraction(o.fw_drop, firewalls[Answer::kSilence], plain, "fw-drop");
    ExpectFraction(o.fw_admin, firewalls[Answer::kAdminProhibited], plain, "fw-admin");
    ExpectFraction(o.fw_host_unreach, firewalls[Answer::kHostUnreachable], plain, "fw-host");
    ExpectFraction(o.fw_port_unreach, firewalls[Answer::kPortUnreachable], plain, "fw-port");
    ExpectFraction(o.dead_host_unreach, dead[Answer::kHostUnreachable], kHosts - alive, "dead");
    ExpectFraction(o.dead_net_unreach, dead[Answer::kNetUnreachable], kHosts - alive, "dead net");
    ExpectFraction(o.open, open, ports, "open");
    ExpectFraction(o.accept_reset, resets, served, "accept-reset");
    ExpectFraction(o.banner, banners, served, "banner");
    // Of the ports behind a firewall that are not open or are hidden, those that it does not cover.
    const double hidden = o.open * o.fw_open, shut = 1 - o.open;
    ExpectFraction(shut * (1 - o.fw_ports) / (shut + hidden), uncovered, closed, "fw-ports");
  }
}

TEST(World, RoundTripTimesFollowTheirDistribution) {
  WorldOptions o;
  o.rtt_min_ms = 10;
  o.rtt_max_ms = 1000;
  o.rtt_log = 1;
  o.jitter = 0.5;
  const World world(o);
  uint64_t below = 0;
  constexpr uint64_t kHosts = 20'000;
  for (uint64_t n = 0; n < kHosts; ++n) {
    const Host host = world.HostAt(V6(n));
    below += host.rtt < std::chrono::milliseconds(100);
    const Duration delay = world.DelayOf(host, n);
    EXPECT_GE(delay, host.rtt);
    EXPECT_LE(ToSeconds(delay), 1.5 * ToSeconds(host.rtt));
    EXPECT_EQ(delay, world.DelayOf(host, n));
  }
  ExpectFraction(0.5, below, kHosts, "below the geometric mean");
}

std::string g_written;
std::vector<std::string> TruthLines(const WorldOptions& o, const TruthFormat& format) {
  g_written.clear();
  const IpSet addresses = IpSet::Of({{IpAddress::V4(kFirst), IpAddress::V4(kFirst + 63)}});
  EXPECT_TRUE(WriteTruth(World(o), addresses, PortSet::Of({{1, 40}, {65535, 65535}}), format,
                         [](std::string_view text) { g_written += text; })
                  .ok());
  std::vector<std::string> lines;
  for (size_t at = 0; at < g_written.size();) {
    const size_t end = g_written.find('\n', at);
    lines.push_back(g_written.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

TEST(Truth, HasALineForEachPairAndNamesStatesAsTheScannerDoes) {
  const auto lines = TruthLines(Zoo(), {.csv = true, .count = false, .only_states = ""});
  ASSERT_EQ(lines.size(), 1 + 64u * 41);
  std::set<std::string> states;
  for (size_t i = 1; i < lines.size(); ++i) {
    std::vector<std::string> fields;
    for (size_t at = 0; at <= lines[i].size();) {
      const size_t end = std::min(lines[i].find(',', at), lines[i].size());
      fields.push_back(lines[i].substr(at, end - at));
      at = end + 1;
    }
    ASSERT_EQ(fields.size(), 5u);
    const auto state = StateFromName(fields[2]);
    const auto reason = ReasonFromName(fields[3]);
    ASSERT_TRUE(state && reason) << lines[i];
    EXPECT_TRUE(IsValid(*state, *reason)) << lines[i];
    states.insert(fields[2]);
  }
  EXPECT_EQ(states, (std::set<std::string>{"closed", "filtered", "open", "unreachable"}));
  const auto open = TruthLines(Zoo(), {.csv = false, .count = false, .only_states = "open"});
  EXPECT_NE(open[0].find("\"state\":\"open\""), std::string::npos);
  const auto count = TruthLines(Zoo(), {.csv = false, .count = true, .only_states = "open"});
  EXPECT_EQ(count[0], "{\"open\":" + std::to_string(open.size()) + "}");
}

TEST(Parameters, EveryPresetIsValidAndSurvivesPrinting) {
  for (const Preset& preset : Presets()) {
    WorldOptions options, again;
    ASSERT_TRUE(SetParameters(preset.parameters, options).ok()) << preset.name;
    ASSERT_TRUE(Validate(options).ok()) << preset.name;
    for (const std::string& p : ParametersOf(options)) ASSERT_TRUE(SetParameter(p, again).ok());
    EXPECT_EQ(ParametersOf(again), ParametersOf(options));
  }
}

TEST(Parameters, WrongOnesAreRefused) {
  for (const char* text : {"", "alive", "alive=", "alive=2", "alive=-1", "alive=nan", "alive=0.5x",
                           "no-such=1", "seed=-1", "seed=1.5", "rtt=", "rtt=1..", "rtt=1..x",
                           "prefix-syn-rate=1e99", "rtt-min=70000"}) {
    WorldOptions options;
    EXPECT_FALSE(SetParameter(text, options).ok()) << text;
  }
  for (const char* text :
       {"fw-drop=0.6 fw-admin=0.6", "rtt=20..10", "all-open=0.9 tarpit=0.2",
        "accept-reset=1 banner=0.1", "burst-share=1", "burst-share=0.1 burst-ms=0",
        "dead-host-unreach=0.6 dead-net-unreach=0.6"}) {
    WorldOptions options;
    EXPECT_TRUE(SetParameters(text, options).ok()) << text;
    EXPECT_FALSE(Validate(options).ok()) << text;
  }
}

}  // namespace
}  // namespace portolan::simnet
