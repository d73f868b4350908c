#include "cli/print_results.h"

#include <algorithm>
#include <memory>

#include "cli/base/inputs.h"
#include "cli/convert.h"
#include "cli/hosts.h"
#include "cli/live_results.h"
#include "cli/render/sorting.h"
#include "cli/render/text.h"
#include "cli/render/vantage_join.h"
#include "common/base/status.h"

namespace portolan {
namespace {

// More observations than this are not sorted for a table; it is about 200 MB of them.
constexpr uint64_t kMostSorted = 1'000'000;

struct Shown {
  std::vector<v1::PortState> states;
  bool everywhere = false;  // also the open ports of hosts that answer everywhere
};

absl::StatusOr<Shown> ParseShow(const std::string& show) {
  if (show == "all") {
    return Shown{{v1::PORT_STATE_OPEN, v1::PORT_STATE_CLOSED, v1::PORT_STATE_FILTERED,
                  v1::PORT_STATE_UNREACHABLE, v1::PORT_STATE_NOT_PROBED},
                 true};
  }
  PORTOLAN_ASSIGN_OR_RETURN(const auto names, SplitList(show));
  Shown shown;
  std::vector<v1::PortState>& states = shown.states;
  for (const std::string& name : names) {
    if (name == "everywhere") {
      shown.everywhere = true;
      continue;
    }
    const auto state = StateFromName(name);
    if (!state || *state == State::kOwed) {
      return InvalidArgument(
          "--show \"{}\": no such state; write all, or some of open, closed, filtered, "
          "unreachable, not-probed, everywhere",
          name);
    }
    states.push_back(static_cast<v1::PortState>(*state));
  }
  const bool open = std::find(states.begin(), states.end(), v1::PORT_STATE_OPEN) != states.end();
  if (shown.everywhere && !open) states.push_back(v1::PORT_STATE_OPEN);
  return shown;
}

// An upper bound of what may come, filters aside.
uint64_t Expected(const v1::Scan& scan, const std::vector<v1::PortState>& states) {
  const LedgerRecord l = ToLedger(scan.ledger());
  uint64_t sum = l.ToDo();
  for (const v1::PortState state : states) {
    switch (state) {
      case v1::PORT_STATE_OPEN:
        sum += l.counts.open;
        break;
      case v1::PORT_STATE_CLOSED:
        sum += l.counts.closed;
        break;
      case v1::PORT_STATE_FILTERED:
        sum += l.counts.filtered;
        break;
      case v1::PORT_STATE_UNREACHABLE:
        sum += l.counts.unreachable;
        break;
      default:
        sum += l.counts.NotProbed();
    }
  }
  return sum;
}

struct Request {
  Context& context;
  Session& session;
  const v1::Scan& scan;
  v1::ListObservationsRequest list;
  TextPool pool;
  uint64_t of_receipt = 0;  // observations whose agent's clock is wrong, and one such agent
  std::string_view agent;
  LiveResults* live;  // null: nothing was shown yet

