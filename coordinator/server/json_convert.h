#pragma once

#include <string>

#include "coordinator/control/control.h"
#include "coordinator/monitoring/views.h"

// What the HTTP API tells, as JSON texts; docs/http-api.md is their specification. Bytes that are
// no UTF-8 are replaced. Times are RFC 3339 in UTC, or null; what is not known is null, too.
namespace portolan {

std::string MonitorsJson(const std::vector<MonitorStatus>& monitors);
// With its specification and all of its last runs.
std::string MonitorJson(const MonitorStatus& monitor);
std::string ExposureJson(const ExposurePage& page);
std::string EventsJson(const EventPage& page);
std::string FindingsJson(const FindingList& list);
std::string ExplanationJson(const Explanation& explanation);
std::string AgentsJson(const std::vector<AgentStatus>& agents);
std::string ScanJson(const ScanStatus& scan);
std::string ResultsJson(const ScanId& scan, const ResultPage& page);
std::string HostFindingsJson(const ScanId& scan, const FindingRows& rows);

}  // namespace portolan
