#include "cli/hosts.h"

#include "cli/convert.h"
#include "common/base/status.h"
#include "common/rpc/convert.h"

namespace portolan {

absl::StatusOr<HostList> FetchHosts(Session& session, const std::string& scan_id,
                                    const std::vector<std::string>& targets,
                                    const std::vector<std::string>& vantages, TextPool& pool) {
  v1::ListHostFindingsRequest request;
  request.set_scan_id(scan_id);
  request.set_page_size(1000);
  for (const std::string& t : targets) request.add_targets(t);
  for (const std::string& v : vantages) request.add_vantages(v);
  HostList out;
  do {
    const auto page = session.client->CallPatiently(&ApiClient::Stub::ListHostFindings, request);
    if (absl::IsUnimplemented(page.status())) return out;
    PORTOLAN_RETURN_IF_ERROR(page.status());
    for (const v1::HostFindingRow& row : page->findings()) {
      absl::StatusOr<HostFinding> finding = FromProto(row.finding());
      if (!finding.ok()) {
        // A kind that is newer than this program says nothing about the rows that it does know.
        if (!v1::HostFindingKind_IsValid(row.finding().kind())) continue;
        return DataLoss("a host finding came that makes no sense: {}", Message(finding.status()));
      }
      out.rows.push_back({*std::move(finding), pool.Intern(row.vantage()), pool.Intern(row.name()),
                          pool.Intern(row.agent()), row.open_ports(), row.ports(),
                          InternNames(row.names(), pool), row.time_of_receipt()});
    }
    out.dropped = page->dropped();
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return out;
}

}  // namespace portolan
