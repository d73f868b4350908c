#include "coordinator/exposure/coverage.h"

#include <algorithm>
#include <map>

namespace portolan {
namespace {

bool HasTarget(const CoverageBlock& block, const TargetKey& target) {
  if (const IpAddress* address = target.address()) return block.addresses.Contains(*address);
  return std::binary_search(block.names.begin(), block.names.end(), target.name());
}

}  // namespace

Coverage Coverage::Of(std::vector<CoverageBlock> blocks) {
  struct Parts {
    std::vector<IpRange> ranges;
    std::vector<std::string> names;
  };
  std::map<PortSet, Parts> by_ports;
  for (CoverageBlock& block : blocks) {
    if (block.ports.empty() || (block.addresses.empty() && block.names.empty())) continue;
    Parts& parts = by_ports[block.ports];
    parts.ranges.insert(parts.ranges.end(), block.addresses.ranges().begin(),
                        block.addresses.ranges().end());
    for (const std::string& name : block.names) {
      parts.names.emplace_back(TargetKey::OfName(name).name());
    }
  }
  Coverage result;
  for (auto& [ports, parts] : by_ports) {
    std::sort(parts.names.begin(), parts.names.end());
    parts.names.erase(std::unique(parts.names.begin(), parts.names.end()), parts.names.end());
    result.blocks_.push_back({IpSet::Of(std::move(parts.ranges)), std::move(parts.names), ports});
  }
  return result;
}

bool Coverage::Contains(const Subject& subject) const {
  return std::any_of(blocks_.begin(), blocks_.end(), [&](const CoverageBlock& block) {
    return block.ports.Contains(subject.port) && HasTarget(block, subject.target);
  });
}

bool Coverage::ContainsTarget(const TargetKey& target) const {
  return std::any_of(blocks_.begin(), blocks_.end(),
                     [&](const CoverageBlock& block) { return HasTarget(block, target); });
}

PortSet Coverage::PortsOf(const TargetKey& target) const {
  PortSet ports;
  for (const CoverageBlock& block : blocks_) {
    if (HasTarget(block, target)) ports = ports.Union(block.ports);
  }
  return ports;
}

Coverage Coverage::WithoutNames(const std::set<std::string>& names) const {
  std::vector<CoverageBlock> blocks = blocks_;
  for (CoverageBlock& block : blocks) {
    std::erase_if(block.names, [&](const std::string& n) { return names.count(n) > 0; });
  }
  return Of(std::move(blocks));
}

Coverage Coverage::OnlyNames(const std::set<std::string>& names) const {
  std::vector<CoverageBlock> blocks = blocks_;
  for (CoverageBlock& block : blocks) {
    block.addresses = IpSet();
    std::erase_if(block.names, [&](const std::string& n) { return names.count(n) == 0; });
  }
  return Of(std::move(blocks));
}

Coverage Coverage::Plus(const Coverage& other) const {
  std::vector<CoverageBlock> blocks = blocks_;
  blocks.insert(blocks.end(), other.blocks_.begin(), other.blocks_.end());
  return Of(std::move(blocks));
}

}  // namespace portolan
