#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/ops/cli_flags.h"
#include "common/ops/log.h"
#include "coordinator/server/coordinator.h"

namespace portolan {

// The command line of portolan-coordinator, as it was parsed.
struct CoordinatorFlags {
  CoordinatorOptions options;
  LogOptions log;
  ScopeFlags scope;
  std::string retention = "30d", lease_term = "10s";
  bool health_check = false;
};

// `flags` must outlive the parse.
void AddCoordinatorFlags(CLI::App& app, CoordinatorFlags* flags);
// After the parse: starts logging and fills flags->options. InvalidArgument with the flag, the
// value and the remedy.
absl::Status FinishCoordinatorFlags(CoordinatorFlags* flags);
// Whether portolan-coordinator would understand these words (without its name); runs and reads
// nothing. InvalidArgument with the parser's words.
absl::Status CheckCoordinatorCommand(const std::vector<std::string>& words);

}  // namespace portolan
