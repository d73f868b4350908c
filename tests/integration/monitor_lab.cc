#include "tests/integration/monitor_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <thread>

#include "portolan/v1/monitor_service.grpc.pb.h"

namespace portolan::integration {
namespace {

constexpr int kGrpcPort = 7411;

// Its schedule never starts a run. A lane without an agent is waited for half a minute, because
// that is half of its interval. A probe has one SYN; three tries are enough for some loss.
constexpr char kMonitor[] = R"(apiVersion: portolan/v1
kind: Monitor
metadata: {name: lab, owner: lab@example.org}
spec:
  targets: [198.19.0.1-198.19.0.12, "2001:db8:ff::1-2001:db8:ff::4"]
  ports: 22,80,443,3306,5432,8080,8443,9001-9020
  vantages:
    - {name: inside, role: inside}
    - {name: dmz, role: inside}
    - {name: internet, role: outside}
  schedule: {every: 1m}
  paused: true
  rate: {maxRate: 500, timeout: 400ms, retries: 2, retryDelay: 200ms}
  confirmation: {probes: 3, needed: 2, delay: 1s}
  canaries:
    open: ["198.19.0.1:80", "198.19.0.2:80", "[2001:db8:ff::1]:80"]
    closed: ["198.19.0.1:9020"]
  profiles: [no-databases-from-outside, no-remote-admin-from-outside]
  expectations:
    - {name: web-is-up, action: must-be-open, targets: [198.19.0.6], ports: 443, severity: high}
)";

// A socket connected to the coordinator in another namespace.
int ConnectIn(const std::string& netns) {
  int fd = -1;
  std::thread([&] {
    const int ns = open(("/run/netns/" + netns).c_str(), O_RDONLY | O_CLOEXEC);
    const bool entered = ns >= 0 && setns(ns, CLONE_NEWNET) == 0;
    if (ns >= 0) close(ns);
    if (!entered) return;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(kGrpcPort);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      close(fd);
      fd = -1;
    }
  }).join();
  if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

std::string TextOf(const nlohmann::json& json, const char* key) {
  return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
}

// Of an agent's vantage.
int NumberOf(const std::string& agent) {
  const std::vector<std::string> all = MonitorLab::Vantages();
  const auto at = std::find(all.begin(), all.end(), agent.substr(0, agent.find('-')));
  return static_cast<int>(at - all.begin()) + 1;
}

}  // namespace

std::vector<Sample> ParseSamples(const std::string& text) {
  std::vector<Sample> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    Sample s;
    size_t at = line.find_first_of("{ ");
    if (at == std::string::npos) continue;
    s.name = line.substr(0, at);
    if (line[at] == '{') {
      ++at;
      while (at < line.size() && line[at] != '}') {
        const size_t equals = line.find("=\"", at);
        if (equals == std::string::npos) break;
        std::string value;
        size_t i = equals + 2;
        for (; i < line.size() && line[i] != '"'; ++i) {
          if (line[i] == '\\') ++i;
          value += line[i];
        }
        s.labels[line.substr(at, equals - at)] = value;
        at = i + 1;
        if (at < line.size() && line[at] == ',') ++at;
      }
    }
    s.value = std::strtod(line.c_str() + line.rfind(' '), nullptr);
    out.push_back(std::move(s));
  }
  return out;
}

MonitorLab::MonitorLab(ExposureWorld world, std::vector<std::string> flags, std::string more)
    : net_(3), world_(std::move(world)), more_(std::move(more)) {
  Fleet::Options options;
  options.netns = net_.target();
  options.listen = "0.0.0.0:" + std::to_string(kGrpcPort);
  options.coordinator_flags = {"--insecure", "--monitors", dir_.path(), "--lease-term", "2s"};
  options.coordinator_flags.insert(options.coordinator_flags.end(), flags.begin(), flags.end());
  fleet_ = std::make_unique<Fleet>(options);
}

bool MonitorLab::Start() {
  WriteFile(dir_.path("lab.yaml"), kMonitor + more_);
  if (!net_.ok() || !Become(world_) || !fleet_->StartCoordinator()) return false;
  fleet_->set_grpc("127.0.0.1:" + std::to_string(kGrpcPort));
  for (const std::string& name : Agents()) {
    if (!StartAgent(name)) return false;
  }
  return fleet_->WaitForAgents(4) &&
         Eventually(seconds(20), [&] { return !Api("monitors/lab").is_null(); });
}

bool MonitorLab::Become(const ExposureWorld& world) {
  world_ = world;
  listeners_.reset();
  listeners_ = std::make_unique<Listeners>(net_.target(), ListenersOf(world_));
  return listeners_->ok() && LoadFirewall();
}

