#include "coordinator/control/scan_request.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <utility>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/port_set.h"
#include "common/scan/host_finding.h"

namespace portolan {
namespace {

constexpr size_t kMaxTargetBytes = 32u << 20;
constexpr size_t kMaxName = 200;
constexpr size_t kMaxVantages = 1000;
constexpr double kMaxRate = 100'000'000;
// A scan's context travels to agents in one message.
constexpr size_t kMaxSpaceBytes = 32u << 20;
constexpr size_t kKeptTexts = 100;
constexpr size_t kKeptTextBytes = 1000;

absl::Status CheckNumbers(const ScanRequest& r) {
  if (r.name.size() > kMaxName)
    return InvalidArgument("spec.name: {} bytes; at most {} are allowed", r.name.size(), kMaxName);
  if (!std::isfinite(r.max_rate) || r.max_rate < 0 || r.max_rate > kMaxRate) {
    return InvalidArgument("spec.max_rate {}: give probes a second from 0 (no limit) to 100000000",
                           r.max_rate);
  }
  if (r.max_rate > 0 && r.max_rate < 0.01)
    return InvalidArgument("spec.max_rate {}: too slow; give at least 0.01", r.max_rate);
  if (r.max_attempts > 100)
    return InvalidArgument("spec.max_attempts {}: give 1 to 100, or 0 for the default",
                           r.max_attempts);
  if (r.lane_timeout_s > 604'800)
    return InvalidArgument("spec.lane_timeout_s {}: give 1 to 604800, or 0 for the default",
                           r.lane_timeout_s);
  if (r.retention_s > 3'153'600'000)
    return InvalidArgument("spec.retention_s {}: give at most 3153600000 (100 years)",
                           r.retention_s);
  return absl::OkStatus();
}

absl::Status CheckTexts(const ScanRequest& r) {
  size_t bytes = r.ports.size() + r.exclude_ports.size();
  for (const std::string& t : r.targets) bytes += t.size();
  for (const std::string& t : r.exclude) bytes += t.size();
  if (bytes > kMaxTargetBytes) {
    return InvalidArgument(
        "spec.targets: {} bytes with exclusions and ports; at most {} are allowed: split the scan",
        bytes, kMaxTargetBytes);
  }
  if (r.targets.empty()) return InvalidArgument("spec.targets: empty; name what to scan");
  if (r.vantages.size() > kMaxVantages)
    return InvalidArgument("spec.vantages: {} of them; at most {} are allowed", r.vantages.size(),
                           kMaxVantages);
  std::set<std::string_view> seen;
  for (const std::string& v : r.vantages) {
    PORTOLAN_RETURN_IF_ERROR(CheckName("spec.vantages", v, kMaxVantageName));
    if (!seen.insert(v).second)
      return InvalidArgument("spec.vantages: \"{}\" is given twice; name each once", v);
  }
  return absl::OkStatus();
}

// The error of the scope, with the host name that led to the address when there is one.
absl::Status NameTheCause(const absl::Status& error, const Scope& scope, const Block& block,
                          const std::vector<ResolvedName>& names) {
  for (const ResolvedName& name : names) {
    std::vector<IpRange> ranges;
    for (const IpAddress& a : name.addresses) ranges.push_back({a, a});
    const IpSet mine = IpSet::Of(std::move(ranges)).Intersection(block.addresses);
    if (mine.empty()) continue;
    const absl::Status s = scope.Check(mine, block.ports);
    if (!s.ok()) return Annotate(s, fmt::format("target \"{}\"", name.name));
  }
  return Annotate(error, "target");
}

// Encoded sizes of an address range: two strings with their headers.
size_t EncodedBytes(const std::vector<Block>& blocks) {
  size_t bytes = 0;
  for (const Block& b : blocks) {
    bytes += 16 + b.ports.ranges().size() * 10;
    for (const IpRange& r : b.addresses.ranges()) bytes += r.first.is_v6() ? 38 : 14;
  }
  return bytes;
}

std::vector<std::string> KeptTexts(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const std::string& t : texts) {
    if (out.size() == kKeptTexts) break;
    if (t.size() <= kKeptTextBytes) {
      out.push_back(t);
      continue;
    }
    size_t end = kKeptTextBytes;
    while (end > 0 && (static_cast<unsigned char>(t[end]) & 0xC0) == 0x80) --end;
    out.push_back(t.substr(0, end) + "...");
  }
  return out;
}

// High ports that nothing forbids on any of these addresses; not those of the scan where others are
// left.
PortSet ConfirmPorts(const std::vector<Block>& blocks, const TargetList& excluded,
                     const PortSet& exclude_ports, const Scope& scope) {
  constexpr uint32_t kEnough = 1'000;
  std::vector<PortRange> out_of_bounds = exclude_ports.ranges(), asked;
  for (const TargetList::Endpoint& e : excluded.endpoints)
    out_of_bounds.push_back({e.port, e.port});
  const PortSet all = PortSet::Of({kConfirmPorts}).Minus(PortSet::Of(std::move(out_of_bounds)));
  for (const Block& b : blocks)
    asked.insert(asked.end(), b.ports.ranges().begin(), b.ports.ranges().end());
  const PortSet others = all.Minus(PortSet::Of(std::move(asked)));
  const PortSet& ports = others.size() >= kEnough ? others : all;
  if (ports.empty()) return ports;
  const auto allowed = [&](const PortSet& some) {
    return std::all_of(blocks.begin(), blocks.end(),
                       [&](const Block& b) { return scope.Check(b.addresses, some).ok(); });
  };
  if (allowed(ports)) return ports;
  // A rule about some of them: a few others will do.
  constexpr uint32_t kTries = 16;
  std::vector<PortRange> some;
  for (uint32_t i = 0; i < kTries; ++i) {
    const uint16_t port = ports.Select(i * (ports.size() / kTries) % ports.size());
    if (allowed(PortSet::Of({{port, port}}))) some.push_back({port, port});
  }
  return PortSet::Of(std::move(some));
}

constexpr size_t kKeptSkipped = 100;
constexpr const char* kTargets = "spec.targets";
constexpr const char* kExclude = "spec.exclude";

// Every target was skipped: what is wrong with them is the answer.
absl::Status NothingLeft(const ParsedTargets& targets, const std::vector<NameAnswer>& answers) {
  PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets::Completed all, targets.Complete(answers, false));
  return all.problems.ToStatus(kTargets, kExclude);
}

}  // namespace

absl::Status CheckName(std::string_view field, std::string_view name, size_t max) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty())
    return InvalidArgument("{}: empty; give 1 to {} characters of A-Z a-z 0-9 . _ -", field, max);
  if (name.size() > max)
    return InvalidArgument("{} \"{}...\": {} characters; at most {} are allowed", field,
                           name.substr(0, 20), name.size(), max);
  if (!std::all_of(name.begin(), name.end(), fits))
    return InvalidArgument("{} \"{}\": only A-Z a-z 0-9 . _ - are allowed", field, name);
  return absl::OkStatus();
}

