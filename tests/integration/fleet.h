#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/integration/process.h"

namespace portolan::integration {

// Certificates as people make them: portolan ca.
class Certificates {
 public:
  Certificates();
  // portolan ca issue ROLE FLAGS, under `name`.
  bool Issue(const std::string& name, const std::string& role, std::vector<std::string> flags = {});
  bool Issue(const std::string& role) { return Issue(role, role); }
  std::vector<std::string> Flags(const std::string& name) const;  // --tls-cert ...
  const TempDir& dir() const { return dir_; }                     // holds ca/ and NAME/ROLE.pem

 private:
  TempDir dir_;
  std::map<std::string, std::string> roles_;  // by name
};

// One observation as (vantage, ip, port, state).
using Seen = std::tuple<std::string, std::string, int, std::string>;

struct Results {
  std::multiset<Seen> observations;
  nlohmann::json summary;  // the last line of --json
  std::string ToString() const;
};
Results ParseJsonLines(const std::string& text);

// A coordinator, agents and the command line as real processes. Binaries come from PORTOLAN_BIN_DIR
// at compile time.
class Fleet {
 public:
  struct Options {
    std::string netns;  // of the coordinator and the command line
    std::string listen = "127.0.0.1:0";
    std::vector<std::string> coordinator_flags;  // appended
    std::map<std::string, std::string> coordinator_env = {};
    std::vector<std::string> cli_flags;
  };
  explicit Fleet(Options options);
  Fleet() : Fleet(Options()) {}
  ~Fleet();

  // Starts (again) on the same port and data directory. False, with the log on stderr, when it is
  // not ready within 20 s.
  bool StartCoordinator();
  void set_coordinator_env(std::map<std::string, std::string> env) {  // of the next start
    options_.coordinator_env = std::move(env);
  }
  Process& coordinator() { return *coordinator_; }
  void KillCoordinator();  // kill -9
  const std::string& grpc() const { return dial_.empty() ? grpc_ : dial_; }
  void set_grpc(const std::string& address) { dial_ = address; }  // how the command line reaches it
  const std::string& http() const { return http_; }
  const TempDir& dir() const { return dir_; }
  std::string data() const { return data_; }
  void set_data(const std::string& path) { data_ = path; }

  struct AgentSpec {
    std::string name, vantage, netns;
    std::string coordinator;  // empty: the fleet's
    std::vector<std::string> flags;
    std::map<std::string, std::string> env = {};
    std::string key = {};  // what agent() calls it; empty: its name
  };
  Process& StartAgent(const AgentSpec& spec);
  Process& agent(const std::string& key) { return *agents_.at(key); }
  // The agent's object in `agents list --json`; null when it is not there.
  nlohmann::json ListedAgent(const std::string& name);
  // Waits until the coordinator lists so many live agents.
  bool WaitForAgents(int count);

  RunResult Cli(std::vector<std::string> args, milliseconds timeout = seconds(120));
  std::unique_ptr<Process> StartCli(std::vector<std::string> args);
  // `portolan scan ... --detach`; the scan's id, "" when it failed (the error is on stderr).
  std::string Detach(std::vector<std::string> args);
  // The scan's record; null when it cannot be had.
  nlohmann::json Show(const std::string& scan);
  // Waits for a finished state and returns it ("complete", "partial", "cancelled"); "" after
  // `timeout`.
  std::string WaitFinished(const std::string& scan, milliseconds timeout);
  // How many positions of the scan have an outcome; -1 when it cannot be had.
  int64_t Done(const std::string& scan);
  Results AllResults(const std::string& scan);
  // What its HTTP address answers; "" when it does not.
  std::string Get(const std::string& path);
  // A sample of the coordinator's metrics, summed over series whose labels contain `labels`; -1
  // when absent.
  double Metric(const std::string& name, const std::string& labels = "");

 private:
  Options options_;
  TempDir dir_;
  std::string data_;
  std::string grpc_, http_;  // where it listens
  std::string dial_;         // empty: there
  std::unique_ptr<Process> coordinator_;
  std::map<std::string, std::unique_ptr<Process>> agents_;
  int starts_ = 0;
};

}  // namespace portolan::integration