  absl::Status Into(ResultRenderer& renderer) {
    return session.client->Observations(
        list, [&](const v1::ListObservationsResponse& page) -> absl::Status {
          for (const v1::Observation& o : page.observations()) {
            PORTOLAN_ASSIGN_OR_RETURN(const ResultRow row, ToRow(o, pool));
            if (live != nullptr && live->Contains(row)) continue;
            if (row.time_of_receipt) {
              ++of_receipt;
              agent = row.agent;
            }
            PORTOLAN_RETURN_IF_ERROR(renderer.Add(row));
          }
          return absl::OkStatus();
        });
  }
};

// What the other vantages say of ports that were listed for some of them.
absl::Status LookUp(Request& request, const std::vector<std::string>& vantages,
                    const std::vector<VantageJoin::Endpoint>& endpoints,
                    const std::function<void(const ResultRow&)>& add) {
  v1::ListObservationsRequest list;
  list.set_scan_id(request.list.scan_id());
  for (int s = v1::PORT_STATE_OPEN; s <= v1::PORT_STATE_NOT_PROBED; ++s)
    list.add_states(static_cast<v1::PortState>(s));
  for (const std::string& v : vantages) list.add_vantages(v);
  std::vector<PortRange> ports;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    if (i == 0 || endpoints[i].first != endpoints[i - 1].first)
      list.add_targets(endpoints[i].first.ToString());
    ports.push_back({endpoints[i].second, endpoints[i].second});
  }
  list.set_ports(PortSet::Of(std::move(ports)).ToString());
  return request.session.client->Observations(
      list, [&](const v1::ListObservationsResponse& page) -> absl::Status {
        for (const v1::Observation& o : page.observations()) {
          PORTOLAN_ASSIGN_OR_RETURN(const ResultRow row, ToRow(o, request.pool));
          add(row);
        }
        return absl::OkStatus();
      });
}

absl::Status PrintTable(Request& request, const TableOptions& table,
                        const std::vector<v1::PortState>& states, const ScanRecordEnd& end,
                        Output& out) {
  const bool only_open = states.size() == 1 && states[0] == v1::PORT_STATE_OPEN;
  const uint64_t expected = only_open ? 0 : Expected(request.scan, states);

  std::vector<std::string> columns;
  for (const v1::Lane& lane : request.scan.lanes()) {
    const auto& wanted = request.list.vantages();
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), lane.vantage()) != wanted.end())
      columns.push_back(lane.vantage());
  }
  const bool each = request.scan.spec().mode() == v1::SCAN_MODE_EACH_VANTAGE && columns.size() > 1;
  if (each && expected <= kMostSorted) {
    VantageTable vantage_table(columns, table, out);
    VantageJoin join(columns, vantage_table, [&](const auto& endpoints, const auto& add) {
      return LookUp(request, columns, endpoints, add);
    });
    if (only_open) {
      PORTOLAN_RETURN_IF_ERROR(request.Into(join));
      return join.Finish(end);
    }
    SortingRenderer sorting(join, SIZE_MAX, [] {});
    PORTOLAN_RETURN_IF_ERROR(request.Into(sorting));
    return sorting.Finish(end);
  }
  const auto plain = MakeTableRenderer(table, out);
  if (only_open) {
    PORTOLAN_RETURN_IF_ERROR(request.Into(*plain));
    return plain->Finish(end);
  }
  SortingRenderer sorting(*plain, kMostSorted, [&] {
    request.context.env.notes->Note(
        fmt::format("more than {} observations: they are shown in the order in which they are "
                    "stored, not sorted; narrow them with --show, -p or "
                    "targets, or write --json or --csv",
                    Grouped(kMostSorted)));
  });
  PORTOLAN_RETURN_IF_ERROR(request.Into(sorting));
  return sorting.Finish(end);
}

}  // namespace

void AddPrintFlags(CLI::App* app, PrintFlags* flags) {
  const char* kGroup = "Output";
  app->add_flag(
         "--json", flags->json,
         "JSON lines: an object a result, \"type\":\"observation\", with scan_id, vantage, ip, "
         "name (when there is one), port, protocol, state, "
         "reason, rtt_ms, timestamp, service, agent, source_ip; null where not known (rtt_ms and "
         "source_ip are kept for open ports only; for others "
         "timestamp is to within a few seconds), host_finding for open ports of a host that "
         "answers everywhere, and time_of_receipt where the agent's clock could not be believed, "
         "so that timestamp is when the coordinator received it. In local mode open ports come as "
         "they are found. Then an object a finding about a host, \"type\":\"host-finding\", with "
         "time_of_receipt likewise. "
         "The last line is the ledger, \"type\":\"summary\".")
      ->group(kGroup);
  app->add_flag("--csv", flags->csv,
                "CSV with a header line and the same columns; findings about hosts and the ledger "
                "go to stderr.")
      ->group(kGroup);
  app->add_option("--show", flags->show,
                  "Which results: a comma list of open, closed, filtered, unreachable, not-probed; "
                  "or all. Default: open. A host that answers everywhere is one line and its open "
                  "ports are left out of the table, unless everywhere is in the list (or all).")
      ->option_text("STATES")
      ->group(kGroup);
  app->add_option("--output", flags->output,
                  "Write the results to FILE instead of stdout: complete, or not at all.")
      ->option_text("FILE")
      ->group(kGroup);
}