absl::StatusOr<PreparedScan> PreparedScan::Prepare(ScanRequest request) {
  PORTOLAN_RETURN_IF_ERROR(CheckNumbers(request));
  PORTOLAN_RETURN_IF_ERROR(CheckTexts(request));
  PreparedScan out;
  if (!request.ports.empty()) {
    absl::StatusOr<PortSet> parsed = ParsePorts(request.ports);
    if (!parsed.ok()) return Annotate(parsed.status(), "spec.ports");
    out.ports_ = *std::move(parsed);
  }
  if (!request.exclude_ports.empty()) {
    absl::StatusOr<PortSet> parsed = ParsePorts(request.exclude_ports);
    if (!parsed.ok()) return Annotate(parsed.status(), "spec.exclude_ports");
    out.exclude_ports_ = *std::move(parsed);
  }
  absl::StatusOr<ParsedTargets> targets = ParseTargets(request.targets);
  if (!targets.ok()) return Annotate(targets.status(), kTargets);
  absl::StatusOr<ParsedTargets> excluded = ParseTargets(request.exclude);
  if (!excluded.ok()) return Annotate(excluded.status(), kExclude);
  TargetProblems problems = targets->problems();
  problems.AddExclusions(excluded->problems());
  if (!problems.empty()) return problems.ToStatus(kTargets, kExclude);

  out.names_ = targets->names();
  std::unordered_map<std::string, size_t> index;
  if (!excluded->names().empty()) {
    for (size_t i = 0; i < out.names_.size(); ++i) index.emplace(NormalisedName(out.names_[i]), i);
  }
  for (const std::string& name : excluded->names()) {
    const auto [it, is_new] = index.try_emplace(NormalisedName(name), out.names_.size());
    if (is_new) out.names_.push_back(name);
    out.excluded_names_.push_back(it->second);
  }
  out.targets_ = *std::move(targets);
  out.excluded_ = *std::move(excluded);
  out.request_ = std::move(request);
  return out;
}

