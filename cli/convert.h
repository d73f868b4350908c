#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/render/progress.h"
#include "cli/render/record.h"
#include "portolan/v1/scan_service.pb.h"

// From the API's messages to what the renderers show.
namespace portolan {

std::string_view ScanStateName(v1::ScanState state);  // "complete"
bool IsFinished(v1::ScanState state);
std::string_view PriorityName(v1::Priority priority);
std::string_view ModeName(v1::ScanMode mode);  // "each-vantage"

std::string_view LookupProblemName(v1::LookupProblem problem);  // "no such name"
// Names that a scan left out, with the reason.
std::vector<std::pair<std::string, std::string>> SkippedNames(const v1::Scan& scan);
// Several names, separated by blanks; empty when there are fewer.
std::string_view InternNames(const google::protobuf::RepeatedPtrField<std::string>& names,
                             TextPool& pool);

// DataLoss: the coordinator sent what this program does not know.
absl::StatusOr<ResultRow> ToRow(const v1::Observation& observation, TextPool& pool);
LedgerRecord ToLedger(const v1::Ledger& ledger);
ScanRecordEnd ToRecordEnd(const v1::Scan& scan);
Progress ToProgress(const v1::Scan& scan);
// {"type":"scan", ...}: everything about a scan, on one line.
std::string ScanJson(const v1::Scan& scan, const HostTotals* hosts = nullptr);
std::string AgentJson(const v1::Agent& agent);

}  // namespace portolan
