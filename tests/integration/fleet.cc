#include "tests/integration/fleet.h"

#include <signal.h>

#include <cstdio>
#include <sstream>

namespace portolan::integration {
namespace {

std::string Bin(const std::string& program) {
  return std::string(PORTOLAN_BIN_DIR) + "/" + program;
}

// "key=value" of a log line.
std::string Field(const std::string& line, const std::string& key) {
  const size_t at = line.find(key + "=");
  if (at == std::string::npos) return "";
  const size_t begin = at + key.size() + 1;
  return line.substr(begin, line.find_first_of(" \n", begin) - begin);
}

void Append(std::vector<std::string>& to, const std::vector<std::string>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

Certificates::Certificates() {
  const RunResult r = RunToEnd({Bin("portolan"), "ca", "init", "--out", dir_.path("ca")});
  if (r.code != 0) std::fprintf(stderr, "%s", r.err.c_str());
}

bool Certificates::Issue(const std::string& name, const std::string& role,
                         std::vector<std::string> flags) {
  std::vector<std::string> argv = {Bin("portolan"), "ca",    "issue",        role, "--ca",
                                   dir_.path("ca"), "--out", dir_.path(name)};
  Append(argv, flags);
  const RunResult r = RunToEnd(argv);
  if (r.code != 0) std::fprintf(stderr, "%s", r.err.c_str());
  roles_[name] = role;
  return r.code == 0;
}

std::vector<std::string> Certificates::Flags(const std::string& name) const {
  const std::string base = dir_.path(name + "/" + roles_.at(name));
  return {"--tls-cert",  base + ".pem", "--tls-key",
          base + ".key", "--tls-ca",    dir_.path(name + "/ca.pem")};
}

std::string Results::ToString() const {
  std::string text;
  for (const auto& [vantage, ip, port, state] : observations) {
    text += vantage + " " + ip + ":" + std::to_string(port) + " " + state + "\n";
  }
  return text;
}

Results ParseJsonLines(const std::string& text) {
  Results results;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded() || !json.is_object()) continue;
    if (json.value("type", "") == "summary") {
      results.summary = json;
    } else if (json.contains("port")) {
      results.observations.insert(Seen(json.value("vantage", ""), json.value("ip", ""),
                                       json.value("port", 0), json.value("state", "")));
    }
  }
  return results;
}

Fleet::Fleet(Options options) : options_(std::move(options)), data_(dir_.path("data")) {}

Fleet::~Fleet() {
  if (std::getenv("PORTOLAN_SHOW_LOGS") == nullptr) return;
  if (coordinator_) std::fprintf(stderr, "---- coordinator\n%s", coordinator_->Err().c_str());
  for (const auto& [name, process] : agents_) {
    std::fprintf(stderr, "---- agent %s\n%s", name.c_str(), process->Err().c_str());
  }
}

bool Fleet::StartCoordinator() {
  std::vector<std::string> argv = {Bin("portolan-coordinator"),
                                   "--listen",
                                   grpc_.empty() ? options_.listen : grpc_,
                                   "--http",
                                   http_.empty() ? "127.0.0.1:0" : http_,
                                   "--data",
                                   data_};
  Append(argv, options_.coordinator_flags);
  Process::Options po;
  po.netns = options_.netns;
  po.env = options_.coordinator_env;
  coordinator_ =
      std::make_unique<Process>(argv, dir_.path("coordinator" + std::to_string(starts_++)), po);
  const std::string line = coordinator_->WaitForErr("listening grpc=", seconds(20));
  if (line.empty()) {
    std::fprintf(stderr, "coordinator did not start:\n%s", coordinator_->Err().c_str());
    return false;
  }
  grpc_ = Field(line, "grpc");
  http_ = Field(line, "http");
  return true;
}

void Fleet::KillCoordinator() {
  coordinator_->Signal(SIGKILL);
  coordinator_->Wait(seconds(10));
}

Process& Fleet::StartAgent(const AgentSpec& spec) {
  std::vector<std::string> argv = {Bin("portolan-agent"),
                                   "--coordinator",
                                   spec.coordinator.empty() ? grpc() : spec.coordinator,
                                   "--vantage",
                                   spec.vantage,
                                   "--name",
                                   spec.name,
                                   "--threads",
                                   "1"};
  Append(argv, spec.flags);
  Process::Options po;
  po.netns = spec.netns;
  po.env = spec.env;
  auto& slot = agents_[spec.key.empty() ? spec.name : spec.key];
  slot = std::make_unique<Process>(
      argv, dir_.path("agent-" + spec.name + "-" + std::to_string(starts_++)), po);
  return *slot;
}

nlohmann::json Fleet::ListedAgent(const std::string& name) {
  std::istringstream lines(Cli({"agents", "list", "--json"}, seconds(20)).out);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_object() && json.value("name", "") == name) return json;
  }
  return nullptr;
}

