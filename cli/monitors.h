#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <string_view>

#include "cli/program.h"
#include "portolan/v1/monitor_service.pb.h"

// What the verbs about monitors and exposure share.
namespace portolan {

// The verbs under `portolan monitor`.
void AddMonitorApply(Program& program, CLI::App* monitor);
void AddMonitorGet(Program& program, CLI::App* monitor);
void AddMonitorList(Program& program, CLI::App* monitor);
void AddMonitorDescribe(Program& program, CLI::App* monitor);
void AddMonitorPause(Program& program, CLI::App* monitor);  // and resume
void AddMonitorRunNow(Program& program, CLI::App* monitor);
void AddMonitorAccept(Program& program, CLI::App* monitor);
void AddMonitorDelete(Program& program, CLI::App* monitor);

// Monitors run on a coordinator, never inside this program. InvalidArgument: none is named.
absl::StatusOr<std::unique_ptr<Session>> ConnectToMonitors(Context& context);
absl::StatusOr<v1::Monitor> GetMonitor(Session& session, const std::string& name);

void AddMonitorName(CLI::App* app, std::string* name);          // the positional NAME
void AddMonitorFilter(CLI::App* app, std::string* name);        // the positional [MONITOR]
void AddJsonFlag(CLI::App* app, bool* json, const char* type);  // --json

// {"type":"event","id":...} and a line end: the message with the names of the API.
std::string JsonLine(std::string_view type, const google::protobuf::Message& message);

// "10.0.0.1:80", "[2001:db8::1]:80", "www.example:80"; printable.
std::string SubjectText(std::string_view target, uint32_t port);
std::string TimeText(int64_t unix_us);                 // "2026-01-02 03:04:05Z"; "-" for 0
std::string AgoText(WallTime now, int64_t unix_us);    // "3h05m ago", "never" for 0
std::string StateText(const v1::SubjectState& state);  // "open/syn-ack", "-" when not known
std::string_view RunStateText(v1::MonitorRun::State state);
// 1 info to 5 critical; 0: not known.
int SeverityRank(std::string_view severity);
// Of a field as RFC 4180 has it.
std::string CsvCell(std::string_view text);
// One line: severity, what, where, since; below it the remedy.
std::string FindingText(const v1::ExposureFinding& finding, bool color);
// One line.
std::string EventText(const v1::ExposureEvent& event, bool color);

}  // namespace portolan
