// portolan exposure [MONITOR]
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/base/inputs.h"
#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/style.h"
#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/scan/observation.h"

namespace portolan {
namespace {

constexpr uint32_t kPage = 1'000;

struct ExposureFlags {
  std::string monitor, ports;
  std::vector<std::string> targets, classes;
  bool unexpected = false, json = false, csv = false;
};

absl::StatusOr<v1::ListExposureRequest> RequestOf(const ExposureFlags& flags) {
  v1::ListExposureRequest request;
  if (flags.json && flags.csv)
    return InvalidArgument("--json and --csv exclude each other: give one");
  request.set_monitor(flags.monitor);
  for (const std::string& text : flags.targets) {
    for (const std::string& one : SplitTargets(text)) request.add_targets(one);
  }
  if (!flags.ports.empty()) PORTOLAN_RETURN_IF_ERROR(CheckPortsFlag("--ports", flags.ports, true));
  request.set_ports(flags.ports);
  for (const std::string& list : flags.classes) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto names, SplitList(list));
    for (const std::string& name : names) request.add_classes(name);
  }
  if (flags.unexpected) request.set_expected("no");
  request.set_page_size(kPage);
  return request;
}

// "no: RULE" where any vantage has that, else "unknown", else "yes", else "-".
std::string ExpectedText(const v1::Exposure& e) {
  std::string yes;
  for (const v1::SubjectState& s : e.states()) {
    if (s.expected() == "no") return "no: " + Printable(s.rule());
  }
  for (const v1::SubjectState& s : e.states()) {
    if (s.expected() == "unknown") return "unknown: " + Printable(s.rule());
    if (s.expected() == "yes" && yes.empty()) yes = "yes: " + Printable(s.rule());
  }
  return yes.empty() ? "-" : yes;
}

int64_t SinceOf(const v1::Exposure& e) {
  int64_t since = 0;
  for (const v1::SubjectState& s : e.states()) {
    if (s.since_unix_us() != 0 && (since == 0 || s.since_unix_us() < since))
      since = s.since_unix_us();
  }
  return since;
}

// One monitor's rows under its header. Widths are those of the rows of a page, and grow.
class Matrix {
 public:
  Matrix(Context& context) : context_(context) {}

  absl::Status Add(const google::protobuf::RepeatedPtrField<v1::Exposure>& rows) {
    for (int begin = 0; begin < rows.size();) {
      int end = begin + 1;
      while (end < rows.size() && rows[end].monitor() == rows[begin].monitor()) ++end;
      PORTOLAN_RETURN_IF_ERROR(AddBlock(rows, begin, end));
      begin = end;
    }
    return absl::OkStatus();
  }

 private:
  using Rows = google::protobuf::RepeatedPtrField<v1::Exposure>;

  absl::Status AddBlock(const Rows& rows, int begin, int end) {
    bool header = false;
    if (!any_ || rows[begin].monitor() != monitor_) {
      header = true;
      monitor_ = rows[begin].monitor();
      vantages_.clear();
    }
    // All rows of a monitor name all its vantages; a vantage that was added meanwhile gets a new
    // header.
    for (int i = begin; i < end; ++i) {
      for (const v1::SubjectState& s : rows[i].states()) {
        if (std::find(vantages_.begin(), vantages_.end(), s.vantage()) != vantages_.end()) continue;
        vantages_.push_back(s.vantage());
        header = true;
      }
    }
    std::vector<std::vector<std::string>> lines;
    if (header) {
      std::vector<std::string> titles = {"PORT", std::string(kServiceTitle)};
      for (const std::string& v : vantages_) titles.push_back(Printable(v));
      for (const char* t : {"CLASS", "BARRIER", "EXPECTED", "SINCE"}) titles.push_back(t);
      widths_.assign(titles.size(), 0);
      lines.push_back(std::move(titles));
    }
    for (int i = begin; i < end; ++i) lines.push_back(Cells(rows[i]));
    for (const auto& line : lines) {
      for (size_t i = 0; i < line.size(); ++i)
        widths_[i] = std::max(widths_[i], DisplayWidth(line[i]));
    }
    std::string out;
    if (header) {
      out += (any_ ? "\n" : "") +
             Paint(context_.color, Ink::kBold, "monitor " + Printable(monitor_)) + "\n";
    }
    any_ = true;
    for (size_t n = 0; n < lines.size(); ++n) {
      std::string text;
      for (size_t i = 0; i < lines[n].size(); ++i) {
        const std::string& cell = lines[n][i];
        const std::string pad(i + 1 < lines[n].size() ? widths_[i] - DisplayWidth(cell) + 2 : 0,
                              ' ');
        const bool is_header = header && n == 0;
        const bool red = !is_header && cell.starts_with("no: ");
        text +=
            Paint(context_.color && (is_header || red), red ? Ink::kRed : Ink::kBold, cell) + pad;
      }
      out += text + "\n";
    }
    return context_.Print(out + UnknownText(rows, begin, end));
  }

  // Why there is a "-" in the block: each reason once.
  static std::string UnknownText(const Rows& rows, int begin, int end) {
    struct Places {
      int count = 0;
      std::string first;
    };
    std::map<std::string, Places> reasons;
    for (int i = begin; i < end; ++i) {
      for (const v1::SubjectState& s : rows[i].states()) {
        if (s.unknown_reason().empty()) continue;
        Places& places = reasons[s.unknown_reason()];
        if (places.count++ == 0)
          places.first = SubjectText(rows[i].target(), rows[i].port()) + " from " + s.vantage();
      }
    }
    std::string out;
    for (const auto& [reason, places] : reasons) {
      out += fmt::format("  -  not known: {} ({}{})\n", Printable(reason), Printable(places.first),
                         places.count == 1 ? "" : fmt::format(" and {} more", places.count - 1));
    }
    return out;
  }

