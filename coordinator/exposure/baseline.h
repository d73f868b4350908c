#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/exposure/change.h"
#include "coordinator/exposure/coverage.h"
#include "coordinator/exposure/subject.h"

namespace portolan {

// Hosts that answer for every port. The numbers are stored: never change one.
enum class HostAnswers : uint8_t { kAnswersEverywhere = 1, kSynProxy = 2 };
std::string_view HostAnswersName(HostAnswers a);  // "answers-everywhere"

// An open port of the baseline.
struct OpenRecord {
  WallTime since;      // first seen open, with no confirmed closure in between
  WallTime last_seen;  // seen open, by a run or a probe
  uint32_t rtt_us = 0;
  Reason reason = Reason::kSynAck;
  IpAddress address;  // evidence
  uint32_t runs = 0;  // complete runs in a row that saw it open
  friend bool operator==(const OpenRecord&, const OpenRecord&) = default;
};

// A port that is not open here.
struct NotOpenRecord {
  Symbol symbol;
  IpAddress address;  // evidence
  WallTime when;
  friend bool operator==(const NotOpenRecord&, const NotOpenRecord&) = default;
};

// A target whose open ports are one finding and no openings.
struct FoldedHost {
  HostAnswers answers = HostAnswers::kAnswersEverywhere;
  WallTime since;
  bool known_before = false;  // a baseline of its ports existed when it began to answer for all
  friend bool operator==(const FoldedHost&, const FoldedHost&) = default;
};

// What is normal from one vantage: plain values, stored and restored as they are. O(open ports of
// any vantage of the monitor + ports that must be open + hosts that answer everywhere); some 200
// bytes an open port.
struct VantageBaseline {
  bool established = false;  // a complete run was folded; before, no change is known as one
  bool accept_next = false;  // the next complete run becomes the baseline as it is
  WallTime last_complete;    // epoch 0: never
  uint32_t runs = 0;         // complete ones folded
  Coverage covered;          // what was looked at by the last complete run
  std::map<Subject, OpenRecord> open;  // confirmed, or silently taken in
  // Not open from here when it was last observed, of those subjects only that are open from another
  // vantage or must be open. What is in neither map has no known outcome.
  std::map<Subject, NotOpenRecord> not_open;
  std::map<TargetKey, FoldedHost> folded;
  // Names that the last complete run could not look at because they had no address, since when.
  std::map<std::string, WallTime> unresolved;
  std::optional<MassChange> mass;
  friend bool operator==(const VantageBaseline&, const VantageBaseline&) = default;
};

// A port that a run saw open.
struct OpenSighting {
  Subject subject;
  IpAddress address;
  uint32_t rtt_us = 0;
  Reason reason = Reason::kSynAck;
  WallTime when;
  std::string agent;
};

// What a run did at one vantage.
struct VantageRun {
  std::string vantage;
  bool complete = false;  // every covered position has a verdict, or a cause why it never will
  Coverage covered;       // what it was to look at
  // In any order; of a name, a sighting for each of its addresses is fine. Sightings that are not
  // covered are ignored.
  std::vector<OpenSighting> open;
  // Of any covered subject, open or not; of a name see JoinOutcomes. May be null when not complete.
  OutcomeLookup lookup;
  // What the complete run before knew, of any subject; asked for openings of which the baseline
  // does not keep how they were not open. May be null.
  OutcomeLookup previous;
  std::map<TargetKey, HostAnswers> folded;
  std::set<std::string> unresolved;  // covered names that had no address in this run
};

struct VantageFold {
  std::vector<ChangeCandidate> candidates;  // by subject; empty when `mass`
  std::optional<MassChange> mass;           // there were more than the limit
  std::vector<Subject> added, removed;      // silently, by subject
  uint64_t without_outcome = 0;  // open in the baseline, and the run cannot say what they are
};

// Holds a run against the baseline, and takes into the baseline what needs no confirmation:
//  - the first complete run, and newly covered space, silently; what is no longer covered goes
//    silently;
//  - an incomplete run closes nothing and covers nothing; openings in it are candidates;
//  - a name without an address keeps its ports; another address behind a name is no change;
//  - ports of a folded host are no candidates, neither opened nor gone. When it stops answering for
//    all, its ports become baseline silently, unless they had a baseline before: then they are held
//    against that;
//  - more than `max_candidates` are a mass change: no candidate at all, only counts. The baseline
//    stays, so the next run is held against the same, until there are fewer or it is accepted.
// Candidates change the baseline only by ApplyChange. Does not look at canaries: a run of a
// quarantined vantage must not come here.
VantageFold FoldRun(VantageRun run, VantageBaseline& baseline, size_t max_candidates, WallTime now);

// A confirmed change moves the baseline: `now` is what the subject is, and `since` when that was
// first seen.
void ApplyChange(const Subject& subject, const SubjectOutcome& now, WallTime since,
                 VantageBaseline& baseline);

}  // namespace portolan
