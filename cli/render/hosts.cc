#include "cli/render/hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/render/text.h"
#include "common/base/counted.h"

namespace portolan {
namespace {

// "quiet", "reset at once", or, where they differ, "3 quiet, 1 reset at once".
std::string HeldText(const std::vector<ConfirmedPort>& confirmed) {
  constexpr std::pair<Held, std::string_view> kTexts[] = {{Held::kReset, "reset at once"},
                                                          {Held::kClosed, "closed again"},
                                                          {Held::kData, "talkative"},
                                                          {Held::kQuiet, "quiet"},
                                                          {Held::kNoWindow, "taking no data"}};
  std::string out;
  for (const auto& [held, text] : kTexts) {
    const auto n = static_cast<size_t>(
        std::count_if(confirmed.begin(), confirmed.end(),
                      [held = held](const ConfirmedPort& c) { return c.held == held; }));
    if (n == 0) continue;
    if (n == confirmed.size()) return std::string(text);
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", n, text);
  }
  return out;
}

std::string EvidenceText(const HostRow& row) {
  const size_t n = row.finding.confirmed.size();
  const std::string held = HeldText(row.finding.confirmed);
  return fmt::format("{} of {} open, {} of {} open{}{}", Grouped(row.open_ports),
                     Counted(row.ports, "port", "ports"), n,
                     Counted(n, "random high port", "random high ports"),
                     held.empty() ? "" : " and ", held);
}

}  // namespace

HostTotals TotalsOf(const std::vector<HostRow>& rows, uint64_t dropped) {
  HostTotals t;
  t.findings = rows.size();
  t.dropped = dropped;
  std::set<IpAddress> everywhere, stopped;
  const HostRow* last = nullptr;  // that covers open ports
  for (const HostRow& row : rows) {
    if (!CoversOpenPorts(row.finding.kind)) {
      stopped.insert(row.finding.address);
      continue;
    }
    everywhere.insert(row.finding.address);
    // A host may be found to be both by different agents: its ports are the same.
    if (last == nullptr || last->finding.address != row.finding.address ||
        last->vantage != row.vantage)
      t.everywhere_open += row.open_ports;
    last = &row;
  }
  t.everywhere_hosts = everywhere.size();
  t.stopped_hosts = stopped.size();
  return t;
}

std::string HostLine(const HostRow& row, bool show_vantage) {
  const HostFinding& f = row.finding;
  std::string line = f.address.ToString();
  if (!row.name.empty()) line += fmt::format(" ({})", NamesText(AllNames(row)));
  line += "  ";
  switch (f.kind) {
    case HostFindingKind::kAnswersEverywhere:
      line += fmt::format("answers everywhere: {}: a tarpit or proxy, not {}", EvidenceText(row),
                          Counted(row.open_ports, "service", "services"));
      break;
    case HostFindingKind::kSynProxy:
      line += fmt::format("SYN proxy: {}: a firewall that answers for the host, not {}",
                          EvidenceText(row), Counted(row.open_ports, "service", "services"));
      break;
    case HostFindingKind::kStoppedAnswering:
      line += fmt::format(
          "stopped answering after {}{}: port {}, which had answered, and {} since were met by "
          "silence; its ports filtered (throttled) are not known",
          HumanTime(f.since), row.time_of_receipt ? " (about: its agent's clock is wrong)" : "",
          f.sentinel.value_or(0), Counted(f.silences, "other attempt", "other attempts"));
      break;
  }
  if (show_vantage && !row.vantage.empty())
    line += fmt::format(" (seen from {})", Printable(row.vantage));
  return line;
}

std::string HostJson(const HostRow& row, std::string_view scan_id_json) {
  const HostFinding& f = row.finding;
  JsonObject o;
  o.Text("type", "host-finding")
      .Raw("scan_id", scan_id_json)
      .Text("vantage", row.vantage)
      .Text("ip", f.address.ToString());
  AddNames(AllNames(row), o);
  o.Text("kind", HostFindingName(f.kind))
      .Uint("open_ports", row.open_ports)
      .Uint("ports", row.ports);
  o.Raw("evidence", JsonObject().Uint("opens", f.opens).Uint("outcomes", f.outcomes).Done());
  if (CoversOpenPorts(f.kind)) {
    o.Raw("confirmed", JsonArray(f.confirmed, [](const ConfirmedPort& c) {
            return JsonObject().Uint("port", c.port).Text("held", HeldName(c.held)).Done();
          }));
  } else {
    o.Uint("sentinel_port", f.sentinel.value_or(0))
        .TimeOrNull("since", f.since)
        .Uint("silences", f.silences);
  }
  o.TimeOrNull("timestamp", f.when);
  if (row.time_of_receipt) o.Bool("time_of_receipt", true);
  return o.Text("agent", row.agent).Done();
}

std::string EverywhereText(const HostTotals& t) {
  if (t.everywhere_hosts == 0) return "";
  return fmt::format(
      "{} on {}", Grouped(t.everywhere_open),
      Counted(t.everywhere_hosts, "host that answers everywhere", "hosts that answer everywhere"));
}

std::string HostNotes(const HostTotals& t) {
  std::string out;
  if (t.stopped_hosts > 0) {
    out += fmt::format(
        "{} answering while being scanned: filtered (throttled) there means not known\n",
        Counted(t.stopped_hosts, "host stopped", "hosts stopped"));
  }
  if (t.dropped > 0) {
    out += fmt::format(
        "about {} reported and not kept: open ports there are shown as services\n",
        Counted(t.dropped, "more finding about a host was", "more findings about hosts were"));
  }
  return out;
}

std::string HostTotalsJson(const HostTotals& t) {
  return JsonObject()
      .Uint("answer_everywhere", t.everywhere_hosts)
      .Uint("open_there", t.everywhere_open)
      .Uint("stopped_answering", t.stopped_hosts)
      .Uint("findings", t.findings)
      .Uint("dropped", t.dropped)
      .Done();
}

}  // namespace portolan
