#pragma once

#include <compare>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/integration/net_lab.h"

// The truth that monitoring is held against: what listens in a target network and what its firewall
// does to each vantage. It is small and obvious on purpose, and shares no code with the
// coordinator.
namespace portolan::integration {

struct Service {
  std::string address;
  int port = 0;
  friend auto operator<=>(const Service&, const Service&) = default;
};

// Why a service is not seen from a vantage.
enum class Barrier { kDrop, kReset, kProhibited };

// (vantage, target, port, change)
using Change = std::tuple<std::string, std::string, int, std::string>;
// (kind, rule, vantage, target, port); target "" and port -1: it is not about one.
using Complaint = std::tuple<std::string, std::string, std::string, std::string, int>;

struct ExposureWorld {
  std::vector<std::string> vantages;  // by number, from 1: as in NetLab
  std::set<std::string> outside;      // of them
  std::set<Service> listening;
  std::map<std::pair<std::string, Service>, Barrier> firewall;  // by vantage
  std::set<std::string> answers_all;  // IPv4 addresses of hosts that answer on every port

  bool OpenFrom(const std::string& vantage, const Service& s) const;
  // What is open from each vantage; without the ports of hosts that answer on all.
  std::set<std::pair<std::string, Service>> Open() const;
  // Services that are open from some vantages and not from others.
  int Disagreements() const;
};

// What a monitor must tell when `before` becomes `after`, no more and no less.
std::multiset<Change> ChangesBetween(const ExposureWorld& before, const ExposureWorld& after);

// The nftables script and the listeners that make a lab's target network be so.
struct Trouble {
  int loss_percent = 0;           // of packets to the targets, and as much of those from them
  std::set<std::string> cut_off;  // vantages that get no answer from any target
};
std::string FirewallOf(const ExposureWorld& world, const Trouble& trouble);
std::vector<Listeners::Endpoint> ListenersOf(const ExposureWorld& world);

}  // namespace portolan::integration
