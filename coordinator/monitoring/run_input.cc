#include "coordinator/monitoring/run_input.h"

#include <algorithm>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/monitor/monitor_file.h"
#include "common/net/host_name.h"
#include "common/net/literal.h"
#include "common/net/port_set.h"

namespace portolan {
namespace {

constexpr uint8_t kVersion = 2;
constexpr uint8_t kVersionWithoutProblems = 1;  // why a name had no address was not kept
// A lane whose vantage has no agent ends after this: the run is then partial, instead of late.
constexpr auto kLongestWait = std::chrono::minutes(10);
constexpr auto kWaitForPorts = std::chrono::minutes(1);
// Scans of single ports are of interest until they were read.
constexpr auto kPortsRetention = std::chrono::hours(24);
constexpr size_t kShownAddresses = 3;

const RunInput::Name* Find(const RunInput& input, std::string_view name) {
  const auto it = input.names.find(name);
  return it == input.names.end() ? nullptr : &it->second;
}

// The entries of a list, with addresses in place of names.
std::vector<std::string> WithAddresses(const RunInput& input, std::vector<std::string> texts,
                                       const SpecTargets::List& list) {
  for (const SpecTargets::Named& n : list.named) {
    const RunInput::Name* name = Find(input, n.name);
    if (name == nullptr) continue;
    for (const IpAddress& a : name->addresses)
      texts.push_back(n.port ? FormatEndpoint(a, *n.port) : a.ToString());
  }
  return texts;
}

// The names that led to addresses of a scan, for whoever reads its results.
std::vector<ResolvedName> LookedUp(const RunInput& input) {
  std::vector<ResolvedName> out;
  std::string_view last;  // a name with several ports is listed with each, one after the other
  for (const SpecTargets::Named& n : input.targets->targets().named) {
    const RunInput::Name* name = Find(input, n.name);
    if (n.name == last || name == nullptr || name->addresses.empty()) continue;
    last = n.name;
    out.push_back({n.name, name->addresses});
  }
  return out;
}

// The same for single ports, whose addresses may be those of canaries, too.
std::vector<ResolvedName> LookedUp(const RunInput& input, const std::set<SinglePort>& ports) {
  std::set<IpAddress> probed;
  for (const SinglePort& p : ports) probed.insert(p.address);
  std::vector<ResolvedName> out;
  for (const auto& [text, name] : input.names) {
    ResolvedName found{text, {}};
    for (const IpAddress& a : name.addresses) {
      if (probed.count(a) > 0) found.addresses.push_back(a);
    }
    if (!found.addresses.empty()) out.push_back(std::move(found));
  }
  return out;
}

}  // namespace

std::string RunInput::Encode() const {
  ByteWriter out;
  out.Byte(kVersion);
  out.String(MonitorYaml(spec));
  out.String(spec.listed.digest());
  out.Varint(names.size());
  for (const auto& [text, name] : names) {
    out.String(text);
    out.Varint(name.addresses.size());
    for (const IpAddress& a : name.addresses) out.String(a.ToString());
    out.Byte(name.problem ? static_cast<uint8_t>(*name.problem) : 0);
    out.String(name.detail);
  }
  return out.Take();
}

absl::StatusOr<RunInput> RunInput::Decode(std::string_view bytes, const ListedTargets& listed) {
  const auto damaged = [&] {
    return DataLoss("what a run looks at: {} damaged",
                    Counted(bytes.size(), "byte is", "bytes are"));
  };
  ByteReader in(bytes);
  const uint8_t version = in.Byte();
  if (version != kVersion && version != kVersionWithoutProblems) return damaged();
  MonitorFile file = ParseMonitors(in.String());
  if (file.monitors.size() != 1 || !file.problems.empty()) return damaged();
  RunInput out;
  out.spec = std::move(file.monitors[0].spec);
  const std::string digest(version == kVersion ? in.String() : std::string_view());
  for (size_t n = in.Count(2); n > 0; --n) {
    Name& name = out.names[NormalisedName(in.String())];
    for (size_t left = in.Count(); left > 0; --left) {
      const absl::StatusOr<IpAddress> a = IpAddress::Parse(in.String());
      if (!a.ok()) return damaged();
      name.addresses.push_back(*a);
    }
    if (version == kVersion) {
      const uint8_t problem = in.Byte();
      if (problem > static_cast<uint8_t>(NameProblem::kOutOfScope)) return damaged();
      if (problem != 0) name.problem = static_cast<NameProblem>(problem);
      name.detail = in.String();
    } else if (name.addresses.empty()) {
      name.problem = NameProblem::kCouldNotAsk;
    }
    if (name.problem.has_value() != name.addresses.empty()) return damaged();
  }
  if (!in.done()) return damaged();
  if (digest != listed.digest()) {
    return FailedPrecondition(
        "the list of targets was changed while the coordinator was restarted in the middle of the "
        "run; the next run takes the new one");
  }
  out.spec.listed = listed;
  PORTOLAN_ASSIGN_OR_RETURN(out.targets, SpecTargets::Read(out.spec));
  return out;
}

RunInput MakeInput(MonitorSpec spec, std::shared_ptr<const SpecTargets> targets,
                   std::vector<NameAnswer> answers) {
  RunInput input;
  input.spec = std::move(spec);
  const std::vector<std::string>& names = targets->names();
  for (size_t i = 0; i < names.size() && i < answers.size(); ++i) {
    RunInput::Name& name = input.names[names[i]];
    name.addresses = std::move(answers[i].addresses);
    name.detail = std::move(answers[i].detail);
    if (!name.addresses.empty()) continue;
    name.problem =
        static_cast<NameProblem>(answers[i].problem.value_or(LookupProblem::kCouldNotAsk));
  }
  input.targets = std::move(targets);
  return input;
}

absl::Status CheckExclusions(const RunInput& input) {
  for (const SpecTargets::Named& n : input.targets->exclude().named) {
    const RunInput::Name* name = Find(input, n.name);
    // One that is out of scope is not probed in any case.
    if (name == nullptr || !name->problem || *name->problem == NameProblem::kOutOfScope) continue;
    const std::string why = TroubleText({*name->problem, name->detail, true, {}});
    return Unavailable("exclude \"{}\": {}, so nothing was probed; {}", literal::Printable(n.name),
                       why,
                       *name->problem == NameProblem::kCouldNotAsk
                           ? "see to the name servers, or write the address"
                           : "write the address, or see to the name");
  }
  return absl::OkStatus();
}

void DropAddresses(RunInput& input,
                   const std::function<absl::Status(const IpAddress& address)>& check) {
  for (auto& [text, name] : input.names) {
    std::vector<IpAddress> dropped;
    std::erase_if(name.addresses, [&](const IpAddress& a) {
      if (check(a).ok()) return false;
      dropped.push_back(a);
      return true;
    });
    if (!name.addresses.empty() || dropped.empty()) continue;
    name.problem = NameProblem::kOutOfScope;
    name.detail.clear();
    for (size_t i = 0; i < std::min(dropped.size(), kShownAddresses); ++i)
      name.detail += (i == 0 ? "" : ", ") + dropped[i].ToString();
    if (dropped.size() > kShownAddresses) name.detail += ", ...";
  }
}

std::vector<std::string> TargetsOf(const RunInput& input) {
  return WithAddresses(input, input.targets->target_texts(), input.targets->targets());
}

std::set<std::string> UnresolvedOf(const RunInput& input) {
  std::set<std::string> out;
  for (const SpecTargets::Named& n : input.targets->targets().named) {
    const RunInput::Name* name = Find(input, n.name);
    if (name == nullptr || name->problem) out.insert(n.name);
  }
  return out;
}

NameTroubles TroublesOf(const RunInput& input) {
  NameTroubles out;
  const auto add = [&](const SpecTargets::List& list, bool excludes) {
    for (const SpecTargets::Named& n : list.named) {
      const RunInput::Name* name = Find(input, n.name);
      if (name == nullptr || !name->problem) continue;
      if (excludes && *name->problem == NameProblem::kOutOfScope) continue;
      out[n.name] = {*name->problem, name->detail, excludes, {}};
    }
  };
  add(input.targets->targets(), false);
  add(input.targets->exclude(), true);
  return out;
}

ScanRequest RunScan(const RunInput& input, uint64_t number, uint64_t seed) {
  const MonitorSpec& spec = input.spec;
  ScanRequest r;
  r.name = fmt::format("monitor {} run {}", spec.name, number);
  r.monitor = spec.name;
  r.targets = TargetsOf(input);
  r.looked_up = LookedUp(input);
  r.exclude = WithAddresses(input, input.targets->exclude_texts(), input.targets->exclude());
  r.ports = spec.ports;
  r.exclude_ports = spec.exclude_ports;
  r.mode = ScanMode::kEachVantage;
  for (const MonitorVantage& v : spec.vantages) r.vantages.push_back(v.name);
  r.priority = spec.rate.priority;
  r.max_rate = MaxRateOf(spec.rate);
  r.timing = TimingOf(spec.rate);
  const Duration wait = spec.schedule.every
                            ? std::min<Duration>(*spec.schedule.every / 2, kLongestWait)
                            : Duration(kLongestWait);
  r.lane_timeout_s = static_cast<uint32_t>(std::max(30.0, ToSeconds(wait)));
  r.retention_s = static_cast<uint64_t>(ToSeconds(spec.retention));
  r.seed = seed;
  return r;
}

ScanRequest PortsScan(const RunInput& input, std::string name, const std::set<SinglePort>& ports,
                      std::vector<std::string> vantages) {
  const MonitorSpec& spec = input.spec;
  ScanRequest r;
  r.name = std::move(name);
  r.monitor = spec.name;
  for (const SinglePort& p : ports) r.targets.push_back(FormatEndpoint(p.address, p.port));
  r.looked_up = LookedUp(input, ports);
  r.exclude = WithAddresses(input, input.targets->exclude_texts(), input.targets->exclude());
  r.exclude_ports = spec.exclude_ports;
  r.mode = ScanMode::kEachVantage;
  r.vantages = std::move(vantages);
  r.priority = Priority::kHigh;
  r.max_rate = MaxRateOf(spec.rate);
  r.timing = TimingOf(spec.rate);
  r.lane_timeout_s = static_cast<uint32_t>(ToSeconds(kWaitForPorts));
  r.retention_s = static_cast<uint64_t>(ToSeconds(kPortsRetention));
  return r;
}

std::vector<IpAddress> CanaryAddresses(const RunInput& input, const Canary& canary) {
  if (!canary.subject.target.is_name()) return {*canary.subject.target.address()};
  const RunInput::Name* name = Find(input, canary.subject.target.name());
  return name == nullptr ? std::vector<IpAddress>() : name->addresses;
}

RunSpace::RunSpace(const RunInput& input, const std::vector<Block>& blocks)
    : targets_(input.targets) {
  const MonitorSpec& spec = input.spec;
  const auto ports_of = [](const std::string& text) {
    const absl::StatusOr<PortSet> parsed = text.empty() ? PortSet() : ParsePorts(text);
    return parsed.ok() ? *parsed : PortSet();  // a valid specification has no others
  };
  const PortSet excluded = ports_of(spec.exclude_ports);
  default_ports_ = ports_of(spec.ports).Minus(excluded);

  for (const SpecTargets::Named& n : targets_->targets().named) {
    Name& name = names_[n.name];
    name.ports = name.ports.Union(n.port ? PortSet::Of({{*n.port, *n.port}}).Minus(excluded)
                                         : default_ports_);
    if (const RunInput::Name* found = Find(input, n.name)) name.addresses = found->addresses;
  }
  std::vector<CoverageBlock> covered;
  for (auto& [text, name] : names_) {
    if (name.addresses.empty()) {
      covered.push_back({{}, {text}, name.ports});
      continue;
    }
    for (const IpAddress& a : name.addresses) at_[a].push_back(text);
  }
  for (const Block& block : blocks) {
    covered.push_back({block.addresses.Intersection(targets_->targets().addresses),
                       {},
                       block.ports.Intersection(default_ports_)});
    for (const SinglePort& e : targets_->targets().endpoints) {
      if (!block.ports.Contains(e.port) || !block.addresses.Contains(e.address)) continue;
      covered.push_back({IpSet::Of({{e.address, e.address}}), {}, PortSet::Of({{e.port, e.port}})});
    }
    for (auto& [text, name] : names_) {
      bool here = false;
      for (const IpAddress& a : name.addresses) {
        if (!block.addresses.Contains(a)) continue;
        here = true;
        name.looked_at.insert(a);
      }
      if (here) covered.push_back({{}, {text}, block.ports.Intersection(name.ports)});
    }
  }
  covered_ = Coverage::Of(std::move(covered));
}

std::vector<Subject> RunSpace::SubjectsAt(const IpAddress& address, uint16_t port) const {
  std::vector<Subject> out;
  const SpecTargets::List& list = targets_->targets();
  if ((list.addresses.Contains(address) && default_ports_.Contains(port)) ||
      std::binary_search(list.endpoints.begin(), list.endpoints.end(), SinglePort{address, port})) {
    out.push_back({TargetKey::Of(address), port});
  }
  if (const auto it = at_.find(address); it != at_.end()) {
    for (const std::string& name : it->second) {
      if (names_.at(name).ports.Contains(port)) out.push_back({TargetKey::OfName(name), port});
    }
  }
  return out;
}

std::vector<TargetKey> RunSpace::TargetsAt(const IpAddress& address) const {
  std::vector<TargetKey> out;
  if (targets_->targets().addresses.Contains(address) ||
      covered_.ContainsTarget(TargetKey::Of(address))) {
    out.push_back(TargetKey::Of(address));
  }
  if (const auto it = at_.find(address); it != at_.end()) {
    for (const std::string& name : it->second) out.push_back(TargetKey::OfName(name));
  }
  return out;
}

std::vector<IpAddress> RunSpace::AddressesOf(const TargetKey& target) const {
  if (const IpAddress* address = target.address()) return {*address};
  const auto it = names_.find(std::string(target.name()));
  if (it == names_.end()) return {};
  return {it->second.looked_at.begin(), it->second.looked_at.end()};
}

std::map<std::string, std::vector<IpAddress>, std::less<>> RunSpace::Names() const {
  std::map<std::string, std::vector<IpAddress>, std::less<>> out;
  for (const auto& [text, name] : names_) {
    if (name.looked_at.empty()) continue;
    out[text].assign(name.looked_at.begin(), name.looked_at.end());
  }
  return out;
}

}  // namespace portolan
