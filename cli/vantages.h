#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/program.h"

namespace portolan {

// InvalidArgument: the scan names a vantage in local mode, where there is one agent, of vantage
// "local".
absl::Status CheckLocalVantages(const v1::ScanRequestSpec& spec, const Context& context);

// Notes each of `vantages` that has no live agent now, and which vantages have one, so that nobody
// waits in silence. No vantages: any will do, and only a fleet without a live agent is worth a
// note. `then`: what follows from it, "the scan waits 10m for one". Errors of the coordinator are
// left to the calls that matter.
void NoteMissingAgents(Context& context, Session& session, const std::vector<std::string>& vantages,
                       std::string_view then);

// Notes those of `vantages` from which no agent has ever called, with the nearest name that is
// known. Returns the others.
std::vector<std::string> NoteUnknownVantages(Context& context, Session& session,
                                             const std::string& what,
                                             const std::vector<std::string>& vantages);

}  // namespace portolan
