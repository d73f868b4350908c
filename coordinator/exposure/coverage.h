#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/net/ip_set.h"
#include "common/net/port_set.h"
#include "coordinator/exposure/subject.h"

namespace portolan {

// Targets x ports. Names in the spelling of TargetKey::OfName.
struct CoverageBlock {
  IpSet addresses;
  std::vector<std::string> names;  // sorted
  PortSet ports;
  friend bool operator==(const CoverageBlock&, const CoverageBlock&) = default;
};

// The space that a run looks at, as targets x ports: never as positions. Equal spaces that are cut
// into blocks in another way need not be equal. Value type. Leave out what the run may not probe
// (exclusions): the first look at a space becomes baseline, and space that nobody looked at would
// be taken for not open.
class Coverage {
 public:
  Coverage() = default;
  // Blocks of the same ports become one, so there are at most as many as there are sets of ports.
  static Coverage Of(std::vector<CoverageBlock> blocks);

  bool empty() const { return blocks_.empty(); }
  const std::vector<CoverageBlock>& blocks() const { return blocks_; }
  bool Contains(const Subject& subject) const;         // O(blocks x log(their ranges))
  bool ContainsTarget(const TargetKey& target) const;  // on any port
  PortSet PortsOf(const TargetKey& target) const;

  // The same without these names, and nothing but these names.
  Coverage WithoutNames(const std::set<std::string>& names) const;
  Coverage OnlyNames(const std::set<std::string>& names) const;
  Coverage Plus(const Coverage& other) const;

  friend bool operator==(const Coverage&, const Coverage&) = default;

 private:
  std::vector<CoverageBlock> blocks_;  // by ascending ports
};

}  // namespace portolan
