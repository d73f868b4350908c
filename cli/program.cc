#include "cli/program.h"

#include "cli/help.h"

namespace portolan {
namespace {

constexpr const char kAbout[] =
    "Which TCP ports are reachable, from where.\n"
    "With --coordinator it asks a portolan-coordinator, whose agents at several vantage points "
    "scan. Without, it runs a coordinator and an agent inside "
    "itself (local mode) and keeps the history under --data, so that one machine needs nothing "
    "else. Without a permission to do more, only loopback "
    "and private networks are scanned: see --allow in portolan scan --help.\n\n"
    "Results go to stdout, everything else to stderr. A scan is given by its id, any unique "
    "beginning of that, its name (the newest of that name; what cannot be taken back wants a name "
    "that only one scan has), or \"last\". Lengths of time have a unit: 1500ms, 45s, 1h30m, "
    "30d.\n\n"
    "Exit codes:\n"
    "  0    done; of a scan: everything was probed\n"
    "  1    failed: the message says what and why\n"
    "  2    usage: flags, targets or ports are wrong, or outside the scope\n"
    "  3    the scan ended PARTIAL or was cancelled: its ledger says what was not probed, and why\n"
    "  4    check found open findings; diff found what it was told to fail on\n"
    "  130  interrupted (Ctrl-C), 143 terminated: it says how to go on; a second one stops at "
    "once\n"
    "  141  the reader of stdout has gone (portolan results last | head)\n\n"
    "Environment: PORTOLAN_COORDINATOR, PORTOLAN_TLS_CERT, PORTOLAN_TLS_KEY, PORTOLAN_TLS_CA, "
    "PORTOLAN_DATA for the flags of these names; NO_COLOR.";

constexpr const char kProgramExamples[] =
    "  portolan scan 127.0.0.1 -p-                      every port of this machine\n"
    "  portolan scan 10.0.0.0/24 -p 22,80,443 --json    as JSON lines\n"
    "  portolan results last --show all                 closed and filtered ports of the last "
    "scan, too\n"
    "  export PORTOLAN_COORDINATOR=scan.example:7411\n"
    "  portolan scan 10.0.0.0/16 --each-vantage --vantage office,dmz --detach\n"
    "  portolan scans watch last\n"
    "  portolan monitor apply -f monitors/              scans that recur, and what is expected\n"
    "  portolan explain 10.0.0.7 5432                   all that is known of one port";

}  // namespace

Program::Program() : root_(kAbout, "portolan") {
  auto formatter = std::make_shared<HelpFormatter>();
  formatter->label("usage:portolan", "VERB [OPTION]... (portolan VERB --help for its options)");
  root_.formatter(formatter);
  root_.set_help_flag("-h,--help", "Print this help.");
  root_.get_help_ptr()->group("Global options");
  root_.footer(kProgramExamples);
  root_.require_subcommand(0, 1);
  root_.add_flag("-V,--version", globals_.version, "Print the version.")->group("Global options");
  AddGlobalFlags(&root_);
}

void Program::AddGlobalFlags(CLI::App* app) {
  const char* kGroup = "Global options";
  const auto text = [&](const char* names, std::string& into, const char* value,
                        const char* description) {
    app->add_option(names, into, description)->option_text(value)->group(kGroup);
  };
  text("--coordinator", globals_.coordinator, "HOST:PORT",
       "The coordinator to ask (PORTOLAN_COORDINATOR). Without one: local mode.");
  app->add_flag("--local", globals_.local, "Local mode, even when PORTOLAN_COORDINATOR is set.")
      ->group(kGroup);
  text("--tls-cert", globals_.tls.cert, "FILE",
       "Certificate of this operator, PEM (PORTOLAN_TLS_CERT).");
  text("--tls-key", globals_.tls.key, "FILE", "Its private key, PEM (PORTOLAN_TLS_KEY).");
  text("--tls-ca", globals_.tls.ca, "FILE",
       "Certificates that the coordinator's is checked against, PEM (PORTOLAN_TLS_CA).");
  app->add_flag("--insecure", globals_.insecure,
                "Talk to a coordinator beyond loopback without TLS: anybody on the way can read "
                "and change everything.")
      ->group(kGroup);
  text("--data", globals_.data, "DIR",
       "Where local mode keeps its scans (PORTOLAN_DATA). Default: $XDG_STATE_HOME/portolan, or "
       "~/.local/state/portolan.");
  text("--reconnect-timeout", globals_.reconnect_timeout, "TIME",
       "How long waiting rides out a coordinator that is away. Default: 5m. 0: not at all.");
  text("--log-level", globals_.log_level, "LEVEL",
       "debug, info, warning or error; on stderr. Default: warning.");
  app->add_flag("--no-color", globals_.no_color,
                "No colours on a terminal. NO_COLOR in the environment does the same.")
      ->group(kGroup);
}

CLI::App* Program::AddVerb(CLI::App* parent, const std::string& name, const VerbHelp& help,
                           VerbRun run) {
  CLI::App* app =
      parent->add_subcommand(name, help.summary + (help.text.empty() ? "" : "\n" + help.text));
  auto formatter = std::make_shared<HelpFormatter>();
  std::string path = name;
  for (const CLI::App* a = parent; a != nullptr; a = a->get_parent())
    path.insert(0, a->get_name() + " ");
  formatter->label("usage:" + path, help.synopsis);
  app->formatter(formatter);
  app->set_help_flag("-h,--help", "Print this help.");
  app->get_help_ptr()->group("Global options");
  app->footer(help.examples);
  app->require_subcommand(0, 1);
  AddGlobalFlags(app);
  verbs_.emplace_back(app, std::move(run));
  return app;
}

const VerbRun* Program::Chosen() const {
  const VerbRun* chosen = nullptr;
  for (const auto& [app, run] : verbs_) {  // parents come before their children
    if (app->parsed() && run) chosen = &run;
  }
  return chosen;
}

}  // namespace portolan