bool MonitorLab::Suffer(const Trouble& trouble) {
  trouble_ = trouble;
  return LoadFirewall();
}

bool MonitorLab::LoadFirewall() { return net_.Nft(FirewallOf(world_, trouble_)); }

bool MonitorLab::StartAgent(const std::string& name) {
  const int i = NumberOf(name);
  const std::string coordinator = "198.18." + std::to_string(i) + ".1:" + std::to_string(kGrpcPort);
  return fleet_
      ->StartAgent({name,
                    name.substr(0, name.find('-')),
                    net_.vantage(i),
                    coordinator,
                    {"--insecure", "--http", HttpOf(name)}})
      .Running();
}

std::string MonitorLab::HttpOf(const std::string& agent) {
  return "198.18." + std::to_string(NumberOf(agent)) + ".2:930" + agent.back();
}

void MonitorLab::KillAgent(const std::string& name) {
  fleet_->agent(name).Signal(SIGKILL);
  fleet_->agent(name).Wait(seconds(10));
}

int MonitorLab::RunNow() {
  const int fd = ConnectIn(net_.target());
  if (fd < 0) return 0;
  const auto stub =
      v1::MonitorService::NewStub(grpc::CreateInsecureChannelFromFd("coordinator", fd));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(20));
  v1::RunMonitorRequest request;
  request.set_name("lab");
  v1::Monitor monitor;
  const grpc::Status status = stub->RunMonitor(&context, request, &monitor);
  if (!status.ok()) {
    std::fprintf(stderr, "run-now: %s\n", status.error_message().c_str());
    return 0;
  }
  // The answer may come before the run has begun.
  if (!monitor.waiting().empty()) return static_cast<int>(monitor.next_run());
  return static_cast<int>(monitor.next_run()) - 1;
}

bool MonitorLab::WaitForProgress(int run, double part) {
  return Eventually(seconds(60), [&] {
    const nlohmann::json monitor = Api("monitors/lab");
    if (monitor.is_null() || monitor["runs"].empty()) return false;
    const nlohmann::json& record = monitor["runs"][0];
    if (record["number"] != run) return false;
    if (record["state"] != "running") return true;
    const std::string scan = TextOf(record, "scan");
    return !scan.empty() && static_cast<double>(fleet_->Done(scan)) >= part * kPositions;
  });
}

bool MonitorLab::WaitEnded(int run) {
  return Eventually(seconds(180), [&] {
    const nlohmann::json monitor = Api("monitors/lab");
    if (monitor.is_null() || monitor["runs"].empty()) return false;
    const nlohmann::json& record = monitor["runs"][0];
    return record["number"] == run && record["state"] != "running";
  });
}

nlohmann::json MonitorLab::WaitSettled(int run) {
  nlohmann::json record;
  Eventually(seconds(180), [&] {
    const nlohmann::json monitor = Api("monitors/lab");
    if (monitor.is_null() || monitor["runs"].empty()) return false;
    const nlohmann::json& newest = monitor["runs"][0];
    if (newest["number"] != run || newest["state"] == "running") return false;
    for (const auto& vantage : monitor["vantages"]) {
      if (vantage["confirming"] != 0) return false;
    }
    record = newest;
    return true;
  });
  return record;
}

nlohmann::json MonitorLab::Api(const std::string& path) {
  const auto json = nlohmann::json::parse(fleet_->Get("/api/v1/" + path), nullptr, false);
  return json.is_discarded() || json.contains("error") ? nlohmann::json() : json;
}

std::vector<Sample> MonitorLab::Metrics() { return ParseSamples(fleet_->Get("/metrics")); }

std::vector<nlohmann::json> MonitorLab::EventRecords() {
  const nlohmann::json page = Api("events?monitor=lab&limit=2000");
  if (page.is_null() || page["more"] != false) return {};
  return page["events"];
}

std::multiset<Change> MonitorLab::Events() {
  std::multiset<Change> out;
  for (const auto& e : EventRecords()) {
    out.emplace(e.at("vantage"), e.at("target"), e.at("port"), e.at("change"));
  }
  return out;
}

std::multiset<Complaint> MonitorLab::Findings() {
  std::multiset<Complaint> out;
  const nlohmann::json list = Api("findings?monitor=lab");
  if (list.is_null()) return {{"nobody answers", "", "", "", 0}};
  for (const auto& f : list["findings"]) {
    out.emplace(f.at("kind"), f.at("rule"), TextOf(f, "vantage"), TextOf(f, "target"),
                f.at("port").is_null() ? -1 : f.at("port").get<int>());
  }
  return out;
}

}  // namespace portolan::integration
