#include "agent/runner/conntrack.h"

#include <cstdio>
#include <memory>

namespace portolan {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File Open(const char* path) { return {std::fopen(path, "re"), &std::fclose}; }

std::optional<uint64_t> ReadNumber(const char* path) {
  const File file = Open(path);
  unsigned long long value = 0;
  if (file == nullptr || std::fscanf(file.get(), "%llu", &value) != 1) return std::nullopt;
  return value;
}

// The sum over all cores of the column "drop", which is the eleventh.
std::optional<uint64_t> ReadDropped() {
  const File file = Open("/proc/net/stat/nf_conntrack");
  if (file == nullptr) return std::nullopt;
  char line[512];
  if (std::fgets(line, sizeof line, file.get()) == nullptr) return std::nullopt;  // the header
  uint64_t sum = 0;
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    unsigned long long drop = 0;
    if (std::sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llx", &drop) == 1) sum += drop;
  }
  return sum;
}

}  // namespace

std::optional<TableUse> ReadConntrack() {
  const auto entries = ReadNumber("/proc/sys/net/netfilter/nf_conntrack_count");
  if (!entries.has_value()) return std::nullopt;
  const auto max = ReadNumber("/proc/sys/net/netfilter/nf_conntrack_max");
  const auto dropped = ReadDropped();
  if (!max.has_value() || !dropped.has_value() || *max == 0) return std::nullopt;
  return TableUse{*entries, *max, *dropped};
}

}  // namespace portolan
