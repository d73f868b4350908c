#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/monitoring/views.h"
#include "coordinator/notify/outbox.h"
#include "portolan/v1/monitor_service.pb.h"

// MonitorService's messages <-> the words of monitoring. From-functions take hostile input:
// InvalidArgument names the field, the value and the remedy.
namespace portolan {

void ToProto(const MonitorStatus& status, WallTime now, v1::Monitor* out);
void ToProto(const ApplyResult& result, v1::ApplyMonitorsResponse::Result* out);
void ToProto(const ExposureRow& row, v1::Exposure* out);
void ToProto(const StoredEvent& event, v1::ExposureEvent* out);
void ToProto(const MonitorFinding& finding, v1::ExposureFinding* out);
void ToProto(const FindingList& list, v1::ListFindingsResponse* out);
void ToProto(const DeadLetter& letter, v1::DeadLetter* out);
// `specs`: of the monitors of its rows, as far as they are still there: their rules are named.
void ToProto(const Explanation& explanation, const std::vector<MonitorSpec>& specs,
             v1::ExplainResponse* out);

// Why what a monitor knows must not be relied on; "" when it may: each vantage has had a complete
// run, and not more than two slots of the schedule have passed since (and 10 minutes, for the run
// itself). What a check in a pipeline must ask first: no data has no findings either.
std::string NoDataReason(const MonitorStatus& status, WallTime now);
// "every 1h at 10m", "cron 30 6 * * mon-fri Europe/Berlin".
std::string ScheduleText(const MonitorSchedule& schedule);

absl::StatusOr<std::vector<MonitorDocument>> FromProto(const v1::ApplyMonitorsRequest& request);
absl::StatusOr<ExposureQuery> FromProto(const v1::ListExposureRequest& request);
absl::StatusOr<EventQuery> FromProto(const v1::ListEventsRequest& request);
absl::StatusOr<FindingQuery> FromProto(const v1::ListFindingsRequest& request);

// A monitor's name; `required`: not empty. Names that no monitor can have are refused here, so that
// nothing of them gets into logs and databases.
absl::Status CheckMonitorName(std::string_view field, std::string_view name, bool required);
absl::Status CheckVantageFilter(std::string_view vantage);  // empty: all
absl::Status CheckReceiverName(std::string_view receiver, bool required);

}  // namespace portolan
