#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"

namespace portolan {

// The host of a peer as gRPC writes it: "10.0.0.1" of "ipv4:10.0.0.1:4711", "::1" of
// "ipv6:%5B::1%5D:4711". A text of another form is returned as it is.
std::string PeerHost(std::string_view peer);

// Where processes call from that had to end because another one uses their name. Not thread-safe.
class Rivals {
 public:
  static constexpr size_t kMost = 8;  // hosts that are remembered
  static constexpr auto kShownFor = std::chrono::hours(1);
  // A service manager starts such a process again and again.
  static constexpr auto kLogEvery = std::chrono::minutes(1);

  // Returns whether to log it: not every time.
  bool Note(const std::string& host, Time now);
  // Those of the last kShownFor, the latest first.
  std::vector<std::string> Hosts(Time now) const;

 private:
  struct Rival {
    std::string host;
    Time at, logged;
  };
  std::vector<Rival> rivals_;  // the latest first
};

}  // namespace portolan
