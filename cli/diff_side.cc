#include "cli/diff_side.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/convert.h"
#include "cli/hosts.h"
#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/port_set.h"

namespace portolan {
namespace {

constexpr size_t kMostOpen = 10'000'000;     // of one side; some 50 bytes each
constexpr size_t kMostLookedUp = 1'000'000;  // of one side
// What one call asks for: so many addresses and names, and so many ports of each in all.
constexpr size_t kTargetsInOneCall = 1'000;
constexpr size_t kPortsInOneCall = 50'000;
constexpr size_t kLaneBits = 64;

bool IsObserved(State s) { return s < State::kNotProbed; }

// "closed/conn-refused from office; filtered/no-response from cloud"; without vantages when all see
// the same.
std::string TextOf(const std::map<std::string, std::set<std::string>>& seen) {
  std::string out;
  for (const auto& [state, lanes] : seen) {
    out += (out.empty() ? "" : "; ") + state;
    if (seen.size() == 1) continue;
    std::string from;
    for (const std::string& lane : lanes) from += (from.empty() ? "" : ", ") + lane;
    if (!from.empty()) out += " from " + from;
  }
  return out;
}

}  // namespace

bool Before(const DiffKey& a, const DiffKey& b) {
  if (a.name != b.name) return a.name < b.name;
  if (a.name.empty() && a.ip != b.ip) return a.ip < b.ip;
  return a.port < b.port;
}

std::string TargetOf(const DiffKey& key) {
  return key.name.empty() ? key.ip.ToString() : std::string(key.name);
}

absl::StatusOr<DiffSide> DiffSide::Make(std::string text, v1::Scan scan, std::string vantage,
                                        const v1::MonitorRun* run) {
  DiffSide side;
  side.text_ = std::move(text);
  side.scan_ = std::move(scan);
  side.vantage_ = std::move(vantage);
  if (side.scan_.spec().mode() == v1::SCAN_MODE_EACH_VANTAGE) {
    std::string known;
    for (const v1::Lane& lane : side.scan_.lanes()) {
      known += (known.empty() ? "" : ", ") + lane.vantage();
      if (side.vantage_.empty() || lane.vantage() == side.vantage_)
        side.lanes_.push_back(lane.vantage());
    }
    if (side.lanes_.empty()) {
      return NotFound("{}: the scan has no vantage \"{}\"; it has {}", side.text_, side.vantage_,
                      known);
    }
  } else {
    side.lanes_ = {""};
  }
  for (const v1::SkippedName& name : side.scan_.skipped_names()) {
    const bool none = name.problem() == v1::LOOKUP_PROBLEM_NO_SUCH_NAME ||
                      name.problem() == v1::LOOKUP_PROBLEM_NO_ADDRESS;
    side.unresolved_[NormalisedName(name.name())] = {
        none, none ? "the name had no address" : "the name could not be looked up"};
  }
  if (run != nullptr) {
    for (const v1::MonitorRun::UnresolvedName& name : run->unresolved_names()) {
      const bool none = name.problem() == "no such name" || name.problem() == "no address";
      side.unresolved_[NormalisedName(name.name())] = {none, "name: " + name.problem()};
    }
  }
  return side;
}

v1::ListObservationsRequest DiffSide::Request() const {
  v1::ListObservationsRequest list;
  list.set_scan_id(scan_.id());
  if (!vantage_.empty()) list.add_vantages(vantage_);
  return list;
}

std::string_view DiffSide::LaneOf(std::string_view vantage) const {
  return lanes_.size() == 1 && lanes_[0].empty() ? std::string_view() : vantage;
}

size_t DiffSide::LaneIndex(std::string_view lane) const {
  const auto it = std::find(lanes_.begin(), lanes_.end(), lane);
  return std::min<size_t>(static_cast<size_t>(it - lanes_.begin()), kLaneBits - 1);
}

absl::Status DiffSide::ReadHosts(Session& session, TextPool& pool) {
  std::vector<std::string> vantages;
  if (!vantage_.empty()) vantages.push_back(vantage_);
  PORTOLAN_ASSIGN_OR_RETURN(const HostList hosts,
                            FetchHosts(session, scan_.id(), {}, vantages, pool));
  for (const HostRow& row : hosts.rows) {
    if (row.finding.kind == HostFindingKind::kAnswersEverywhere ||
        row.finding.kind == HostFindingKind::kSynProxy)
      everywhere_.emplace(row.finding.address, row.vantage);
  }
  return absl::OkStatus();
}

std::set<IpAddress> DiffSide::Everywhere() const {
  std::set<IpAddress> out;
  for (const auto& [address, vantage] : everywhere_) out.insert(address);
  return out;
}

absl::StatusOr<std::vector<DiffKey>> DiffSide::Open(Session& session, TextPool& pool) {
  v1::ListObservationsRequest list = Request();
  list.set_without_everywhere_open(true);
  std::vector<DiffKey> keys;
  PORTOLAN_RETURN_IF_ERROR(session.client->Observations(
      list, [&](const v1::ListObservationsResponse& page) -> absl::Status {
        for (const v1::Observation& o : page.observations()) {
          PORTOLAN_ASSIGN_OR_RETURN(const ResultRow row, ToRow(o, pool));
          if (IsEverywhere(row.ip, row.vantage)) continue;
          DiffKey key{{}, row.ip, row.port, uint64_t{1} << LaneIndex(LaneOf(row.vantage))};
          all_names_ |= o.names_size() > 0;
          for (const std::string& name : o.names()) {
            key.name = pool.Intern(NormalisedName(name));
            keys.push_back(key);
          }
          if (o.names_size() > 0) continue;
          if (!row.name.empty()) key.name = pool.Intern(NormalisedName(row.name));
          keys.push_back(key);
        }
        if (keys.size() <= kMostOpen) return absl::OkStatus();
        return ResourceExhausted("{}: over {} open ports: too many to compare; name one vantage",
                                 text_, Grouped(kMostOpen));
      }));
  std::stable_sort(keys.begin(), keys.end(), Before);
  size_t kept = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (kept > 0 && !Before(keys[kept - 1], keys[i])) {
      keys[kept - 1].lanes |= keys[i].lanes;
    } else {
      keys[kept++] = keys[i];
    }
  }
  keys.resize(kept);
  return keys;
}

