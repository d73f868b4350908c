#include "coordinator/exposure/baseline.h"

#include <algorithm>
#include <utility>

namespace portolan {
namespace {

// One fold; lives for the call.
class Folder {
 public:
  Folder(VantageRun run, VantageBaseline& baseline, size_t max_candidates, WallTime now)
      : run_(std::move(run)),
        base_(baseline),
        max_candidates_(max_candidates),
        now_(now),
        // Changes are known as such only where somebody looked before.
        silent_(!base_.established || (run_.complete && base_.accept_next)) {}

  VantageFold Run() {
    SortSightings();
    UpdateFolded();
    for (const OpenSighting& s : run_.open) Seen(s);
    if (run_.complete) {
      // Before the covered space is replaced: it says what is new.
      for (auto it = base_.open.begin(); it != base_.open.end();) {
        it = StillOpen(*it) ? std::next(it) : base_.open.erase(it);
      }
      Cover();
    }
    Finish();
    return std::move(fold_);
  }

 private:
  // One sighting a subject is left; of a name with several addresses that of the former address,
  // else of the lowest.
  void SortSightings() {
    const auto former = [&](const OpenSighting& s) {
      const auto it = base_.open.find(s.subject);
      return it != base_.open.end() && it->second.address == s.address;
    };
    std::stable_sort(run_.open.begin(), run_.open.end(),
                     [&](const OpenSighting& a, const OpenSighting& b) {
                       if (a.subject != b.subject) return a.subject < b.subject;
                       if (a.address == b.address) return false;
                       const bool af = former(a), bf = former(b);
                       return af != bf ? af : a.address < b.address;
                     });
    const auto same = [](const OpenSighting& a, const OpenSighting& b) {
      return a.subject == b.subject;
    };
    run_.open.erase(std::unique(run_.open.begin(), run_.open.end(), same), run_.open.end());
  }

  void UpdateFolded() {
    const bool coverage_changes = run_.complete && base_.covered != run_.covered;
    for (auto it = base_.folded.begin(); it != base_.folded.end();) {
      const bool covered = run_.covered.ContainsTarget(it->first);
      const bool answers = run_.folded.count(it->first) > 0;
      if (!run_.complete || (covered && answers)) {
        // Space that was added meanwhile was never seen as it is.
        if (coverage_changes) it->second.known_before = false;
        ++it;
        continue;
      }
      if (covered && !it->second.known_before) released_fresh_.insert(it->first);
      it = base_.folded.erase(it);
    }
    for (const auto& [target, answers] : run_.folded) {
      if (!run_.covered.ContainsTarget(target)) continue;
      const bool known = base_.established && base_.covered.ContainsTarget(target) &&
                         !coverage_changes && !silent_;
      base_.folded.try_emplace(target, FoldedHost{answers, now_, known}).first->second.answers =
          answers;
    }
  }

  bool IsFolded(const Subject& s) const {
    return !base_.folded.empty() && base_.folded.count(s.target) > 0;
  }
  bool IsUnresolved(const Subject& s) const {
    return s.target.is_name() && run_.unresolved.count(std::string(s.target.name())) > 0;
  }
  bool IsNew(const Subject& s) const {
    return silent_ || !base_.covered.Contains(s) || released_fresh_.count(s.target) > 0;
  }

  void Seen(const OpenSighting& s) {
    if (!run_.covered.Contains(s.subject) || IsFolded(s.subject)) return;
    const auto it = base_.open.find(s.subject);
    if (it != base_.open.end()) {
      OpenRecord& record = it->second;
      record.last_seen = std::max(record.last_seen, s.when);
      record.rtt_us = s.rtt_us;
      record.address = s.address;
      if (run_.complete) ++record.runs;
      if (record.reason == s.reason) return;
      if (IsNew(s.subject)) {
        record.reason = s.reason;
      } else {
        Add(s.subject, {State::kOpen, record.reason},
            {{State::kOpen, s.reason}, s.address, s.rtt_us, s.when, s.agent});
      }
      return;
    }
    if (IsNew(s.subject)) {
      base_.open[s.subject] = {s.when,   s.when,    s.rtt_us,
                               s.reason, s.address, run_.complete ? 1u : 0u};
      base_.not_open.erase(s.subject);
      fold_.added.push_back(s.subject);
      return;
    }
    Add(s.subject, FormerState(s.subject),
        {{State::kOpen, s.reason}, s.address, s.rtt_us, s.when, s.agent});
  }

  // Of a subject that is not open in the baseline; the default symbol: not known.
  Symbol FormerState(const Subject& subject) const {
    const auto was = base_.not_open.find(subject);
    if (was != base_.not_open.end()) return was->second.symbol;
    // More candidates than this are only counted.
    if (!run_.previous || fold_.candidates.size() > max_candidates_) return {};
    const std::optional<SubjectOutcome> before = run_.previous(subject);
    // Open there: seen, and never confirmed.
    return before && IsGone(before->symbol) ? before->symbol : Symbol();
  }

