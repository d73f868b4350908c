#include "tests/integration/exposure_world.h"

namespace portolan::integration {
namespace {

// who listens there answers for all ports; monitors must not scan it
constexpr int kAllPorts = 7999;

bool IsV6(const std::string& address) { return address.find(':') != std::string::npos; }

std::string Verdict(Barrier barrier, bool v6) {
  switch (barrier) {
    case Barrier::kDrop:
      return "drop";
    case Barrier::kReset:
      return "reject with tcp reset";
    case Barrier::kProhibited:
      break;
  }
  return v6 ? "reject with icmpv6 type admin-prohibited" : "reject with icmp type admin-prohibited";
}

// How a service that is not open answers.
std::string GoneAs(const ExposureWorld& world, const std::string& vantage, const Service& s) {
  const auto barrier = world.firewall.find({vantage, s});
  if (barrier == world.firewall.end() || barrier->second == Barrier::kReset) return "closed";
  return "filtered";
}

}  // namespace

bool ExposureWorld::OpenFrom(const std::string& vantage, const Service& s) const {
  return listening.count(s) != 0 && firewall.count({vantage, s}) == 0;
}

std::set<std::pair<std::string, Service>> ExposureWorld::Open() const {
  std::set<std::pair<std::string, Service>> open;
  for (const std::string& vantage : vantages) {
    for (const Service& s : listening) {
      if (OpenFrom(vantage, s) && answers_all.count(s.address) == 0) open.insert({vantage, s});
    }
  }
  return open;
}

int ExposureWorld::Disagreements() const {
  int n = 0;
  for (const Service& s : listening) {
    size_t open = 0;
    for (const std::string& vantage : vantages) open += OpenFrom(vantage, s) ? 1 : 0;
    n += open > 0 && open < vantages.size();
  }
  return n;
}

std::multiset<Change> ChangesBetween(const ExposureWorld& before, const ExposureWorld& after) {
  std::multiset<Change> changes;
  const auto was = before.Open(), is = after.Open();
  for (const auto& [vantage, s] : is) {
    if (was.count({vantage, s}) == 0) changes.emplace(vantage, s.address, s.port, "opened");
  }
  for (const auto& [vantage, s] : was) {
    if (is.count({vantage, s}) == 0)
      changes.emplace(vantage, s.address, s.port, GoneAs(after, vantage, s));
  }
  return changes;
}

std::string FirewallOf(const ExposureWorld& world, const Trouble& trouble) {
  std::string nat, in;
  const std::string all4 = "ip daddr 198.19.0.0/16 ", all6 = "ip6 daddr 2001:db8:ff::/48 ";
  for (const std::string& host : world.answers_all) {
    nat += "    ip daddr " + host + " tcp dport 0-65535 redirect to :" + std::to_string(kAllPorts) +
           "\n";
  }
  for (size_t i = 0; i < world.vantages.size(); ++i) {
    const std::string from = "    iifname \"w" + std::to_string(i + 1) + "\" ";
    if (trouble.cut_off.count(world.vantages[i]) != 0) {
      in += from + all4 + "drop\n" + from + all6 + "drop\n";
    }
    for (const auto& [key, barrier] : world.firewall) {
      const auto& [vantage, s] = key;
      if (vantage != world.vantages[i]) continue;
      const bool v6 = IsV6(s.address);
      in += from + (v6 ? "ip6" : "ip") + " daddr " + s.address + " tcp dport " +
            std::to_string(s.port) + " " + Verdict(barrier, v6) + "\n";
    }
  }
  std::string lost_in, lost_out;
  if (trouble.loss_percent > 0) {
    const std::string drop =
        "numgen random mod 100 < " + std::to_string(trouble.loss_percent) + " drop\n";
    lost_in = "    " + all4 + drop + "    " + all6 + drop;
    lost_out = "    ip saddr 198.19.0.0/16 " + drop + "    ip6 saddr 2001:db8:ff::/48 " + drop;
  }
  // Loaded as one transaction: at no time is there no firewall.
  return "table inet world {\n}\ndelete table inet world\ntable inet world {\n"
         "  chain nat {\n    type nat hook prerouting priority -100;\n" +
         nat + "  }\n  chain lost_in {\n    type filter hook prerouting priority -200;\n" +
         lost_in + "  }\n  chain lost_out {\n    type filter hook postrouting priority 200;\n" +
         lost_out + "  }\n  chain in {\n    type filter hook input priority 0;\n" + in + "  }\n}\n";
}

std::vector<Listeners::Endpoint> ListenersOf(const ExposureWorld& world) {
  std::vector<Listeners::Endpoint> out = {{"0.0.0.0", kAllPorts}};
  for (const Service& s : world.listening)
    out.push_back({s.address, static_cast<uint16_t>(s.port)});
  return out;
}

}  // namespace portolan::integration
