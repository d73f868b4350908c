#include "cli/convert.h"

#include <fmt/format.h>

#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/rpc/convert.h"

namespace portolan {

std::string_view ScanStateName(v1::ScanState state) {
  switch (state) {
    case v1::SCAN_STATE_RUNNING:
      return "running";
    case v1::SCAN_STATE_PAUSED:
      return "paused";
    case v1::SCAN_STATE_CANCELLING:
      return "cancelling";
    case v1::SCAN_STATE_COMPLETE:
      return "complete";
    case v1::SCAN_STATE_PARTIAL:
      return "partial";
    case v1::SCAN_STATE_CANCELLED:
      return "cancelled";
    default:
      return "unknown";
  }
}

bool IsFinished(v1::ScanState state) {
  return state == v1::SCAN_STATE_COMPLETE || state == v1::SCAN_STATE_PARTIAL ||
         state == v1::SCAN_STATE_CANCELLED;
}

std::string_view PriorityName(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_LOW:
      return "low";
    case v1::PRIORITY_HIGH:
      return "high";
    default:
      return "normal";
  }
}

std::string_view ModeName(v1::ScanMode mode) {
  return mode == v1::SCAN_MODE_EACH_VANTAGE ? "each-vantage" : "split";
}

std::string_view InternNames(const google::protobuf::RepeatedPtrField<std::string>& names,
                             TextPool& pool) {
  if (names.size() < 2) return {};
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : " ") + name;
  return pool.Intern(joined);
}

std::string_view LookupProblemName(v1::LookupProblem problem) {
  switch (problem) {
    case v1::LOOKUP_PROBLEM_NO_SUCH_NAME:
      return "no such name";
    case v1::LOOKUP_PROBLEM_NO_ADDRESS:
      return "no address";
    case v1::LOOKUP_PROBLEM_COULD_NOT_ASK:
      return "could not ask";
    default:
      return "not known";
  }
}

std::vector<std::pair<std::string, std::string>> SkippedNames(const v1::Scan& scan) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const v1::SkippedName& name : scan.skipped_names())
    out.emplace_back(name.name(), LookupProblemName(name.problem()));
  return out;
}

absl::StatusOr<ResultRow> ToRow(const v1::Observation& o, TextPool& pool) {
  ResultRow row;
  PORTOLAN_ASSIGN_OR_RETURN(row.ip, IpAddress::FromBytes(o.address()));
  if (o.port() > 65535) return DataLoss("an observation of port {} came", o.port());
  if (o.state() < v1::PORT_STATE_OPEN || o.state() > v1::PORT_STATE_NOT_PROBED) {
    return DataLoss(
        "port state {} came, which this program does not know: it is older; update "
        "it",
        static_cast<int>(o.state()));
  }
  row.port = static_cast<uint16_t>(o.port());
  row.state = static_cast<State>(o.state());  // the numbers are the same by contract
  row.vantage = pool.Intern(o.vantage());
  row.name = pool.Intern(o.name());
  row.names = InternNames(o.names(), pool);
  row.reason = pool.Intern(o.reason());
  row.agent = pool.Intern(o.agent());
  if (o.has_rtt_us()) row.rtt_us = o.rtt_us();
  row.when = FromUnixMicros(o.unix_us());
  row.time_of_receipt = o.time_of_receipt();
  if (!o.source().empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(row.source, IpAddress::FromBytes(o.source()));
  }
  // One that is newer than this program is no finding to it.
  if (v1::HostFindingKind_IsValid(o.host_finding()) && o.host_finding() != 0)
    row.host_finding = static_cast<HostFindingKind>(o.host_finding());
  return row;
}

LedgerRecord ToLedger(const v1::Ledger& ledger) { return {ledger.planned(), FromProto(ledger)}; }

ScanRecordEnd ToRecordEnd(const v1::Scan& scan) {
  ScanRecordEnd end;
  end.scan_id = scan.id();
  end.name = scan.spec().name();
  end.state = ScanStateName(scan.state());
  end.status_message = scan.status_message();
  end.names_skipped = scan.names_skipped();
  end.skipped_names = SkippedNames(scan);
  end.finished = IsFinished(scan.state());
  end.created = FromUnixMicros(scan.created_unix_us());
  end.started = FromUnixMicros(scan.started_unix_us());
  end.finished_at = FromUnixMicros(scan.finished_unix_us());
  end.total = ToLedger(scan.ledger());
  for (const v1::Lane& lane : scan.lanes())
    end.lanes.push_back({lane.vantage(), ToLedger(lane.ledger())});
  return end;
}

Progress ToProgress(const v1::Scan& scan) {
  Progress p;
  const LedgerRecord ledger = ToLedger(scan.ledger());
  p.scan_id = scan.id();
  p.state = ScanStateName(scan.state());
  p.planned = ledger.planned;
  p.done = ledger.counts.Done();
  p.open = ledger.counts.open;
  p.rate = scan.rate();
  p.agents = scan.agents();
  p.eta_s = scan.eta_s();
  p.status_message = scan.status_message();
  return p;
}

