#include "tests/integration/simnet_lab.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <sstream>

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

}  // namespace portolan::integration
