#include "coordinator/server/json_convert.h"

#include "common/net/service_catalogue.h"
#include "coordinator/server/json_values.h"

namespace portolan {
namespace {

// "state" and "reason" of a symbol; nulls when nothing was observed.
void PutSymbol(Json& out, Symbol symbol) {
  const bool known = symbol != Symbol{};
  out["state"] = known ? Json(StateName(symbol.state)) : Json(nullptr);
  out["reason"] = known ? Json(ReasonName(symbol.reason)) : Json(nullptr);
}
Json SymbolJson(Symbol symbol) {
  Json out;
  PutSymbol(out, symbol);
  return out;
}

void PutSubject(Json& out, const Subject& subject) {
  out["target"] = subject.target.ToString();
  out["port"] = subject.port;
  out["service"] = TextOrNull(ServiceName(subject.port));
}

Json RunJson(const RunRecord& r) {
  Json out;
  out["number"] = r.number;
  out["generation"] = r.generation;
  out["trigger"] = RunTriggerName(r.trigger);
  out["state"] = RunStateName(r.state);
  out["due"] = When(r.due);
  out["started"] = When(r.started);
  out["finished"] = When(r.finished);
  out["scan"] = TextOrNull(r.scan);
  out["message"] = r.message;
  out["positions"] = r.positions;
  out["known"] = r.known;
  out["candidates"] = r.candidates;
  out["unresolved_names"] = Json::array();
  for (const UnresolvedName& n : r.unresolved) {
    Json name;
    name["name"] = n.name;
    name["problem"] = NameProblemName(n.trouble.problem);
    name["detail"] = TextOrNull(n.trouble.detail);
    out["unresolved_names"].push_back(std::move(name));
  }
  return out;
}

Json VantageJson(const VantageStatus& v) {
  Json out;
  out["vantage"] = v.vantage;
  out["side"] = Name(v.side);
  out["canaries"] = CanaryStateName(v.canaries);
  out["canary_reason"] = v.canary_reason;
  out["since"] = When(v.since);
  out["chosen"] = Json::array();
  for (const Canary& c : v.chosen) {
    Json canary;
    PutSubject(canary, c.subject);
    canary["address"] = AddressOrNull(c.address);
    canary["open"] = c.open;
    canary["given"] = c.given;
    out["chosen"].push_back(std::move(canary));
  }
  out["open"] = v.open;
  out["last_complete"] = When(v.last_complete);
  out["mass_change"] = TextOrNull(v.mass_change);
  out["confirming"] = v.confirming;
  return out;
}

Json StatusJson(const MonitorStatus& m) {
  Json out;
  out["name"] = m.spec.name;
  out["owner"] = m.spec.owner;
  out["labels"] = Json(m.spec.labels);
  out["generation"] = m.generation;
  out["manager"] = m.manager;
  out["paused"] = m.paused;
  out["next_due"] = m.next_due ? When(*m.next_due) : Json(nullptr);
  out["behind_seconds"] = m.behind_s;
  out["behind_reason"] = m.behind_text;
  out["last_success"] = When(m.plan.last_success);
  out["unresolved_names"] = m.unresolved_names;
  out["open_findings"] = m.open_findings;
  out["events"] = m.events;
  out["missed_runs"] = m.plan.missed;
  out["skipped_runs"] = m.plan.skipped;
  out["vantages"] = Json::array();
  for (const VantageStatus& v : m.vantages) out["vantages"].push_back(VantageJson(v));
  out["runs"] = Json::array();
  for (const RunRecord& r : m.runs) out["runs"].push_back(RunJson(r));
  return out;
}

Json RowJson(const ExposureRow& row) {
  Json out;
  out["monitor"] = row.monitor;
  PutSubject(out, row.subject);
  out["class"] = ExposureClassName(row.comparison.exposure);
  out["barrier"] = ExposureBarrierName(row.comparison.barrier);
  out["vantages"] = Json::array();
  for (const VantageSight& s : row.sights) {
    Json sight;
    sight["vantage"] = s.vantage;
    sight["side"] = Name(s.side);
    const SubjectOutcome none;
    const SubjectOutcome& o = s.outcome ? *s.outcome : none;
    PutSymbol(sight, o.symbol);
    sight["address"] = AddressOrNull(o.address);
    sight["rtt_us"] = s.outcome && o.rtt_us > 0 ? Json(o.rtt_us) : Json(nullptr);
    sight["time"] = When(o.when);
    sight["agent"] = TextOrNull(o.agent);
    sight["since"] = When(s.since);
    sight["last_seen"] = When(s.last_seen);
    sight["expected"] = ExpectedName(s.expected);
    sight["rule"] = TextOrNull(s.rule);
    sight["unknown_reason"] = TextOrNull(s.unknown ? s.unknown->text : "");
    out["vantages"].push_back(std::move(sight));
  }
  return out;
}

Json EventJson(const StoredEvent& stored) {
  const ExposureEvent& e = stored.event;
  Json out;
  out["sequence"] = stored.sequence;
  out["id"] = e.id;
  out["time"] = When(e.time);
  out["monitor"] = e.monitor;
  out["vantage"] = e.vantage;
  PutSubject(out, e.subject);
  out["address"] = AddressOrNull(e.address);
  out["change"] = ChangeKindName(e.kind);
  out["from"] = SymbolJson(e.from);
  out["to"] = SymbolJson(e.to);
  out["trail"] = Json::array();
  for (const TrailStep& t : e.trail) {
    Json step;
    step["what"] = TrailStepName(t.what);
    step["time"] = When(t.when);
    step["vantage"] = t.vantage;
    step["agent"] = TextOrNull(t.agent);
    step["address"] = AddressOrNull(t.address);
    PutSymbol(step, t.symbol);
    step["rtt_us"] = t.rtt_us > 0 ? Json(t.rtt_us) : Json(nullptr);
    if (t.what == TrailStep::What::kFlapped) step["changes"] = t.changes;
    out["trail"].push_back(std::move(step));
  }
  return out;
}

Json FindingJson(const MonitorFinding& f) {
  const FindingKey& key = f.finding.key;
  Json out;
  out["key"] = key.ToString();
  out["monitor"] = f.monitor;
  out["kind"] = FindingKindName(key.kind);
  out["severity"] = Name(f.finding.severity);
  out["rule"] = key.rule;
  out["vantage"] = TextOrNull(key.vantage);
  out["target"] = key.target ? Json(key.target->ToString()) : Json(nullptr);
  out["port"] = key.port ? Json(*key.port) : Json(nullptr);
  out["service"] = key.port ? TextOrNull(ServiceName(*key.port)) : Json(nullptr);
  out["address"] = AddressOrNull(f.finding.address);
  out["owner"] = f.finding.owner;
  out["text"] = f.finding.text;
  out["remedy"] = f.finding.remedy;
  out["since"] = When(f.finding.since);
  out["found"] = When(f.finding.found);
  out["resolved"] = When(f.finding.resolved);
  return out;
}

template <typename T>
Json ArrayOf(const std::vector<T>& all, Json (*convert)(const T&)) {
  Json out = Json::array();
  for (const T& one : all) out.push_back(convert(one));
  return out;
}

}  // namespace

std::string MonitorsJson(const std::vector<MonitorStatus>& monitors) {
  Json out;
  out["monitors"] = ArrayOf(monitors, StatusJson);
  return Dump(out);
}

std::string MonitorJson(const MonitorStatus& monitor) {
  Json out = StatusJson(monitor);
  out["yaml"] = monitor.yaml;
  return Dump(out);
}

std::string ExposureJson(const ExposurePage& page) {
  Json out;
  out["rows"] = ArrayOf(page.rows, RowJson);
  out["next_page_token"] = page.next_page_token;
  return Dump(out);
}

std::string EventsJson(const EventPage& page) {
  Json out;
  out["events"] = ArrayOf(page.events, EventJson);
  out["more"] = page.more;
  return Dump(out);
}

std::string FindingsJson(const FindingList& list) {
  Json out;
  out["findings"] = ArrayOf(list.findings, FindingJson);
  out["totals"] = Json::array();
  for (const auto& [key, n] : list.totals) {
    Json total;
    total["monitor"] = key.first;
    total["rule"] = key.second;
    total["total"] = n;
    out["totals"].push_back(std::move(total));
  }
  return Dump(out);
}

std::string ExplanationJson(const Explanation& e) {
  Json out;
  out["target"] = e.subject.target.ToString();
  out["port"] = e.subject.port;
  const Service* service = FindService(e.subject.port);
  out["service"] = nullptr;
  if (service != nullptr) {
    Json s;
    s["name"] = service->name;
    s["description"] = service->description;
    s["class"] = ServiceClassName(service->service_class);
    s["cleartext"] = service->cleartext;
    out["service"] = std::move(s);
  }
  out["rows"] = ArrayOf(e.rows, RowJson);
  out["uncovered_by"] = Json(e.uncovered_by);
  out["findings"] = ArrayOf(e.findings, FindingJson);
  out["events"] = ArrayOf(e.events, EventJson);
  return Dump(out);
}

}  // namespace portolan
