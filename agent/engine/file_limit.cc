#include <dirent.h>
#include <sys/resource.h>

#include <algorithm>

#include "agent/engine/probe_engine.h"

namespace portolan {
namespace {

constexpr uint64_t kHeadroom = 64;       // for gRPC, the log, the HTTP endpoint
constexpr uint64_t kRaiseTo = 1u << 20;  // a higher limit costs memory for nothing

uint64_t OpenDescriptors() {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return 64;  // no /proc: a guess
  uint64_t count = 0;
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count - std::min<uint64_t>(count, 3);  // ".", ".." and the directory itself
}

}  // namespace

FileBudget RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = limit.rlim_max = 1024;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, kRaiseTo);
  if (limit.rlim_cur < wanted) {
    rlimit raised{wanted, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit.rlim_cur = wanted;
  }
  FileBudget budget;
  budget.limit = std::min<uint64_t>(limit.rlim_cur, kRaiseTo);
  budget.open = OpenDescriptors();
  const uint64_t used = budget.open + kHeadroom;
  budget.probes = budget.limit > used ? static_cast<uint32_t>(budget.limit - used) : 0;
  return budget;
}

}  // namespace portolan
