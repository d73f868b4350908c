// portolan monitor apply -f FILE|DIR|-
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "cli/exit_code.h"
#include "cli/monitors.h"
#include "cli/render/style.h"
#include "cli/render/text.h"
#include "cli/vantages.h"
#include "common/base/status.h"
#include "common/monitor/listed_targets.h"
#include "common/monitor/monitor_file.h"
#include "common/net/list_text.h"

namespace portolan {
namespace {

constexpr size_t kMaxFile = 1 << 20;
constexpr size_t kMaxFiles = 1'000;  // as the coordinator takes in one call

struct MonitorApplyFlags {
  std::vector<std::string> from;
  bool dry_run = false, prune = false, json = false;
};

absl::StatusOr<std::string> ReadAll(std::istream& in, const std::string& name, size_t most) {
  std::string text;
  char block[4096];
  while (in.read(block, sizeof block) || in.gcount() > 0) {
    text.append(block, static_cast<size_t>(in.gcount()));
    if (text.size() > most) return InvalidArgument("{}: over {} bytes: split the file", name, most);
  }
  if (in.bad()) return InvalidArgument("{}: reading failed: is it a directory?", name);
  return text;
}

// The files that -f names, in order; those of a directory by name.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& from) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (from == "-" || !fs::is_directory(from, error)) return std::vector<std::string>{from};
  std::vector<std::string> files;
  fs::directory_iterator at(from, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string extension = at->path().extension().string();
    if (extension == ".yaml" || extension == ".yml") files.push_back(at->path().string());
  }
  if (error) return InvalidArgument("-f \"{}\": cannot be read: {}", from, error.message());
  if (files.empty()) {
    return InvalidArgument(
        "-f \"{}\": no *.yaml or *.yml is in this directory (subdirectories are "
        "not looked into): name another, or the files",
        from);
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The lists of targets that a document names. Their paths count from its directory; those of
// standard input, from the working directory.
absl::Status AddTargetFiles(const std::string& path, v1::MonitorDocument* document) {
  namespace fs = std::filesystem;
  for (const std::string& name : TargetFilesOf(document->yaml())) {
    const fs::path where = path == "-" ? fs::path(name) : fs::path(path).parent_path() / name;
    std::ifstream in(where, std::ios::binary);
    if (!in) {
      return InvalidArgument(
          "{}: spec.targetsFrom.file \"{}\": no file {}, or no permission to read it; its path "
          "counts from {}",
          document->source(), name, where.string(),
          path == "-" ? "the working directory" : "the directory of the document");
    }
    PORTOLAN_ASSIGN_OR_RETURN(std::string text,
                              ReadAll(in, where.string(), ListedTargets::kMaxBytes));
    v1::MonitorDocument::TargetFile* file = document->add_target_files();
    file->set_path(name);
    file->set_text(DecodeText(std::move(text)));  // UTF-16 is no text of a message
  }
  return absl::OkStatus();
}

absl::Status AddFile(const std::string& path, Context& context, v1::ApplyMonitorsRequest* request,
                     size_t* documents) {
  const std::string name = path == "-" ? "stdin" : path;
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) return InvalidArgument("-f \"{}\": no such file, or no permission to read it", path);
  }
  PORTOLAN_ASSIGN_OR_RETURN(std::string text,
                            ReadAll(path == "-" ? *context.env.in : file, name, kMaxFile));
  // What is no YAML at all is said here; what it means, the coordinator says, which may be newer.
  std::vector<MonitorProblem> problems;
  *documents += ReadYaml(text, &problems).size();
  PORTOLAN_RETURN_IF_ERROR(ProblemsStatus(name, problems));
  if (request->documents_size() == kMaxFiles)
    return InvalidArgument("-f: over {} files: apply them in parts", kMaxFiles);
  v1::MonitorDocument* document = request->add_documents();
  document->set_source(name);
  document->set_yaml(std::move(text));
  return AddTargetFiles(path, document);
}

std::string_view ActionText(v1::ApplyMonitorsResponse::Action action) {
  switch (action) {
    case v1::ApplyMonitorsResponse::ACTION_CREATED:
      return "created";
    case v1::ApplyMonitorsResponse::ACTION_CHANGED:
      return "changed";
    case v1::ApplyMonitorsResponse::ACTION_DELETED:
      return "deleted";
    default:
      return "unchanged";
  }
}

// A monitor may be there before the agents of its vantages, so this is no error; but it may be a
// misspelling as well.
void NoteVantages(const v1::ApplyMonitorsRequest& request, Session& session, Context& context) {
  std::set<std::string> all;
  for (const v1::MonitorDocument& document : request.documents()) {
    for (const MonitorFile::Entry& entry : ParseMonitors(document.yaml()).monitors) {
      std::vector<std::string> vantages;
      for (const MonitorVantage& v : entry.spec.vantages) vantages.push_back(v.name);
      const auto known =
          NoteUnknownVantages(context, session, "monitor " + Printable(entry.spec.name), vantages);
      all.insert(known.begin(), known.end());
    }
  }
  if (!all.empty()) NoteMissingAgents(context, session, {all.begin(), all.end()}, "");
}

absl::StatusOr<int> RunMonitorApply(const MonitorApplyFlags& flags, Context& context) {
  v1::ApplyMonitorsRequest request;
  size_t documents = 0;
  if (std::count(flags.from.begin(), flags.from.end(), "-") > 1)
    return InvalidArgument("-f - can be given once: standard input is read once");
  for (const std::string& from : flags.from) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto files, FilesOf(from));
    for (const std::string& path : files)
      PORTOLAN_RETURN_IF_ERROR(AddFile(path, context, &request, &documents));
  }
  if (documents == 0) {
    return InvalidArgument("-f: no document in what was read{}",
                           flags.prune ? ", and --prune would remove every monitor" : "");
  }
  request.set_dry_run(flags.dry_run);
  request.set_prune(flags.prune);
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  PORTOLAN_ASSIGN_OR_RETURN(
      const v1::ApplyMonitorsResponse response,
      session->client->Call(&ApiClient::Monitors::ApplyMonitors, request, std::chrono::minutes(2)));
  std::string out;
  int changes = 0;
  for (const auto& result : response.results()) {
    changes += result.action() != v1::ApplyMonitorsResponse::ACTION_UNCHANGED;
    if (flags.json) {
      out += JsonLine("apply", result);
      continue;
    }
    out += fmt::format("{}: {}\n", Printable(result.monitor()), ActionText(result.action()));
    for (const std::string& line : result.diff()) {
      const Ink ink = line.starts_with("+")   ? Ink::kGreen
                      : line.starts_with("-") ? Ink::kRed
                                              : Ink::kYellow;
      out += "  " + Paint(context.color, ink, Printable(line)) + "\n";
    }
  }
  PORTOLAN_RETURN_IF_ERROR(context.Print(out));
  NoteVantages(request, *session, context);
  if (flags.dry_run) {
    context.env.notes->Note(changes == 0
                                ? "dry run: nothing would change"
                                : fmt::format("dry run: {} of {} would change; nothing was "
                                              "changed",
                                              changes, response.results_size()));
  }
  return kExitComplete;
}

}  // namespace

