// portolan diff A B
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/convert.h"
#include "cli/exit_code.h"
#include "cli/hosts.h"
#include "cli/monitors.h"
#include "cli/render/text.h"
#include "cli/render/text_table.h"
#include "cli/scans.h"
#include "common/base/status.h"
#include "common/net/port_set.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

constexpr size_t kMostLookedUp = 1'000;   // rows
constexpr size_t kMostOpen = 10'000'000;  // of one side; some 40 bytes each
constexpr size_t kAddressesInOneCall = 50;

// What is compared: the name when the port was found by one, else the address.
struct Key {
  std::string_view name;  // of the pool
  IpAddress ip;           // of a name: not compared
  uint16_t port = 0;
};
bool Before(const Key& a, const Key& b) {
  if (a.name != b.name) return a.name < b.name;
  if (a.name.empty() && a.ip != b.ip) return a.ip < b.ip;
  return a.port < b.port;
}
std::string TargetOf(const Key& k) {
  return k.name.empty() ? k.ip.ToString() : std::string(k.name);
}

// SCAN, SCAN@VANTAGE, MONITOR#RUN, MONITOR#RUN@VANTAGE.
struct Side {
  std::string text;
  v1::Scan scan;
  std::string vantage;  // empty: all
};

absl::StatusOr<std::string> ScanOfRun(const std::string& text, const std::string& monitor,
                                      const std::string& run, Session& session) {
  PORTOLAN_ASSIGN_OR_RETURN(const v1::Monitor m, GetMonitor(session, monitor));
  for (const v1::MonitorRun& r : m.runs()) {
    const bool finished = r.state() != v1::MonitorRun::STATE_RUNNING;
    if (run == "last" ? !finished : run != std::to_string(r.number())) continue;
    if (r.scan_id().empty()) return NotFound("{}: this run made no scan: {}", text, r.message());
    return r.scan_id();
  }
  return NotFound("{}: not among the last {} runs of {}; portolan monitor describe {} lists them",
                  text, m.runs_size(), monitor, monitor);
}

struct SideName {
  std::string ref, run, vantage;  // run empty: `ref` is a scan
};
absl::StatusOr<SideName> ParseSide(const std::string& text) {
  SideName name;
  const size_t at = text.rfind('@');
  if (at != std::string::npos) name.vantage = text.substr(at + 1);
  const std::string rest = text.substr(0, at);
  const size_t hash = rest.find('#');
  name.ref = rest.substr(0, hash);
  if (hash != std::string::npos) name.run = rest.substr(hash + 1);
  const bool bad_run =
      hash != std::string::npos && name.run != "last" &&
      (name.run.empty() || name.run.find_first_not_of("0123456789") != std::string::npos);
  if (name.ref.empty() || bad_run || (at != std::string::npos && name.vantage.empty())) {
    return InvalidArgument(
        "\"{}\": write SCAN, SCAN@VANTAGE, MONITOR#RUN or MONITOR#RUN@VANTAGE; RUN is a number, or "
        "last",
        text);
  }
  return name;
}

absl::StatusOr<Side> OpenSide(const std::string& text, const SideName& name, Session& session) {
  Side side;
  side.text = text;
  side.vantage = name.vantage;
  std::string id = name.ref;
  if (!name.run.empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(id, ScanOfRun(text, name.ref, name.run, session));
  }
  PORTOLAN_ASSIGN_OR_RETURN(side.scan, GetScan(session, id));
  if (!side.vantage.empty() && side.scan.spec().mode() == v1::SCAN_MODE_EACH_VANTAGE) {
    std::string known;
    for (const v1::Lane& lane : side.scan.lanes()) {
      if (lane.vantage() == side.vantage) return side;
      known += (known.empty() ? "" : ", ") + lane.vantage();
    }
    return NotFound("{}: the scan has no vantage \"{}\"; it has {}", text, side.vantage, known);
  }
  return side;
}

