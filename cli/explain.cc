// portolan explain ADDRESS|NAME PORT
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/monitors.h"
#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/net/port_set.h"
#include "common/scan/observation.h"

namespace portolan {
namespace {

constexpr size_t kExplainWidth = 100;

struct ExplainFlags {
  std::string target, port, monitor;
  bool json = false;
};

std::string Paragraph(const std::string& text, size_t indent) {
  return std::string(indent, ' ') + Wrap(Printable(text), kExplainWidth - indent, indent) + "\n";
}

// "office (inside) sees it open (syn-ack, round trip 0.42 ms) at 10.0.0.1, by agent a1, ...".
std::string SightText(const v1::SubjectState& s, WallTime now) {
  std::string out = s.vantage();
  if (!s.side().empty()) out += " (" + s.side() + ")";
  if (s.state() == v1::PORT_STATE_UNSPECIFIED) {
    out += ": not known";
    if (!s.unknown_reason().empty()) out += ": " + s.unknown_reason();
  } else {
    out += fmt::format(": {}", StateName(static_cast<State>(s.state())));
    if (!s.reason().empty()) out += ", by " + s.reason();
    if (s.rtt_us() > 0) out += ", round trip " + HumanRtt(s.rtt_us());
    if (!s.address().empty()) out += ", at " + s.address();
    if (!s.agent().empty()) out += ", asked by agent " + s.agent();
    if (s.unix_us() != 0) out += " on " + TimeText(s.unix_us());
  }
  if (s.since_unix_us() != 0) {
    out += fmt::format("; open since {} ({})", TimeText(s.since_unix_us()),
                       AgoText(now, s.since_unix_us()));
    if (s.last_seen_unix_us() != 0) out += ", last seen so " + TimeText(s.last_seen_unix_us());
  }
  if (s.expected() == "no") {
    out += "; NOT EXPECTED, by rule " + s.rule();
  } else if (s.expected() == "yes") {
    out += "; expected, by rule " + s.rule();
  } else if (s.expected() == "unknown") {
    out += "; MUST BE OPEN, by rule " + s.rule();
  } else {
    out += "; no rule says whether it should be";
  }
  return out;
}

std::string RuleText(const v1::ExplainResponse::Rule& r) {
  std::string out = fmt::format("{} ({}, {}), of monitor {}{}", r.name(), r.action(), r.severity(),
                                r.monitor(), r.profile() ? ", comes with the program" : "");
  if (!r.owner().empty()) out += "; owner " + r.owner();
  if (!r.reason().empty()) out += "; reason: " + r.reason();
  if (r.expires_unix_us() != 0) out += "; until " + TimeText(r.expires_unix_us());
  return out;
}

std::string TrailText(const v1::EventTrailStep& t) {
  std::string out = fmt::format("{}  {}", TimeText(t.unix_us()), PadRight(Printable(t.what()), 13));
  if (t.what() == "flapped")
    return out + "  " + Counted(t.changes(), "change was", "changes were") + " not told";
  out += fmt::format("  {}  from {}", Printable(t.seen()), Printable(t.vantage()));
  if (!t.agent().empty()) out += " by agent " + Printable(t.agent());
  if (!t.address().empty()) out += " at " + Printable(t.address());
  if (t.rtt_us() > 0) out += ", " + HumanRtt(t.rtt_us());
  return out;
}

std::string Explain(const v1::ExplainResponse& r, WallTime now) {
  std::string out = SubjectText(r.target(), r.port());
  if (!r.service().empty())
    out += " (by port number " + Printable(r.service()) + ", " + Printable(r.service_class()) + ")";
  out += "\n\nWhat it is, and why it matters\n" + Paragraph(r.service_text(), 2);
  for (const v1::Exposure& e : r.exposures()) {
    out += fmt::format("\nSeen by monitor {}: {}{}\n", Printable(e.monitor()),
                       Printable(e.exposure_class()),
                       e.barrier().empty() || e.barrier() == "none"
                           ? ""
                           : "; elsewhere in the way: " + Printable(e.barrier()));
    for (const v1::SubjectState& s : e.states()) out += Paragraph(SightText(s, now), 2);
  }
  if (r.exposures().empty())
    out += "\nSeen\n  No monitor knows of it: it is open from nowhere, or nobody looks at it.\n";
  for (const std::string& m : r.uncovered_by())
    out += "  Monitor " + Printable(m) + " does not look at it.\n";
  if (!r.rules().empty()) out += "\nRules that decide\n";
  for (const auto& rule : r.rules()) out += Paragraph(RuleText(rule), 2);
  if (!r.findings().empty()) out += "\nFindings\n";
  for (const v1::ExposureFinding& f : r.findings()) out += "  " + FindingText(f, false);
  out += "\nWhat happened, the newest first\n";
  for (const v1::ExposureEvent& e : r.events()) {
    out += "  " + EventText(e, false);
    for (const v1::EventTrailStep& t : e.trail()) out += "      " + TrailText(t) + "\n";
  }
  if (r.events().empty()) out += "  No confirmed change: it is as it was when it was first seen.\n";
  out += "\nWhat to check next\n";
  int n = 0;
  for (const std::string& step : r.next_steps()) {
    const std::string number = fmt::format("{:>3}. ", ++n);
    out += number + Wrap(Printable(step), kExplainWidth - number.size(), number.size()) + "\n";
  }
  return out;
}

absl::StatusOr<int> RunExplain(const ExplainFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const PortSet ports, ParsePorts(flags.port));
  if (ports.size() != 1)
    return InvalidArgument("PORT \"{}\" is {}: give one", flags.port,
                           Counted(ports.size(), "port", "ports"));
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  v1::ExplainRequest request;
  request.set_target(flags.target);
  request.set_port(ports.Select(0));
  request.set_monitor(flags.monitor);
  PORTOLAN_ASSIGN_OR_RETURN(const v1::ExplainResponse response,
                            session->client->Call(&ApiClient::Monitors::Explain, request));
  PORTOLAN_RETURN_IF_ERROR(context.Print(flags.json
                                             ? JsonLine("explanation", response)
                                             : Explain(response, context.env.clock->Wall())));
  return kExitComplete;
}

}  // namespace

void AddExplain(Program& program) {
  auto flags = std::make_shared<ExplainFlags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "explain",
      {"[OPTION]... ADDRESS|NAME PORT", "write down all that is known of one port, for a ticket",
       "Seen from where and how, since when, expected or not and by which rule with its owner and "
       "reason, what the service is and why it matters, what happened with the evidence of each "
       "change, and what to check next on the host, its firewall and the network.",
       "  portolan explain 192.0.2.20 22\n"
       "  portolan explain www.example.org https --monitor web\n"
       "  portolan explain 192.0.2.20 5432 --json | jq -r '.next_steps[]'"},
      [flags](Context& context) { return RunExplain(*flags, context); });
  app->add_option("target", flags->target, "An address, or a name as the monitor has it.")
      ->option_text("ADDRESS|NAME")
      ->required()
      ->group("What");
  app->add_option("port", flags->port, "A port, or the name of a service.")
      ->option_text("PORT")
      ->required()
      ->group("What");
  app->add_option("--monitor", flags->monitor, "Only as this monitor knows it. Default: all.")
      ->option_text("NAME")
      ->group("What");
  AddJsonFlag(app, &flags->json, "explanation");
}

}  // namespace portolan
