#include "common/dns/hosts_table.h"

#include <algorithm>

#include "common/net/host_name.h"

namespace portolan {

HostsTable HostsTable::Parse(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  HostsTable table;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    IpAddress address;
    bool has_address = false;
    for (size_t at = line.find_first_not_of(kBlank); at != line.npos;
         at = line.find_first_not_of(kBlank, at)) {
      const size_t stop = std::min(line.find_first_of(kBlank, at), line.size());
      std::string_view word = line.substr(at, stop - at);
      at = stop;
      if (has_address) {
        table.names_[NormalisedName(word)].push_back(address);
        continue;
      }
      // "fe80::1%lo0": the zone means nothing to agents elsewhere.
      const absl::StatusOr<IpAddress> parsed = IpAddress::Parse(word.substr(0, word.find('%')));
      if (!parsed.ok()) break;
      address = *parsed;
      has_address = true;
    }
  }
  for (auto& [name, addresses] : table.names_) {
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  }
  return table;
}

const std::vector<IpAddress>* HostsTable::Find(std::string_view name) const {
  if (names_.empty()) return nullptr;
  const auto found = names_.find(NormalisedName(name));
  return found == names_.end() ? nullptr : &found->second;
}

bool IsLocalhost(std::string_view name) {
  constexpr std::string_view kName = "localhost";
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() < kName.size()) return false;
  const size_t at = name.size() - kName.size();
  if (at > 0 && name[at - 1] != '.') return false;
  return NormalisedName(name.substr(at)) == kName;
}

}  // namespace portolan
