#include <unordered_map>
#include <utility>

#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/literal.h"
#include "coordinator/control/control.h"

// Results, on the threads that read.
namespace portolan {
namespace {

constexpr size_t kMaxFilterBytes = 1u << 20;
constexpr size_t kMaxFilterRanges = 100'000;

// No lookup now: a name means what it meant when the scan was created.
absl::StatusOr<TargetList> FilterTargets(const std::vector<std::string>& expressions,
                                         const std::vector<ResolvedName>& names) {
  absl::StatusOr<ParsedTargets> parsed = ParseTargets(expressions, kMaxFilterRanges);
  if (!parsed.ok()) return Annotate(parsed.status(), "targets");
  if (!parsed->problems().empty()) return parsed->problems().ToStatus("targets");
  std::unordered_map<std::string, const ResolvedName*> known;
  if (!parsed->names().empty()) {
    for (const ResolvedName& name : names) known.emplace(NormalisedName(name.name), &name);
  }
  std::vector<NameAnswer> answers;
  for (const std::string& name : parsed->names()) {
    const auto it = known.find(NormalisedName(name));
    if (it == known.end()) {
      return InvalidArgument(
          "targets: \"{}\" is not among the names that the scan was given; write one of those, or "
          "an address",
          literal::Printable(name));
    }
    answers.push_back({it->second->addresses, std::nullopt, ""});
  }
  absl::StatusOr<ParsedTargets::Completed> completed = parsed->Complete(answers, true);
  if (!completed.ok()) return Annotate(completed.status(), "targets");
  return std::move(completed->targets);
}

}  // namespace

void Control::OpenResults(const std::string& ref, ResultRequest request, Done<ResultSource> done) {
  auto shared = std::make_shared<ResultRequest>(std::move(request));
  finder_.With<ResultSource>(
      ref, std::move(done), [this, shared](const ScanId& id, Done<ResultSource> found) {
        calls_.OnReader<ResultSource>(std::move(found), [this, shared, id](Done<ResultSource> d) {
          ResultSource out;
          out.scan = id;
          out.query.states = shared->states;
          out.query.vantages = shared->vantages;
          out.query.limit = shared->limit;
          out.query.without_everywhere_open = shared->without_everywhere_open;
          if (!shared->ports.empty()) {
            absl::StatusOr<PortSet> ports = ParsePorts(shared->ports);
            if (!ports.ok()) return d(Annotate(ports.status(), "ports"));
            out.query.ports = *std::move(ports);
          }
          if (!shared->targets.empty()) {
            size_t bytes = 0;
            for (const std::string& t : shared->targets) bytes += t.size();
            if (bytes > kMaxFilterBytes)
              return d(InvalidArgument("targets: {} bytes; at most {} are allowed", bytes,
                                       kMaxFilterBytes));
            absl::StatusOr<std::optional<ScanSummary>> scan = store_->GetScan(id);
            if (!scan.ok()) return d(scan.status());
            if (!scan->has_value()) return d(NotFound("scan \"{}\": no such scan", id));
            absl::StatusOr<TargetList> targets =
                FilterTargets(shared->targets, (*scan)->record.spec->names);
            if (!targets.ok()) return d(targets.status());
            if (!targets->endpoints.empty()) {
              return d(InvalidArgument(
                  "targets: {}: give the address here and the port in ports",
                  FormatEndpoint(targets->endpoints[0].address, targets->endpoints[0].port)));
            }
            if (targets->addresses.empty())
              return d(InvalidArgument(
                  "targets: nothing but comments; name an address, or leave it out for all"));
            out.query.addresses = std::move(targets->addresses);
          }
          d(std::move(out));
        });
      });
}

void Control::ReadPage(std::shared_ptr<const ResultSource> source, const std::string& page_token,
                       Done<ResultPage> done) {
  calls_.OnReader<ResultPage>(std::move(done), [this, source, page_token](Done<ResultPage> d) {
    d(results_->Page(source->scan, source->query, page_token));
  });
}

void Control::ReadFindings(std::shared_ptr<const ResultSource> source,
                           const std::string& page_token, Done<FindingRows> done) {
  calls_.OnReader<FindingRows>(std::move(done), [this, source, page_token](Done<FindingRows> d) {
    d(results_->Findings(source->scan, source->query, page_token));
  });
}

absl::StatusOr<ResultPage> Control::ReadPageNow(const ScanId& id, const ResultQuery& query,
                                                const std::string& page_token) {
  if (stopping_) return ControlCalls::Stopping();
  return results_->Page(id, query, page_token);
}

absl::StatusOr<FindingRows> Control::ReadFindingsNow(const ScanId& id, const ResultQuery& query,
                                                     const std::string& page_token) {
  if (stopping_) return ControlCalls::Stopping();
  return results_->Findings(id, query, page_token);
}

absl::StatusOr<std::unique_ptr<ScanOutcomes>> Control::OpenOutcomes(const ScanId& id) {
  if (stopping_) return ControlCalls::Stopping();
  return ScanOutcomes::Open(*store_, id);
}

}  // namespace portolan
