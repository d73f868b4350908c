#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/exposure/baseline.h"
#include "coordinator/exposure/canaries.h"
#include "coordinator/exposure/change.h"
#include "coordinator/exposure/confirmations.h"
#include "coordinator/exposure/findings.h"
#include "coordinator/exposure/names.h"
#include "coordinator/monitoring/last_run.h"
#include "coordinator/monitoring/views.h"
#include "coordinator/monitors/monitor_plan.h"

// How the state of monitors is kept: compact records with a version in front and a checksum at the
// end (record.h). What is encoded is decoded to an equal value. Decoders take damaged bytes:
// DataLoss, never a crash, and never an allocation beyond a fixed multiple of the bytes.
//
// Never change what a version means: give a field that is added a new version, and read the old.
namespace portolan {

// Some 25 bytes an open port.
std::string EncodeBaseline(const VantageBaseline& baseline);
absl::StatusOr<VantageBaseline> DecodeBaseline(std::string_view bytes);

std::string EncodeHealth(const VantageHealth& health);
absl::StatusOr<VantageHealth> DecodeHealth(std::string_view bytes);

std::string EncodeCanaries(const std::vector<Canary>& canaries);
absl::StatusOr<std::vector<Canary>> DecodeCanaries(std::string_view bytes);

std::string EncodeConfirmations(const Confirmations::State& state);
absl::StatusOr<Confirmations::State> DecodeConfirmations(std::string_view bytes);

std::string EncodeFinding(const Finding& finding);
absl::StatusOr<Finding> DecodeFinding(std::string_view bytes);

// The findings that are open, and as of when.
struct StoredFindings {
  FindingBoard::State board;
  WallTime evaluated;
  bool stale = true;
  friend bool operator==(const StoredFindings&, const StoredFindings&) = default;
};
std::string EncodeFindings(const StoredFindings& findings);
absl::StatusOr<StoredFindings> DecodeFindings(std::string_view bytes);

// Names that lead nowhere, and as of when.
struct StoredNames {
  NameTroubles troubles;
  WallTime looked_up;
  friend bool operator==(const StoredNames&, const StoredNames&) = default;
};
std::string EncodeNames(const StoredNames& names);
absl::StatusOr<StoredNames> DecodeNames(std::string_view bytes);

// Those of one run.
std::string EncodeUnresolved(const std::vector<UnresolvedName>& names);
absl::StatusOr<std::vector<UnresolvedName>> DecodeUnresolved(std::string_view bytes);

std::string EncodeLastRuns(const LastRuns& runs);
absl::StatusOr<LastRuns> DecodeLastRuns(std::string_view bytes);

std::string EncodeEvent(const ExposureEvent& event);
absl::StatusOr<ExposureEvent> DecodeEvent(std::string_view bytes);

std::string EncodePlan(const MonitorPlanState& plan);
absl::StatusOr<MonitorPlanState> DecodePlan(std::string_view bytes);

}  // namespace portolan