class Comparer {
 public:
  Comparer(Context& context, Session& session) : context_(context), session_(session) {}

  absl::StatusOr<std::vector<Key>> Open(const Side& side) {
    v1::ListObservationsRequest list = RequestOf(side);
    list.set_without_everywhere_open(true);
    std::vector<Key> keys;
    PORTOLAN_RETURN_IF_ERROR(session_.client->Observations(
        list, [&](const v1::ListObservationsResponse& page) -> absl::Status {
          for (const v1::Observation& o : page.observations()) {
            PORTOLAN_ASSIGN_OR_RETURN(const ResultRow row, ToRow(o, pool_));
            keys.push_back({row.name, row.ip, row.port});
          }
          if (keys.size() <= kMostOpen) return absl::OkStatus();
          return ResourceExhausted("{}: over {} open ports: too many to compare; name one vantage",
                                   side.text, Grouped(kMostOpen));
        }));
    std::sort(keys.begin(), keys.end(), Before);
    keys.erase(std::unique(keys.begin(), keys.end(),
                           [](const Key& a, const Key& b) { return !Before(a, b); }),
               keys.end());
    return keys;
  }

  // The hosts that answer on every port: what is open there is no service.
  absl::Status AddEverywhere(const Side& side, std::set<IpAddress>* out) {
    std::vector<std::string> vantages;
    if (!side.vantage.empty()) vantages.push_back(side.vantage);
    PORTOLAN_ASSIGN_OR_RETURN(const HostList hosts,
                              FetchHosts(session_, side.scan.id(), {}, vantages, pool_));
    for (const HostRow& row : hosts.rows) {
      if (row.finding.kind == HostFindingKind::kAnswersEverywhere ||
          row.finding.kind == HostFindingKind::kSynProxy)
        out->insert(row.finding.address);
    }
    return absl::OkStatus();
  }

  // What `side` says of ports that are open in the other: text by key, in the order of `keys`.
  absl::StatusOr<std::vector<std::string>> LookUp(const Side& side, const std::vector<Key>& keys) {
    std::vector<std::string> out;
    for (size_t begin = 0; begin < keys.size();) {
      // Addresses go together, a name alone: a scan that does not know the name refuses it.
      size_t end = begin;
      std::set<IpAddress> addresses;
      while (end < keys.size() && keys[end].name == keys[begin].name &&
             (!keys[begin].name.empty() || addresses.size() < kAddressesInOneCall ||
              addresses.count(keys[end].ip) > 0)) {
        addresses.insert(keys[end++].ip);
      }
      const std::vector<Key> part(keys.begin() + static_cast<std::ptrdiff_t>(begin),
                                  keys.begin() + static_cast<std::ptrdiff_t>(end));
      PORTOLAN_RETURN_IF_ERROR(LookUpPart(side, part, &out));
      begin = end;
    }
    return out;
  }

 private:
  static v1::ListObservationsRequest RequestOf(const Side& side) {
    v1::ListObservationsRequest list;
    list.set_scan_id(side.scan.id());
    if (!side.vantage.empty()) list.add_vantages(side.vantage);
    return list;
  }

  absl::Status LookUpPart(const Side& side, const std::vector<Key>& keys,
                          std::vector<std::string>* out) {
    v1::ListObservationsRequest list = RequestOf(side);
    for (int s = v1::PORT_STATE_OPEN; s <= v1::PORT_STATE_NOT_PROBED; ++s)
      list.add_states(static_cast<v1::PortState>(s));
    std::vector<PortRange> ports;
    std::set<std::string> targets;
    for (const Key& k : keys) {
      ports.push_back({k.port, k.port});
      targets.insert(TargetOf(k));
    }
    for (const std::string& t : targets) list.add_targets(t);
    list.set_ports(PortSet::Of(std::move(ports)).ToString());
    // By key: what is seen -> from where.
    std::map<Key, std::map<std::string, std::set<std::string>>, decltype(&Before)> seen(&Before);
    const absl::Status status = session_.client->Observations(
        list, [&](const v1::ListObservationsResponse& page) -> absl::Status {
          for (const v1::Observation& o : page.observations()) {
            PORTOLAN_ASSIGN_OR_RETURN(const ResultRow row, ToRow(o, pool_));
            std::string text(StateName(row.state));
            if (!row.reason.empty()) text += "/" + std::string(row.reason);
            seen[{row.name, row.ip, row.port}][text].emplace(row.vantage);
          }
          return absl::OkStatus();
        });
    const bool unknown_name = !keys.front().name.empty() && absl::IsInvalidArgument(status);
    if (!unknown_name && !absl::IsNotFound(status)) PORTOLAN_RETURN_IF_ERROR(status);
    for (const Key& k : keys) out->push_back(Text(seen[k]));
    return absl::OkStatus();
  }

