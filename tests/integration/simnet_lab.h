#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/integration/process.h"

namespace portolan::integration {

// A namespace with the simulated network in it and no other way out (tests/simnet/lab.sh;
// docs/simnet.md). Ends with the object. Needs root; see NetLab::Unavailable().
class SimnetLab {
 public:
  // `world`: the arguments of simnet run, for example {"standard", "loss-in=0"}. `vantages`:
  // further namespaces, each on a wire of its own to it.
  explicit SimnetLab(const std::vector<std::string>& world, int vantages = 0);
  ~SimnetLab();
  SimnetLab(const SimnetLab&) = delete;
  SimnetLab& operator=(const SimnetLab&) = delete;

  // "" when simulated networks can be made here, else the reason to print when skipping.
  static std::string Unavailable();

  bool ok() const { return ok_; }
  const std::string& netns() const { return name_; }                            // to scan from
  std::string vantage(int i) const { return name_ + "v" + std::to_string(i); }  // likewise; from 1
  // What the network has seen so far; null when it does not answer.
  nlohmann::json Counters() const;

 private:
  RunResult Do(const std::string& verb, const std::vector<std::string>& arguments = {}) const;
  const std::string name_;
  bool ok_ = false;
};

struct SimnetTruth {
  std::string state, reason, behaviour;
};
struct SimnetFound {
  std::string state, reason;
};
// "198.19.0.1:80" or "[2001:db8:ff::1]:80", of a line of JSON with "ip" and "port".
std::string EndpointOf(const nlohmann::json& line);

// What simnet truth prints, by EndpointOf.
std::map<std::string, SimnetTruth> ReadSimnetTruth(std::vector<std::string> arguments);

// A scan in local mode.
struct SimnetScanRun {
  RunResult run;
  std::map<std::string, SimnetFound> found;  // by EndpointOf
  nlohmann::json summary;                    // the last line; null when there is none
};
struct SimnetScanOptions {
  std::vector<std::string> launcher;  // what starts the scanner: {"prlimit", "--nofile=256"}
  milliseconds timeout = seconds(120);
};
// `arguments`: those of portolan scan; `netns`: where it runs.
SimnetScanRun ScanLocally(const std::string& netns, std::vector<std::string> arguments,
                          SimnetScanOptions options = {});

// What was found, held against the truth.
struct SimnetVerdict {
  size_t planned = 0;       // of the truth
  size_t right_state = 0;   // of these
  size_t right_reason = 0;  // state and reason
  size_t missing = 0;       // nothing was found
  size_t false_open = 0;
  std::string examples;  // of wrong states, a line each; at most 20
};
SimnetVerdict Judge(const std::map<std::string, SimnetFound>& found,
                    const std::map<std::string, SimnetTruth>& truth);

}  // namespace portolan::integration
