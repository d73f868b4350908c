// Scans, their results, and agents as JSON.
#include <iterator>

#include "common/net/service_catalogue.h"
#include "coordinator/server/json_convert.h"
#include "coordinator/server/json_values.h"

namespace portolan {
namespace {

std::string_view ScanStateWord(ScanState s) {
  return s == ScanState::kCancelling ? "cancelling" : StateText(s);
}

std::string_view ProblemWord(LookupProblem problem) {
  switch (problem) {
    case LookupProblem::kNoSuchName:
      return "no-such-name";
    case LookupProblem::kNoAddress:
      return "no-address";
    case LookupProblem::kCouldNotAsk:
      break;
  }
  return "could-not-ask";
}

Json LedgerJson(const Ledger& ledger, uint64_t planned) {
  constexpr Reason kCauses[] = {Reason::kExcluded, Reason::kAgentScope, Reason::kNoAgent,
                                Reason::kAttempts, Reason::kCancelled};
  static_assert(std::size(kCauses) == Ledger::kCauses);
  Json out;
  out["planned"] = planned;
  out["open"] = ledger.open;
  out["closed"] = ledger.closed;
  out["filtered"] = ledger.filtered;
  out["unreachable"] = ledger.unreachable;
  out["not_probed"] = Json::object();
  for (size_t i = 0; i < std::size(kCauses); ++i)
    out["not_probed"][std::string(ReasonName(kCauses[i]))] = ledger.not_probed[i];
  out["extra"] = ledger.extra;
  return out;
}

}  // namespace

std::string AgentsJson(const std::vector<AgentStatus>& agents) {
  Json out;
  out["agents"] = Json::array();
  for (const AgentStatus& a : agents) {
    Json agent;
    agent["name"] = a.name;
    agent["vantage"] = a.vantage;
    agent["live"] = a.live;
    agent["draining"] = a.draining;
    agent["left"] = a.left;
    agent["away_reason"] = TextOrNull(a.away_reason);
    agent["last_seen"] = When(a.last_seen);
    agent["peer"] = TextOrNull(a.details.peer);
    agent["rival_peers"] = Json(a.rival_peers);
    agent["version"] = a.details.version;
    agent["engine"] = a.details.engine;
    agent["measured_rate"] = a.measured_rate;
    agent["max_rate"] = a.max_rate;
    agent["leases"] = a.leases;
    agent["leased_positions"] = a.leased_positions;
    agent["limited_by"] = TextOrNull(a.details.limited_by);
    agent["clock_skew_seconds"] = a.clock_skew_s ? Json(*a.clock_skew_s) : Json(nullptr);
    agent["times_replaced"] = a.times_replaced;
    const auto& certificate = a.details.certificate;
    agent["certificate_not_after"] = certificate ? When(certificate->not_after) : Json(nullptr);
    out["agents"].push_back(std::move(agent));
  }
  return Dump(out);
}

std::string ScanJson(const ScanStatus& scan) {
  const ScanSpec& spec = *scan.spec;
  Json out;
  out["id"] = scan.id;
  out["name"] = TextOrNull(spec.name);
  out["monitor"] = TextOrNull(spec.monitor);
  out["state"] = ScanStateWord(scan.state);
  out["message"] = scan.message;
  out["created"] = When(scan.created);
  out["started"] = When(scan.started);
  out["finished"] = When(scan.finished);
  out["targets"] = spec.target_texts;
  out["ports"] = spec.ports_text;
  out["mode"] = spec.mode == ScanMode::kEachVantage ? "each-vantage" : "split";
  out["vantages"] = spec.vantages;
  out["addresses"] = scan.addresses;
  out["target_names"] = scan.target_names;
  out["names_skipped"] = spec.names_skipped;
  out["skipped_names"] = Json::array();
  for (const SkippedName& skipped : spec.skipped_names) {
    Json name;
    name["name"] = skipped.name;
    name["problem"] = ProblemWord(skipped.problem);
    out["skipped_names"].push_back(std::move(name));
  }
  out["ledger"] = LedgerJson(scan.ledger, scan.planned);
  out["rate"] = scan.rate;
  out["agents"] = scan.agents;
  out["eta_seconds"] = scan.eta_s > 0 ? Json(scan.eta_s) : Json(nullptr);
  out["lanes"] = Json::array();
  for (const LaneStatus& l : scan.lanes) {
    Json lane;
    lane["vantage"] = TextOrNull(l.vantage);
    lane["finished"] = l.finished;
    lane["ledger"] = LedgerJson(l.ledger, l.planned);
    lane["without_agent_since"] = When(l.without_agent_since);
    out["lanes"].push_back(std::move(lane));
  }
  return Dump(out);
}

std::string ResultsJson(const ScanId& scan, const ResultPage& page) {
  Json out;
  out["scan"] = scan;
  out["observations"] = Json::array();
  for (const Observation& o : page.observations) {
    Json row;
    row["address"] = o.address.ToString();
    row["name"] = TextOrNull(o.names.empty() ? "" : o.names[0]);
    row["names"] = o.names;
    row["port"] = o.port;
    row["service"] = TextOrNull(ServiceName(o.port));
    row["vantage"] = TextOrNull(o.vantage);
    row["state"] = StateName(o.state);
    row["reason"] = ReasonName(o.reason);
    row["rtt_us"] = o.rtt_us ? Json(*o.rtt_us) : Json(nullptr);
    row["time"] = When(o.when);
    row["time_of_receipt"] = o.time_of_receipt;
    row["agent"] = TextOrNull(o.agent);
    row["source"] = o.source ? Json(o.source->ToString()) : Json(nullptr);
    row["host_finding"] = o.host_finding ? Json(HostFindingName(*o.host_finding)) : Json(nullptr);
    out["observations"].push_back(std::move(row));
  }
  out["next_page_token"] = page.next_page_token;
  return Dump(out);
}

std::string HostFindingsJson(const ScanId& scan, const FindingRows& rows) {
  Json out;
  out["scan"] = scan;
  out["host_findings"] = Json::array();
  for (const FindingRow& r : rows.findings) {
    const HostFinding& f = r.finding;
    Json row;
    row["address"] = f.address.ToString();
    row["names"] = r.names;
    row["vantage"] = TextOrNull(r.vantage);
    row["kind"] = HostFindingName(f.kind);
    row["open_ports"] = r.open_ports;
    row["ports"] = r.ports;
    row["confirmed"] = Json::array();
    for (const ConfirmedPort& c : f.confirmed) {
      Json port;
      port["port"] = c.port;
      port["held"] = HeldName(c.held);
      row["confirmed"].push_back(std::move(port));
    }
    row["sentinel_port"] = f.sentinel ? Json(*f.sentinel) : Json(nullptr);
    row["since"] = When(f.since);
    row["silences"] = f.silences;
    row["time"] = When(f.when);
    row["time_of_receipt"] = r.time_of_receipt;
    row["agent"] = TextOrNull(r.agent);
    out["host_findings"].push_back(std::move(row));
  }
  out["total"] = rows.total;
  out["dropped"] = rows.dropped;
  out["next_page_token"] = rows.next_page_token;
  return Dump(out);
}

}  // namespace portolan