namespace {

std::string JsonStrings(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  return JsonArray(texts, [](const std::string& t) { return JsonString(t); });
}

std::string SpecJson(const v1::ScanRequestSpec& spec) {
  JsonObject o;
  o.Raw("targets", JsonStrings(spec.targets())).Text("ports", spec.ports());
  o.Raw("exclude", JsonStrings(spec.exclude())).Text("exclude_ports", spec.exclude_ports());
  o.Text("mode", ModeName(spec.mode())).Raw("vantages", JsonStrings(spec.vantages()));
  o.Text("priority", PriorityName(spec.priority())).Number("max_rate", spec.max_rate());
  o.Uint("timeout_ms", spec.timing().timeout_ms());
  if (spec.timing().has_retries()) o.Uint("retries", spec.timing().retries());
  if (spec.timing().has_retry_delay_ms()) o.Uint("retry_delay_ms", spec.timing().retry_delay_ms());
  o.Uint("min_timeout_ms", spec.timing().min_timeout_ms());
  o.Number("address_rate", spec.timing().address_rate());
  o.Uint("address_in_flight", spec.timing().address_in_flight());
  o.Number("prefix_rate", spec.timing().prefix_rate()).Uint("growth", spec.timing().growth());
  o.Uint("max_attempts", spec.max_attempts()).Uint("lane_timeout_s", spec.lane_timeout_s());
  // A text: 64 bits do not fit the numbers of many JSON readers.
  o.Uint("retention_s", spec.retention_s()).Text("seed", std::to_string(spec.seed()));
  return o.Done();
}

std::string LaneJson(const v1::Lane& lane) {
  JsonObject o;
  o.Uint("id", lane.id())
      .TextOrNull("vantage", lane.vantage())
      .Raw("ledger", LedgerJson(ToLedger(lane.ledger())));
  o.Uint("leased", lane.leased())
      .Uint("owed", lane.owed())
      .Uint("pending", lane.pending())
      .Bool("finished", lane.finished());
  o.TimeOrNull("without_agent_since", FromUnixMicros(lane.without_agent_since_unix_us()));
  o.Raw("missing", JsonArray(lane.missing(), [](const v1::MissingRange& m) {
          JsonObject range;
          range.Uint("begin", m.range().begin())
              .Uint("end", m.range().end())
              .Text("cause", m.cause());
          return range.TextOrNull("example", m.example()).Done();
        }));
  return o.Done();
}

}  // namespace

std::string ScanJson(const v1::Scan& scan, const HostTotals* hosts) {
  JsonObject o;
  o.Text("type", "scan").Text("scan_id", scan.id()).TextOrNull("name", scan.spec().name());
  o.Text("state", ScanStateName(scan.state())).Text("status_message", scan.status_message());
  o.TimeOrNull("created", FromUnixMicros(scan.created_unix_us()));
  o.TimeOrNull("started", FromUnixMicros(scan.started_unix_us()));
  o.TimeOrNull("finished", FromUnixMicros(scan.finished_unix_us()));
  o.Uint("addresses", scan.addresses()).Uint("target_names", scan.target_names());
  o.Uint("names_skipped", scan.names_skipped())
      .Raw("skipped_names", SkippedNamesJson(SkippedNames(scan)));
  o.Raw("ledger", LedgerJson(ToLedger(scan.ledger())));
  if (hosts != nullptr) o.Raw("hosts", HostTotalsJson(*hosts));
  o.Number("rate", scan.rate()).Uint("agents", scan.agents());
  if (scan.eta_s() > 0) {
    o.Number("eta_s", scan.eta_s());
  } else {
    o.Null("eta_s");
  }
  o.Uint("overlay_version", scan.overlay_version()).Raw("overlay", JsonStrings(scan.overlay()));
  o.Raw("spec", SpecJson(scan.spec())).Raw("lanes", JsonArray(scan.lanes(), LaneJson));
  return o.Done();
}

std::string AgentJson(const v1::Agent& a) {
  JsonObject o;
  o.Text("type", "agent")
      .Text("name", a.name())
      .Text("vantage", a.vantage())
      .Bool("live", a.live());
  o.Bool("draining", a.draining()).Text("version", a.version()).Text("engine", a.engine());
  o.TimeOrNull("last_seen", FromUnixMicros(a.last_seen_unix_us()));
  o.Number("measured_rate", a.measured_rate())
      .Number("max_rate", a.max_rate())
      .Uint("window", a.window());
  o.Uint("leases", a.leases())
      .Uint("leased_positions", a.leased_positions())
      .TextOrNull("peer", a.peer());
  o.Raw("scope", JsonStrings(a.scope()))
      .TextOrNull("limited_by", a.limited_by())
      .Uint("probes_sent", a.probes_sent());
  o.Uint("spool_bytes", a.spool_bytes()).Uint("local_failures", a.local_failures());
  if (a.has_clock_skew_s()) {
    o.Number("clock_skew_s", a.clock_skew_s());
  } else {
    o.Null("clock_skew_s");
  }
  o.Bool("times_replaced", a.times_replaced()).Raw("rival_peers", JsonStrings(a.rival_peers()));
  o.TextOrNull("away_reason", a.away_reason());
  o.TimeOrNull("certificate_not_after", FromUnixMicros(a.certificate_not_after_unix_us()));
  return o.Done();
}

}  // namespace portolan
