// The options of portolan scan.
#include "cli/scan_flags.h"

namespace portolan {

void AddScanFlags(CLI::App* app, ScanFlags* flags) {
  // Every option takes one word; lists are repeated options or comma lists.
  const auto text = [app](const char* group, const char* names, std::string& into,
                          const char* value, const char* description) {
    app->add_option(names, into, description)->option_text(value)->group(group);
  };
  const auto texts = [app](const char* group, const char* names, std::vector<std::string>& into,
                           const char* value, const char* description) {
    app->add_option(names, into, description)
        ->option_text(value)
        ->group(group)
        ->allow_extra_args(false)
        ->take_all();
  };
  const auto number = [app](const char* group, const char* names, auto& into, const char* value,
                            const char* description) {
    app->add_option(names, into, description)->option_text(value)->group(group);
  };
  const char* kWhat = "Targets and ports";
  app->add_option("targets", flags->targets, "What to scan.")
      ->option_text("TARGET...")
      ->group(kWhat);
  texts(kWhat, "--targets-from", flags->target_files, "FILE",
        "Read targets from FILE (UTF-8, or UTF-16 with a byte order mark), or from standard input "
        "when it is -; # begins a comment. -iL FILE is the same. Repeatable.");
  text(kWhat, "-p,--ports", flags->ports, "PORTS",
       "Ports of the targets without a port of their own. Default: top-100, the 100 ports of the "
       "service catalogue most worth scanning.");
  number(kWhat, "--top-ports", flags->top_ports, "N", "The N ports most worth scanning.");
  app->add_flag("--skip-unresolved", flags->skip_unresolved,
                "Go on without targets whose names cannot be looked up; the record lists them as "
                "names skipped. An exclusion that cannot be looked up stays an error.")
      ->group(kWhat);
  texts(kWhat, "--exclude", flags->exclude, "TARGETS",
        "Never probe these; a target with a port excludes just that port. Comma list, repeatable.");
  texts(kWhat, "--exclude-file", flags->exclude_files, "FILE", "The same from a file. Repeatable.");
  text(kWhat, "--exclude-ports", flags->exclude_ports, "PORTS", "Never probe these ports.");
  const char* kFrom = "Vantages";
  texts(
      kFrom, "--vantage", flags->vantages, "NAMES",
      "Scan from these vantages. Comma list, repeatable. Default: all. A vantage that no agent has "
      "ever had is refused.");
  app->add_flag("--wait-for-agents", flags->wait_for_agents,
                "Accept vantages that no agent has had yet, and wait for one (--lane-timeout).")
      ->group(kFrom);
  app->add_flag("--each-vantage", flags->each_vantage,
                "Probe every port from every vantage and compare them; the table then has a column "
                "for each. Without: split the work, each port is probed once.")
      ->group(kFrom);
  text(kFrom, "--lane-timeout", flags->lane_timeout, "TIME",
       "Give a vantage up (PARTIAL) when it has had no agent for this long. Default: 10m.");
  const char* kHow = "Pace";
  number(kHow, "--max-rate", flags->max_rate, "N",
         "At most N probes a second over all agents, every SYN counted. Default: as fast as "
         "targets and agents bear.");
  number(kHow, "-T,--timing", flags->level, "N",
         "0 (paranoid), 1 (sneaky), 2 (polite), 3 (normal), 4 (aggressive) or 5 (insane): rate, "
         "timeouts, retries and limits on each target in one, see docs/timing.md. Default: 3.");
  text(kHow, "--timeout", flags->timeout, "TIME",
       "Wait at most this long for an answer, 50ms to 60s. Default: 1500ms (-T3).");
  text(kHow, "--min-timeout", flags->min_timeout, "TIME",
       "Wait at least this long, also for targets that are known to answer sooner, 10ms to 60s. "
       "Default: 300ms (-T3).");
  number(kHow, "--retries", flags->retries, "N",
         "Try again N times after silence, 0 to 10. Default: 1 (-T3).");
  text(kHow, "--retry-delay", flags->retry_delay, "TIME",
       "Wait before such a try, 0 to 60s. Default: 1s (-T3).");
  number(kHow, "--target-rate", flags->target_rate, "N",
         "At most N probes a second from an agent to one address, answering or not; 0: no limit. "
         "Default: 100 (-T3), more as it answers.");
  number(kHow, "--prefix-rate", flags->prefix_rate, "N",
         "The same for each /24 or /64. Default: 1000 (-T3), more as it answers.");
  text(kHow, "--priority", flags->priority, "LEVEL",
       "low, normal or high: shares of 1, 4 and 16 while scans compete. Default: normal.");
  number(kHow, "--max-attempts", flags->max_attempts, "N",
         "Hand a port out at most N times when agents fail, 1 to 100. Default: 5.");
  const char* kRecord = "Record";
  text(kRecord, "--name", flags->name, "TEXT",
       "A name, by which the scan can be found: portolan results TEXT.");
  text(kRecord, "--retention", flags->retention, "TIME",
       "Keep the results this long after the end. Default: 30d, or what the coordinator says.");
  text(kRecord, "--seed", flags->seed, "N", "Fixes the order of probing. Default: random.");
  text(kRecord, "--request-id", flags->request_id, "TEXT",
       "Makes repeating safe: the same id with the same request returns the scan that was created "
       "then.");
  app->add_flag("--wait", flags->wait, "Wait for the end and print the results (the default).")
      ->group(kRecord);
  app->add_flag("--yes", flags->yes,
                "Scan also what would take more than a year, which is refused without.")
      ->group(kHow);
  app->add_flag("--detach", flags->detach,
                "Print the scan's id at once and leave it running; with --json as "
                "{\"type\":\"created\",\"scan_id\":...}.")
      ->group(kRecord);
  AddPrintFlags(app, &flags->print);
  AddLocalFlags(app, &flags->local);
}

void AddLocalFlags(CLI::App* app, LocalFlags* flags) {
  flags->scope.AddTo(*app);
  app->add_option(
         "--engine-threads", flags->engine_threads,
         "Threads that probe, in local mode. Default: one for each core but one, at most 4.")
      ->option_text("N")
      ->group("Scope")
      ->check(CLI::Range(1, 64));
  app->add_option(
         "--engine", flags->engine,
         "How local mode makes connection attempts: auto, epoll or io_uring. Default: auto, "
         "which is io_uring where the kernel has it and no sandbox refuses it, else epoll.")
      ->option_text("NAME")
      ->group("Scope")
      ->check(CLI::IsMember({"auto", "epoll", "io_uring"}));
}

}  // namespace portolan
