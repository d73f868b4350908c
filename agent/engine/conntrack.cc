#include "agent/engine/conntrack.h"

#include <cstdio>
#include <memory>

namespace portolan {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File Open(const std::string& path) { return {std::fopen(path.c_str(), "re"), &std::fclose}; }

std::optional<uint64_t> ReadNumber(const std::string& path) {
  const File file = Open(path);
  unsigned long long value = 0;
  if (file == nullptr || std::fscanf(file.get(), "%llu", &value) != 1) return std::nullopt;
  return value;
}

// The sum over all cores of the column "drop", which is the eleventh; in hexadecimal.
std::optional<uint64_t> ReadDropped(const std::string& path) {
  const File file = Open(path);
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

std::optional<ConntrackTable> ReadConntrack(const std::string& proc) {
  const auto entries = ReadNumber(proc + "/sys/net/netfilter/nf_conntrack_count");
  if (!entries.has_value()) return std::nullopt;
  const auto max = ReadNumber(proc + "/sys/net/netfilter/nf_conntrack_max");
  if (!max.has_value() || *max == 0) return std::nullopt;
  return ConntrackTable{*entries, *max, ReadDropped(proc + "/net/stat/nf_conntrack")};
}

}  // namespace portolan
