#include "coordinator/monitoring/port_probe.h"

#include <utility>

#include "common/base/status.h"

namespace portolan {
namespace {

// A scan of a few ports that takes longer has no agent, or one that does nothing.
constexpr auto kAtMost = std::chrono::minutes(5);
constexpr auto kRetryFor = std::chrono::minutes(1);

}  // namespace

std::optional<SubjectOutcome> PortAnswers::At(const std::string& vantage,
                                              const SinglePort& port) const {
  std::optional<SubjectOutcome> outcome = Known(vantage, port);
  if (outcome && !IsObserved(outcome->symbol)) outcome.reset();
  return outcome;
}

std::optional<SubjectOutcome> PortAnswers::Known(const std::string& vantage,
                                                 const SinglePort& port) const {
  if (!outcomes_) return std::nullopt;
  const auto found = outcomes_(vantage, port.address, port.port);
  if (!found.ok() || !found->has_value()) return std::nullopt;
  const ScanOutcomes::Outcome& o = **found;
  return SubjectOutcome{o.symbol, port.address, o.rtt_us, o.when, o.agent};
}

std::optional<SubjectOutcome> PortAnswers::Joined(const std::string& vantage,
                                                  const std::vector<IpAddress>& addresses,
                                                  uint16_t port) const {
  std::vector<std::optional<SubjectOutcome>> all;
  all.reserve(addresses.size());
  for (const IpAddress& a : addresses) all.push_back(Known(vantage, {a, port}));
  return JoinOutcomes(all);
}

std::shared_ptr<ScanJob> ProbePorts(TaskRunner& runner, ScanClient& scans, const Clock& clock,
                                    ScanRequest request, std::string key,
                                    std::function<void(absl::StatusOr<PortAnswers>)> done) {
  ScanJob::Options options;
  options.request = std::move(request);
  options.key = std::move(key);
  options.retry_for = kRetryFor;
  options.at_most = kAtMost;
  return ScanJob::Start(runner, scans, clock, std::move(options), nullptr,
                        [&scans, done = std::move(done)](absl::StatusOr<ScanStatus> ended) {
                          if (!ended.ok()) return done(ended.status());
                          auto outcomes = scans.Outcomes(ended->id);
                          if (!outcomes.ok()) return done(outcomes.status());
                          done(PortAnswers(std::move(*outcomes)));
                        });
}

}  // namespace portolan
