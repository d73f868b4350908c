#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/program.h"
#include "cli/render/hosts.h"
#include "cli/render/record.h"

namespace portolan {

struct HostList {
  std::vector<HostRow> rows;
  uint64_t dropped = 0;
};
// Findings about hosts of a scan: all, or those of some targets and vantages (as in
// ListHostFindings). Texts go into `pool`. A coordinator that does not know findings yet has none.
absl::StatusOr<HostList> FetchHosts(Session& session, const std::string& scan_id,
                                    const std::vector<std::string>& targets,
                                    const std::vector<std::string>& vantages, TextPool& pool);

}  // namespace portolan