absl::Status CheckPrintFlags(const PrintFlags& flags) {
  if (flags.json && flags.csv)
    return InvalidArgument("--json and --csv exclude each other: give one");
  return ParseShow(flags.show).status();
}

bool ShowsOpen(const PrintFlags& flags) {
  const absl::StatusOr<Shown> shown = ParseShow(flags.show);
  return shown.ok() && std::find(shown->states.begin(), shown->states.end(), v1::PORT_STATE_OPEN) !=
                           shown->states.end();
}

absl::Status PrintResults(Context& context, Session& session, const v1::Scan& scan,
                          const PrintFlags& flags, const ResultFilter& filter, LiveResults* live) {
  PORTOLAN_ASSIGN_OR_RETURN(const Shown shown, ParseShow(flags.show));
  const std::vector<v1::PortState>& states = shown.states;
  Request request{context, session, scan, {}, {}, 0, {}, live};
  request.list.set_scan_id(scan.id());
  for (const v1::PortState s : states) request.list.add_states(s);
  for (const std::string& t : filter.targets) request.list.add_targets(t);
  request.list.set_ports(filter.ports);
  for (const std::string& v : filter.vantages) request.list.add_vantages(v);
  // Programs get everything, marked.
  request.list.set_without_everywhere_open(!flags.json && !flags.csv && !shown.everywhere);

  ScanRecordEnd end = ToRecordEnd(scan);
  PORTOLAN_ASSIGN_OR_RETURN(HostList hosts, FetchHosts(session, scan.id(), {}, {}, request.pool));
  end.host_totals = TotalsOf(hosts.rows, hosts.dropped);
  if (!hosts.rows.empty() && !(filter.targets.empty() && filter.vantages.empty())) {
    PORTOLAN_ASSIGN_OR_RETURN(
        hosts, FetchHosts(session, scan.id(), filter.targets, filter.vantages, request.pool));
  }
  end.hosts = std::move(hosts.rows);

  std::unique_ptr<FileOutput> file;
  if (!flags.output.empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(file, FileOutput::Create(flags.output));
  }
  Output& out = file ? static_cast<Output&>(*file) : *context.env.out;
  context.env.notes->ClearProgress();
  if (flags.json || flags.csv) {
    std::unique_ptr<ResultRenderer> own;
    ResultRenderer* renderer = live == nullptr ? nullptr : live->renderer();
    if (renderer == nullptr) {
      own = flags.json ? MakeJsonRenderer(scan.id(), out) : MakeCsvRenderer(scan.id(), out);
      renderer = own.get();
    }
    PORTOLAN_RETURN_IF_ERROR(request.Into(*renderer));
    PORTOLAN_RETURN_IF_ERROR(renderer->Finish(end));
    if (flags.csv) {
      std::string text;
      for (const HostRow& host : end.hosts) text += HostLine(host, true) + "\n";
      context.env.notes->Print(text + SummaryText(end));
    }
  } else {
    TableOptions table;
    table.color = context.color && !file;
    // Local mode has one vantage, and so has a scan that named one.
    table.show_vantage = !session.is_local() && scan.spec().vantages_size() != 1;
    PORTOLAN_RETURN_IF_ERROR(PrintTable(request, table, states, end, out));
  }
  if (request.of_receipt > 0) {
    context.env.notes->Note(fmt::format(
        "{} of the observations have the time at which they were received, as the clock of their "
        "agent ({}) is wrong: portolan agents",
        Grouped(request.of_receipt), Printable(request.agent)));
  }
  return file ? file->Close() : absl::OkStatus();
}

}  // namespace portolan