void AddMonitorApply(Program& program, CLI::App* monitor) {
  auto flags = std::make_shared<MonitorApplyFlags>();
  CLI::App* app = program.AddVerb(
      monitor, "apply",
      {"[OPTION]... -f FILE|DIR|-", "make the monitors be as the files say",
       "All of them or none: a file with one mistake changes nothing, and each problem is named "
       "with file, line and column (exit code 2). Applying the same files again changes nothing. "
       "Monitors that are in no file stay as they are, unless --prune is given. Lists of targets "
       "that a monitor takes from a file (targetsFrom) are read here and sent along; their paths "
       "count from the directory of the monitor's file, or with - from the working directory. What "
       "a monitor file holds: docs/monitors.md.",
       "  portolan monitor apply -f monitors/ --dry-run\n"
       "  portolan monitor apply -f monitors/ --prune\n"
       "  portolan monitor get web | sed s/1h/30m/ | portolan monitor apply -f -"},
      [flags](Context& context) { return RunMonitorApply(*flags, context); });
  app->add_option("-f,--file", flags->from,
                  "A file, a directory (its *.yaml and *.yml, by name), or - for standard input. "
                  "Repeatable.")
      ->option_text("FILE|DIR|-")
      ->required()
      ->allow_extra_args(false)
      ->take_all()
      ->group("What");
  app->add_flag("--dry-run", flags->dry_run, "Say what would be done, and do nothing.")
      ->group("What");
  app->add_flag("--prune", flags->prune,
                "Remove, with their history, the monitors that are in none of the files.")
      ->group("What");
  AddJsonFlag(app, &flags->json, "apply");
}

}  // namespace portolan
