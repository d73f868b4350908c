#pragma once

#include <string>
#include <vector>

#include "cli/print_results.h"
#include "cli/program.h"

namespace portolan {

// What `portolan scan` was given, as written.
struct ScanFlags {
  std::vector<std::string> targets, target_files;
  std::string ports;
  int top_ports = 0;
  std::vector<std::string> exclude, exclude_files;
  std::string exclude_ports;
  std::vector<std::string> vantages;
  bool each_vantage = false, wait_for_agents = false;
  double max_rate = 0;
  std::string timeout, min_timeout, retry_delay, lane_timeout, retention;
  int retries = -1, level = -1;
  double target_rate = -1, prefix_rate = -1;
  std::string priority = "normal";
  int max_attempts = 0;
  std::string name, seed, request_id;
  bool wait = false, detach = false, yes = false;
  bool skip_unresolved = false;
  LocalFlags local;
  PrintFlags print;
};

// Declares the options of `portolan scan`, those of printing and of local mode included. `flags`
// must outlive the program's use of `app`.
void AddScanFlags(CLI::App* app, ScanFlags* flags);

}  // namespace portolan
