// Three vantage points in network namespaces; the target's firewall answers each differently. All
// links are mutual TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

// From vantage 1 everything answers. From vantage 2 port 22 is dropped and 80 rejected with
// admin-prohibited; from vantage 3 443 is rejected with a RST and 8080 with port-unreachable, and
// 198.19.0.7 / 2001:db8:ff::7 is host-unreachable.
constexpr char kFirewall[] = R"(
table inet fw {
  chain in {
    type filter hook input priority 0; policy accept;
    iifname "w2" tcp dport 22 drop
    iifname "w2" meta nfproto ipv4 tcp dport 80 reject with icmp type admin-prohibited
    iifname "w2" meta nfproto ipv6 tcp dport 80 reject with icmpv6 type admin-prohibited
    iifname "w3" ip daddr 198.19.0.7 reject with icmp type host-unreachable
    iifname "w3" ip6 daddr 2001:db8:ff::7 reject with icmpv6 type addr-unreachable
    iifname "w3" tcp dport 443 reject with tcp reset
    iifname "w3" tcp dport 8080 reject with icmpx type port-unreachable
  }
}
)";

const int kPorts[] = {22, 23, 80, 443, 8080};
const std::set<int> kListening = {22, 80, 443, 8080};

std::string Truth(int vantage, bool host7, int port) {
  if (vantage == 3 && host7) return "unreachable";
  if (vantage == 2 && (port == 22 || port == 80)) return "filtered";
  if (vantage == 3 && port == 443) return "closed";
  if (vantage == 3 && port == 8080) return "filtered";
  return kListening.count(port) != 0 ? "open" : "closed";
}

class Vantages : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = NetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    lab_ = std::make_unique<NetLab>(3);
    ASSERT_TRUE(lab_->ok() && lab_->Nft(kFirewall));
    std::vector<Listeners::Endpoint> endpoints;
    for (int port : kListening) {
      endpoints.push_back({"0.0.0.0", static_cast<uint16_t>(port)});
      endpoints.push_back({"::", static_cast<uint16_t>(port)});
    }
    listeners_ = std::make_unique<Listeners>(lab_->target(), endpoints);
    ASSERT_TRUE(listeners_->ok());
    ASSERT_TRUE(certs_.Issue(
        "coordinator", "coordinator",
        {"--ip", "198.18.1.1", "--ip", "198.18.2.1", "--ip", "198.18.3.1", "--ip", "127.0.0.1"}));
    ASSERT_TRUE(certs_.Issue("agent") && certs_.Issue("operator"));
    Fleet::Options options;
    options.netns = lab_->target();
    options.listen = "0.0.0.0:7411";
    options.coordinator_flags = certs_.Flags("coordinator");
    options.cli_flags = certs_.Flags("operator");
    Shell("ip -n " + lab_->target() + " link set lo up");
    fleet_ = std::make_unique<Fleet>(options);
    ASSERT_TRUE(fleet_->StartCoordinator());
    fleet_->set_grpc("127.0.0.1:7411");
  }

  void StartAgents() {
    for (int i = 1; i <= 3; ++i) {
      const std::string n = std::to_string(i);
      fleet_->StartAgent({"agent-" + n, "v" + n, lab_->vantage(i), "198.18." + n + ".1:7411",
                          certs_.Flags("agent")});
    }
    ASSERT_TRUE(fleet_->WaitForAgents(3));
  }

  Certificates certs_;
  std::unique_ptr<NetLab> lab_;
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<Fleet> fleet_;
};

