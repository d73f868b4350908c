#include "cli/follow.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/convert.h"
#include "cli/exit_code.h"
#include "cli/live_results.h"
#include "cli/render/text.h"
#include "common/base/counted.h"
#include "common/base/status.h"

namespace portolan {
namespace {

// What the user is told when the wait ends early.
void SayHowToGoOn(Context& context, Session& session, const std::string& id) {
  if (!session.is_local()) {
    const std::string flags = context.SameFlags();
    context.env.notes->Note(
        fmt::format("interrupted; scan {0} goes on without this program\n"
                    "  to follow it:   portolan scans watch {0}{1}\n"
                    "  to stop it:     portolan scans cancel {0}{1}\n"
                    "  its results:    portolan results {0}{1}",
                    id, flags));
    return;
  }
  context.env.notes->Note(
      fmt::format("interrupted; pausing scan {} (once more Ctrl-C: stop at once)", id));
}

// Pauses the scan and says how to go on with it.
void PauseLocal(Context& context, Session& session, const std::string& scan_id) {
  // The interrupt has ended calls of the session's client, so this one goes around it.
  const auto stub = v1::ScanService::NewStub(session.local->channel());
  grpc::ClientContext call;
  SetTimeout(call, std::chrono::seconds(10));
  v1::PauseScanRequest request;
  request.set_scan_id(scan_id);
  v1::Scan paused;
  const grpc::Status status = stub->PauseScan(&call, request, &paused);
  if (status.ok()) {
    context.env.notes->Note(
        fmt::format("scan {0} is paused; nothing that was found is lost\n"
                    "  to go on:       portolan scans resume {0} --wait{1}{2}\n"
                    "  its results:    portolan results {0}{1}",
                    scan_id, context.SameFlags(), session.scope_flags));
  } else {
    context.env.notes->Note(
        fmt::format("scan {} could not be paused ({}); the next local scan will pause it", scan_id,
                    status.error_message()));
  }
}

}  // namespace

int ExitCodeOfScan(const v1::Scan& scan) {
  return scan.state() == v1::SCAN_STATE_COMPLETE ? kExitComplete : kExitPartial;
}

absl::StatusOr<v1::Scan> FollowScan(Context& context, Session& session, const std::string& scan_id,
                                    const std::function<absl::Status(const v1::Scan&)>& update) {
  std::string said;
  auto scan = session.client->Watch(scan_id, [&](const v1::Scan& now) -> absl::Status {
    // The progress line has it too, but only on a terminal. The agent inside this program is about
    // to call.
    if (!session.is_local() && now.status_message() != said && !IsFinished(now.state())) {
      said = now.status_message();
      if (!said.empty())
        context.env.notes->Note(fmt::format("scan {}: {}", scan_id, Printable(said)));
    }
    context.env.notes->ShowProgress(ToProgress(now));
    if (session.is_local()) PORTOLAN_RETURN_IF_ERROR(session.local->AgentFatal());
    return update ? update(now) : absl::OkStatus();
  });
  context.env.notes->ClearProgress();
  if (scan.ok()) return scan;
  if (context.env.interrupts->interrupted()) {
    SayHowToGoOn(context, session, scan_id);
  } else if (!session.is_local() || scan.status().code() != absl::StatusCode::kCancelled) {
    return scan;
  }
  // Interrupted, or nobody reads any more (local mode prints while it scans).
  if (session.is_local()) PauseLocal(context, session, scan_id);
  return scan;
}

namespace {

// Agents that worked for the scan and are held back by their machine: who waits for the results
// should know why it took so long, and what to do about it.
void SayWhatLimits(Context& context, Session& session, const v1::Scan& scan) {
  const auto list = session.client->Call(&ApiClient::Stub::ListAgents, v1::ListAgentsRequest());
  if (!list.ok()) return;  // the results are what was asked for
  constexpr int kMostNotes = 3;
  int notes = 0;
  for (const v1::Agent& agent : list->agents()) {
    const bool concerned =
        std::any_of(scan.lanes().begin(), scan.lanes().end(), [&agent](const v1::Lane& lane) {
          return lane.vantage().empty() || lane.vantage() == agent.vantage();
        });
    if (agent.limited_by().empty() || !concerned ||
        agent.last_seen_unix_us() < scan.started_unix_us())
      continue;
    if (++notes <= kMostNotes)
      context.env.notes->Note(fmt::format("agent {}: {}", agent.name(), agent.limited_by()));
  }
  if (notes > kMostNotes)
    context.env.notes->Note(fmt::format(
        "{} limited too: portolan agents{}",
        Counted(static_cast<uint64_t>(notes - kMostNotes), "more agent is", "more agents are"),
        context.SameFlags()));
}

}  // namespace

absl::StatusOr<int> FollowAndPrint(Context& context, Session& session, const std::string& scan_id,
                                   const PrintFlags& flags) {
  std::optional<LiveResults> live;
  if (session.is_local()) live.emplace(context, session, scan_id, flags);
  auto scan = FollowScan(context, session, scan_id, [&](const v1::Scan& now) {
    return live ? live->Update(now) : absl::OkStatus();
  });
  if (scan.ok()) {
    const absl::Status printed =
        PrintResults(context, session, *scan, flags, {}, live ? &*live : nullptr);
    if (!printed.ok() && context.env.interrupts->interrupted()) {
      context.env.notes->Note(
          fmt::format("interrupted; the scan has finished, its results: portolan results {}{}",
                      scan_id, context.SameFlags()));
    }
    // Those who wait for the results need not wait until everything has stopped.
    if (printed.ok()) (void)context.env.out->Flush();  // an error comes again with Close
    if (printed.ok()) SayWhatLimits(context, session, *scan);
    if (!printed.ok()) scan = printed;
  }
  if (session.is_local()) {
    // A scan that has finished has left the agent nothing to give back.
    session.local->Stop(scan.ok() ? Duration::zero() : Duration(std::chrono::seconds(5)));
  }
  PORTOLAN_RETURN_IF_ERROR(scan.status());
  return ExitCodeOfScan(*scan);
}

absl::Status StartLocalAgent(Context& context, Session& session, const std::string& keep) {
  v1::ListScansRequest list;
  list.set_page_size(1000);
  do {
    PORTOLAN_ASSIGN_OR_RETURN(const auto scans,
                              session.client->Call(&ApiClient::Stub::ListScans, list));
    for (const v1::Scan& scan : scans.scans()) {
      if (scan.state() != v1::SCAN_STATE_RUNNING || scan.id() == keep) continue;
      v1::PauseScanRequest pause;
      pause.set_scan_id(scan.id());
      PORTOLAN_RETURN_IF_ERROR(session.client->Call(&ApiClient::Stub::PauseScan, pause).status());
      context.env.notes->Note(
          fmt::format("scan {0} was left unfinished by an earlier run and is paused now; to go on: "
                      "portolan scans resume {0} --wait{1}",
                      scan.id(), context.SameFlags()));
    }
    list.set_page_token(scans.next_page_token());
  } while (!list.page_token().empty());
  return session.local->StartAgent();
}

}  // namespace portolan
