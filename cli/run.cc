#include <fmt/format.h>

#include "cli/base/argv.h"
#include "cli/exit_code.h"
#include "cli/program.h"
#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/ops/log.h"
#include "common/ops/signals.h"

namespace portolan {
namespace {

void CollectNames(const CLI::App& app, OptionNames* names) {
  for (const CLI::Option* option : app.get_options()) {
    auto& into = option->get_items_expected_max() > 0 ? names->with_value : names->flags;
    for (const std::string& s : option->get_snames()) into.insert("-" + s);
    for (const std::string& l : option->get_lnames()) into.insert("--" + l);
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    CollectNames(*sub, names);
}

// Parses; CLI11's exceptions end here. nullopt: parsed; else the exit code, everything said.
std::optional<int> Parse(Program& program, std::vector<std::string> args, Environment& env) {
  std::reverse(args.begin(), args.end());  // as CLI11 wants them
  try {
    program.root().parse(std::move(args));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    const CLI::App* app = &program.root();
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    const absl::Status written = env.out->Write(app->help());
    return written.ok() ? kExitComplete : ExitCodeOf(written);
  } catch (const CLI::ParseError& e) {
    std::string path;
    for (const CLI::App* app = &program.root();;) {
      path += (path.empty() ? "" : " ") + app->get_name();
      if (app->get_subcommands().empty()) break;
      app = app->get_subcommands().front();
    }
    env.notes->Note(fmt::format("{}; see {} --help", e.what(), path));
    return kExitUsage;
  }
}

void FillFromEnvironment(const Environment& env, GlobalFlags& g) {
  const auto fill = [&](std::string& value, const char* name) {
    if (value.empty()) value = env.getenv(name).value_or("");
  };
  if (!g.local) fill(g.coordinator, "PORTOLAN_COORDINATOR");
  fill(g.tls.cert, "PORTOLAN_TLS_CERT");
  fill(g.tls.key, "PORTOLAN_TLS_KEY");
  fill(g.tls.ca, "PORTOLAN_TLS_CA");
  fill(g.data, "PORTOLAN_DATA");
}

absl::StatusOr<int> RunVerb(Program& program, Environment& env) {
  GlobalFlags& globals = program.globals();
  if (globals.local && !globals.coordinator.empty())
    return InvalidArgument("--local and --coordinator exclude each other: give one");
  const GlobalFlags given = globals;
  FillFromEnvironment(env, globals);
  PORTOLAN_RETURN_IF_ERROR(InitLogging({.format = "text", .level = globals.log_level}));
  const bool plain = globals.no_color || !env.getenv("NO_COLOR").value_or("").empty() ||
                     env.getenv("TERM").value_or("") == "dumb";
  Context context{env, globals, given, env.out_is_terminal && !plain};
  return (*program.Chosen())(context);
}

void AddVerbs(Program& program) {
  AddScan(program);
  AddResults(program);
  AddScans(program);
  AddDiff(program);
  AddMonitor(program);
  AddExposure(program);
  AddExplain(program);
  AddEvents(program);
  AddFindings(program);
  AddCheck(program);
  AddNotifications(program);
  AddAgents(program);
  AddPorts(program);
  AddCa(program);
  AddVersion(program);
}

}  // namespace

absl::Status CheckCommand(const std::vector<std::string>& words, bool* required_missing) {
  Program program;
  AddVerbs(program);
  OptionNames names;
  CollectNames(program.root(), &names);
  PORTOLAN_ASSIGN_OR_RETURN(std::vector<std::string> args, NormalizeArgv(words, names));
  std::reverse(args.begin(), args.end());
  try {
    program.root().parse(std::move(args));
  } catch (const CLI::CallForHelp&) {
    return absl::OkStatus();
  } catch (const CLI::RequiredError& e) {
    if (required_missing == nullptr) return InvalidArgument("{}", e.what());
    *required_missing = true;
  } catch (const CLI::ParseError& e) {
    return InvalidArgument("{}", e.what());
  }
  return absl::OkStatus();
}

int RunCli(const std::vector<std::string>& args, Environment& env) {
  Program program;
  AddVerbs(program);
  OptionNames names;
  CollectNames(program.root(), &names);
  auto normal = NormalizeArgv(args, names);
  absl::StatusOr<int> code = kExitComplete;
  if (!normal.ok()) {
    code = normal.status();
  } else {
    if (const auto done = Parse(program, *std::move(normal), env)) {
      code = *done;
    } else if (program.Chosen() != nullptr) {
      code = RunVerb(program, env);
    } else if (program.globals().version) {
      code = kExitComplete;
      const absl::Status written = env.out->Write(fmt::format("portolan {}\n", Version()));
      if (!written.ok()) code = written;
    } else {
      env.notes->Print(program.root().help());
      code = kExitUsage;
    }
  }
  env.notes->ClearProgress();
  // What came before an error is worth having; a failure to write it is one too, unless there is a
  // first one.
  const absl::Status closed = env.out->Close();
  if (code.ok() && !closed.ok()) code = closed;
  const int signal = env.interrupts->signal();
  if (!code.ok() && !(signal != 0 && code.status().code() == absl::StatusCode::kAborted) &&
      code.status().code() != absl::StatusCode::kCancelled) {
    env.notes->Note(Message(code.status()));
  }
  if (signal != 0) return ExitCodeOfSignal(signal);
  return code.ok() ? *code : ExitCodeOf(code.status());
}

}  // namespace portolan
