// portolan diff A B
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "cli/convert.h"
#include "cli/diff_side.h"
#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/text.h"
#include "cli/render/text_table.h"
#include "cli/scans.h"
#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

absl::StatusOr<v1::MonitorRun> FindRun(const std::string& text, const std::string& monitor,
                                       const std::string& run, Session& session) {
  PORTOLAN_ASSIGN_OR_RETURN(const v1::Monitor m, GetMonitor(session, monitor));
  for (const v1::MonitorRun& r : m.runs()) {
    const bool finished = r.state() != v1::MonitorRun::STATE_RUNNING;
    if (run == "last" ? !finished : run != std::to_string(r.number())) continue;
    if (r.scan_id().empty()) return NotFound("{}: this run made no scan: {}", text, r.message());
    return r;
  }
  return NotFound("{}: not among the last {} of {}; to list them: portolan monitor describe {}",
                  text, Counted(static_cast<uint64_t>(m.runs_size()), "run", "runs"), monitor,
                  monitor);
}

// SCAN, SCAN@VANTAGE, MONITOR#RUN, MONITOR#RUN@VANTAGE.
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

absl::StatusOr<DiffSide> OpenSide(const std::string& text, const SideName& name, Session& session) {
  std::optional<v1::MonitorRun> run;
  if (!name.run.empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(run, FindRun(text, name.ref, name.run, session));
  }
  PORTOLAN_ASSIGN_OR_RETURN(v1::Scan scan, GetScan(session, run ? run->scan_id() : name.ref));
  return DiffSide::Make(text, std::move(scan), name.vantage, run ? &*run : nullptr);
}

struct DiffFlags {
  std::string a, b;
  bool json = false, fail_on_change = false, fail_on_not_comparable = false;
};

enum class Change { kGone, kNew, kNotComparable };

struct Difference {
  Change change = Change::kNotComparable;
  DiffKey key;
  bool open_in_a = false;
  DiffAnswer answer;  // of the other side
};

// Sorts what only one side saw open by what the other says. What turns out to be open there too
// (while a scan runs, or by another name) is no difference.
void Judge(const std::vector<DiffKey>& keys, std::vector<DiffAnswer> answers, bool open_in_a,
           std::vector<Difference>* out, size_t* in_both) {
  for (size_t i = 0; i < keys.size(); ++i) {
    Difference d{Change::kNotComparable, keys[i], open_in_a, std::move(answers[i])};
    if (d.answer.kind == DiffAnswer::Kind::kOpen) {
      ++*in_both;
      continue;
    }
    if (d.answer.kind == DiffAnswer::Kind::kNotOpen)
      d.change = open_in_a ? Change::kGone : Change::kNew;
    out->push_back(std::move(d));
  }
}

std::string JsonOf(const Difference& d) {
  constexpr std::string_view kWords[] = {"gone", "new", "not-comparable"};
  JsonObject o;
  o.Text("type", "diff").Text("change", kWords[static_cast<size_t>(d.change)]);
  if (d.change == Change::kNotComparable) o.Text("cause", d.answer.cause);
  o.Text("target", TargetOf(d.key)).Text("address", d.key.ip.ToString()).Uint("port", d.key.port);
  o.TextOrNull("service", ServiceName(d.key.port));
  o.TextOrNull("a", d.open_in_a ? "open" : d.answer.text);
  o.TextOrNull("b", d.open_in_a ? d.answer.text : "open");
  return o.Done() + "\n";
}

