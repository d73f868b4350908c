#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/simnet/world.h"

namespace portolan::simnet {

// A named world, with the targets and ports that it is meant to be scanned on.
struct Preset {
  std::string_view name;
  std::string_view meaning;
  std::string_view targets;
  std::string_view ports;
  std::string_view parameters;  // "alive=0.3 open=0.02"
};
const std::vector<Preset>& Presets();
// NotFound names those that exist.
absl::StatusOr<Preset> FindPreset(std::string_view name);

// Sets one parameter, "alive=0.3" (or "rtt=10..120" and "rtt=20", which set rtt-min and rtt-max).
// InvalidArgument: no such parameter, or a value out of its range.
absl::Status SetParameter(std::string_view text, WorldOptions& options);
// Sets those of the list, separated by spaces.
absl::Status SetParameters(std::string_view list, WorldOptions& options);
// InvalidArgument: fractions that add up to more than 1, or a reversed range of RTTs.
absl::Status Validate(const WorldOptions& options);

// Every parameter as NAME=VALUE, in the order of the help.
std::vector<std::string> ParametersOf(const WorldOptions& options);
// The parameters and presets, as --help and docs/simnet.md show them.
std::string ParametersHelp();
std::string PresetsHelp();

}  // namespace portolan::simnet
