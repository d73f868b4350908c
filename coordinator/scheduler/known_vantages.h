#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/base/time.h"

namespace portolan {

// A vantage that has had an agent, as it is stored.
struct KnownVantage {
  std::string name;
  WallTime last_seen;  // an agent of it called
  friend bool operator==(const KnownVantage&, const KnownVantage&) = default;
};

// The vantages that have had an agent. A request that names another one is most likely misspelt,
// and one whose last agent has gone is missed for a while. Pure; not thread-safe.
//
// Agents choose their vantage, so the number is bounded: beyond kMost, one whose last agent called
// longest ago makes room, and no other is recorded while all have had a call within kSettled.
class KnownVantages {
 public:
  static constexpr size_t kMost = 1'000;
  // How often the time of a vantage's last call is stored.
  static constexpr auto kStoreEvery = std::chrono::hours(1);
  static constexpr auto kSettled = std::chrono::hours(2);
  // How long a vantage without an agent is missed.
  static constexpr auto kMissedFor = std::chrono::days(30);

  // At start: what is stored.
  void Restore(const std::vector<KnownVantage>& stored);

  struct Noted {
    bool store = false;  // Put the vantage, as it is now
    std::string forget;  // remove this one; empty: none
  };
  // An agent of the vantage has called.
  Noted Note(const std::string& name, WallTime now);

  bool Knows(const std::string& name) const { return vantages_.count(name) > 0; }
  std::vector<std::string> Names() const;  // ascending
  // Those that have had an agent within kMissedFor, ascending.
  std::vector<std::string> Missed(WallTime now) const;
  // InvalidArgument naming `field`, the vantage, the nearest name and the names that are known, if
  // no agent has ever had one of these vantages. `remedy`: how to ask for it anyway.
  absl::Status Check(std::string_view field, const std::vector<std::string>& vantages,
                     std::string_view remedy) const;

 private:
  struct Entry {
    WallTime last_seen, stored;
  };
  std::map<std::string, Entry> vantages_;
};

}  // namespace portolan
