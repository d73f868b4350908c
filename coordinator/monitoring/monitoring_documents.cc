#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "common/monitor/monitor_file.h"
#include "common/net/literal.h"
#include "coordinator/monitoring/monitoring_impl.h"

// Documents that declare monitors: read and checked, before any of them counts.
namespace portolan {
namespace {

constexpr size_t kMaxDocumentBytes = 1u << 20;
constexpr size_t kMaxAllBytes = 16u << 20;

absl::StatusOr<std::vector<Canary>> CanariesOf(const MonitorSpec& spec) {
  std::vector<Canary> out;
  for (const bool open : {true, false}) {
    for (const std::string& text : open ? spec.canaries.open : spec.canaries.closed) {
      PORTOLAN_ASSIGN_OR_RETURN(const EndpointText endpoint, ParseEndpointText(text));
      Canary c;
      c.subject = {TargetKey::FromString(endpoint.host), endpoint.port};
      if (const IpAddress* address = c.subject.target.address()) c.address = *address;
      c.open = open;
      c.given = true;
      out.push_back(std::move(c));
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<MonitorExposureConfig> ExposureConfigOf(const MonitorSpec& spec) {
  MonitorExposureConfig config;
  config.monitor = spec.name;
  for (const MonitorVantage& v : spec.vantages) config.vantages[v.name] = v.role;
  config.confirmation.needed = spec.confirmation.needed;
  config.confirmation.probes = spec.confirmation.probes;
  config.confirmation.delay = spec.confirmation.delay;
  PORTOLAN_RETURN_IF_ERROR(CheckConfirmationOptions(config.confirmation));
  PORTOLAN_ASSIGN_OR_RETURN(config.given_canaries, CanariesOf(spec));
  PORTOLAN_ASSIGN_OR_RETURN(config.expectations, ExpectationSet::Compile(spec));
  return config;
}

absl::StatusOr<std::vector<MonitoringImpl::Wanted>> MonitoringImpl::ReadDocuments(
    const std::vector<MonitorDocument>& documents) const {
  std::vector<Wanted> wanted;
  std::map<std::string, std::string> sources;
  std::vector<std::string> problems;
  size_t bytes = 0;
  for (const MonitorDocument& doc : documents) {
    bytes += doc.yaml.size();
    if (doc.yaml.size() > kMaxDocumentBytes || bytes > kMaxAllBytes) {
      return InvalidArgument("{}: {} bytes; a document may have {}, all of them {}: divide it",
                             literal::Printable(doc.source), doc.yaml.size(), kMaxDocumentBytes,
                             kMaxAllBytes);
    }
    MonitorFile file = ParseMonitors(doc.yaml);
    if (const absl::Status s = ProblemsStatus(doc.source, file.problems); !s.ok()) {
      problems.emplace_back(Message(s));
    }
    for (MonitorFile::Entry& entry : file.monitors) {
      MonitorSpec& spec = entry.spec;
      const auto fail = [&](std::string_view what) {
        problems.push_back(fmt::format("{}:{}: {}", doc.source, entry.line, what));
      };
      const auto [at, fresh] = sources.try_emplace(spec.name, doc.source);
      if (!fresh) {
        fail(fmt::format("monitor \"{}\" is declared in {} already; names are unique", spec.name,
                         at->second));
      }
      for (const std::string& name : spec.webhooks) {
        const auto& receivers = options_.webhooks.receivers;
        if (std::none_of(receivers.begin(), receivers.end(),
                         [&](const auto& r) { return r.name == name; })) {
          fail(
              fmt::format("spec.webhooks: the coordinator has no receiver \"{}\"; it must be in "
                          "its --webhooks file",
                          name));
        }
      }
      if (!spec.targets_file.empty()) {
        const auto sent = doc.target_files.find(spec.targets_file);
        if (sent == doc.target_files.end()) {
          fail(fmt::format(
              "spec.targetsFrom.file \"{}\": its content was not sent; whoever reads the document "
              "reads this file, too, and sends it along (portolan monitor apply does)",
              literal::Printable(spec.targets_file)));
          continue;
        }
        absl::StatusOr<ListedTargets> listed = ListedTargets::Read(spec.targets_file, sent->second);
        if (!listed.ok()) {
          problems.emplace_back(Message(listed.status()));
          continue;
        }
        spec.listed = *std::move(listed);
      }
      if (const auto config = ExposureConfigOf(spec); !config.ok()) fail(Message(config.status()));
      if (const auto s = Schedule::Create(spec.schedule, spec.name); !s.ok()) {
        fail(Message(s.status()));
      }
      // It is kept in another style, and must be read again.
      if (const size_t size = MonitorYaml(spec).size(); size > kMaxDocumentBytes) {
        fail(fmt::format(
            "monitor \"{}\" takes {} bytes as it is kept; at most {}: write networks, or "
            "divide it",
            spec.name, size, kMaxDocumentBytes));
      }
      // Names mean something at a run only; what is an address must be in scope now.
      const auto targets = SpecTargets::Read(spec);
      if (!targets.ok()) {
        fail(Message(targets.status()));
        continue;
      }
      const RunInput input = MakeInput(spec, *targets, {});
      const ScanRequest request = RunScan(input, 0, 1);
      if (!request.targets.empty()) {
        if (const absl::Status s = scans_.CheckScope(request); !s.ok()) fail(Message(s));
      }
      wanted.push_back({doc.source, std::move(spec)});
    }
  }
  if (!problems.empty()) return InvalidArgument("{}", fmt::join(problems, "\n"));
  return wanted;
}

}  // namespace portolan
