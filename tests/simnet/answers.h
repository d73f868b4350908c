#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "common/scan/observation.h"
#include "tests/simnet/world.h"

// The world "answers": every host has one port for each answer that a scanner can get. The rows are
// those of the table in docs/observations.md; tests/agent/engine/answers_test.cc holds the two
// together.
namespace portolan::simnet {

enum class Families : uint8_t { kBoth, kV4, kV6 };

struct ScriptedAnswer {
  std::string_view name;  // as the document has it
  Families families = Families::kBoth;
  PortBehaviour behaviour;
};

// The i-th is on port kFirstAnswerPort + i; the ports beyond refuse.
inline constexpr uint16_t kFirstAnswerPort = 1000;
std::span<const ScriptedAnswer> ScriptedAnswers();
PortBehaviour ScriptedPort(uint16_t port);

}  // namespace portolan::simnet