  std::vector<std::string> Cells(const v1::Exposure& e) const {
    std::vector<std::string> cells = {SubjectText(e.target(), e.port()),
                                      e.service().empty() ? "-" : Printable(e.service())};
    for (const std::string& v : vantages_) {
      std::string cell = "-";
      for (const v1::SubjectState& s : e.states()) {
        if (s.vantage() == v) cell = StateText(s);
      }
      cells.push_back(cell);
    }
    cells.push_back(Printable(e.exposure_class()));
    cells.push_back(Printable(e.barrier()));
    cells.push_back(ExpectedText(e));
    cells.push_back(TimeText(SinceOf(e)));
    return cells;
  }

  Context& context_;
  std::string monitor_;
  std::vector<std::string> vantages_;
  std::vector<size_t> widths_;
  bool any_ = false;
};

std::string CsvOf(const v1::Exposure& e) {
  std::string out;
  for (const v1::SubjectState& s : e.states()) {
    const bool known = s.state() != v1::PORT_STATE_UNSPECIFIED;
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", CsvCell(e.monitor()),
                       CsvCell(e.target()), e.port(), CsvCell(e.service()),
                       CsvCell(e.exposure_class()), CsvCell(e.barrier()), CsvCell(s.vantage()),
                       CsvCell(s.side()), known ? StateName(static_cast<State>(s.state())) : "",
                       CsvCell(s.reason()), CsvCell(s.expected()), CsvCell(s.rule()),
                       s.since_unix_us() != 0 ? Rfc3339(FromUnixMicros(s.since_unix_us())) : "",
                       CsvCell(s.address()), CsvCell(s.unknown_reason()));
  }
  return out;
}

absl::StatusOr<int> RunExposure(const ExposureFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(v1::ListExposureRequest request, RequestOf(flags));
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  if (flags.csv) {
    PORTOLAN_RETURN_IF_ERROR(
        context.Print("monitor,target,port,service,class,barrier,vantage,side,state,reason,"
                      "expected,rule,since,address,unknown_reason\n"));
  }
  Matrix matrix(context);
  uint64_t rows = 0;
  while (true) {
    PORTOLAN_ASSIGN_OR_RETURN(
        const v1::ListExposureResponse page,
        session->client->CallPatiently(&ApiClient::Monitors::ListExposure, request));
    rows += static_cast<uint64_t>(page.exposures_size());
    if (!flags.json && !flags.csv) PORTOLAN_RETURN_IF_ERROR(matrix.Add(page.exposures()));
    for (const v1::Exposure& e : page.exposures()) {
      if (flags.json) PORTOLAN_RETURN_IF_ERROR(context.Print(JsonLine("exposure", e)));
      if (flags.csv) PORTOLAN_RETURN_IF_ERROR(context.Print(CsvOf(e)));
    }
    request.set_page_token(page.next_page_token());
    // What must be open and is not known to be is not as expected, either.
    if (request.page_token().empty() && request.expected() == "no") {
      request.set_expected("unknown");
      continue;
    }
    if (request.page_token().empty()) break;
  }
  if (rows == 0) {
    context.env.notes->Note(flags.unexpected ? "nothing is open, or missing, that must not be"
                                             : "nothing is open: as far as monitors have looked; "
                                               "see portolan monitor list");
  }
  return kExitComplete;
}

}  // namespace

void AddExposure(Program& program) {
  auto flags = std::make_shared<ExposureFlags>();
  CLI::App* app = program.AddVerb(
      &program.root(), "exposure",
      {"[OPTION]... [MONITOR]", "show what is open from where, as monitors know it",
       "A row for each target and port that is open from somewhere or must be; a column for each "
       "vantage with its state and reason (- where nothing is known). CLASS is drawn from these, "
       "BARRIER says what stands in the way elsewhere, EXPECTED what the rules say and which, "
       "SINCE when it was first seen open. The words: docs/exposure.md.",
       "  portolan exposure web\n"
       "  portolan exposure --unexpected\n"
       "  portolan exposure web --class open-only-outside,open-everywhere --ports 1-1024\n"
       "  portolan exposure --csv > exposure.csv"},
      [flags](Context& context) { return RunExposure(*flags, context); });
  AddMonitorFilter(app, &flags->monitor);
  const auto list = [&](const char* name, std::vector<std::string>* into, const char* value,
                        const char* text) {
    app->add_option(name, *into, text)
        ->option_text(value)
        ->group("Which")
        ->allow_extra_args(false)
        ->take_all();
  };
  list("--target", &flags->targets, "TARGETS",
       "Only these: addresses, networks, ranges, names as the monitor has them. Comma list, "
       "repeatable.");
  app->add_option("-p,--ports", flags->ports, "Only these ports.")
      ->option_text("PORTS")
      ->group("Which");
  list("--class", &flags->classes, "CLASSES",
       "Only these: open-everywhere, open-only-inside, open-only-outside, open-from-some, "
       "not-open, not-comparable. Comma list, repeatable.");
  app->add_flag("--unexpected", flags->unexpected,
                "Only what is against a rule: open and must not be, or the reverse.")
      ->group("Which");
  AddJsonFlag(app, &flags->json, "exposure");
  app->add_flag("--csv", flags->csv, "CSV with a header line, a row for each vantage.")
      ->group("Output");
}

}  // namespace portolan
