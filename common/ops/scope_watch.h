#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/task_runner.h"
#include "common/ops/cli_flags.h"
#include "common/scope/scope.h"

namespace portolan {

// Notices that the files of --allow-file and --deny-file have become others, as when a mounted
// ConfigMap changes. What is wrong or cannot be read changes nothing: a scope that fails open would
// be worse than an old one. No thread and no clock; not thread-safe.
class ScopeFiles {
 public:
  // `now`: the scope in force, which `flags` made.
  ScopeFiles(ScopeFlags flags, const Scope& now);

  // To be called again and again. The new scope, once two looks in a row have seen the same files
  // (they may be looked at while they are being written) and the rules are others than those in
  // force. A file that has lost all its bytes is taken for one that was being written when its disk
  // was full, and not for one without rules. Wrong files are read again at each look; their error
  // is returned once, until they change.
  absl::StatusOr<std::optional<Scope>> Look();
  // The last look has seen a change, which the next one takes.
  bool settling() const { return seen_ != read_ && seen_ != failed_; }

 private:
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;                                     // all 0: not there
    int64_t bytes = 0, modified_ns = 0, changed_ns = 0;  // the last: its owner and mode, too
    bool operator==(const Stamp&) const = default;
  };
  std::vector<Stamp> Stamps() const;
  absl::StatusOr<Scope> Read(const std::vector<Stamp>& stamps) const;

  const ScopeFlags flags_;
  const std::vector<std::string> paths_;
  std::vector<Stamp> seen_;    // at the last look
  std::vector<Stamp> read_;    // when the rules were read last; empty: never
  std::vector<Stamp> failed_;  // when they could not be, and that was told
  std::vector<std::string> in_force_;
};

// Calls `changed` with each new scope, on a thread of its own; logs it, and errors. Without scope
// files it does nothing. `clock` must outlive it.
class ScopeWatch {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(5);
  static constexpr Duration kSettle = std::chrono::seconds(1);

  ScopeWatch(const ScopeFlags& flags, const Scope& now, const Clock& clock,
             std::function<void(const Scope&)> changed);

 private:
  void Look();

  const std::function<void(const Scope&)> changed_;
  ScopeFiles files_;                    // the thread's
  std::unique_ptr<TaskRunner> runner_;  // null: there are no files; last, it uses the others
};

}  // namespace portolan
