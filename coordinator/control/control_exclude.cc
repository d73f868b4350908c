#include <fmt/format.h>

#include <utility>

#include "absl/strings/cord.h"
#include "common/base/counted.h"
#include "common/base/status.h"
#include "coordinator/control/control.h"

// Exclusions from running scans: the emergency brake. What is known takes hold before anything is
// looked up.
namespace portolan {
namespace {

constexpr size_t kMaxOverlayRules = 10'000;
constexpr size_t kMaxLookups = 64;

// The same status, payloads and all, with more text.
absl::Status WithSuffix(const absl::Status& status, std::string_view suffix) {
  absl::Status out = MakeStatus(status.code(), fmt::format("{}{}", Message(status), suffix));
  status.ForEachPayload(
      [&out](absl::string_view url, const absl::Cord& payload) { out.SetPayload(url, payload); });
  return out;
}

}  // namespace

void Control::Exclude(const std::string& ref, ExclusionRequest request, Done<ScanStatus> done) {
  auto shared = std::make_shared<const ExclusionRequest>(std::move(request));
  finder_.With<ScanStatus>(
      ref, std::move(done),
      [this, shared](const ScanId& id, Done<ScanStatus> found) {
        calls_.OnControl<ScanStatus>(std::move(found), [this, shared, id](Done<ScanStatus> d) {
          DoExclude(id, shared, std::move(d));
        });
      },
      ScanFinder::Purpose::kEnd);
}

absl::Status Control::AddExclusions(const ScanId& id, std::vector<ScopeRule> rules) {
  const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
  if (!view.has_value()) return NotFound("scan \"{}\": no such scan", id);
  if (rules.empty()) return absl::OkStatus();
  if (view->overlay.rules.size() + rules.size() > kMaxOverlayRules) {
    return ResourceExhausted(
        "scan {}: more than {} exclusions were added while it runs; cancel it and start a new one",
        id, kMaxOverlayRules);
  }
  PORTOLAN_RETURN_IF_ERROR(scheduler_->Exclude(id, std::move(rules), clock_.Now()));
  Log(LogLevel::kInfo, "exclusions added", {{"scan", id}});
  return absl::OkStatus();
}

void Control::DoExclude(const ScanId& id, const std::shared_ptr<const ExclusionRequest>& request,
                        Done<ScanStatus> done) {
  const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
  if (!view.has_value()) {
    return StoredStatus(id, [id, done](absl::StatusOr<ScanStatus> stored) {
      done(stored.ok()
               ? FailedPrecondition("scan {}: has finished ({}); nothing is probed any more", id,
                                    StateText(stored->state))
               : stored.status());
    });
  }
  std::vector<ScopeRule> rules = request->rules();
  for (ScopeRule& rule : request->KnownNames(view->spec->names)) rules.push_back(std::move(rule));
  const absl::Status status = AddExclusions(id, std::move(rules));
  if (!status.ok() || request->names().empty()) {
    return Settle({}, [this, id, status, done](const absl::Status& committed) {
      AnswerWithScan(id, status.ok() ? committed : status, done);
    });
  }
  Settle();
  if (options_.names == nullptr || exclusion_lookups_.size() >= kMaxLookups) {
    return done(ResourceExhausted(
        "names cannot be looked up now, as those of {} are; "
        "addresses, and names "
        "that the scan was given, are excluded",
        Counted(exclusion_lookups_.size(), "other exclusion", "other exclusions")));
  }
  // Goes on when the caller goes: whoever pulls the brake and leaves still means it.
  const uint64_t lookup = NextCallId();
  ExclusionLookup& entry = exclusion_lookups_[lookup];
  entry.done = std::move(done);
  entry.lookup = options_.names->Start(
      request->names(), nullptr, [this, lookup, id, request](std::vector<NameAnswer> answers) {
        runner_.Post([this, lookup, id, request, answers = std::move(answers)] {
          auto node = exclusion_lookups_.extract(lookup);
          if (node.empty()) return;  // stopping
          OnExcludedNames(id, *request, answers, std::move(node.mapped().done));
        });
      });
}

void Control::OnExcludedNames(const ScanId& id, const ExclusionRequest& request,
                              const std::vector<NameAnswer>& answers, Done<ScanStatus> done) {
  const std::optional<Scheduler::ScanView> view = scheduler_->GetScan(id);
  // It ended meanwhile: nothing is left to exclude.
  if (!view.has_value()) return AnswerWithScan(id, absl::OkStatus(), std::move(done));
  std::set<std::string> known;
  for (const ScopeRule& rule : view->overlay.rules) known.insert(rule.text);
  std::vector<ScopeRule> rules = request.LookedUp(answers);
  std::erase_if(rules, [&](const ScopeRule& rule) { return !known.insert(rule.text).second; });
  absl::Status status = AddExclusions(id, std::move(rules));
  if (const TargetProblems problems = request.Unknown(answers, view->spec->names);
      status.ok() && !problems.empty()) {
    status = WithSuffix(problems.ToStatus("rules"), "; everything else is excluded");
  }
  Settle({}, [this, id, status, done](const absl::Status& committed) {
    AnswerWithScan(id, status.ok() ? committed : status, done);
  });
}

}  // namespace portolan
