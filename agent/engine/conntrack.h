#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace portolan {

// The table of tracked connections (netfilter's conntrack) as the kernel shows it to this network
// namespace.
struct ConntrackTable {
  uint64_t entries = 0;
  uint64_t max = 0;  // above 0
  // Packets that found no place, ever, over all cores; nullopt: not shown (/proc/net/stat needs a
  // kernel with CONFIG_NF_CONNTRACK_PROCFS).
  std::optional<uint64_t> dropped;
};

// Nullopt where nothing is tracked, the table has no limit, or it is not shown. Takes some
// microseconds a core; any thread.
std::optional<ConntrackTable> ReadConntrack(const std::string& proc = "/proc");

}  // namespace portolan