  static std::string Text(const std::map<std::string, std::set<std::string>>& seen) {
    if (seen.empty()) return "not scanned";
    std::string out;
    for (const auto& [state, vantages] : seen) {
      out += (out.empty() ? "" : "; ") + state;
      if (seen.size() == 1) continue;
      std::string from;
      for (const std::string& v : vantages) from += (from.empty() ? "" : ", ") + v;
      out += " from " + from;
    }
    return out;
  }

  Context& context_;
  Session& session_;
  TextPool pool_;
};

struct Flags {
  std::string a, b;
  bool json = false, fail_on_change = false;
};

void RemoveHosts(const std::set<IpAddress>& hosts, std::vector<Key>* keys) {
  std::erase_if(*keys, [&](const Key& k) { return hosts.count(k.ip) > 0; });
}

absl::StatusOr<int> Run(const Flags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const SideName name_a, ParseSide(flags.a));
  PORTOLAN_ASSIGN_OR_RETURN(const SideName name_b, ParseSide(flags.b));
  const bool monitors = !name_a.run.empty() || !name_b.run.empty();
  PORTOLAN_ASSIGN_OR_RETURN(const auto session,
                            monitors ? ConnectToMonitors(context) : context.Connect({}, false));
  PORTOLAN_ASSIGN_OR_RETURN(const Side a, OpenSide(flags.a, name_a, *session));
  PORTOLAN_ASSIGN_OR_RETURN(const Side b, OpenSide(flags.b, name_b, *session));
  for (const Side* side : {&a, &b}) {
    if (side->scan.state() == v1::SCAN_STATE_COMPLETE) continue;
    context.env.notes->Note(
        fmt::format("{} is {}: what it did not probe looks as if it were not open", side->text,
                    ScanStateName(side->scan.state())));
  }
  Comparer comparer(context, *session);
  PORTOLAN_ASSIGN_OR_RETURN(std::vector<Key> in_a, comparer.Open(a));
  PORTOLAN_ASSIGN_OR_RETURN(std::vector<Key> in_b, comparer.Open(b));
  std::set<IpAddress> everywhere;
  PORTOLAN_RETURN_IF_ERROR(comparer.AddEverywhere(a, &everywhere));
  PORTOLAN_RETURN_IF_ERROR(comparer.AddEverywhere(b, &everywhere));
  RemoveHosts(everywhere, &in_a);
  RemoveHosts(everywhere, &in_b);

  std::vector<Key> gone, added;
  std::set_difference(in_a.begin(), in_a.end(), in_b.begin(), in_b.end(), std::back_inserter(gone),
                      Before);
  std::set_difference(in_b.begin(), in_b.end(), in_a.begin(), in_a.end(), std::back_inserter(added),
                      Before);
  const auto first = [](const std::vector<Key>& keys, size_t n) {
    return std::vector<Key>(keys.begin(),
                            keys.begin() + static_cast<std::ptrdiff_t>(std::min(n, keys.size())));
  };
  const std::vector<Key> ask_b = first(gone, kMostLookedUp);
  const std::vector<Key> ask_a = first(added, kMostLookedUp - ask_b.size());
  PORTOLAN_ASSIGN_OR_RETURN(const auto now_b, comparer.LookUp(b, ask_b));
  PORTOLAN_ASSIGN_OR_RETURN(const auto was_a, comparer.LookUp(a, ask_a));

  TextTable table({{""},
                   {"PORT"},
                   {"SERVICE"},
                   {CutTo(Printable(a.text), 40)},
                   {CutTo(Printable(b.text), 40)}});
  const auto add = [&](const std::vector<Key>& keys, const std::vector<std::string>& other,
                       bool is_new) -> absl::Status {
    for (size_t i = 0; i < keys.size(); ++i) {
      const Key& k = keys[i];
      const std::string seen = i < other.size() ? other[i] : "";
      const std::string service(ServiceName(k.port));
      if (flags.json) {
        JsonObject o;
        o.Text("type", "diff").Text("change", is_new ? "new" : "gone").Text("target", TargetOf(k));
        o.Text("address", k.ip.ToString()).Uint("port", k.port).TextOrNull("service", service);
        o.TextOrNull("a", is_new ? seen : "open").TextOrNull("b", is_new ? "open" : seen);
        PORTOLAN_RETURN_IF_ERROR(context.Print(o.Done() + "\n"));
        continue;
      }
      table.Add({is_new ? "+" : "-", SubjectText(TargetOf(k), k.port), service,
                 is_new ? seen : "open", is_new ? "open" : seen});
    }
    return absl::OkStatus();
  };
  PORTOLAN_RETURN_IF_ERROR(add(gone, now_b, false));
  PORTOLAN_RETURN_IF_ERROR(add(added, was_a, true));
  if (!table.empty()) PORTOLAN_RETURN_IF_ERROR(context.Print(table.Render(context.color)));
  context.env.notes->Note(fmt::format("{} open only in {}, {} open only in {}, {} in both",
                                      Grouped(gone.size()), a.text, Grouped(added.size()), b.text,
                                      Grouped(in_a.size() - gone.size())));
  if (gone.size() + added.size() > ask_a.size() + ask_b.size()) {
    context.env.notes->Note(fmt::format(
        "what the other side says was looked up for the first {} only", Grouped(kMostLookedUp)));
  }
  if (!everywhere.empty()) {
    context.env.notes->Note(
        fmt::format("{} that answer on every port were not compared; portolan results lists them",
                    everywhere.size() == 1 ? "one host" : Grouped(everywhere.size()) + " hosts"));
  }
  return flags.fail_on_change && gone.size() + added.size() > 0 ? kExitFindings : kExitComplete;
}

}  // namespace

