#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/monitor/monitor_spec.h"
#include "common/net/ip_set.h"

namespace portolan {

// A port of one address.
struct SinglePort {
  IpAddress address;
  uint16_t port = 0;
  friend auto operator<=>(const SinglePort&, const SinglePort&) = default;
};

// What a specification and the list that it takes from a file name, read once: lists may have
// hundreds of thousands of entries. Names are in the spelling of TargetKey::OfName, so two
// spellings are one name. Immutable.
class SpecTargets {
 public:
  // One entry that is a name, with its port when it has one.
  struct Named {
    std::string name;
    std::optional<uint16_t> port;
    friend auto operator<=>(const Named&, const Named&) = default;
  };
  struct List {
    IpSet addresses;                    // given as such, without a port
    std::vector<SinglePort> endpoints;  // given as addresses, with one
    std::vector<Named> named;           // sorted, each once
  };

  // Takes time in proportion to the list. InvalidArgument: an entry is not valid, which a
  // specification that was applied does not have; ResourceExhausted: too many.
  static absl::StatusOr<std::shared_ptr<const SpecTargets>> Read(const MonitorSpec& spec);

  const List& targets() const { return targets_; }
  const List& exclude() const { return exclude_; }
  // Every name of targets, exclusions and canaries, sorted, each once.
  const std::vector<std::string>& names() const { return names_; }
  // The entries that are no names, as texts for a scan's request.
  const std::vector<std::string>& target_texts() const { return target_texts_; }
  const std::vector<std::string>& exclude_texts() const { return exclude_texts_; }

 private:
  List targets_, exclude_;
  std::vector<std::string> names_, target_texts_, exclude_texts_;
};

}  // namespace portolan
