#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/rpc/channel.h"
#include "common/scope/scope.h"
#include "coordinator/scheduler/scheduler.h"

namespace portolan {

struct CoordinatorOptions {
  std::string listen;  // HOST:PORT of gRPC; empty: in process only
  std::string http;    // HOST:PORT of metrics and health; empty: none
  std::string data_directory;
  // https there, with `tls`; its API then asks for an operator's certificate
  bool http_tls = false;
  TlsFiles tls;
  bool insecure = false;  // listen beyond loopback without TLS
  Scope scope = Scope::Default();
  Duration retention = std::chrono::hours(24 * 30);
  SchedulerOptions scheduler;
  bool sync_full = true;          // see SqliteOptions
  std::string monitors;           // directory with monitors' files, kept to; empty: none
  std::string webhooks;           // file of receivers; empty: none
  size_t series_budget = 10'000;  // open ports that are metrics of their own
  // Without it nothing recurs: the command line's local mode has no use for monitors.
  bool monitoring = true;
};

// The coordinator as an object: the program's main and the command line's local mode both run one.
// Thread-safe.
class Coordinator {
 public:
  // Opens the store, restores what was running, listens. Errors say what and the remedy (address in
  // use, directory not writable, listening beyond loopback without TLS or --insecure, another
  // coordinator has the directory, ...). InvalidArgument: the user must change the options.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Start(CoordinatorOptions options);
  virtual ~Coordinator() = default;  // Shutdown

  virtual std::shared_ptr<grpc::Channel> InProcessChannel() = 0;
  virtual int grpc_port() const = 0;  // 0: none
  virtual int http_port() const = 0;  // 0: none
  // Holds for scans, and runs of monitors, that are created from now on; for running ones there is
  // ExcludeTargets.
  virtual void SetScope(const Scope& scope) = 0;
  // OK while its control thread works; as /livez says it.
  virtual absl::Status Live() const = 0;
  // Answers parked calls, ends streams, commits what is queued, closes the store. At most `grace`.
  // Idempotent.
  virtual void Shutdown(Duration grace) = 0;
};

}  // namespace portolan
