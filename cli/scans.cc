// portolan scans [list]
#include "cli/scans.h"

#include "cli/convert.h"
#include "cli/exit_code.h"
#include "cli/render/text.h"
#include "cli/render/text_table.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr int kMaxPages = 1'000;

struct ScansListFlags {
  bool json = false;
  bool monitors = false;
  uint64_t limit = 100;
};

absl::StatusOr<int> RunScansList(const ScansListFlags& flags, Context& context) {
  auto session = context.Connect({}, false);
  if (!session.ok() &&
      session.status().code() ==
          absl::StatusCode::kNotFound) {  // local mode was never used: an empty list
    context.env.notes->Note(Message(session.status()));
    return kExitComplete;
  }
  PORTOLAN_RETURN_IF_ERROR(session.status());
  TextTable table({{"ID"},
                   {"NAME"},
                   {"STATE"},
                   {"DONE", TextTable::Align::kRight},
                   {"OPEN", TextTable::Align::kRight},
                   {"PLANNED", TextTable::Align::kRight},
                   {"CREATED"},
                   {"AGE", TextTable::Align::kRight}});
  const int64_t now = ToUnixMicros(context.env.clock->Wall());
  v1::ListScansRequest request;
  uint64_t left = flags.limit, hidden = 0;
  bool more = false;
  // Monitors make scans all the time: some pages of them are passed over, not all that there are.
  for (int pages = 0; left > 0 && pages < kMaxPages; ++pages) {
    request.set_page_size(flags.monitors ? static_cast<uint32_t>(std::min<uint64_t>(left, 200))
                                         : 200);
    PORTOLAN_ASSIGN_OR_RETURN(const auto page,
                              (*session)->client->Call(&ApiClient::Stub::ListScans, request));
    for (const v1::Scan& scan : page.scans()) {
      if (!scan.monitor().empty() && !flags.monitors) {
        ++hidden;
        continue;
      }
      if (left == 0) {
        more = true;
        break;
      }
      --left;
      if (flags.json) {
        PORTOLAN_RETURN_IF_ERROR(context.Print(ScanJson(scan) + "\n"));
        continue;
      }
      const Progress p = ToProgress(scan);
      table.Add({scan.id(), CutTo(scan.spec().name(), 40), p.state, Percent(p.done, p.planned),
                 Grouped(p.open), Grouped(p.planned),
                 HumanTime(FromUnixMicros(scan.created_unix_us())),
                 HumanDuration(static_cast<double>(now - scan.created_unix_us()) / 1e6)});
    }
    request.set_page_token(page.next_page_token());
    if (page.next_page_token().empty() || page.scans().empty()) break;
  }
  if (!flags.json) PORTOLAN_RETURN_IF_ERROR(context.Print(table.Render(context.color)));
  if (more || (left == 0 && !request.page_token().empty())) {
    context.env.notes->Note(
        fmt::format("only the newest {} are shown: --limit N for more", flags.limit));
  }
  if (hidden > 0) {
    context.env.notes->Note(Counted(hidden, "scan of a monitor is", "scans of monitors are") +
                            " not shown: --monitors");
  }
  return kExitComplete;
}

void AddScansListFlags(CLI::App* app, ScansListFlags* flags) {
  app->add_flag("--json", flags->json,
                "A JSON object a line, \"type\":\"scan\", with everything that scans show prints.")
      ->group("Output");
  app->add_flag("--monitors", flags->monitors, "Also the scans that monitors made.")
      ->group("Output");
  app->add_option("--limit", flags->limit, "At most N, the newest. Default: 100.")
      ->option_text("N")
      ->group("Output")
      ->check(CLI::Range(1, 1000000));
}

}  // namespace

void AddScanId(CLI::App* app, std::string* id) {
  app->add_option(
         "scan", *id,
         "Its id, a unique beginning of that, its name (the newest of that name), or last.")
      ->option_text("SCAN")
      ->required()
      ->group("Which scan");
}

absl::StatusOr<v1::Scan> GetScan(Session& session, const std::string& id) {
  v1::GetScanRequest request;
  request.set_scan_id(id);
  return session.client->Call(&ApiClient::Stub::GetScan, request);
}

absl::StatusOr<v1::Scan> GetScanPatiently(Session& session, const std::string& id) {
  v1::GetScanRequest request;
  request.set_scan_id(id);
  return session.client->CallPatiently(&ApiClient::Stub::GetScan, request);
}

void AddScans(Program& program) {
  auto flags = std::make_shared<ScansListFlags>();
  const auto run = [flags](Context& context) { return RunScansList(*flags, context); };
  CLI::App* scans =
      program.AddVerb(&program.root(), "scans",
                      {"[VERB] [OPTION]...",
                       "list scans, and show, watch, pause, resume, cancel, change or remove one",
                       "Without a verb: list.",
                       "  portolan scans\n"
                       "  portolan scans watch last\n"
                       "  portolan scans exclude last 10.0.0.0/24 '10.0.1.7 22,80'"},
                      run);
  AddScansListFlags(scans, flags.get());
  CLI::App* list = program.AddVerb(scans, "list",
                                   {"[OPTION]...", "list scans, the newest first", "",
                                    "  portolan scans list --json | jq -r .scan_id"},
                                   run);
  AddScansListFlags(list, flags.get());
  AddScansShow(program, scans);
  AddScansWatch(program, scans);
  AddScansControl(program, scans);
}

}  // namespace portolan
