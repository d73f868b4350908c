#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/process.h"

namespace portolan::integration {

// Accepts and closes connections on many (address, port) pairs, inside a namespace ("" = this one),
// on a thread of its own.
class Listeners {
 public:
  struct Endpoint {
    std::string address;  // literal; "0.0.0.0" and "::" are all
    uint16_t port = 0;    // 0: any free one
  };
  Listeners(const std::string& netns, const std::vector<Endpoint>& endpoints);
  ~Listeners();
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;
  bool ok() const { return ok_; }
  const std::vector<uint16_t>& ports() const { return ports_; }  // as bound, in order

 private:
  void Serve(std::string netns, std::vector<Endpoint> endpoints);
  std::vector<uint16_t> ports_;
  std::atomic<int> state_{0};  // 0 starting, 1 serving, -1 failed
  std::atomic<bool> stop_{false};
  bool ok_ = false;
  std::thread thread_;
};

// Network namespaces with no route out: one target network and some vantage points, each on a wire
// of its own to it.
//   target: 198.19.0.0/16 and 2001:db8:ff::/48 are all its own addresses; it also holds 198.18.I.1
//           and 2001:db8:I::1
//   vantage I (from 1): 198.18.I.2 and 2001:db8:I::2, with a route to the target's networks
// Needs root; see Available().
class NetLab {
 public:
  explicit NetLab(int vantages);
  ~NetLab();
  NetLab(const NetLab&) = delete;
  NetLab& operator=(const NetLab&) = delete;

  // "" when namespaces can be made here, else the reason to print when skipping.
  static std::string Unavailable();

  bool ok() const { return ok_; }
  const std::string& target() const { return target_; }
  std::string vantage(int i) const { return prefix_ + "v" + std::to_string(i); }
  // Loads an nftables script into the target's namespace.
  bool Nft(const std::string& script);
  // SYNs to the target's networks that arrived so far (counted by nftables before all other rules).
  uint64_t SynCount();

 private:
  std::string prefix_;
  std::string target_;
  std::vector<std::string> names_;
  TempDir dir_;
  bool ok_ = false;
};

}  // namespace portolan::integration
