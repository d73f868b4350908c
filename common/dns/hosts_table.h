#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/net/ip_address.h"

namespace portolan {

// The names of hosts(5). Compares without case and without a final dot. Every line that holds a
// name counts: a name may have several addresses. Immutable once parsed.
class HostsTable {
 public:
  HostsTable() = default;
  // Ignores lines that hold no address, as glibc does.
  static HostsTable Parse(std::string_view text);

  // The addresses of `name` in ascending order, each once; nullptr when the file does not know it.
  const std::vector<IpAddress>* Find(std::string_view name) const;
  size_t size() const { return names_.size(); }

 private:
  std::unordered_map<std::string, std::vector<IpAddress>> names_;
};

// Whether RFC 6761 reserves `name` for the loopback addresses: "localhost" and all below it.
bool IsLocalhost(std::string_view name);

}  // namespace portolan
