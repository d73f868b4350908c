#include "cli/local.h"

#include <errno.h>
#include <sys/stat.h>

#include <cstring>
#include <utility>

#include "agent/app/agent.h"
#include "common/base/status.h"
#include "coordinator/server/coordinator.h"

namespace portolan {
namespace {

// What was found is for the one who scanned: 0700, also for the parents that are missing.
absl::Status MakeDirectories(const std::string& path) {
  for (size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    const std::string part = path.substr(0, at);
    if (at != std::string::npos) ++at;
    if (::mkdir(part.c_str(), 0700) == 0 || errno == EEXIST) continue;
    const int error = errno;
    struct stat info;
    if (::stat(part.c_str(), &info) == 0)
      continue;  // exists on a file system that says something else
    return FailedPrecondition("cannot create \"{}\": {}; name another directory with --data", part,
                              std::strerror(error));
  }
  return absl::OkStatus();
}

constexpr Duration kShutdown = std::chrono::seconds(5);

class InProcessStack : public LocalStack {
 public:
  InProcessStack(LocalOptions options, std::unique_ptr<Coordinator> coordinator)
      : options_(std::move(options)), coordinator_(std::move(coordinator)) {}
  ~InProcessStack() override { Stop(Duration::zero()); }

  std::shared_ptr<grpc::Channel> channel() override { return coordinator_->InProcessChannel(); }

  absl::Status StartAgent() override {
    AgentOptions options;
    options.channel = coordinator_->InProcessChannel();
    options.vantage = "local";
    options.name = "local";
    options.scope = options_.scope;
    options.engine_threads = options_.engine_threads;
    if (!options_.engine.empty()) options.engine = options_.engine;
    PORTOLAN_ASSIGN_OR_RETURN(agent_, Agent::Start(std::move(options)));
    return absl::OkStatus();
  }

  absl::Status AgentFatal() const override { return agent_ ? agent_->Fatal() : absl::OkStatus(); }

  void Stop(Duration grace) override {
    if (std::exchange(stopped_, true)) return;
    // What could not be reported in time is probed again when the scan goes on; nothing else is
    // lost.
    if (agent_ && grace > Duration::zero()) (void)agent_->Drain(grace);
    agent_.reset();
    coordinator_->Shutdown(kShutdown);
  }

 private:
  const LocalOptions options_;
  const std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<Agent> agent_;
  bool stopped_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LocalStack>> StartLocalStack(const LocalOptions& options) {
  PORTOLAN_RETURN_IF_ERROR(MakeDirectories(options.data_directory));
  CoordinatorOptions how;
  how.monitoring = false;
  how.data_directory = options.data_directory;
  how.scope = options.scope;
  // The agent was in the same process as the coordinator, and ended with it.
  how.scheduler.restored_agents_may_return = false;
  PORTOLAN_ASSIGN_OR_RETURN(auto coordinator, Coordinator::Start(std::move(how)));
  return std::make_unique<InProcessStack>(options, std::move(coordinator));
}

}  // namespace portolan
