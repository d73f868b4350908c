#include "tests/integration/names_lab.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <thread>
#include <utility>

namespace portolan::integration {
namespace {

// What `ip netns exec` puts over /etc.
std::string EtcOf(const std::string& netns) { return "/etc/netns/" + netns; }

std::unique_ptr<DnsServer> StartIn(const std::string& netns) {
  std::unique_ptr<DnsServer> server;
  std::thread([&] {
    // This thread's namespace is inherited by the server's.
    const int ns = open(("/run/netns/" + netns).c_str(), O_RDONLY | O_CLOEXEC);
    const bool entered = ns >= 0 && setns(ns, CLONE_NEWNET) == 0;
    if (ns >= 0) close(ns);
    if (!entered) return;
    DnsServer::Options options;
    options.address = "127.0.0.53";
    options.port = 53;
    auto started = DnsServer::Start(std::move(options));
    if (started.ok()) {
      server = *std::move(started);
    } else {
      std::fprintf(stderr, "%s\n", started.status().ToString().c_str());
    }
  }).join();
  return server;
}

}  // namespace

NamesLab::NamesLab() : netns_("ptln" + std::to_string(getpid())) {
  std::filesystem::create_directories(EtcOf(netns_));
  WriteFile(EtcOf(netns_) + "/resolv.conf", "nameserver 127.0.0.53\n");
  WriteFile(EtcOf(netns_) + "/nsswitch.conf", "hosts: files dns\n");
  WriteFile(EtcOf(netns_) + "/hosts", "127.0.0.1 localhost\n");
  ok_ = RunToEnd({"ip", "netns", "add", netns_}).code == 0 &&
        RunToEnd({"ip", "-n", netns_, "link", "set", "lo", "up"}).code == 0;
  if (!ok_) return;
  names_ = StartIn(netns_);
  Fleet::Options options;
  options.netns = netns_;
  fleet_ = std::make_unique<Fleet>(options);
  ok_ = names_ != nullptr && fleet_->StartCoordinator();
  if (!ok_) return;
  fleet_->StartAgent({"a1", "lab", netns_, "", {}});
  ok_ = fleet_->WaitForAgents(1);
}

NamesLab::~NamesLab() {
  fleet_ = nullptr;
  names_ = nullptr;
  RunToEnd({"ip", "netns", "del", netns_});
  std::error_code ignored;  // what is left there is never read again
  std::filesystem::remove_all(EtcOf(netns_), ignored);
}

std::string NamesLab::List(const std::string& file, const std::vector<std::string>& targets) {
  std::string text;
  for (const std::string& target : targets) text += target + "\n";
  const std::string path = fleet_->dir().path(file);
  WriteFile(path, text);
  return path;
}

}  // namespace portolan::integration
