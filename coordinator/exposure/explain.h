#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coordinator/exposure/exposure_class.h"
#include "coordinator/exposure/subject.h"

// The prose of an explanation, for a ticket: what a service is, why it matters that it can be
// reached, and what to look at next. Pure text; what it quotes of others is not escaped.
namespace portolan {

// "SSH remote login. It gives whoever logs in ...". Never empty.
std::string ServiceText(uint16_t port);

// One vantage's view of what is explained.
struct ExplainedSight {
  std::string vantage;
  VantageRole side = VantageRole::kInside;
  std::optional<SubjectOutcome> outcome;  // nullopt: not known
  std::string unknown = {};               // then why, in one clause
  // By the rule that decides; nullopt: none does, or it allows both.
  std::optional<ExpectAction> action;
  std::string rule;
};

// What to look at next: on the host, its firewall, the network, in this program. One sentence or
// two each, in the order in which to do them; at most 12. The commands in them hold nothing but the
// port and addresses or names that a shell takes as they are.
std::vector<std::string> NextSteps(const Subject& subject, const Comparison& comparison,
                                   std::span<const ExplainedSight> sights);

}  // namespace portolan