absl::StatusOr<std::vector<DiffAnswer>> DiffSide::LookUp(Session& session, const DiffSide& other,
                                                         const std::vector<DiffKey>& keys,
                                                         TextPool& pool) {
  std::vector<DiffAnswer> out;
  const size_t most = std::min(keys.size(), kMostLookedUp);
  for (size_t begin = 0; begin < most;) {
    // Names apart from addresses; and one by one where it is not said which of several names of an
    // address was meant.
    const bool named = !keys[begin].name.empty();
    size_t end = begin;
    std::set<std::string> targets;
    std::set<uint16_t> ports;
    while (end < most && keys[end].name.empty() != named) {
      const std::string target = TargetOf(keys[end]);
      const bool is_new = targets.count(target) == 0;
      const size_t room = named && !all_names_ && !other.all_names_ ? 1 : kTargetsInOneCall;
      const size_t more_ports = ports.size() + (ports.count(keys[end].port) == 0 ? 1 : 0);
      if (end > begin && ((is_new && targets.size() >= room) ||
                          (targets.size() + (is_new ? 1 : 0)) * more_ports > kPortsInOneCall))
        break;
      targets.insert(target);
      ports.insert(keys[end++].port);
    }
    const std::vector<DiffKey> part(keys.begin() + static_cast<std::ptrdiff_t>(begin),
                                    keys.begin() + static_cast<std::ptrdiff_t>(end));
    PORTOLAN_RETURN_IF_ERROR(LookUpPart(session, other, part, false, pool, &out));
    begin = end;
  }
  // What was not looked up is not known, and so no difference.
  out.resize(keys.size(), {DiffAnswer::Kind::kUnknown, "not-looked-up",
                           fmt::format("not looked up: beyond the first {}", kMostLookedUp)});
  return out;
}

absl::Status DiffSide::LookUpPart(Session& session, const DiffSide& other,
                                  const std::vector<DiffKey>& part, bool by_address, TextPool& pool,
                                  std::vector<DiffAnswer>* out) {
  const auto asked = Ask(session, part, by_address, pool);
  if (asked.ok()) {
    for (const DiffKey& key : part) {
      const auto rows = asked->find(key);
      out->push_back(Judge(other, key, rows == asked->end() ? Rows() : rows->second));
    }
    return absl::OkStatus();
  }
  // A name that the scan does not know is refused, and the others with it.
  const bool unknown_name =
      !by_address && !part.front().name.empty() &&
      (absl::IsInvalidArgument(asked.status()) || absl::IsNotFound(asked.status()));
  if (!unknown_name) return asked.status();
  const std::string_view first = part.front().name;
  if (part.back().name == first) {
    // Its address may have been scanned all the same: given as such, or by another name.
    if (unresolved_.find(first) == unresolved_.end())
      return LookUpPart(session, other, part, true, pool, out);
    for (const DiffKey& key : part) out->push_back(Judge(other, key, {}));
    return absl::OkStatus();
  }
  auto middle = part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2);
  while (middle != part.begin() && std::prev(middle)->name == middle->name) --middle;
  if (middle == part.begin()) {
    middle = std::find_if(part.begin(), part.end(),
                          [&](const DiffKey& key) { return key.name != first; });
  }
  PORTOLAN_RETURN_IF_ERROR(LookUpPart(session, other, {part.begin(), middle}, false, pool, out));
  return LookUpPart(session, other, {middle, part.end()}, false, pool, out);
}

