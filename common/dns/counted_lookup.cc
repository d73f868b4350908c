#include "common/dns/counted_lookup.h"

#include <algorithm>
#include <utility>

namespace portolan {

class CountedNameLookup::Handle final : public NameLookup::Request {
 public:
  Handle(CountedNameLookup& owner, std::shared_ptr<List> list) : owner_(owner), list_(list) {}
  ~Handle() override {
    inner_.reset();  // no callback runs after this
    owner_.OnDestroyed(*list_);
  }
  void Hold(std::unique_ptr<Request> inner) { inner_ = std::move(inner); }

 private:
  CountedNameLookup& owner_;
  const std::shared_ptr<List> list_;
  std::unique_ptr<Request> inner_;
};

std::unique_ptr<NameLookup::Request> CountedNameLookup::Start(std::vector<std::string> names,
                                                              Progress progress, Done done) {
  auto list = std::make_shared<List>();
  list->started = clock_.Now();
  list->names = names.size();
  {
    MutexLock lock(mu_);
    stats_.under_way += list->names;
  }
  auto handle = std::make_unique<Handle>(*this, list);
  // The callbacks may run before Start of the other has returned.
  handle->Hold(inner_.Start(
      std::move(names),
      [this, list, progress = std::move(progress)](size_t answered) {
        OnProgress(*list, answered);
        if (progress != nullptr) progress(answered);
      },
      [this, list, done = std::move(done)](std::vector<NameAnswer> answers) {
        OnDone(*list, answers);
        done(std::move(answers));
      }));
  return handle;
}

NameLookupStats CountedNameLookup::stats() const {
  MutexLock lock(mu_);
  return stats_;
}

void CountedNameLookup::OnProgress(List& list, size_t done) {
  MutexLock lock(mu_);
  if (list.ended) return;
  const uint64_t answered = std::min<uint64_t>(done, list.names);
  if (answered <= list.answered) return;
  stats_.under_way -= answered - list.answered;
  list.answered = answered;
}

void CountedNameLookup::OnDone(List& list, const std::vector<NameAnswer>& answers) {
  const double seconds = ToSeconds(clock_.Now() - list.started);
  const auto bucket = std::lower_bound(std::begin(NameLookupStats::kBucketsS),
                                       std::end(NameLookupStats::kBucketsS), seconds) -
                      std::begin(NameLookupStats::kBucketsS);
  MutexLock lock(mu_);
  list.ended = true;
  stats_.under_way -= list.names - list.answered;
  ++stats_.list_buckets[static_cast<size_t>(bucket)];
  stats_.list_seconds_total += seconds;
  for (const NameAnswer& answer : answers) {
    if (!answer.problem.has_value()) {
      ++stats_.found;
    } else if (*answer.problem == LookupProblem::kNoSuchName) {
      ++stats_.no_such_name;
    } else if (*answer.problem == LookupProblem::kNoAddress) {
      ++stats_.no_address;
    } else {
      ++stats_.could_not_ask;
    }
  }
}

void CountedNameLookup::OnDestroyed(List& list) {
  MutexLock lock(mu_);
  if (std::exchange(list.ended, true)) return;
  stats_.under_way -= list.names - list.answered;
  stats_.cancelled += list.names;
}

}  // namespace portolan
