#include "coordinator/monitoring/run_input.h"

#include <algorithm>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/monitor/monitor_file.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kMaxRanges = 4'000'000;
// A lane whose vantage has no agent ends after this: the run is then partial, instead of late.
constexpr auto kLongestWait = std::chrono::minutes(10);
constexpr auto kWaitForPorts = std::chrono::minutes(1);
// Scans of single ports are of interest until they were read.
constexpr auto kPortsRetention = std::chrono::hours(24);

// One entry of a specification: an address expression, or a name. Names are not looked up.
struct Entry {
  TargetList list;  // of a name: empty
  std::string name;
  std::optional<uint16_t> port;
};
absl::StatusOr<Entry> ParseEntry(const std::string& text) {
  PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets parsed, ParseTargets({text}, kMaxRanges));
  if (!parsed.problems().empty()) return parsed.problems().ToStatus();
  Entry entry;
  entry.list = parsed.WithoutNames();
  if (!parsed.names().empty()) {
    entry.name = parsed.names()[0];
    entry.port = parsed.name_uses()[0].port;
  } else if (!entry.list.endpoints.empty()) {
    entry.port = entry.list.endpoints[0].port;
  }
  return entry;
}

std::string TextOf(const IpAddress& address, std::optional<uint16_t> port) {
  return port ? FormatEndpoint(address, *port) : address.ToString();
}

const std::vector<IpAddress>* AddressesOfName(const RunInput& input, const std::string& name) {
  const auto it = input.names.find(name);
  return it == input.names.end() ? nullptr : &it->second;
}

// Texts without names.
std::vector<std::string> WithAddresses(const RunInput& input,
                                       const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    const absl::StatusOr<Entry> entry = ParseEntry(text);
    if (!entry.ok() || entry->name.empty()) {
      out.push_back(text);  // planning the scan says what is wrong with it
    } else if (const auto* addresses = AddressesOfName(input, entry->name)) {
      for (const IpAddress& a : *addresses) out.push_back(TextOf(a, entry->port));
    }
  }
  return out;
}

}  // namespace

std::string RunInput::Encode() const {
  ByteWriter out;
  out.Byte(kVersion);
  out.String(MonitorYaml(spec));
  out.Varint(names.size());
  for (const auto& [name, addresses] : names) {
    out.String(name);
    out.Varint(addresses.size());
    for (const IpAddress& a : addresses) out.String(a.ToString());
  }
  return out.Take();
}

absl::StatusOr<RunInput> RunInput::Decode(std::string_view bytes) {
  const auto damaged = [&] {
    return DataLoss("what a run looks at: {} bytes are damaged", bytes.size());
  };
  ByteReader in(bytes);
  if (in.Byte() != kVersion) return damaged();
  MonitorFile file = ParseMonitors(in.String());
  if (file.monitors.size() != 1 || !file.problems.empty()) return damaged();
  RunInput out;
  out.spec = std::move(file.monitors[0].spec);
  for (size_t n = in.Count(2); n > 0; --n) {
    std::string name(in.String());
    std::vector<IpAddress>& addresses = out.names[std::move(name)];
    for (size_t left = in.Count(); left > 0; --left) {
      const absl::StatusOr<IpAddress> a = IpAddress::Parse(in.String());
      if (!a.ok()) return damaged();
      addresses.push_back(*a);
    }
  }
  if (!in.done()) return damaged();
  return out;
}

absl::StatusOr<RunInput> ResolveInput(const MonitorSpec& spec, const Resolver& resolver) {
  RunInput input;
  input.spec = spec;
  const auto look_up = [&](const std::string& name) {
    auto [it, fresh] = input.names.try_emplace(name);
    if (!fresh) return;
    absl::StatusOr<std::vector<IpAddress>> found = resolver(name);
    if (!found.ok()) return;
    it->second = *std::move(found);
    std::sort(it->second.begin(), it->second.end());
    it->second.erase(std::unique(it->second.begin(), it->second.end()), it->second.end());
  };
  for (const auto* texts :
       {&spec.targets, &spec.canaries.open, &spec.canaries.closed, &spec.exclude}) {
    for (const std::string& text : *texts) {
      PORTOLAN_ASSIGN_OR_RETURN(const Entry entry, ParseEntry(text));
      if (entry.name.empty()) continue;
      look_up(entry.name);
      if (texts == &spec.exclude && input.names[entry.name].empty()) {
        return Unavailable(
            "exclude \"{}\": the name has no address now, so nothing was probed; write the "
            "address, "
            "or see to the name",
            literal::Printable(text));
      }
    }
  }
  return input;
}