  // False: it leaves the baseline silently.
  bool StillOpen(std::pair<const Subject, OpenRecord>& entry) {
    const Subject& subject = entry.first;
    OpenRecord& record = entry.second;
    if (!run_.covered.Contains(subject)) return Remove(subject);
    if (WasSighted(subject) || IsFolded(subject) || IsUnresolved(subject)) return true;
    std::optional<SubjectOutcome> outcome;
    if (run_.lookup) outcome = run_.lookup(subject);
    if (!outcome || !IsObserved(outcome->symbol)) {
      ++fold_.without_outcome;
      return true;
    }
    if (IsOpen(outcome->symbol)) {  // in the results, though not in the list
      record.last_seen = std::max(record.last_seen, outcome->when);
      return true;
    }
    if (IsNew(subject)) return Remove(subject);
    record.runs = 0;
    Add(subject, {State::kOpen, record.reason}, *outcome);
    return true;
  }

  bool Remove(const Subject& subject) {
    fold_.removed.push_back(subject);
    return false;
  }

  bool WasSighted(const Subject& subject) const {
    const auto it =
        std::lower_bound(run_.open.begin(), run_.open.end(), subject,
                         [](const OpenSighting& a, const Subject& b) { return a.subject < b; });
    return it != run_.open.end() && it->subject == subject;
  }

  void Add(const Subject& subject, Symbol from, const SubjectOutcome& to) {
    ChangeCandidate candidate{run_.vantage,
                              subject,
                              KindOfChange(from, to.symbol),
                              from,
                              to.symbol,
                              to.address,
                              to.rtt_us,
                              to.when,
                              to.agent,
                              {}};
    mass_.Count(candidate);
    if (fold_.candidates.size() <= max_candidates_) {
      fold_.candidates.push_back(std::move(candidate));
    }
  }

  void Cover() {
    // A name without an address was not looked at: what was known of it stays, and is no more.
    base_.covered = run_.unresolved.empty() ? run_.covered
                                            : run_.covered.WithoutNames(run_.unresolved)
                                                  .Plus(base_.covered.OnlyNames(run_.unresolved));
    base_.established = true;
    base_.accept_next = false;
    base_.last_complete = now_;
    ++base_.runs;
    std::erase_if(base_.unresolved, [&](const auto& entry) {
      return run_.unresolved.count(entry.first) == 0 ||
             !run_.covered.ContainsTarget(TargetKey::OfName(entry.first));
    });
    for (const std::string& name : run_.unresolved) {
      if (run_.covered.ContainsTarget(TargetKey::OfName(name))) {
        base_.unresolved.emplace(name, now_);
      }
    }
  }

  void Finish() {
    if (fold_.candidates.size() > max_candidates_) {
      mass_.since = base_.mass ? base_.mass->since : now_;
      fold_.mass = mass_;
      fold_.candidates.clear();
    }
    std::sort(fold_.candidates.begin(), fold_.candidates.end(),
              [](const auto& a, const auto& b) { return a.subject < b.subject; });
    if (fold_.mass) {
      base_.mass = fold_.mass;
    } else if (run_.complete) {
      base_.mass.reset();
    }
  }

  VantageRun run_;
  VantageBaseline& base_;
  const size_t max_candidates_;
  const WallTime now_;
  const bool silent_;
  std::set<TargetKey> released_fresh_;  // stopped answering for all; never seen before as they are
  MassChange mass_;
  VantageFold fold_;
};

}  // namespace

std::string_view HostAnswersName(HostAnswers a) {
  return a == HostAnswers::kSynProxy ? "syn-proxy" : "answers-everywhere";
}

VantageFold FoldRun(VantageRun run, VantageBaseline& baseline, size_t max_candidates,
                    WallTime now) {
  return Folder(std::move(run), baseline, max_candidates, now).Run();
}

void ApplyChange(const Subject& subject, const SubjectOutcome& now, WallTime since,
                 VantageBaseline& baseline) {
  if (!IsOpen(now.symbol)) {
    baseline.open.erase(subject);
    if (IsObserved(now.symbol)) baseline.not_open[subject] = {now.symbol, now.address, now.when};
    return;
  }
  baseline.not_open.erase(subject);
  OpenRecord& record =
      baseline.open
          .try_emplace(subject, OpenRecord{since, since, 0, now.symbol.reason, now.address, 0})
          .first->second;
  record.last_seen = std::max(record.last_seen, now.when);
  record.rtt_us = now.rtt_us;
  record.reason = now.symbol.reason;
  record.address = now.address;
}

}  // namespace portolan