absl::StatusOr<std::shared_ptr<const ScanSpec>> PreparedScan::Plan(
    const std::vector<NameAnswer>& answers, const PlanContext& context) const {
  const ScanRequest& request = request_;
  if (answers.size() != names_.size())
    return Internal("{} for {}", Counted(answers.size(), "answer", "answers"),
                    Counted(names_.size(), "name", "names"));
  auto spec = std::make_shared<ScanSpec>();
  spec->name = request.name;
  spec->target_texts = KeptTexts(request.targets);
  spec->ports_text = request.ports;
  spec->mode = request.mode;
  spec->vantages = request.vantages;
  spec->avoid_agents = request.avoid_agents;
  spec->monitor = request.monitor;
  spec->priority = request.priority;
  spec->max_rate = request.max_rate;
  spec->timing = request.timing;
  if (request.max_attempts != 0) spec->max_attempts = request.max_attempts;
  if (request.lane_timeout_s != 0)
    spec->lane_timeout = std::chrono::seconds(request.lane_timeout_s);
  spec->retention = request.retention_s != 0 ? FromSeconds(static_cast<double>(request.retention_s))
                                             : context.retention;
  if (spec->mode == ScanMode::kEachVantage && spec->vantages.empty()) {
    if (context.live_vantages.empty()) {
      return FailedPrecondition(
          "each-vantage: no agent is connected, so there is no vantage to scan from; start an "
          "agent, or name the vantages");
    }
    spec->vantages = context.live_vantages;
  }

  const std::vector<NameAnswer> of_targets(
      answers.begin(), answers.begin() + static_cast<ptrdiff_t>(targets_.names().size()));
  std::vector<NameAnswer> of_excluded;
  for (const size_t i : excluded_names_) of_excluded.push_back(answers[i]);
  absl::StatusOr<ParsedTargets::Completed> completed =
      targets_.Complete(of_targets, request.skip_unresolved);
  if (!completed.ok()) return Annotate(completed.status(), kTargets);
  // What was to be left out would be probed, so an exclusion is never skipped.
  absl::StatusOr<ParsedTargets::Completed> excluded = excluded_.Complete(of_excluded, false);
  if (!excluded.ok()) return Annotate(excluded.status(), kExclude);
  TargetProblems problems = std::move(completed->problems);
  problems.AddExclusions(std::move(excluded->problems));
  if (!problems.empty()) return problems.ToStatus(kTargets, kExclude);
  TargetList& targets = completed->targets;
  if (targets.addresses.empty() && targets.endpoints.empty() && !completed->skipped.empty())
    return NothingLeft(targets_, of_targets);

  PORTOLAN_ASSIGN_OR_RETURN(std::vector<Block> blocks,
                            MakeBlocks(targets, ports_,
                                       Exclusions{excluded->targets.addresses, exclude_ports_,
                                                  excluded->targets.endpoints}));
  for (const Block& block : blocks) {
    const absl::Status in_scope = context.scope->Check(block.addresses, block.ports);
    if (!in_scope.ok()) return NameTheCause(in_scope, *context.scope, block, targets.names);
  }
  if (const size_t bytes = EncodedBytes(blocks); bytes > kMaxSpaceBytes) {
    return ResourceExhausted(
        "spec.targets: the scan is {} MiB of separate address ranges; at most {} can be sent to an "
        "agent: split the scan",
        bytes >> 20, kMaxSpaceBytes >> 20);
  }
  spec->confirm_ports = ConfirmPorts(blocks, excluded->targets, exclude_ports_, *context.scope);
  uint64_t seed = request.seed != 0 ? request.seed : context.random_seed;
  PORTOLAN_ASSIGN_OR_RETURN(spec->space, ScanSpace::Create(std::move(blocks), seed));
  spec->names = std::move(targets.names);
  spec->names.insert(spec->names.end(), request.looked_up.begin(), request.looked_up.end());
  spec->names_skipped = completed->skipped.size();
  spec->skipped_names = std::move(completed->skipped);
  if (spec->skipped_names.size() > kKeptSkipped) spec->skipped_names.resize(kKeptSkipped);
  PORTOLAN_RETURN_IF_ERROR(CheckLength(*spec, context.pace, request.allow_long));
  return std::shared_ptr<const ScanSpec>(std::move(spec));
}

absl::StatusOr<std::shared_ptr<const ScanSpec>> PlanScan(const ScanRequest& request,
                                                         const PlanContext& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const PreparedScan prepared, PreparedScan::Prepare(request));
  if (!prepared.names().empty()) {
    return InvalidArgument("target \"{}\": host names are not allowed here; write the address",
                           prepared.names()[0]);
  }
  return prepared.Plan({}, context);
}

}  // namespace portolan
