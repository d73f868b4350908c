#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/dns/dns_server.h"
#include "tests/integration/fleet.h"

namespace portolan::integration {

// A network namespace whose only name server is a test's own, at 127.0.0.53, with a coordinator and
// an agent in it. Nothing leads out of it. Needs root; see NetLab::Unavailable().
class NamesLab {
 public:
  NamesLab();
  ~NamesLab();
  NamesLab(const NamesLab&) = delete;
  NamesLab& operator=(const NamesLab&) = delete;

  bool ok() const { return ok_; }
  Fleet& fleet() { return *fleet_; }
  DnsServer& names() { return *names_; }
  const std::string& netns() const { return netns_; }
  // Writes a list of targets, and returns its path.
  std::string List(const std::string& file, const std::vector<std::string>& targets);

 private:
  const std::string netns_;
  bool ok_ = false;
  std::unique_ptr<DnsServer> names_;
  std::unique_ptr<Fleet> fleet_;
};

}  // namespace portolan::integration