absl::StatusOr<int> RunDiff(const DiffFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const SideName name_a, ParseSide(flags.a));
  PORTOLAN_ASSIGN_OR_RETURN(const SideName name_b, ParseSide(flags.b));
  const bool monitors = !name_a.run.empty() || !name_b.run.empty();
  PORTOLAN_ASSIGN_OR_RETURN(const auto session,
                            monitors ? ConnectToMonitors(context) : context.Connect({}, false));
  PORTOLAN_ASSIGN_OR_RETURN(DiffSide a, OpenSide(flags.a, name_a, *session));
  PORTOLAN_ASSIGN_OR_RETURN(DiffSide b, OpenSide(flags.b, name_b, *session));
  TextPool pool;
  for (DiffSide* side : {&a, &b}) {
    PORTOLAN_RETURN_IF_ERROR(side->ReadHosts(*session, pool));
    if (side->scan().state() == v1::SCAN_STATE_COMPLETE) continue;
    context.env.notes->Note(fmt::format("{} is {}: what it did not probe is not comparable",
                                        side->text(), ScanStateName(side->scan().state())));
  }
  PORTOLAN_ASSIGN_OR_RETURN(const std::vector<DiffKey> in_a, a.Open(*session, pool));
  PORTOLAN_ASSIGN_OR_RETURN(const std::vector<DiffKey> in_b, b.Open(*session, pool));
  std::vector<DiffKey> only_a, only_b;
  std::set_difference(in_a.begin(), in_a.end(), in_b.begin(), in_b.end(),
                      std::back_inserter(only_a), Before);
  std::set_difference(in_b.begin(), in_b.end(), in_a.begin(), in_a.end(),
                      std::back_inserter(only_b), Before);
  size_t both = in_a.size() - only_a.size();
  std::vector<Difference> differences;
  PORTOLAN_ASSIGN_OR_RETURN(std::vector<DiffAnswer> says_b, b.LookUp(*session, a, only_a, pool));
  PORTOLAN_ASSIGN_OR_RETURN(std::vector<DiffAnswer> says_a, a.LookUp(*session, b, only_b, pool));
  Judge(only_a, std::move(says_b), true, &differences, &both);
  Judge(only_b, std::move(says_a), false, &differences, &both);
  std::stable_sort(differences.begin(), differences.end(),
                   [](const Difference& x, const Difference& y) { return x.change < y.change; });

  TextTable table({{""},
                   {"PORT"},
                   {std::string(kServiceTitle)},
                   {CutTo(Printable(a.text()), 40)},
                   {CutTo(Printable(b.text()), 40)}});
  std::array<uint64_t, 3> counts{};
  for (const Difference& d : differences) {
    ++counts[static_cast<size_t>(d.change)];
    if (flags.json) {
      PORTOLAN_RETURN_IF_ERROR(context.Print(JsonOf(d)));
      continue;
    }
    constexpr const char* kMarks[] = {"-", "+", "?"};
    const std::string other = Printable(d.answer.text);
    table.Add({kMarks[static_cast<size_t>(d.change)], SubjectText(TargetOf(d.key), d.key.port),
               std::string(ServiceName(d.key.port)), d.open_in_a ? "open" : other,
               d.open_in_a ? other : "open"});
  }
  if (!table.empty()) PORTOLAN_RETURN_IF_ERROR(context.Print(table.Render(context.color)));
  const auto [gone, added, not_comparable] = counts;
  context.env.notes->Note(fmt::format(
      "{} open only in {}, {} open only in {}, {} in both{}", Grouped(gone), a.text(),
      Grouped(added), b.text(), Grouped(both),
      not_comparable == 0 ? "" : fmt::format(", {} not comparable", Grouped(not_comparable))));
  std::set<IpAddress> everywhere = a.Everywhere();
  everywhere.merge(b.Everywhere());
  if (!everywhere.empty()) {
    context.env.notes->Note(
        fmt::format("not compared: {} on every port; to list them: portolan results SCAN",
                    Counted(everywhere.size(), "host that answers", "hosts that answer")));
  }
  const bool failed = (flags.fail_on_change && gone + added > 0) ||
                      (flags.fail_on_not_comparable && not_comparable > 0);
  return failed ? kExitFindings : kExitComplete;
}

}  // namespace

void AddDiff(Program& program) {
  auto flags = std::make_shared<DiffFlags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "diff",
      {"[OPTION]... A B", "compare what is open in two scans, runs or vantages",
       "A and B are each SCAN, SCAN@VANTAGE, MONITOR#RUN or MONITOR#RUN@VANTAGE; a scan is an id, "
       "a unique beginning of one, a scan's name (the newest of that name), or last; RUN is a "
       "number, or last. Without a vantage a port is "
       "open where any of them sees it so. What is open in one is gone, or new, when the other saw "
       "that it is not open, from the same vantage where both have it. What the other never "
       "observed is not comparable, and says why: not probed (cancelled, no agent, excluded, ...), "
       "not scanned, no outcome yet, a host that answers on every port, a name that had no address "
       "or could not be looked up. What was found by names is compared by each name, without case "
       "and final dot.",
       "  portolan diff web#41 web#42\n"
       "  portolan diff web#last@office web#last@cloud-east\n"
       "  portolan diff 4kq7 last --fail-on-change --fail-on-not-comparable"},
      [flags](Context& context) { return RunDiff(*flags, context); });
  app->add_option("a", flags->a, "What was.")->option_text("A")->required()->group("What");
  app->add_option("b", flags->b, "What is.")->option_text("B")->required()->group("What");
  app->add_flag("--fail-on-change", flags->fail_on_change,
                "Exit code 4 when something is gone or new.")
      ->group("What");
  app->add_flag("--fail-on-not-comparable", flags->fail_on_not_comparable,
                "Exit code 4 when something cannot be compared.")
      ->group("What");
  app->add_flag("--json", flags->json,
                "JSON lines: an object a difference, \"type\":\"diff\", with change (gone, new, "
                "not-comparable), cause (of not-comparable), target, address, port, service, a and "
                "b.")
      ->group("Output");
}

}  // namespace portolan
