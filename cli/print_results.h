#pragma once

#include <string>
#include <vector>

#include "cli/program.h"
#include "portolan/v1/scan_service.pb.h"

namespace portolan {

// --json, --csv, --show, --output: flags of the verbs that print observations.
struct PrintFlags {
  bool json = false;
  bool csv = false;
  std::string show = "open";
  std::string output;
};
void AddPrintFlags(CLI::App* app, PrintFlags* flags);
// InvalidArgument: contradicting or unknown values. Call it before anything happens.
absl::Status CheckPrintFlags(const PrintFlags& flags);

// Which observations; all empty: those of `show` everywhere.
struct ResultFilter {
  std::vector<std::string> targets;
  std::string ports;
  std::vector<std::string> vantages;
};

// Whether open ports are among what the flags, which were checked, ask for.
bool ShowsOpen(const PrintFlags& flags);

class LiveResults;
// Prints the record of a scan: its observations, then its ledger. `live`, if not null: what it has
// shown as part of the record is not printed again.
absl::Status PrintResults(Context& context, Session& session, const v1::Scan& scan,
                          const PrintFlags& flags, const ResultFilter& filter,
                          LiveResults* live = nullptr);

}  // namespace portolan
