#include "coordinator/exposure/canaries.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/base/counted.h"

namespace portolan {
namespace {

// A /24 or a /64.
IpAddress PrefixOf(const IpAddress& a) {
  return a.is_v6() ? IpAddress::V6(a.value() >> 64 << 64)
                   : IpAddress::V4(static_cast<uint32_t>(a.value()) & 0xFFFFFF00u);
}

using OpenEntry = std::pair<const Subject, OpenRecord>;

// The most stable port of each address, by prefix.
std::map<IpAddress, std::vector<const OpenEntry*>> StablePorts(const VantageBaseline& baseline,
                                                               const std::set<IpAddress>& taken,
                                                               uint32_t stable_runs) {
  std::map<IpAddress, const OpenEntry*> by_address;
  for (const OpenEntry& entry : baseline.open) {
    const IpAddress& address = entry.second.address;
    if (entry.second.runs < stable_runs || taken.count(address) > 0 ||
        baseline.folded.count(entry.first.target) > 0) {
      continue;
    }
    const OpenEntry*& best = by_address.try_emplace(address, &entry).first->second;
    if (entry.second.runs > best->second.runs) best = &entry;
  }
  std::map<IpAddress, std::vector<const OpenEntry*>> by_prefix;
  for (const auto& [address, entry] : by_address) by_prefix[PrefixOf(address)].push_back(entry);
  return by_prefix;
}

// `n` of them: rounds over the prefixes, each taking one address of each; the last round takes
// prefixes that lie evenly apart.
std::vector<const OpenEntry*> Spread(
    const std::map<IpAddress, std::vector<const OpenEntry*>>& by_prefix, size_t n) {
  std::vector<const OpenEntry*> chosen;
  for (size_t round = 0; chosen.size() < n; ++round) {
    std::vector<const OpenEntry*> here;
    for (const auto& [prefix, entries] : by_prefix) {
      if (round < entries.size()) here.push_back(entries[round]);
    }
    if (here.empty()) break;
    const size_t take = std::min(here.size(), n - chosen.size());
    for (size_t i = 0; i < take; ++i) chosen.push_back(here[i * here.size() / take]);
  }
  return chosen;
}

bool IsStill(const Canary& c, const VantageBaseline& baseline) {
  if (!baseline.covered.Contains(c.subject) || baseline.folded.count(c.subject.target) > 0) {
    return false;
  }
  return (baseline.open.count(c.subject) > 0) == c.open;
}

// A port of the target that answered with a RST; port 0: none of those asked.
uint16_t ClosedPort(const TargetKey& target, const VantageBaseline& baseline,
                    const OutcomeLookup& lookup, size_t tries) {
  const PortSet ports = baseline.covered.PortsOf(target);
  const size_t n = std::min<size_t>(tries, ports.size());
  for (size_t i = 0; i < n; ++i) {
    const uint16_t port = ports.Select(static_cast<uint32_t>(i * ports.size() / n));
    const Subject subject{target, port};
    if (port == 0 || baseline.open.count(subject) > 0) continue;
    const std::optional<SubjectOutcome> outcome = lookup(subject);
    if (outcome && outcome->symbol.reason == Reason::kConnRefused) return port;
  }
  return 0;
}

}  // namespace

std::vector<Canary> ChooseCanaries(const std::vector<Canary>& given,
                                   const std::vector<Canary>& previous,
                                   const VantageBaseline& baseline, const OutcomeLookup& lookup,
                                   const CanaryOptions& options) {
  std::vector<Canary> result = given;
  for (Canary& c : result) c.given = true;
  const auto given_open = std::count_if(given.begin(), given.end(), [](auto& c) { return c.open; });
  if (given.size() >= std::max<size_t>(3, options.quorum) && given_open >= 2) return result;

  std::set<IpAddress> open_at, closed_at;
  for (const Canary& c : result) (c.open ? open_at : closed_at).insert(c.address);
  size_t open = 0, closed = 0;
  for (const Canary& c : previous) {
    size_t& count = c.open ? open : closed;
    if (c.given || !IsStill(c, baseline) || count >= (c.open ? options.open : options.closed) ||
        !(c.open ? open_at : closed_at).insert(c.address).second) {
      continue;
    }
    ++count;
    result.push_back(c);
  }
  if (open < options.open) {
    const auto stable = StablePorts(baseline, open_at, options.stable_runs);
    for (const OpenEntry* entry : Spread(stable, options.open - open)) {
      result.push_back({entry->first, entry->second.address, true, false});
    }
  }
  const size_t hosts = result.size();
  for (size_t i = 0; lookup && i < hosts && closed < options.closed; ++i) {
    const Canary host = result[i];
    if (!host.open || closed_at.count(host.address) > 0) continue;
    const uint16_t port = ClosedPort(host.subject.target, baseline, lookup, options.tries);
    if (port == 0) continue;
    closed_at.insert(host.address);
    result.push_back({{host.subject.target, port}, host.address, false, false});
    ++closed;
  }
  return result;
}

std::string_view CanaryStateName(CanaryState s) {
  switch (s) {
    case CanaryState::kUnknown:
      return "unknown";
    case CanaryState::kHealthy:
      return "healthy";
    case CanaryState::kQuarantined:
      return "quarantined";
  }
  return "unknown";
}

CanaryVerdict JudgeCanaries(std::span<const CanaryResult> results, const CanaryOptions& options) {
  struct Kind {
    size_t answered = 0, wrong = 0;
    std::string examples;
  } kinds[2];  // closed, open
  for (const CanaryResult& r : results) {
    if (!r.seen || !IsObserved(*r.seen)) continue;
    Kind& kind = kinds[r.canary.open ? 1 : 0];
    ++kind.answered;
    if (IsOpen(*r.seen) == r.canary.open) continue;
    if (++kind.wrong <= 3) {
      kind.examples += fmt::format("{}{} ({})", kind.examples.empty() ? "" : ", ",
                                   r.canary.subject.ToString(), SymbolText(*r.seen));
    }
  }
  const auto bad = [](const Kind& k) { return k.wrong >= 2 && 2 * k.wrong >= k.answered; };
  const size_t answered = kinds[0].answered + kinds[1].answered;
  const size_t quorum = std::max<size_t>(3, options.quorum);
  if (answered < quorum) {
    return {CanaryState::kUnknown, fmt::format("canaries with an answer: {} of {}; needed: {}",
                                               answered, results.size(), quorum)};
  }
  if (bad(kinds[1])) {
    return {CanaryState::kQuarantined,
            fmt::format("{} of {} not open from here: {}", kinds[1].wrong,
                        Counted(kinds[1].answered, "known open port is", "known open ports are"),
                        kinds[1].examples)};
  }
  if (bad(kinds[0])) {
    return {
        CanaryState::kQuarantined,
        fmt::format("{} of {} open from here: {}", kinds[0].wrong,
                    Counted(kinds[0].answered, "known closed port is", "known closed ports are"),
                    kinds[0].examples)};
  }
  if (kinds[1].answered < 2) {  // a vantage that sees nothing at all would pass
    return {CanaryState::kUnknown,
            fmt::format("{} with an answer: 2 are needed",
                        Counted(kinds[1].answered, "open canary", "open canaries"))};
  }
  return {CanaryState::kHealthy,
          fmt::format("as known: {} of {}", answered - kinds[0].wrong - kinds[1].wrong,
                      Counted(answered, "canary", "canaries"))};
}

void TakeVerdict(const CanaryVerdict& verdict, CanaryPhase phase, WallTime now,
                 VantageHealth& health) {
  const CanaryState was = health.verdict.state;
  if (was != CanaryState::kQuarantined || verdict.state != CanaryState::kUnknown) {
    health.verdict = verdict;
  }
  if (health.verdict.state != was) health.since = now;
  const bool quarantined = health.verdict.state == CanaryState::kQuarantined;
  health.tainted = quarantined || (phase != CanaryPhase::kBefore && health.tainted);
}

}  // namespace portolan