absl::StatusOr<std::map<DiffKey, DiffSide::Rows, decltype(&Before)>> DiffSide::Ask(
    Session& session, const std::vector<DiffKey>& part, bool by_address, TextPool& pool) {
  v1::ListObservationsRequest list = Request();
  for (int s = v1::PORT_STATE_OPEN; s <= v1::PORT_STATE_NOT_PROBED; ++s)
    list.add_states(static_cast<v1::PortState>(s));
  std::vector<PortRange> ports;
  std::set<std::string> targets;
  std::set<std::string_view> names;
  std::multimap<IpAddress, std::string_view> name_at;  // by_address
  for (const DiffKey& k : part) {
    ports.push_back({k.port, k.port});
    targets.insert(by_address ? k.ip.ToString() : TargetOf(k));
    if (!k.name.empty() && names.insert(k.name).second && by_address) name_at.emplace(k.ip, k.name);
  }
  for (const std::string& t : targets) list.add_targets(t);
  list.set_ports(PortSet::Of(std::move(ports)).ToString());
  std::map<DiffKey, Rows, decltype(&Before)> seen(&Before);
  PORTOLAN_RETURN_IF_ERROR(session.client->Observations(
      list, [&](const v1::ListObservationsResponse& page) -> absl::Status {
        for (const v1::Observation& o : page.observations()) {
          PORTOLAN_ASSIGN_OR_RETURN(const ResultRow row, ToRow(o, pool));
          const bool everywhere = row.state == State::kOpen && (row.host_finding.has_value() ||
                                                                IsEverywhere(row.ip, row.vantage));
          const Row mine{row.state, row.reason, everywhere, row.ip.is_v6()};
          const std::string_view lane = pool.Intern(LaneOf(row.vantage));
          const auto add = [&](std::string_view name) {
            seen[{name, row.ip, row.port}][lane].push_back(mine);
          };
          if (names.empty()) {
            add({});
          } else if (by_address) {
            const auto [begin, end] = name_at.equal_range(row.ip);
            for (auto it = begin; it != end; ++it) add(it->second);
          } else if (names.size() == 1) {
            add(*names.begin());
          } else {
            for (const std::string& name : o.names()) {
              const auto it = names.find(NormalisedName(name));
              if (it != names.end()) add(*it);
            }
          }
        }
        return absl::OkStatus();
      }));
  return seen;
}

std::pair<std::string, std::string> DiffSide::WhyNothing(const DiffKey& key) const {
  if (!key.name.empty()) {
    if (const auto it = unresolved_.find(key.name); it != unresolved_.end())
      return {it->second.first ? "name-not-found" : "name-not-looked-up", it->second.second};
  }
  // Which positions a scan has is known only by their outcomes.
  if (!IsFinished(scan_.state())) return {"no-outcome-yet", "no outcome yet, or not in the scan"};
  return {"not-scanned", "not scanned"};
}

DiffAnswer DiffSide::Judge(const DiffSide& other, const DiffKey& key, const Rows& rows) const {
  std::vector<std::string_view> relevant;
  for (const std::string& lane : lanes_) {
    const size_t there = other.LaneIndex(lane);
    const bool has =
        std::find(other.lanes_.begin(), other.lanes_.end(), lane) != other.lanes_.end();
    if (has && (key.lanes >> there & 1) != 0) relevant.push_back(lane);
  }
  if (relevant.empty()) relevant.assign(lanes_.begin(), lanes_.end());

  DiffAnswer answer;
  answer.kind = DiffAnswer::Kind::kNotOpen;
  std::map<std::string, std::set<std::string>> seen;
  for (const auto& [lane, all] : rows) {
    for (const Row& row : all) {
      std::string text(StateName(row.state));
      if (!row.reason.empty()) text += fmt::format("/{}", row.reason);
      if (row.everywhere) text = "the host answers on every port";
      seen[text].emplace(lane);
      if (row.state == State::kOpen && !row.everywhere) answer.kind = DiffAnswer::Kind::kOpen;
    }
  }
  answer.text = TextOf(seen);
  if (answer.kind == DiffAnswer::Kind::kOpen) return answer;
  const auto unknown = [&](std::string cause, const std::string& text) {
    if (answer.kind == DiffAnswer::Kind::kUnknown) return;  // the first cause is told
    answer.kind = DiffAnswer::Kind::kUnknown;
    answer.cause = std::move(cause);
    if (!text.empty()) answer.text += (answer.text.empty() ? "" : "; ") + text;
  };
  // A name may have further addresses whose outcomes are still to come.
  if (!key.name.empty() && !IsFinished(scan_.state()))
    unknown("no-outcome-yet", rows.empty() ? WhyNothing(key).second : "not finished");
  for (const std::string_view lane : relevant) {
    const auto mine = rows.find(lane);
    if (mine == rows.end()) {
      auto [cause, text] = WhyNothing(key);
      if (!rows.empty()) text += fmt::format(" from {}", lane);
      unknown(std::move(cause), text);
      continue;
    }
    // A family of addresses that no agent of the vantage can ask is not part of what it sees.
    bool asked[2] = {false, false};
    const auto outside = [](const Row& row) {
      return row.state == State::kNotProbed && row.reason == ReasonName(Reason::kAgentScope);
    };
    for (const Row& row : mine->second) asked[row.v6] |= !outside(row);
    for (const Row& row : mine->second) {
      if (outside(row) && !asked[row.v6] && asked[!row.v6]) continue;
      if (row.everywhere) unknown("answers-everywhere", "");
      if (!IsObserved(row.state)) unknown(std::string(row.reason), "");
    }
  }
  return answer;
}

}  // namespace portolan
