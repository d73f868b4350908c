#include "cli/render/record.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/render/text.h"

namespace portolan {

std::string_view TextPool::Intern(std::string_view text) {
  if (text.empty()) return {};
  if (text != last_) last_ = *texts_.emplace(text).first;
  return last_;
}

std::string_view NotProbedCause(size_t i) {
  static constexpr std::string_view kNames[kNotProbedCauses] = {
      "excluded", "agent-scope", "no-agent", "attempts", "cancelled"};
  return kNames[i];
}

std::string LedgerLine(const LedgerRecord& ledger, const HostTotals* hosts) {
  const Ledger& c = ledger.counts;
  std::string causes;
  for (size_t i = 0; i < kNotProbedCauses; ++i) {
    if (c.not_probed[i] == 0) continue;
    causes += fmt::format("{}{} {}", causes.empty() ? "" : ", ", NotProbedCause(i),
                          Grouped(c.not_probed[i]));
  }
  std::string everywhere = hosts != nullptr ? EverywhereText(*hosts) : "";
  if (!everywhere.empty()) everywhere = " (of which " + everywhere + ")";
  std::string line = fmt::format(
      "planned {} = open {}{} + closed {} + filtered {} + unreachable {} + not probed {}",
      Grouped(ledger.planned), Grouped(c.open), everywhere, Grouped(c.closed), Grouped(c.filtered),
      Grouped(c.unreachable), Grouped(c.NotProbed()));
  if (!causes.empty()) line += " (" + causes + ")";
  if (ledger.ToDo() > 0) line += " + to do " + Grouped(ledger.ToDo());
  return line;
}

namespace {

void AddLedger(const LedgerRecord& ledger, JsonObject& object) {
  const Ledger& c = ledger.counts;
  JsonObject causes;
  for (size_t i = 0; i < kNotProbedCauses; ++i) {
    if (c.not_probed[i] > 0) causes.Uint(NotProbedCause(i), c.not_probed[i]);
  }
  object.Uint("planned", ledger.planned)
      .Uint("open", c.open)
      .Uint("closed", c.closed)
      .Uint("filtered", c.filtered)
      .Uint("unreachable", c.unreachable)
      .Raw("not_probed", causes.Done())
      .Uint("to_do", ledger.ToDo())
      .Uint("extra_probes", c.extra);
}

}  // namespace

void AddNames(std::string_view names, JsonObject& object) {
  if (names.empty()) return;
  std::vector<std::string_view> all;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(' ', begin), names.size());
    all.push_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  object.Text("name", all[0]);
  object.Raw("names", JsonArray(all, [](std::string_view name) { return JsonString(name); }));
}

std::string NamesText(std::string_view names) {
  constexpr size_t kShown = 10;
  std::string out;
  size_t count = 0;
  for (size_t begin = 0; begin <= names.size(); ++count) {
    const size_t end = std::min(names.find(' ', begin), names.size());
    if (count < kShown) {
      if (count > 0) out += ", ";
      out += Printable(names.substr(begin, end - begin));
    }
    begin = end + 1;
  }
  if (count > kShown) out += fmt::format(" and {} more", count - kShown);
  return out;
}

std::string LedgerJson(const LedgerRecord& ledger) {
  JsonObject object;
  AddLedger(ledger, object);
  return object.Done();
}

std::string SkippedNamesJson(const std::vector<std::pair<std::string, std::string>>& names) {
  return JsonArray(names, [](const auto& name) {
    return JsonObject().Text("name", name.first).Text("problem", name.second).Done();
  });
}

std::string SkippedNamesText(uint64_t total,
                             const std::vector<std::pair<std::string, std::string>>& names) {
  if (total == 0) return "";
  constexpr size_t kShown = 10;
  std::string out = fmt::format("names skipped {}", Grouped(total));
  for (size_t i = 0; i < names.size() && i < kShown; ++i) {
    out +=
        fmt::format("{}{} ({})", i == 0 ? ": " : ", ", Printable(names[i].first), names[i].second);
  }
  const size_t shown = std::min(names.size(), kShown);
  if (total > shown) out += fmt::format(" and {} more", Grouped(total - shown));
  return out + "\n";
}

std::string SummaryJson(const ScanRecordEnd& end) {
  JsonObject object;
  object.Text("type", "summary")
      .Text("scan_id", end.scan_id)
      .TextOrNull("name", end.name)
      .Text("state", end.state);
  if (!end.status_message.empty()) object.Text("status_message", end.status_message);
  object.TimeOrNull("created", end.created)
      .TimeOrNull("started", end.started)
      .TimeOrNull("finished", end.finished_at);
  AddLedger(end.total, object);
  object.Uint("names_skipped", end.names_skipped);
  if (end.names_skipped > 0) object.Raw("skipped_names", SkippedNamesJson(end.skipped_names));
  object.Raw("lanes", JsonArray(end.lanes, [](const LaneLedger& lane) {
               JsonObject o;
               o.TextOrNull("vantage", lane.vantage);
               AddLedger(lane.ledger, o);
               return o.Done();
             }));
  if (end.host_totals) object.Raw("hosts", HostTotalsJson(*end.host_totals));
  return object.Done();
}

std::string SummaryText(const ScanRecordEnd& end) {
  std::string out = "scan " + Printable(end.scan_id);
  if (!end.name.empty()) out += " \"" + Printable(end.name) + "\"";
  out += ": " + end.state;
  if (end.finished && end.started != WallTime()) {
    out +=
        " in " + HumanDuration(static_cast<double>((end.finished_at - end.started).count()) / 1e6);
  }
  out += "\n";
  if (!end.status_message.empty()) out += "  " + Printable(end.status_message) + "\n";
  const HostTotals* hosts = end.host_totals ? &*end.host_totals : nullptr;
  const std::string notes = SkippedNamesText(end.names_skipped, end.skipped_names) +
                            (hosts != nullptr ? HostNotes(*hosts) : "");
  if (end.lanes.size() < 2) return out + LedgerLine(end.total, hosts) + "\n" + notes;
  size_t width = 5;
  for (const LaneLedger& lane : end.lanes)
    width = std::max(width, DisplayWidth(Printable(lane.vantage)));
  for (const LaneLedger& lane : end.lanes) {
    out += PadRight(Printable(lane.vantage), width) + "  " + LedgerLine(lane.ledger) + "\n";
  }
  return out + PadRight("total", width) + "  " + LedgerLine(end.total, hosts) + "\n" + notes;
}

}  // namespace portolan
