// portolan version
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/program.h"
#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/ops/signals.h"

namespace portolan {

void AddVersion(Program& program) {
  auto json = std::make_shared<bool>(false);
  CLI::App* app = program.AddVerb(
      &program.root(), "version",
      {"[OPTION]...", "print the version of this program, and of the coordinator when one is named",
       "", "  portolan version --json"},
      [json](Context& context) -> absl::StatusOr<int> {
        JsonObject o;
        o.Text("type", "version").Text("version", Version());
        std::string text = fmt::format("portolan {}\n", Version());
        absl::Status asked;
        if (!context.globals.coordinator.empty()) {
          const auto session = context.Connect({}, false);
          PORTOLAN_RETURN_IF_ERROR(session.status());
          const auto info =
              (*session)->client->Call(&ApiClient::Stub::GetServerInfo, v1::GetServerInfoRequest());
          asked = info.status();
          if (info.ok()) {
            const WallTime started = FromUnixMicros(info->started_unix_us());
            o.Raw("coordinator", JsonObject()
                                     .Text("version", info->version())
                                     .Uint("epoch", info->epoch())
                                     .TimeOrNull("started", started)
                                     .Done());
            text += fmt::format("coordinator {} at {}, epoch {}, running since {}\n",
                                Printable(info->version()), context.globals.coordinator,
                                info->epoch(), HumanTime(started));
            for (const std::string& rule : info->scope())
              text += "  scope: " + Printable(rule) + "\n";
          }
        }
        PORTOLAN_RETURN_IF_ERROR(context.Print(*json ? o.Done() + "\n" : text));
        PORTOLAN_RETURN_IF_ERROR(asked);
        return kExitComplete;
      });
  app->add_flag("--json", *json, "One JSON object, \"type\":\"version\".")->group("Output");
}

}  // namespace portolan
