// portolan scans show SCAN
#include <fmt/format.h>

#include "cli/convert.h"
#include "cli/exit_code.h"
#include "cli/hosts.h"
#include "cli/render/text.h"
#include "cli/scans.h"
#include "common/base/status.h"

namespace portolan {
namespace {

using Texts = google::protobuf::RepeatedPtrField<std::string>;

std::string Joined(const Texts& texts, size_t most, std::string_view separator) {
  std::string out;
  for (int i = 0; i < texts.size(); ++i) {
    if (static_cast<size_t>(i) == most)
      return out + fmt::format("{}... ({} in all)", separator, texts.size());
    if (i > 0) out += separator;
    out += Printable(texts[i]);
  }
  return out;
}

void AddSpec(const v1::Scan& scan, std::string* out) {
  const v1::ScanRequestSpec& spec = scan.spec();
  std::string size = Counted(scan.addresses(), "address", "addresses");
  if (scan.target_names() > 0)
    size += ", " + Counted(scan.target_names(), "host name", "host names");
  AddField(out, "targets", Joined(spec.targets(), 20, " ") + " (" + size + ")");
  AddField(out, "ports", spec.ports().empty() ? "each target's own" : Printable(spec.ports()));
  AddField(out, "excluded", Joined(spec.exclude(), 20, " "));
  AddField(out, "excluded ports", Printable(spec.exclude_ports()));
  AddField(out, "mode", std::string(ModeName(spec.mode())));
  AddField(out, "vantages", spec.vantages().empty() ? "any" : Joined(spec.vantages(), 50, ", "));
  AddField(out, "priority", std::string(PriorityName(spec.priority())));
  AddField(out, "max rate", spec.max_rate() > 0 ? HumanRate(spec.max_rate()) : "no limit");
  std::string timing = spec.timing().timeout_ms() > 0
                           ? fmt::format("timeout {} ms", spec.timing().timeout_ms())
                           : "timeout default";
  if (spec.timing().min_timeout_ms() > 0)
    timing += fmt::format(" (at least {} ms)", spec.timing().min_timeout_ms());
  if (spec.timing().has_retries()) timing += fmt::format(", retries {}", spec.timing().retries());
  if (spec.timing().has_retry_delay_ms())
    timing += fmt::format(", retry delay {} ms", spec.timing().retry_delay_ms());
  if (spec.timing().address_rate() > 0)
    timing += fmt::format(", {} to an address", HumanRate(spec.timing().address_rate()));
  if (spec.timing().prefix_rate() > 0)
    timing += fmt::format(", {} to a /24 or /64", HumanRate(spec.timing().prefix_rate()));
  AddField(out, "timing", timing);
  if (spec.max_attempts() > 0) AddField(out, "max attempts", std::to_string(spec.max_attempts()));
  if (spec.lane_timeout_s() > 0)
    AddField(out, "lane timeout", HumanDuration(spec.lane_timeout_s()));
  if (spec.retention_s() > 0)
    AddField(out, "retention", HumanDuration(static_cast<double>(spec.retention_s())));
  AddField(out, "seed", std::to_string(spec.seed()));
}

void AddLane(const v1::Lane& lane, std::string* out) {
  *out += fmt::format("\nlane {}{}{}\n", lane.id(),
                      lane.vantage().empty() ? "" : " from " + Printable(lane.vantage()),
                      lane.finished() ? ", finished" : "");
  *out += "  " + LedgerLine(ToLedger(lane.ledger())) + "\n";
  if (!lane.finished()) {
    *out += fmt::format("  leased {}, owed {}, pending {}\n", Grouped(lane.leased()),
                        Grouped(lane.owed()), Grouped(lane.pending()));
  }
  if (lane.without_agent_since_unix_us() != 0) {
    *out +=
        "  no agent since " + HumanTime(FromUnixMicros(lane.without_agent_since_unix_us())) + "\n";
  }
  for (const v1::MissingRange& m : lane.missing()) {
    *out += fmt::format("  missing: positions {} to {} ({}), {}{}\n", m.range().begin(),
                        m.range().end() - 1, Grouped(m.range().end() - m.range().begin()),
                        Printable(m.cause()),
                        m.example().empty() ? "" : ", among them " + Printable(m.example()));
  }
}

std::string Show(const v1::Scan& scan, const HostTotals& hosts) {
  std::string out;
  AddField(&out, "scan", Printable(scan.id()));
  AddField(&out, "name", Printable(scan.spec().name()));
  const Progress progress = ToProgress(scan);
  std::string state = progress.state + ", " + Percent(progress.done, progress.planned) + " done";
  if (!IsFinished(scan.state())) {
    state += fmt::format(", {} by {}", HumanRate(scan.rate()),
                         Counted(scan.agents(), "agent", "agents"));
    if (scan.eta_s() > 0) state += ", ETA " + HumanDuration(scan.eta_s());
  }
  AddField(&out, "state", state);
  AddField(&out, "status", Printable(scan.status_message()));
  AddField(&out, "created", HumanTime(FromUnixMicros(scan.created_unix_us())));
  AddField(&out, "started", HumanTime(FromUnixMicros(scan.started_unix_us())));
  std::string finished = HumanTime(FromUnixMicros(scan.finished_unix_us()));
  if (scan.finished_unix_us() != 0 && scan.started_unix_us() != 0) {
    finished +=
        " (" +
        HumanDuration(static_cast<double>(scan.finished_unix_us() - scan.started_unix_us()) / 1e6) +
        ")";
  }
  AddField(&out, "finished", finished);
  AddSpec(scan, &out);
  if (scan.overlay_size() > 0) {
    AddField(&out, "added excludes", Joined(scan.overlay(), 50, "; "));
  }
  for (const v1::Lane& lane : scan.lanes()) AddLane(lane, &out);
  if (scan.ledger().extra() > 0)
    out += "\nprobes beyond the plan: " + Grouped(scan.ledger().extra()) + "\n";
  return out + "\n" + LedgerLine(ToLedger(scan.ledger()), &hosts) + "\n" +
         SkippedNamesText(scan.names_skipped(), SkippedNames(scan)) + HostNotes(hosts);
}

}  // namespace

void AddScansShow(Program& program, CLI::App* scans) {
  struct Flags {
    std::string id;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* app = program.AddVerb(
      scans, "show",
      {"[OPTION]... SCAN", "show everything about a scan",
       "What was asked for, state and times, each vantage's lane with its ledger, and what is "
       "missing.",
       "  portolan scans show last"},
      [flags](Context& context) -> absl::StatusOr<int> {
        PORTOLAN_ASSIGN_OR_RETURN(const auto session, context.Connect({}, false));
        PORTOLAN_ASSIGN_OR_RETURN(const v1::Scan scan, GetScan(*session, flags->id));
        TextPool pool;
        PORTOLAN_ASSIGN_OR_RETURN(const HostList list,
                                  FetchHosts(*session, scan.id(), {}, {}, pool));
        const HostTotals hosts = TotalsOf(list.rows, list.dropped);
        PORTOLAN_RETURN_IF_ERROR(
            context.Print(flags->json ? ScanJson(scan, &hosts) + "\n" : Show(scan, hosts)));
        return kExitComplete;
      });
  AddScanId(app, &flags->id);
  app->add_flag("--json", flags->json, "One JSON object, \"type\":\"scan\".")->group("Output");
}

}  // namespace portolan
