#include "common/ops/scope_watch.h"

#include <sys/stat.h>

#include <utility>

#include "common/base/status.h"
#include "common/ops/log.h"

namespace portolan {

ScopeFiles::ScopeFiles(ScopeFlags flags, const Scope& now)
    : flags_(std::move(flags)), paths_(flags_.files()), in_force_(now.Describe()) {}

std::vector<ScopeFiles::Stamp> ScopeFiles::Stamps() const {
  std::vector<Stamp> out;
  for (const std::string& path : paths_) {
    struct stat s {};  // of what the path leads to: a ConfigMap's files are symbolic links
    Stamp stamp;
    if (stat(path.c_str(), &s) == 0) {
      stamp.device = s.st_dev;
      stamp.inode = s.st_ino;
      stamp.bytes = s.st_size;
      stamp.modified_ns = int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
      stamp.changed_ns = int64_t{s.st_ctim.tv_sec} * 1'000'000'000 + s.st_ctim.tv_nsec;
    }
    out.push_back(stamp);
  }
  return out;
}

absl::StatusOr<Scope> ScopeFiles::Read(const std::vector<Stamp>& stamps) const {
  for (size_t i = 0; i < stamps.size(); ++i) {
    if (i < read_.size() && read_[i].bytes > 0 && stamps[i].inode != 0 && stamps[i].bytes == 0) {
      return InvalidArgument(
          "{}: is empty, as a file is that was being written when something failed; "
          "write it anew, with a comment (#) where no rule is meant",
          paths_[i]);
    }
  }
  return flags_.Build();
}

absl::StatusOr<std::optional<Scope>> ScopeFiles::Look() {
  std::vector<Stamp> stamps = Stamps();
  if (stamps == read_) {
    seen_ = std::move(stamps);
    return std::nullopt;
  }
  if (stamps != seen_) {
    seen_ = std::move(stamps);
    return std::nullopt;
  }
  absl::StatusOr<Scope> scope = Read(stamps);
  if (std::vector<Stamp> now = Stamps(); now != stamps) {  // they are being written
    seen_ = std::move(now);
    return std::nullopt;
  }
  if (!scope.ok()) {
    if (std::exchange(failed_, std::move(stamps)) == seen_) return std::nullopt;
    return scope.status();
  }
  read_ = std::move(stamps);
  failed_.clear();
  std::vector<std::string> rules = scope->Describe();
  if (rules == in_force_) return std::nullopt;
  in_force_ = std::move(rules);
  return *std::move(scope);
}

ScopeWatch::ScopeWatch(const ScopeFlags& flags, const Scope& now, const Clock& clock,
                       std::function<void(const Scope&)> changed)
    : changed_(std::move(changed)), files_(flags, now) {
  if (flags.files().empty()) return;
  runner_ = std::make_unique<TaskRunner>("scope-files", clock);
  runner_->Post([this] { Look(); });
}

void ScopeWatch::Look() {
  const absl::StatusOr<std::optional<Scope>> scope = files_.Look();
  runner_->PostAfter(files_.settling() ? kSettle : kEvery, [this] { Look(); });
  if (!scope.ok()) {
    Log(LogLevel::kError, "the scope files are not taken: the scope that was there before holds",
        {{"error", std::string(Message(scope.status()))}});
    return;
  }
  if (!scope->has_value()) return;
  changed_(**scope);
  Log(LogLevel::kInfo, "the scope has changed",
      {{"rules", std::to_string((*scope)->Describe().size())}});
}

}  // namespace portolan
