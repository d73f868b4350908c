// portolan events [MONITOR]
#include <algorithm>

#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/monitor/date_text.h"

namespace portolan {
namespace {

struct EventsFlags {
  std::string monitor, vantage, since = "24h";
  bool follow = false, json = false;
};

// "24h" ago, a day, or "all".
absl::StatusOr<WallTime> SinceOf(const std::string& text, WallTime now) {
  if (text == "all") return WallTime();
  if (const auto date = ParseDateText(text); date.ok()) return *date;
  const absl::StatusOr<Duration> d = ParseDurationText(text);
  if (!d.ok()) {
    return InvalidArgument("--since: {}; a day is written 2026-01-31, and all is all there is",
                           Message(d.status()));
  }
  const WallTime since = now - std::chrono::floor<std::chrono::microseconds>(*d);
  return std::max(since, WallTime());
}

absl::StatusOr<int> RunEvents(const EventsFlags& flags, Context& context) {
  v1::ListEventsRequest request;
  PORTOLAN_ASSIGN_OR_RETURN(const WallTime since, SinceOf(flags.since, context.env.clock->Wall()));
  request.set_monitor(flags.monitor);
  request.set_vantage(flags.vantage);
  request.set_since_unix_us(ToUnixMicros(since));
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  const auto print = [&](const v1::ExposureEvent& e) {
    return context.Print(flags.json ? JsonLine("event", e) : EventText(e, context.color));
  };
  if (flags.follow) {
    const auto take = [&](const v1::ExposureEvent& e) -> absl::Status {
      PORTOLAN_RETURN_IF_ERROR(print(e));
      return context.env.out->Flush();
    };
    PORTOLAN_RETURN_IF_ERROR(session->client->FollowEvents(request, take));
    return kExitComplete;
  }
  bool any = false, more = true;
  request.set_page_size(1'000);
  while (more) {
    PORTOLAN_ASSIGN_OR_RETURN(
        const v1::ListEventsResponse page,
        session->client->CallPatiently(&ApiClient::Monitors::ListEvents, request));
    for (const v1::ExposureEvent& e : page.events()) {
      PORTOLAN_RETURN_IF_ERROR(print(e));
      request.set_after(e.sequence());
      any = true;
    }
    more = page.more() && !page.events().empty();
  }
  if (!any) {
    context.env.notes->Note(since == WallTime()
                                ? "no change was confirmed yet"
                                : "no change was confirmed since " + TimeText(ToUnixMicros(since)) +
                                      "; for older ones: --since 30d, or all");
  }
  return kExitComplete;
}

}  // namespace

void AddEvents(Program& program) {
  auto flags = std::make_shared<EventsFlags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "events",
      {"[OPTION]... [MONITOR]", "show confirmed changes, the oldest first",
       "A change is an event once it was confirmed by further probes from the same vantage; what "
       "was not is counted and not shown. With --follow it goes on with each new one, through "
       "restarts of the coordinator, until it is interrupted.",
       "  portolan events --since 7d\n"
       "  portolan events web --follow --json | jq -r '\"\\(.change) \\(.target):\\(.port)\"'"},
      [flags](Context& context) { return RunEvents(*flags, context); });
  AddMonitorFilter(app, &flags->monitor);
  app->add_option("--since", flags->since,
                  "How far back: a time like 24h or 30d, a day, or all. Default: 24h.")
      ->option_text("TIME")
      ->group("Which");
  app->add_option("--vantage", flags->vantage, "Only from this vantage.")
      ->option_text("NAME")
      ->group("Which");
  app->add_flag("--follow", flags->follow, "Go on with new ones as they come.")->group("Which");
  AddJsonFlag(app, &flags->json, "event");
}

}  // namespace portolan