bool Fleet::WaitForAgents(int count) {
  return Eventually(seconds(20), [&] {
    const RunResult r = Cli({"agents", "list", "--json"});
    std::istringstream lines(r.out);
    std::string line;
    int live = 0;
    while (std::getline(lines, line)) {
      const auto json = nlohmann::json::parse(line, nullptr, false);
      if (!json.is_discarded() && json.is_object() && json.value("live", false)) ++live;
    }
    return live >= count;
  });
}

RunResult Fleet::Cli(std::vector<std::string> args, milliseconds timeout) {
  args.insert(args.begin(), Bin("portolan"));
  Append(args, {"--coordinator", grpc()});
  Append(args, options_.cli_flags);
  Process::Options po;
  po.netns = options_.netns;
  po.env["HOME"] = dir_.path();
  return RunToEnd(args, timeout, po);
}

std::unique_ptr<Process> Fleet::StartCli(std::vector<std::string> args) {
  args.insert(args.begin(), Bin("portolan"));
  Append(args, {"--coordinator", grpc()});
  Append(args, options_.cli_flags);
  Process::Options po;
  po.netns = options_.netns;
  po.env["HOME"] = dir_.path();
  return std::make_unique<Process>(args, dir_.path("cli" + std::to_string(starts_++)), po);
}

std::string Fleet::Detach(std::vector<std::string> args) {
  args.insert(args.begin(), "scan");
  Append(args, {"--detach", "--json"});
  const RunResult r = Cli(args);
  const auto json = nlohmann::json::parse(r.out, nullptr, false);
  if (r.code != 0 || json.is_discarded() || !json.is_object()) {
    std::fprintf(stderr, "scan was not created (%d): %s%s\n", r.code, r.out.c_str(), r.err.c_str());
    return "";
  }
  return json.value("scan_id", "");
}

nlohmann::json Fleet::Show(const std::string& scan) {
  return nlohmann::json::parse(Cli({"scans", "show", scan, "--json"}, seconds(20)).out, nullptr,
                               false);
}

std::string Fleet::WaitFinished(const std::string& scan, milliseconds timeout) {
  std::string state;
  Eventually(timeout, [&] {
    const auto json = Show(scan);
    if (json.is_discarded() || !json.is_object()) return false;
    state = json.value("state", "");
    return state == "complete" || state == "partial" || state == "cancelled";
  });
  return state == "running" ? "" : state;
}

int64_t Fleet::Done(const std::string& scan) {
  const auto json = Show(scan);
  if (json.is_discarded() || !json.is_object()) return -1;
  const auto& ledger = json.contains("ledger") ? json["ledger"] : json;
  return ledger.value("open", int64_t{0}) + ledger.value("closed", int64_t{0}) +
         ledger.value("filtered", int64_t{0}) + ledger.value("unreachable", int64_t{0});
}

Results Fleet::AllResults(const std::string& scan) {
  return ParseJsonLines(Cli({"results", scan, "--show", "all", "--json"}).out);
}

std::string Fleet::Get(const std::string& path) {
  Process::Options po;
  po.netns = options_.netns;
  return RunToEnd({"curl", "-s", "--noproxy", "*", "--max-time", "5", "http://" + http_ + path},
                  seconds(10), po)
      .out;
}

double Fleet::Metric(const std::string& name, const std::string& labels) {
  std::istringstream lines(Get("/metrics"));
  std::string line;
  double sum = -1;
  while (std::getline(lines, line)) {
    if (line.rfind(name, 0) != 0) continue;
    const char next = line.size() > name.size() ? line[name.size()] : ' ';
    if (next != '{' && next != ' ') continue;
    if (!labels.empty() && line.find(labels) == std::string::npos) continue;
    sum = std::max(sum, 0.0) + std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return sum;
}

}  // namespace portolan::integration
