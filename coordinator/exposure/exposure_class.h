#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "coordinator/exposure/subject.h"

namespace portolan {

// From where a subject is open. The numbers are stored: never change one.
enum class ExposureClass : uint8_t {
  kOpenEverywhere = 1,   // from every vantage
  kOpenOnlyInside = 2,   // from some inside, from none outside, and somebody looked from there
  kOpenOnlyOutside = 3,  // the reverse
  kOpenFromSome = 4,     // from some and not from others, and the border does not explain it
  kNotOpen = 5,          // from none
  kNotComparable = 6,    // a vantage has no outcome, is quarantined, or there is none
};
std::string_view ExposureClassName(ExposureClass c);  // "open-only-inside"

// What stands in the way where it is not open. A second word, because "open only inside" and
// "filtered by the network" are both true of one port, and each matters. The numbers are stored.
enum class ExposureBarrier : uint8_t {
  kNone = 0,          // open wherever an outcome is known
  kNetwork = 1,       // silence, admin-prohibited, or the path says that there is no way
  kHostFirewall = 2,  // a reject: port- or proto-unreachable, or a RST where others see it open
  kNotListening = 3,  // a RST, and nobody sees this address open: nothing listens
  kMixed = 4,         // more than one of these
};
std::string_view ExposureBarrierName(ExposureBarrier b);  // "host-firewall"

// One vantage's view. No outcome: the run has none, was not complete, or the vantage is
// quarantined.
struct VantageView {
  VantageRole side = VantageRole::kInside;
  std::optional<SubjectOutcome> outcome;
};

struct Comparison {
  ExposureClass exposure = ExposureClass::kNotComparable;
  ExposureBarrier barrier = ExposureBarrier::kNone;  // of the known ones, also when not comparable
  uint32_t open = 0, not_open = 0, unknown = 0;      // vantages
  friend bool operator==(const Comparison&, const Comparison&) = default;
};

// The table of docs/exposure.md.
Comparison CompareVantages(std::span<const VantageView> views);

}  // namespace portolan
