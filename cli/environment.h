#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/base/interrupts.h"
#include "cli/base/notes.h"
#include "cli/render/output.h"
#include "common/base/clock.h"
#include "common/rpc/channel.h"
#include "common/scope/scope.h"

namespace portolan {

// Where local mode keeps its history, and what it may probe.
struct LocalOptions {
  std::string data_directory;
  Scope scope = Scope::Default();
  int engine_threads = 0;  // 0: the agent's default
  std::string engine;      // empty: the agent's default
};

// A coordinator inside this program, and an agent of vantage "local" once it is asked for.
class LocalStack {
 public:
  virtual ~LocalStack() = default;  // stops at once what Stop has not
  virtual std::shared_ptr<grpc::Channel> channel() = 0;
  virtual absl::Status StartAgent() = 0;
  // Why the agent cannot go on; OK while it can, or was not started.
  virtual absl::Status AgentFatal() const = 0;
  // Drains the agent for at most `grace` (zero: it holds nothing), then commits everything.
  virtual void Stop(Duration grace) = 0;
};

// The world of the command line, so that tests can give another one. What it points to must outlive
// the run.
struct Environment {
  Output* out = nullptr;
  std::istream* in = nullptr;
  Notes* notes = nullptr;
  Interrupts* interrupts = nullptr;
  const Clock* clock = nullptr;
  bool out_is_terminal = false;
  bool in_is_terminal = false;  // somebody is there to be asked
  std::function<std::optional<std::string>(const char* name)> getenv;
  std::function<bool(Duration)> wait;  // true: interrupted
  // The same, at most until the channel is connected, and connects it meanwhile. Null: `wait` does.
  std::function<bool(grpc::Channel&, Duration)> wait_connected;
  std::function<absl::StatusOr<std::shared_ptr<grpc::Channel>>(const std::string& target,
                                                               const TlsFiles&)>
      dial;
  std::function<absl::StatusOr<std::unique_ptr<LocalStack>>(const LocalOptions&)> start_local;
};

// Runs the program with its arguments (without its name). Returns the exit code. Does not throw.
int RunCli(const std::vector<std::string>& args, Environment& environment);

}  // namespace portolan
