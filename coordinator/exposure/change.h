#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/exposure/subject.h"

namespace portolan {

// How a subject differs from the baseline. The numbers are stored: never change one.
enum class ChangeKind : uint8_t {
  kOpened = 1,
  kClosed = 2,       // was open; now a RST
  kFiltered = 3,     // was open; now silence or a reject
  kUnreachable = 4,  // was open; now there is no way to the host
  // open before and now, but known in another way (syn-ack, reset-after-accept)
  kReasonChanged = 5,
};
inline constexpr int kChangeKinds = 5;
std::string_view ChangeKindName(ChangeKind k);  // "opened"
// From what was to what is observed. `to` is observed.
ChangeKind KindOfChange(Symbol from, Symbol to);

// What was seen of a change, by whom, in the order in which it came.
struct TrailStep {
  // The numbers are stored. Other vantages are evidence for the reader: they decide nothing.
  enum class What : uint8_t { kRun = 1, kProbe = 2, kOtherVantage = 3, kFlapped = 4 };
  What what = What::kRun;
  WallTime when;
  std::string vantage;
  std::string agent;  // empty: not known
  IpAddress address;
  Symbol symbol;  // the default one: a probe that ended without a verdict
  uint32_t rtt_us = 0;
  uint32_t changes = 0;  // kFlapped: how many changes were not told
  friend bool operator==(const TrailStep&, const TrailStep&) = default;
};
std::string_view TrailStepName(TrailStep::What what);  // "probe"
inline constexpr size_t kMaxEvidence = 16;             // steps kOtherVantage of one trail

// A difference that a run found and nobody has confirmed yet.
struct ChangeCandidate {
  std::string vantage;
  Subject subject;
  ChangeKind kind = ChangeKind::kOpened;
  Symbol from;  // the default one: not open, and how is not known
  Symbol to;
  IpAddress address;
  uint32_t rtt_us = 0;
  WallTime when;                    // of the observation
  std::string agent;                // who made it: to be avoided by the probes that confirm
  std::vector<TrailStep> evidence;  // of the other vantages in the same run
  friend bool operator==(const ChangeCandidate&, const ChangeCandidate&) = default;
};

// A confirmed change.
struct ExposureEvent {
  std::string id;         // 32 hexadecimal digits; the same inputs give the same id
  uint64_t sequence = 0;  // 1, 2, ... of the monitor
  WallTime time;          // when it was confirmed
  std::string monitor;
  std::string vantage;
  Subject subject;
  IpAddress address;
  ChangeKind kind = ChangeKind::kOpened;
  Symbol from, to;
  std::vector<TrailStep> trail;
  friend bool operator==(const ExposureEvent&, const ExposureEvent&) = default;
};

// FNV-1a with 128 bits over all that an event is, but for its trail.
std::string MakeEventId(const ExposureEvent& event);

// More changes at once than can be confirmed one by one.
struct MassChange {
  WallTime since;
  std::array<uint64_t, kChangeKinds> count = {};  // by kind, in its order
  std::vector<Subject> examples;                  // the first of them, at most kMaxExamples
  static constexpr size_t kMaxExamples = 10;
  uint64_t total() const;
  void Count(const ChangeCandidate& candidate);
  std::string ToString() const;  // "12000 opened, 3 closed; for example 10.0.0.1:80, ..."
  friend bool operator==(const MassChange&, const MassChange&) = default;
};

}  // namespace portolan
