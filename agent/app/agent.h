#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "common/net/ip_address.h"
#include "common/rpc/channel.h"
#include "common/scope/scope.h"

namespace portolan {

struct AgentOptions {
  std::vector<std::string> coordinators;   // HOST:PORT, tried in turn
  std::shared_ptr<grpc::Channel> channel;  // in place of coordinators: in process
  std::string vantage;
  std::string name;     // empty: the host's name
  std::string http;     // empty: none
  double max_rate = 0;  // probes/s; 0: no limit
  uint32_t window = 0;  // probes in flight over all threads; 0: from the file limit
  std::vector<IpAddress> sources;
  TlsFiles tls;
  Scope scope = Scope::Default();
  std::string engine = "auto";  // epoll, io_uring, or auto: io_uring where it works
  int engine_threads = 0;       // 0: one for each core but one, at least 1, at most 4
  size_t spool_bytes = 64u << 20;
  bool insecure = false;  // dial a coordinator beyond loopback without TLS
};

// Everything that can be told before anything is started: names, addresses, limits, TLS files.
// InvalidArgument naming the flag, the value and the remedy. Fills in the defaults (name,
// engine_threads).
absl::Status CheckAgentOptions(AgentOptions& options);

// An agent as an object: the program's main and the command line's local mode both run one.
// Thread-safe.
class Agent {
 public:
  // Starts its threads and begins to call the coordinator, which need not be there yet.
  // InvalidArgument: the options are wrong.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(AgentOptions options);
  virtual ~Agent() = default;  // stops at once, without draining

  virtual int http_port() const = 0;
  // OK while its threads work; as /livez says it.
  virtual absl::Status Live() const = 0;
  // What it is about, in a line: "connected to 10.0.0.5:7411".
  virtual std::string Describe() const = 0;
  // Finishes or gives back what it holds, flushes the spool, says good-bye. OK, or DeadlineExceeded
  // when `grace` passed first (what was not reported will be probed again by others).
  virtual absl::Status Drain(Duration grace) = 0;
  // Probes nothing outside of it from now on; what is in flight is not called back. Of running
  // scans, what the agent has refused before stays refused.
  virtual void SetScope(const Scope& scope) = 0;
  // Set when the agent cannot go on (superseded by another of its name, refused by the
  // coordinator); else OK. Poll it.
  virtual absl::Status Fatal() const = 0;
};

}  // namespace portolan
