#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/exposure_world.h"
#include "tests/integration/fleet.h"

namespace portolan::integration {

// A sample of the Prometheus text format.
struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};
std::vector<Sample> ParseSamples(const std::string& text);

// A coordinator in the target network's namespace, two agents at the vantage "inside" and one each
// at "dmz" and "internet", and one monitor, "lab", which runs when it is told to. Needs root.
class MonitorLab {
 public:
  // `flags`: of the coordinator, besides. `more`: lines of the monitor's spec, besides.
  explicit MonitorLab(ExposureWorld world, std::vector<std::string> flags = {},
                      std::string more = "");

  static std::vector<std::string> Vantages() { return {"inside", "dmz", "internet"}; }
  static constexpr int kPositions = 16 * 27 * 3;  // of a run

  bool Start();  // coordinator, agents, the monitor
  Fleet& fleet() { return *fleet_; }
  const NetLab& net() const { return net_; }
  const ExposureWorld& world() const { return world_; }

  // Makes the network be so. Not while a run is under way: listeners are away for a moment.
  bool Become(const ExposureWorld& world);
  bool Suffer(const Trouble& trouble);  // changes the firewall only

  static std::vector<std::string> Agents() {
    return {"inside-1", "inside-2", "dmz-1", "internet-1"};
  }
  bool StartAgent(const std::string& name);
  void KillAgent(const std::string& name);
  // Its /metrics, as the target network reaches it: "198.18.1.2:9301".
  static std::string HttpOf(const std::string& agent);

  // Starts a run and gives its number; 0: refused, or nobody answers.
  int RunNow();
  // Until `part` of the positions of the run have an outcome, or it has ended.
  bool WaitForProgress(int run, double part);
  bool WaitEnded(int run);
  // Until the run has ended and nothing is being confirmed. Gives its record; null after 3 minutes.
  nlohmann::json WaitSettled(int run);
  nlohmann::json RunAndSettle() { return WaitSettled(RunNow()); }

  nlohmann::json Api(const std::string& path);  // null: nobody answers
  std::vector<Sample> Metrics();
  std::vector<nlohmann::json> EventRecords();  // oldest first
  std::multiset<Change> Events();
  std::multiset<Complaint> Findings();  // those that are open

 private:
  bool LoadFirewall();
  NetLab net_;
  ExposureWorld world_;
  Trouble trouble_;
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<Fleet> fleet_;
  std::string more_;
  TempDir dir_;
};

}  // namespace portolan::integration
