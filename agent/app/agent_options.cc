#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <thread>

#include "agent/app/agent.h"
#include "agent/engine/probe_engine.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr int kMostThreads = 64;
constexpr uint32_t kMostWindow = 1u << 20;
constexpr size_t kLeastSpool = 1u << 20;
constexpr double kMostRate = 1e9;

absl::Status CheckName(std::string_view flag, std::string_view value, size_t most) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (!value.empty() && value.size() <= most && std::all_of(value.begin(), value.end(), good))
    return absl::OkStatus();
  return InvalidArgument("{} \"{}\": must be 1 to {} characters of A-Z a-z 0-9 . _ -", flag, value,
                         most);
}

absl::Status CheckCoordinators(const AgentOptions& options) {
  if (options.channel != nullptr) return absl::OkStatus();
  if (options.coordinators.empty()) {
    return InvalidArgument(
        "--coordinator: none given; name the coordinator as HOST:PORT (or set "
        "PORTOLAN_COORDINATOR)");
  }
  std::set<std::string> seen;
  for (const std::string& address : options.coordinators) {
    const auto parsed = ParseHostPort(address);
    if (!parsed.ok()) return Annotate(parsed.status(), "--coordinator");
    if (parsed->port == 0)
      return InvalidArgument("--coordinator \"{}\": port 0; name the port that it listens on",
                             address);
    if (!seen.insert(address).second)
      return InvalidArgument("--coordinator \"{}\": given twice", address);
    if (!parsed->loopback && !options.tls.enabled() && !options.insecure) {
      return InvalidArgument(
          "--coordinator \"{}\": not on this machine, and without TLS anybody on the way could "
          "read and change what is scanned; "
          "give --tls-cert, --tls-key and --tls-ca, or --insecure to accept that",
          address);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckAgentOptions(AgentOptions& options) {
  PORTOLAN_RETURN_IF_ERROR(CheckCoordinators(options));
  if (options.tls.enabled()) PORTOLAN_RETURN_IF_ERROR(CheckTlsFiles(options.tls));
  if (options.vantage.empty()) {
    return InvalidArgument(
        "--vantage: none given; name the place that this agent looks from (or set "
        "PORTOLAN_VANTAGE)");
  }
  PORTOLAN_RETURN_IF_ERROR(CheckName("--vantage", options.vantage, 60));
  const bool own_name = !options.name.empty();
  if (!own_name) {
    char host[256] = {};
    if (gethostname(host, sizeof(host) - 1) == 0) options.name = host;
  }
  if (absl::Status s = CheckName(own_name ? "--name" : "host name", options.name, 100); !s.ok()) {
    return own_name ? s : InvalidArgument("{}; give --name", Message(s));
  }
  if (options.http == "none") options.http.clear();
  if (!options.http.empty()) {
    const auto http = ParseHostPort(options.http);
    if (!http.ok()) return Annotate(http.status(), "--http");
  }
  if (!(options.max_rate >= 0 && options.max_rate <= kMostRate)) {
    return InvalidArgument("--max-rate {}: must be 0 (no limit) to {:.0f} probes a second",
                           options.max_rate, kMostRate);
  }
  if (options.window > kMostWindow) {
    return InvalidArgument(
        "--window {}: at most {} probes can be in flight; 0 takes what the file limit allows",
        options.window, kMostWindow);
  }
  if (!EngineChoiceFromName(options.engine)) {
    return InvalidArgument("--engine \"{}\": must be auto, epoll or io_uring", options.engine);
  }
  if (options.engine_threads < 0 || options.engine_threads > kMostThreads) {
    return InvalidArgument("--threads {}: must be 0 (by the number of cores) to {}",
                           options.engine_threads, kMostThreads);
  }
  if (options.engine_threads == 0) {
    options.engine_threads =
        std::clamp(static_cast<int>(std::thread::hardware_concurrency()) - 1, 1, 4);
  }
  if (options.window != 0 && options.window < static_cast<uint32_t>(options.engine_threads)) {
    return InvalidArgument(
        "--window {}: below the number of engine threads, {}; raise it or lower --threads",
        options.window, options.engine_threads);
  }
  if (options.spool_bytes < kLeastSpool)
    return InvalidArgument("--spool-mib: must be at least {}", kLeastSpool >> 20);
  return absl::OkStatus();
}

}  // namespace portolan
