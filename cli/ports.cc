// portolan ports EXPR
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/program.h"
#include "cli/render/text.h"
#include "cli/render/text_table.h"
#include "common/base/status.h"
#include "common/net/port_set.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

struct PortsFlags {
  std::string expression;
  bool json = false;
};

absl::StatusOr<int> RunPorts(const PortsFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const PortSet ports, ParsePorts(flags.expression));
  TextTable table({{"PORT", TextTable::Align::kRight},
                   {"SERVICE"},
                   {"CLASS"},
                   {"RANK", TextTable::Align::kRight},
                   {"DESCRIPTION"}});
  uint32_t unknown = 0;
  for (uint32_t i = 0; i < ports.size(); ++i) {
    const uint16_t port = ports.Select(i);
    const Service* service = FindService(port);
    if (flags.json) {
      JsonObject o;
      o.Text("type", "port").Uint("port", port).TextOrNull("service", service ? service->name : "");
      o.TextOrNull("class", service ? ServiceClassName(service->service_class) : "")
          .TextOrNull("description", service ? service->description : "");
      if (service != nullptr) o.Uint("rank", service->rank).Bool("cleartext", service->cleartext);
      PORTOLAN_RETURN_IF_ERROR(context.Print(o.Done() + "\n"));
    } else if (service == nullptr) {
      ++unknown;
    } else {
      table.Add({std::to_string(port), std::string(service->name),
                 std::string(ServiceClassName(service->service_class)),
                 std::to_string(service->rank),
                 std::string(service->description) +
                     (service->cleartext ? " (usually clear text)" : "")});
    }
  }
  if (flags.json) return kExitComplete;
  PORTOLAN_RETURN_IF_ERROR(context.Print(
      fmt::format("{}: {}\n", ports.ToString(), Counted(ports.size(), "port", "ports"))));
  if (!table.empty()) PORTOLAN_RETURN_IF_ERROR(context.Print("\n" + table.Render(context.color)));
  if (unknown > 0 && !table.empty())
    PORTOLAN_RETURN_IF_ERROR(
        context.Print(fmt::format("\n{} more without a known service\n", Grouped(unknown))));
  return kExitComplete;
}

}  // namespace

void AddPorts(Program& program) {
  auto flags = std::make_shared<PortsFlags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "ports",
      {"[OPTION]... PORTS", "show what a port expression means, with the services of the catalogue",
       "Asks nobody. RANK orders the catalogue by how much a port is worth scanning; top-N takes "
       "the first N.",
       "  portolan ports http*\n  portolan ports top-20\n  portolan ports 22,8000-8100,well-known"},
      [flags](Context& context) { return RunPorts(*flags, context); });
  app->add_option("ports", flags->expression, "A port expression, as for scan -p.")
      ->option_text("PORTS")
      ->required()
      ->group("Which ports");
  app->add_flag("--json", flags->json, "A JSON object a port, \"type\":\"port\".")->group("Output");
}

}  // namespace portolan
