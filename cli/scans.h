#pragma once

#include "cli/program.h"

namespace portolan {

// The verbs under `portolan scans`.
void AddScansShow(Program& program, CLI::App* scans);
void AddScansWatch(Program& program, CLI::App* scans);
void AddScansControl(Program& program, CLI::App* scans);  // pause, resume, cancel, exclude, rm

// Adds the positional SCAN.
void AddScanId(CLI::App* app, std::string* id);
absl::StatusOr<v1::Scan> GetScan(Session& session, const std::string& id);
// The same, waiting for a coordinator that is away.
absl::StatusOr<v1::Scan> GetScanPatiently(Session& session, const std::string& id);

}  // namespace portolan
