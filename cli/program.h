#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/api_client.h"
#include "cli/environment.h"
#include "common/ops/cli_flags.h"

namespace portolan {

// Flags that every verb has.
struct GlobalFlags {
  std::string coordinator;
  bool local = false;
  TlsFiles tls;
  bool insecure = false;
  std::string data;
  std::string reconnect_timeout = "5m";
  std::string log_level = "warning";
  bool no_color = false;
  bool version = false;
};

// Flags of verbs that may probe from inside this program.
struct LocalFlags {
  ScopeFlags scope;
  int engine_threads = 0;
  std::string engine;  // empty: the agent's default
  bool any() const { return scope.given() || engine_threads != 0 || !engine.empty(); }
};

// A way to a coordinator, remote or inside this program.
struct Session {
  std::unique_ptr<LocalStack> local;  // null: remote
  std::unique_ptr<ApiClient> client;
  // Local mode: the scope's flags, each with a blank before it, that a later command needs to go
  // on.
  std::string scope_flags;
  bool is_local() const { return local != nullptr; }
};

// One run of the program: what was parsed, and the world that it runs in.
struct Context {
  Environment& env;
  GlobalFlags globals;  // with what the environment adds
  GlobalFlags given;    // on the command line alone
  bool color = false;   // of stdout

  // With --coordinator, a channel to it; else a coordinator inside this program. NotFound: local
  // mode was never used and `create` is false.
  absl::StatusOr<std::unique_ptr<Session>> Connect(const LocalFlags& local, bool create);
  absl::Status Print(std::string_view text) { return env.out->Write(text); }
  // The flags, each with a blank before it and quoted for a shell, that a command which people are
  // told to run needs to reach the same coordinator or data directory as this one.
  std::string SameFlags() const;
};

using VerbRun = std::function<absl::StatusOr<int>(Context&)>;

struct VerbHelp {
  std::string synopsis;  // what follows the verb in its usage line
  std::string summary;   // one line
  std::string text;
  std::string examples;  // lines as they are
};

// The tree of verbs. Each verb's file adds its own.
class Program {
 public:
  Program();
  CLI::App* AddVerb(CLI::App* parent, const std::string& name, const VerbHelp& help, VerbRun run);
  CLI::App& root() { return root_; }
  GlobalFlags& globals() { return globals_; }
  // The verb that was asked for, after parsing; null: none (help is to be shown).
  const VerbRun* Chosen() const;

 private:
  void AddGlobalFlags(CLI::App* app);

  GlobalFlags globals_;
  CLI::App root_;
  std::vector<std::pair<CLI::App*, VerbRun>> verbs_;
};

void AddLocalFlags(CLI::App* app, LocalFlags* flags);

// Parses a command's words (without "portolan") as the program does, and runs nothing. OK also
// where help is asked for. InvalidArgument with the parser's words. `required_missing`, if not
// null, says instead of an error that all words are right but some are missing.
absl::Status CheckCommand(const std::vector<std::string>& words, bool* required_missing);

void AddScan(Program& program);
void AddScans(Program& program);
void AddResults(Program& program);
void AddAgents(Program& program);
void AddPorts(Program& program);
void AddCa(Program& program);
void AddVersion(Program& program);

// Monitors and what they found: see cli/monitors.h.
void AddMonitor(Program& program);
void AddExposure(Program& program);
void AddExplain(Program& program);
void AddEvents(Program& program);
void AddFindings(Program& program);
void AddCheck(Program& program);
void AddDiff(Program& program);
void AddNotifications(Program& program);

}  // namespace portolan
