#include "coordinator/monitoring/monitor_directory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/base/status.h"
#include "common/monitor/monitor_file.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxBytes = 16u << 20;
constexpr size_t kMaxListBytes = 64u << 20;  // of all lists of targets
constexpr size_t kMaxFiles = 10'000;

bool IsMonitorFile(const fs::path& file) {
  const std::string name = file.filename().string();
  return !name.empty() && name[0] != '.' &&
         (file.extension() == ".yaml" || file.extension() == ".yml");
}

// `room` is what is left of `most` bytes.
absl::StatusOr<std::string> ReadText(const fs::path& file, size_t most, size_t& room) {
  std::error_code error;
  const uintmax_t size = fs::file_size(file, error);
  if (error) return Unavailable("{}: {}", file.string(), error.message());
  if (size > room) {
    return ResourceExhausted("{}: {} bytes; all files may have {}: divide them over coordinators",
                             file.string(), size, most);
  }
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  if (!in) return Unavailable("{}: cannot be read; see to its permissions", file.string());
  std::string text = std::move(out).str();
  if (text.size() > room) return ResourceExhausted("{}: grows while it is read", file.string());
  room -= text.size();
  return text;
}

// A list of targets is read where the documents are and nowhere else, whatever they say: whoever
// may write a document here may not therefore read the coordinator's other files, which errors
// quote. Links within the directory are followed, as in a mounted ConfigMap.
absl::Status AddTargetFiles(const fs::path& directory, MonitorDocument& doc, size_t& room) {
  for (const std::string& name : TargetFilesOf(doc.yaml)) {
    std::error_code error;
    const fs::path top = fs::canonical(directory, error);
    const fs::path file = fs::weakly_canonical(top / name, error);
    const auto [end, unused] = std::mismatch(top.begin(), top.end(), file.begin(), file.end());
    if (error || fs::path(name).is_absolute() || end != top.end()) {
      return InvalidArgument(
          "{}: spec.targetsFrom.file \"{}\": lists are read from {} only; put it there, and write "
          "its path from there",
          doc.source, literal::Printable(name), directory.string());
    }
    absl::StatusOr<std::string> text = ReadText(file, kMaxListBytes, room);
    if (!text.ok()) return Annotate(text.status(), doc.source + ": spec.targetsFrom.file");
    doc.target_files[name] = *std::move(text);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<MonitorDocument>> ReadMonitorFiles(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error || !fs::exists(status)) {
    return InvalidArgument("{}: {}", path, error ? error.message() : "no such file or directory");
  }
  std::vector<fs::path> files;
  if (!fs::is_directory(status)) {
    files.emplace_back(path);
  } else {
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      if (IsMonitorFile(it->path())) files.push_back(it->path());
      if (files.size() > kMaxFiles)
        return ResourceExhausted("{}: more than {} files", path, kMaxFiles);
    }
    if (error) return InvalidArgument("{}: {}; see to its permissions", path, error.message());
  }
  std::sort(files.begin(), files.end());
  std::vector<MonitorDocument> out;
  size_t room = kMaxBytes, list_room = kMaxListBytes;
  for (const fs::path& file : files) {
    MonitorDocument& doc = out.emplace_back();
    doc.source = file.filename().string();
    PORTOLAN_ASSIGN_OR_RETURN(doc.yaml, ReadText(file, kMaxBytes, room));
    const fs::path parent = file.has_parent_path() ? file.parent_path() : fs::path(".");
    PORTOLAN_RETURN_IF_ERROR(AddTargetFiles(parent, doc, list_room));
  }
  return out;
}

absl::StatusOr<std::unique_ptr<MonitorDirectory>> MonitorDirectory::Start(
    std::string path, Monitoring& monitoring, const Clock& clock,
    std::function<void(LogLevel, std::string_view, std::initializer_list<LogField>)> log) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return InvalidArgument(
        "--monitors {}: not a directory{}; name one that holds the monitors' YAML files", path,
        error ? " (" + error.message() + ")" : "");
  }
  std::unique_ptr<MonitorDirectory> out(
      new MonitorDirectory(std::move(path), monitoring, clock, std::move(log)));
  out->runner_.Post([self = out.get()] { self->Look(); });
  return out;
}

MonitorDirectory::MonitorDirectory(
    std::string path, Monitoring& monitoring, const Clock& clock,
    std::function<void(LogLevel, std::string_view, std::initializer_list<LogField>)> log)
    : path_(std::move(path)),
      monitoring_(monitoring),
      log_(std::move(log)),
      runner_("monitor-files", clock) {}

void MonitorDirectory::Look() {
  if (applying_) {
    runner_.PostAfter(kEvery, [this] { Look(); });
    return;
  }
  absl::StatusOr<std::vector<MonitorDocument>> documents = ReadMonitorFiles(path_);
  // Files may be looked at while they are being replaced: what is new counts when the next look
  // sees the same.
  const bool settled = !documents.ok() || (looked_ && *documents == seen_);
  runner_.PostAfter(settled ? kEvery : kSettle, [this] { Look(); });
  if (!documents.ok()) return Fail(documents.status());
  looked_ = true;
  seen_ = *documents;
  if (!settled) return;
  if (documents->empty() && !tried_.empty()) {
    return Fail(FailedPrecondition(
        "no file is there any more, which may be a mount that failed: nothing is deleted; to "
        "delete the last monitors, leave a file without any"));
  }
  const bool same = applied_once_ && *documents == tried_;
  // What was refused may have become right, when what it stands in the way of is gone.
  if (same && !refused_) {
    failing_ = false;
    return;
  }
  applying_ = true;
  monitoring_.Apply(
      *documents, /*dry_run=*/false, /*prune=*/true, kManager,
      [this, docs = *documents](absl::StatusOr<std::vector<ApplyResult>> results) {
        runner_.Post([this, docs, results = std::move(results)] { OnApplied(docs, results); });
      });
}

void MonitorDirectory::OnApplied(const std::vector<MonitorDocument>& documents,
                                 const absl::StatusOr<std::vector<ApplyResult>>& results) {
  applying_ = false;
  applied_once_ = true;
  tried_ = documents;
  refused_ = !results.ok();
  if (!results.ok()) return Fail(results.status());
  failing_ = false;
  told_.clear();
  for (const ApplyResult& r : *results) {
    if (r.action == ApplyAction::kUnchanged) continue;
    const char* what = r.action == ApplyAction::kCreated   ? "created"
                       : r.action == ApplyAction::kChanged ? "changed"
                                                           : "deleted";
    log_(LogLevel::kInfo, "monitor directory applied", {{"monitor", r.monitor}, {"action", what}});
  }
}

void MonitorDirectory::Fail(const absl::Status& why) {
  failing_ = true;
  std::string text(Message(why));
  if (text == told_) return;
  log_(LogLevel::kError, "the monitor directory is not applied: what was there before goes on",
       {{"directory", path_}, {"error", text}});
  told_ = std::move(text);
}

}  // namespace portolan
