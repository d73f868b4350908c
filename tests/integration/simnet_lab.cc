#include "tests/integration/simnet_lab.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <sstream>

#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

const std::string kProgram = std::string(PORTOLAN_BIN_DIR) + "/simnet";

// Short enough for lab.sh, and another one for each lab of this process.
std::string UniqueName() {
  static std::atomic<int> number{0};
  return "s" + std::to_string(getpid() % 10'000'000) + static_cast<char>('a' + number++ % 26);
}

}  // namespace

SimnetLab::SimnetLab(const std::vector<std::string>& world, int vantages) : name_(UniqueName()) {
  std::vector<std::string> arguments = world;
  arguments.insert(arguments.end(), {"--max-seconds", "600"});  // should this process be killed
  const RunResult up = Do("up", arguments);
  ok_ = up.code == 0;
  for (int i = 1; i <= vantages && ok_; ++i) ok_ = Do("vantage", {std::to_string(i)}).code == 0;
}

SimnetLab::~SimnetLab() { Do("down"); }

std::string SimnetLab::Unavailable() {
  std::string reason = NetLab::Unavailable();
  if (reason.empty() && access("/dev/net/tun", R_OK | W_OK) != 0) reason = "needs /dev/net/tun";
  return reason;
}

RunResult SimnetLab::Do(const std::string& verb, const std::vector<std::string>& arguments) const {
  std::vector<std::string> argv = {PORTOLAN_SOURCE_DIR "/tests/simnet/lab.sh", verb, name_};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  Process::Options options;
  options.env["SIMNET"] = kProgram;
  RunResult result = RunToEnd(argv, seconds(20), options);
  if (result.code != 0)
    std::fprintf(stderr, "lab.sh %s: %s%s\n", verb.c_str(), result.out.c_str(), result.err.c_str());
  return result;
}

nlohmann::json SimnetLab::Counters() const {
  const auto json = nlohmann::json::parse(Do("counters").out, nullptr, false);
  return json.is_discarded() ? nlohmann::json() : json;
}

std::string EndpointOf(const nlohmann::json& line) {
  std::string text = line["ip"];
  if (text.find(':') != std::string::npos) text = "[" + text + "]";
  return text + ":" + std::to_string(line["port"].get<int>());
}

std::map<std::string, SimnetTruth> ReadSimnetTruth(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {kProgram, "truth"});
  std::map<std::string, SimnetTruth> out;
  std::istringstream lines(RunToEnd(arguments).out);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded()) continue;
    out[EndpointOf(json)] = {json["state"], json["reason"], json["behaviour"]};
  }
  return out;
}

SimnetScanRun ScanLocally(const std::string& netns, std::vector<std::string> arguments,
                          SimnetScanOptions options) {
  TempDir home;
  Process::Options process;
  process.netns = netns;
  process.env["HOME"] = home.path();
  process.env["XDG_STATE_HOME"] = home.path("state");
  std::vector<std::string> argv = std::move(options.launcher);
  argv.insert(argv.end(), {std::string(PORTOLAN_BIN_DIR) + "/portolan", "scan"});
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  argv.insert(argv.end(), {"--show", "all", "--json"});
  SimnetScanRun result;
  result.run = RunToEnd(argv, options.timeout, process);
  std::istringstream lines(result.run.out);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded()) continue;
    const std::string type = json.value("type", "");
    if (type == "observation") result.found[EndpointOf(json)] = {json["state"], json["reason"]};
    if (type == "summary") result.summary = json;
  }
  return result;
}

SimnetVerdict Judge(const std::map<std::string, SimnetFound>& found,
                    const std::map<std::string, SimnetTruth>& truth) {
  SimnetVerdict verdict;
  verdict.planned = truth.size();
  int examples = 0;
  for (const auto& [endpoint, t] : truth) {
    const auto it = found.find(endpoint);
    if (it == found.end()) {
      ++verdict.missing;
      continue;
    }
    const SimnetFound& f = it->second;
    verdict.false_open += f.state == "open" && t.state != "open";
    verdict.right_state += f.state == t.state;
    verdict.right_reason += f.state == t.state && f.reason == t.reason;
    if (f.state != t.state && examples++ < 20)
      verdict.examples += endpoint + " (" + t.behaviour + ") is " + t.state + " " + t.reason +
                          ", found: " + f.state + " " + f.reason + "\n";
  }
  return verdict;
}

}  // namespace portolan::integration
