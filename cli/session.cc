#include <sys/stat.h>

#include "cli/base/shell.h"
#include "cli/program.h"
#include "common/base/duration_text.h"
#include "common/base/status.h"

namespace portolan {
namespace {

absl::StatusOr<std::string> DataDirectory(const GlobalFlags& globals, const Environment& env) {
  if (!globals.data.empty()) return globals.data;
  // XDG: a relative path is to be ignored.
  const std::string state = env.getenv("XDG_STATE_HOME").value_or("");
  if (state.starts_with("/")) return state + "/portolan";
  const std::string home = env.getenv("HOME").value_or("");
  if (home.empty())
    return InvalidArgument(
        "neither XDG_STATE_HOME nor HOME is set: say with --data DIR where to keep scans");
  return home + "/.local/state/portolan";
}

}  // namespace

std::string Context::SameFlags() const {
  std::string out;
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) out += fmt::format(" {} {}", flag, ShellQuoted(value));
  };
  add("--coordinator", given.coordinator);
  if (given.local) out += " --local";
  add("--tls-cert", given.tls.cert);
  add("--tls-key", given.tls.key);
  add("--tls-ca", given.tls.ca);
  if (given.insecure) out += " --insecure";
  // Also from the environment, which may have been set for the one command.
  if (globals.coordinator.empty()) add("--data", globals.data);
  return out;
}

absl::StatusOr<std::unique_ptr<Session>> Context::Connect(const LocalFlags& local, bool create) {
  auto session = std::make_unique<Session>();
  ApiClientOptions options;
  options.coordinator = globals.coordinator;
  const auto reconnect = ParseDurationText(globals.reconnect_timeout);
  if (!reconnect.ok()) return Annotate(reconnect.status(), "--reconnect-timeout");
  options.reconnect_timeout = *reconnect;
  options.wait = env.wait;
  options.wait_connected = env.wait_connected;
  std::shared_ptr<grpc::Channel> channel;
  if (!globals.coordinator.empty()) {
    if (local.any()) {
      return InvalidArgument(
          "--allow, --deny (or PORTOLAN_ALLOW, PORTOLAN_DENY), --engine and --engine-threads are "
          "for local mode: with a coordinator the scope belongs to the coordinator's "
          "and the agents' own flags");
    }
    PORTOLAN_ASSIGN_OR_RETURN(const HostPort target, ParseHostPort(globals.coordinator));
    if (!target.loopback && !globals.tls.enabled() && !globals.insecure) {
      return InvalidArgument(
          "coordinator {} is not on this machine: give --tls-cert, --tls-key and --tls-ca, or "
          "--insecure to talk to it without "
          "protection",
          globals.coordinator);
    }
    PORTOLAN_ASSIGN_OR_RETURN(channel, env.dial(globals.coordinator, globals.tls));
  } else {
    LocalOptions how;
    how.engine_threads = local.engine_threads;
    how.engine = local.engine;
    PORTOLAN_ASSIGN_OR_RETURN(how.scope, local.scope.Build());
    PORTOLAN_ASSIGN_OR_RETURN(how.data_directory, DataDirectory(globals, env));
    struct stat info;
    if (!create && ::stat(how.data_directory.c_str(), &info) != 0) {
      return NotFound(
          "no scans yet in \"{}\" (local mode): scan first, or name a coordinator with "
          "--coordinator or a directory with --data",
          how.data_directory);
    }
    PORTOLAN_ASSIGN_OR_RETURN(session->local, env.start_local(how));
    for (const std::string& word : local.scope.Words())
      session->scope_flags += ' ' + ShellQuoted(word);
    channel = session->local->channel();
  }
  session->client = std::make_unique<ApiClient>(std::move(channel), std::move(options),
                                                *env.interrupts, *env.notes, *env.clock);
  return session;
}

}  // namespace portolan