void DropAddresses(RunInput& input,
                   const std::function<absl::Status(const IpAddress& address)>& check) {
  for (auto& [name, addresses] : input.names) {
    std::erase_if(addresses, [&](const IpAddress& a) { return !check(a).ok(); });
  }
}

std::vector<std::string> TargetsOf(const RunInput& input) {
  return WithAddresses(input, input.spec.targets);
}

std::set<std::string> UnresolvedOf(const RunInput& input) {
  std::set<std::string> out;
  for (const std::string& text : input.spec.targets) {
    const absl::StatusOr<Entry> entry = ParseEntry(text);
    if (!entry.ok() || entry->name.empty()) continue;
    const auto* addresses = AddressesOfName(input, entry->name);
    if (addresses == nullptr || addresses->empty()) {
      out.emplace(TargetKey::OfName(entry->name).name());
    }
  }
  return out;
}

ScanRequest RunScan(const RunInput& input, uint64_t number, uint64_t seed) {
  const MonitorSpec& spec = input.spec;
  ScanRequest r;
  r.name = fmt::format("monitor {} run {}", spec.name, number);
  r.monitor = spec.name;
  r.targets = TargetsOf(input);
  r.exclude = WithAddresses(input, spec.exclude);
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
  r.exclude = WithAddresses(input, spec.exclude);
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
  std::vector<IpAddress> out;
  for (const auto& [name, addresses] : input.names) {
    if (TargetKey::OfName(name) == canary.subject.target) {
      out.insert(out.end(), addresses.begin(), addresses.end());
    }
  }
  return out;
}

RunSpace::RunSpace(const RunInput& input, const std::vector<Block>& blocks) {
  const MonitorSpec& spec = input.spec;
  const auto ports_of = [](const std::string& text) {
    const absl::StatusOr<PortSet> parsed = text.empty() ? PortSet() : ParsePorts(text);
    return parsed.ok() ? *parsed : PortSet();  // a valid specification has no others
  };
  const PortSet excluded = ports_of(spec.exclude_ports);
  default_ports_ = ports_of(spec.ports).Minus(excluded);

  std::vector<IpRange> ranges;
  for (const std::string& text : spec.targets) {
    absl::StatusOr<Entry> entry = ParseEntry(text);
    if (!entry.ok()) continue;
    if (!entry->name.empty()) {
      Name& name = names_[std::string(TargetKey::OfName(entry->name).name())];
      name.ports =
          name.ports.Union(entry->port ? PortSet::Of({{*entry->port, *entry->port}}).Minus(excluded)
                                       : default_ports_);
      if (const auto* found = AddressesOfName(input, entry->name)) name.addresses = *found;
    } else if (entry->port) {
      for (const TargetList::Endpoint& e : entry->list.endpoints)
        endpoints_.insert({e.address, e.port});
    } else {
      const auto& more = entry->list.addresses.ranges();
      ranges.insert(ranges.end(), more.begin(), more.end());
    }
  }
  direct_ = IpSet::Of(std::move(ranges));

  std::vector<CoverageBlock> covered;
  for (auto& [text, name] : names_) {
    if (name.addresses.empty()) {
      covered.push_back({{}, {text}, name.ports});
      continue;
    }
    for (const IpAddress& a : name.addresses) at_[a].push_back(text);
  }
  for (const Block& block : blocks) {
    covered.push_back(
        {block.addresses.Intersection(direct_), {}, block.ports.Intersection(default_ports_)});
    for (const SinglePort& e : endpoints_) {
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
  if ((direct_.Contains(address) && default_ports_.Contains(port)) ||
      endpoints_.count({address, port}) > 0) {
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
  if (direct_.Contains(address) || covered_.ContainsTarget(TargetKey::Of(address))) {
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

}  // namespace portolan