void AddDiff(Program& program) {
  auto flags = std::make_shared<Flags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "diff",
      {"[OPTION]... A B", "compare what is open in two scans, runs or vantages",
       "A and B are each SCAN, SCAN@VANTAGE, MONITOR#RUN or MONITOR#RUN@VANTAGE; a scan is an id, "
       "a "
       "unique beginning of one, or last; RUN is a number, or last. Without a vantage a port is "
       "open where any of them sees it so. Of what is open in one only, the state and reason in "
       "the other are looked up. What was found by a name is compared by the name.",
       "  portolan diff web#41 web#42\n"
       "  portolan diff web#last@office web#last@cloud-east\n"
       "  portolan diff 4kq7 last --fail-on-change"},
      [flags](Context& context) { return Run(*flags, context); });
  app->add_option("a", flags->a, "What was.")->option_text("A")->required()->group("What");
  app->add_option("b", flags->b, "What is.")->option_text("B")->required()->group("What");
  app->add_flag("--fail-on-change", flags->fail_on_change, "Exit code 4 when they differ.")
      ->group("What");
  app->add_flag("--json", flags->json,
                "JSON lines: an object a difference, \"type\":\"diff\", with change (gone, new), "
                "target, address, port, service, a and b; null where it was not looked up.")
      ->group("Output");
}

}  // namespace portolan
