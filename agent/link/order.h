#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "agent/runner/runner.h"

namespace portolan {

// What the control wants of one probe thread's Runner; each is the call of that name. As values, so
// that they can be looked at.
namespace order {
struct SetContext {
  std::shared_ptr<const ScanContext> context;
};
struct DropContext {
  std::string scan;
};
struct Grant {
  AgentLease lease;
};
struct Shrink {
  Token token;
  IntervalSet ranges;
};
struct Revoke {
  Token token;
};
struct Forget {
  Token token;
};
struct Renew {
  Token token;
  Time deadline;
};
struct SetDraining {
  bool draining;
};
struct SetShare {
  std::string scan;
  double rate;
};
struct SetTargetFraction {
  std::string scan;
  double fraction;
};
struct SetMaxRate {
  double rate;
};
}  // namespace order

struct Order {
  size_t thread = 0;
  std::variant<order::SetContext, order::DropContext, order::Grant, order::Shrink, order::Revoke,
               order::Forget, order::Renew, order::SetDraining, order::SetShare,
               order::SetTargetFraction, order::SetMaxRate>
      what;
};

// A Grant that the runner refuses does not show in its progress, and so is given back.
void CarryOut(const Order& order, Runner& runner);

}  // namespace portolan