TEST_F(Vantages, EachVantageSeesItsOwnTruth) {
  StartAgents();
  const RunResult r =
      fleet_->Cli({"scan", "198.19.0.0/28", "2001:db8:ff::/124", "-p", "22,23,80,443,8080",
                   "--each-vantage", "--show", "all", "--json", "--timeout", "500ms"});
  EXPECT_EQ(r.code, 0) << r.err;
  std::multiset<Seen> truth;
  for (int v = 1; v <= 3; ++v) {
    for (int h = 0; h < 16; ++h) {
      for (int port : kPorts) {
        const char hex[] = {"0123456789abcdef"[h], 0};
        truth.insert(Seen("v" + std::to_string(v), "198.19.0." + std::to_string(h), port,
                          Truth(v, h == 7, port)));
        truth.insert(Seen("v" + std::to_string(v),
                          h == 0 ? "2001:db8:ff::" : std::string("2001:db8:ff::") + hex, port,
                          Truth(v, h == 7, port)));
      }
    }
  }
  const Results results = ParseJsonLines(r.out);
  std::vector<Seen> missing, extra;
  std::set_difference(truth.begin(), truth.end(), results.observations.begin(),
                      results.observations.end(), std::back_inserter(missing));
  std::set_difference(results.observations.begin(), results.observations.end(), truth.begin(),
                      truth.end(), std::back_inserter(extra));
  EXPECT_THAT(missing, testing::IsEmpty());
  EXPECT_THAT(extra, testing::IsEmpty());

  // The reasons tell the host's firewall from the network.
  EXPECT_THAT(r.out, testing::HasSubstr("admin-prohibited"));
  EXPECT_THAT(r.out, testing::HasSubstr("port-unreach"));
  EXPECT_THAT(r.out, testing::HasSubstr("host-unreach"));
  EXPECT_THAT(r.out, testing::HasSubstr("no-response"));

  // The table has a column a vantage and marks the rows that differ.
  const RunResult table = fleet_->Cli({"results", "last"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, testing::HasSubstr("v1"));
  EXPECT_THAT(table.out, testing::HasSubstr("v3"));
  EXPECT_THAT(table.out, testing::HasSubstr("*"));
}

TEST_F(Vantages, SplitScanProbesEachPositionOnce) {
  StartAgents();
  const uint64_t before = lab_->SynCount();
  // Port 25 is closed from everywhere: each probe is one SYN.
  const RunResult r =
      fleet_->Cli({"scan", "198.19.4.0/22", "-p", "24,25,26,27", "--show", "closed", "--json"});
  EXPECT_EQ(r.code, 0) << r.err;
  const Results results = ParseJsonLines(r.out);
  EXPECT_EQ(results.observations.size(), 4096u);
  std::set<std::pair<std::string, int>> distinct;
  for (const auto& [vantage, ip, port, state] : results.observations) distinct.insert({ip, port});
  EXPECT_EQ(distinct.size(), 4096u);
  EXPECT_EQ(lab_->SynCount() - before, 4096u);
}

TEST_F(Vantages, CertificateDecidesWhoMayCallWhat) {
  // An agent's certificate is no operator's.
  RunResult r =
      RunToEnd({std::string(PORTOLAN_BIN_DIR) + "/portolan", "scans", "list", "--coordinator",
                "127.0.0.1:7411", "--tls-cert", certs_.Flags("agent")[1], "--tls-key",
                certs_.Flags("agent")[3], "--tls-ca", certs_.Flags("agent")[5]},
               seconds(30), {lab_->target(), {}, ""});
  EXPECT_NE(r.code, 0);
  EXPECT_THAT(r.err, testing::HasSubstr("operator"));
  // Nor may an operator's certificate serve as an agent's.
  Process& agent = fleet_->StartAgent(
      {"impostor", "v1", lab_->vantage(1), "198.18.1.1:7411", certs_.Flags("operator")});
  EXPECT_NE(agent.Wait(seconds(30)).value_or(0), 0);
  EXPECT_THAT(agent.Err(), testing::HasSubstr("agent"));
  // Without a certificate there is no connection.
  r = RunToEnd({std::string(PORTOLAN_BIN_DIR) + "/portolan", "scans", "list", "--coordinator",
                "127.0.0.1:7411"},
               seconds(40), {lab_->target(), {}, ""});
  EXPECT_NE(r.code, 0);
}

TEST_F(Vantages, AgentsOwnScopeHolds) {
  std::vector<std::string> flags = certs_.Flags("agent");
  flags.insert(flags.end(), {"--deny", "198.19.8.0/25"});
  fleet_->StartAgent({"agent-1", "v1", lab_->vantage(1), "198.18.1.1:7411", flags});
  ASSERT_TRUE(fleet_->WaitForAgents(1));
  const uint64_t before = lab_->SynCount();
  const RunResult r = fleet_->Cli({"scan", "198.19.8.0/24", "-p", "24", "--show", "all", "--json"});
  EXPECT_EQ(r.code, 3) << r.err;  // partial: half was outside the only agent's scope
  const Results results = ParseJsonLines(r.out);
  int refused = 0;
  for (const auto& [vantage, ip, port, state] : results.observations)
    refused += state == "not-probed";
  EXPECT_EQ(refused, 128) << r.out;
  EXPECT_EQ(lab_->SynCount() - before, 128u);
}

}  // namespace
}  // namespace portolan::integration
