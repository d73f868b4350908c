#include "coordinator/monitoring/last_outcomes.h"

#include <utility>
#include <vector>

#include "common/base/status.h"

namespace portolan {

LastOutcomes::Answer LastOutcomes::At(const LookedRun& run, const std::string& vantage,
                                      const Subject& subject) {
  std::vector<IpAddress> addresses;
  if (const IpAddress* address = subject.target.address()) {
    addresses = {*address};
  } else {
    const auto it = run.names.find(subject.target.name());
    if (it == run.names.end()) {
      return {std::nullopt,
              fmt::format("the name led nowhere in run {}, the last complete one", run.number)};
    }
    addresses = it->second;
  }
  auto reader = readers_.find(run.scan);
  if (reader == readers_.end()) {
    reader = readers_.emplace(run.scan, scans_.Outcomes(run.scan)).first;
  }
  if (absl::IsNotFound(reader->second.status())) {
    return {
        std::nullopt,
        fmt::format("the results of run {}, the last complete one, are no longer kept (its scan "
                    "was deleted, or its retention has ended)",
                    run.number)};
  }
  if (!reader->second.ok()) {
    return {std::nullopt, fmt::format("the results of run {} cannot be read: {}", run.number,
                                      Message(reader->second.status()))};
  }
  std::vector<std::optional<SubjectOutcome>> all;
  std::string why;
  for (const IpAddress& address : addresses) {
    std::optional<SubjectOutcome>& one = all.emplace_back();
    const auto found = (*reader->second)(vantage, address, subject.port);
    const std::string where =
        subject.target.is_name() ? fmt::format(" at {}", address.ToString()) : "";
    if (!found.ok()) {
      why = fmt::format("the results of run {} cannot be read: {}", run.number,
                        Message(found.status()));
    } else if (!found->has_value()) {
      why =
          fmt::format("run {}, the last complete one, was not to look at it{}", run.number, where);
    } else {
      const ScanOutcomes::Outcome& o = **found;
      one = SubjectOutcome{o.symbol, address, o.rtt_us, o.when, o.agent};
      if (IsObserved(o.symbol)) continue;
      why = fmt::format("run {}, the last complete one, did not probe it{}: {}", run.number, where,
                        ReasonName(o.symbol.reason));
    }
  }
  Answer answer{JoinOutcomes(all), ""};
  if (answer.outcome && !IsObserved(answer.outcome->symbol)) answer.outcome.reset();
  if (!answer.outcome) answer.why = std::move(why);
  return answer;
}

}  // namespace portolan
