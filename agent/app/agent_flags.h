#pragma once

#include <variant>

#include "agent/app/agent.h"
#include "common/ops/cli_flags.h"
#include "common/ops/log.h"

namespace portolan {

struct AgentProgram {
  AgentOptions options;  // checked
  LogOptions log;
  Duration grace{};
  ScopeFlags scope;  // that options.scope was made of
};

// Reads the command line of portolan-agent. An exit code when there is nothing to run: 0 after
// --help and --version, 0 or 1 after --health-check, 2 for bad usage, after one line on stderr that
// names the value and the remedy.
std::variant<AgentProgram, int> ParseAgentFlags(int argc, char** argv);
// Whether portolan-agent would understand these words (without its name); runs and reads nothing.
// InvalidArgument with the parser's words.
absl::Status CheckAgentCommand(const std::vector<std::string>& words);

}  // namespace portolan
