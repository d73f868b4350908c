#include "cli/monitors.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "cli/render/style.h"
#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/monitor/terms.h"
#include "common/scan/observation.h"

namespace portolan {

absl::StatusOr<std::unique_ptr<Session>> ConnectToMonitors(Context& context) {
  if (context.globals.coordinator.empty()) {
    return InvalidArgument(
        "monitors belong to a coordinator, which runs them: name it with --coordinator HOST:PORT "
        "or PORTOLAN_COORDINATOR");
  }
  return context.Connect({}, false);
}

absl::StatusOr<v1::Monitor> GetMonitor(Session& session, const std::string& name) {
  v1::GetMonitorRequest request;
  request.set_name(name);
  return session.client->Call(&ApiClient::Monitors::GetMonitor, request);
}

void AddMonitorName(CLI::App* app, std::string* name) {
  app->add_option("name", *name, "The monitor's name.")
      ->option_text("NAME")
      ->required()
      ->group("Which monitor");
}

void AddMonitorFilter(CLI::App* app, std::string* name) {
  app->add_option("monitor", *name, "Only of this monitor. Default: of all.")
      ->option_text("MONITOR")
      ->group("Which");
}

void AddJsonFlag(CLI::App* app, bool* json, const char* type) {
  app->add_flag("--json", *json,
                fmt::format("JSON lines: an object each, \"type\":\"{}\", with the fields of the "
                            "API; 64-bit numbers, and so times (microseconds since 1970, "
                            "_unix_us), are in quotes.",
                            type))
      ->group("Output");
}

std::string JsonLine(std::string_view type, const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  // Fails for messages with Any only, and there are none.
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  if (json.size() < 2) json = "{}";
  return fmt::format("{{\"type\":{}{}{}\n", JsonString(type), json.size() > 2 ? "," : "",
                     std::string_view(json).substr(1));
}

std::string SubjectText(std::string_view target, uint32_t port) {
  const bool v6 = target.find(':') != std::string_view::npos;
  return Printable(v6 ? fmt::format("[{}]:{}", target, port) : fmt::format("{}:{}", target, port));
}

std::string TimeText(int64_t unix_us) { return HumanTime(FromUnixMicros(unix_us)); }

std::string AgoText(WallTime now, int64_t unix_us) {
  if (unix_us == 0) return "never";
  return HumanDuration(static_cast<double>(ToUnixMicros(now) - unix_us) / 1e6) + " ago";
}

std::string StateText(const v1::SubjectState& state) {
  if (state.state() == v1::PORT_STATE_UNSPECIFIED) return "-";
  const std::string name(StateName(static_cast<State>(state.state())));
  return state.reason().empty() ? name : name + "/" + Printable(state.reason());
}

std::string_view RunStateText(v1::MonitorRun::State state) {
  switch (state) {
    case v1::MonitorRun::STATE_RUNNING:
      return "running";
    case v1::MonitorRun::STATE_COMPLETE:
      return "complete";
    case v1::MonitorRun::STATE_PARTIAL:
      return "partial";
    case v1::MonitorRun::STATE_FAILED:
      return "failed";
    default:
      return "unknown";
  }
}

int SeverityRank(std::string_view severity) {
  const std::optional<Severity> s = ParseSeverity(severity);
  return s ? static_cast<int>(*s) : 0;
}

std::string CsvCell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return Printable(text);
  std::string out = "\"";
  for (const char c : Printable(text)) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string FindingText(const v1::ExposureFinding& f, bool color) {
  const int rank = SeverityRank(f.severity());
  std::string out = Paint(color && rank >= 3, rank >= 4 ? Ink::kRed : Ink::kYellow,
                          PadRight(Printable(f.severity()), 8));
  out += "  " + Printable(f.monitor());
  out += "  " + Printable(f.rule().empty() ? f.kind() : f.rule());
  if (!f.target().empty()) {
    out += "  " + (f.has_port() ? SubjectText(f.target(), f.port()) : Printable(f.target()));
    if (!f.service().empty()) out += " (by port number " + Printable(f.service()) + ")";
  }
  if (!f.vantage().empty()) out += "  from " + Printable(f.vantage());
  out += "  since " + TimeText(f.since_unix_us() != 0 ? f.since_unix_us() : f.found_unix_us());
  if (f.resolved_unix_us() != 0) out += "  resolved " + TimeText(f.resolved_unix_us());
  out += "\n";
  if (!f.text().empty()) out += "          " + Printable(f.text()) + "\n";
  if (!f.remedy().empty() && f.resolved_unix_us() == 0)
    out += "          remedy: " + Printable(f.remedy()) + "\n";
  if (!f.owner().empty()) out += "          owner: " + Printable(f.owner()) + "\n";
  return out;
}

std::string EventText(const v1::ExposureEvent& e, bool color) {
  const bool opened = e.change() == "opened";
  int probes = 0, agreed = 0;
  for (const v1::EventTrailStep& step : e.trail()) {
    if (step.what() != "probe" || step.seen() == "unknown") continue;
    ++probes;
    agreed += step.seen().starts_with("open") == e.to().starts_with("open");
  }
  std::string out = fmt::format(
      "{}  {}  {}  {}  {}{}  {} -> {}", TimeText(e.unix_us()), Printable(e.monitor()),
      Printable(e.vantage()),
      Paint(color, opened ? Ink::kRed : Ink::kYellow, PadRight(Printable(e.change()), 8)),
      SubjectText(e.target(), e.port()),
      e.service().empty() ? "" : " (by port number " + Printable(e.service()) + ")",
      Printable(e.from()), Printable(e.to()));
  if (!e.address().empty() && e.address() != e.target()) out += "  at " + Printable(e.address());
  if (probes > 0)
    out += fmt::format("  confirmed by {} of {}", agreed, Counted(probes, "probe", "probes"));
  return out + "\n";
}

}  // namespace portolan
