// portolan monitor get NAME
#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/monitor/yaml_node.h"

namespace portolan {
namespace {

struct MonitorGetFlags {
  std::string name, format = "yaml";
};

absl::StatusOr<int> RunMonitorGet(const MonitorGetFlags& flags, Context& context) {
  if (flags.format != "yaml" && flags.format != "json")
    return InvalidArgument("-o \"{}\": write yaml or json", flags.format);
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  PORTOLAN_ASSIGN_OR_RETURN(const v1::Monitor monitor, GetMonitor(*session, flags.name));
  std::string text = monitor.yaml();
  if (flags.format == "json") {
    std::vector<MonitorProblem> problems;
    const std::vector<YamlNode> documents = ReadYaml(text, &problems);
    if (documents.size() != 1 || !problems.empty())
      return DataLoss("the coordinator sent a monitor that is not one YAML document");
    text = WriteJson(documents[0]);
  }
  if (!text.ends_with('\n')) text += '\n';
  // To a program it goes as it is; a terminal might obey what somebody put into a reason.
  if (context.env.out_is_terminal) {
    std::string safe;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      safe += Printable(std::string_view(text).substr(at, end - at)) + "\n";
      at = end + 1;
    }
    text = std::move(safe);
  }
  PORTOLAN_RETURN_IF_ERROR(context.Print(text));
  return kExitComplete;
}

}  // namespace

void AddMonitorGet(Program& program, CLI::App* monitor) {
  auto flags = std::make_shared<MonitorGetFlags>();
  CLI::App* app = program.AddVerb(
      monitor, "get",
      {"[OPTION]... NAME", "print a monitor's document, as it can be applied again",
       "Canonical: what has its default is left out, the order is always the same.",
       "  portolan monitor get web > web.yaml\n  portolan monitor get web -o json | jq .spec"},
      [flags](Context& context) { return RunMonitorGet(*flags, context); });
  AddMonitorName(app, &flags->name);
  app->add_option("-o,--format", flags->format, "yaml or json. Default: yaml.")
      ->option_text("FORMAT")
      ->group("Output");
}

}  // namespace portolan
