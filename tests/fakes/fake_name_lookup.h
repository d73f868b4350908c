#pragma once

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/task_runner.h"
#include "common/net/name_lookup.h"

namespace portolan {

// Answers from a map, on a thread of its own; a name that is in no map does not exist. Can hold
// answers back, to show a program in the middle of a lookup. Compares names without case and
// without a final dot. Thread-safe.
class FakeNameLookup final : public NameLookup {
 public:
  FakeNameLookup() : runner_("fake-names", SystemClock()) {}
  ~FakeNameLookup() override { runner_.Stop(); }

  // Later requests get these addresses. They are literals, and CHECKed.
  void Set(const std::string& name, const std::vector<std::string>& addresses) EXCLUDES(mu_) {
    NameAnswer answer;
    for (const std::string& text : addresses) {
      const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
      PORTOLAN_CHECK(address.ok());
      answer.addresses.push_back(*address);
    }
    std::sort(answer.addresses.begin(), answer.addresses.end());
    answer.addresses.erase(std::unique(answer.addresses.begin(), answer.addresses.end()),
                           answer.addresses.end());
    if (answer.addresses.empty()) answer.problem = LookupProblem::kNoAddress;
    MutexLock lock(mu_);
    answers_[Key(name)] = std::move(answer);
  }
  void SetProblem(const std::string& name, LookupProblem problem, std::string detail = "")
      EXCLUDES(mu_) {
    MutexLock lock(mu_);
    answers_[Key(name)] = NameAnswer{{}, problem, std::move(detail)};
  }
  void Remove(const std::string& name) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    answers_.erase(Key(name));
  }
  // Every name: nobody can be asked, as when the resolver is down. Until StartServer().
  void StopServer(std::string detail = "no answer from 198.18.0.1 within 5 s") EXCLUDES(mu_) {
    MutexLock lock(mu_);
    stopped_ = true;
    stopped_detail_ = std::move(detail);
  }
  void StartServer() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    stopped_ = false;
  }

  // Later requests get nothing before Release(), except the progress of Progress().
  void Hold() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    held_ = true;
  }
  // Answers what was held back, with what the map says now, and no longer holds.
  void Release() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    held_ = false;
    for (const std::shared_ptr<State>& state : waiting_) Answer(state);
    waiting_.clear();
  }
  // Reports `done` names to every request that is held back.
  void Progress(size_t done) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    for (const std::shared_ptr<State>& state : waiting_) {
      runner_.Post([state, done] {
        MutexLock running(state->mu);
        if (!state->ended && state->progress != nullptr) state->progress(done);
      });
    }
  }

  // Requests started so far; those destroyed before their answer; names asked for so far.
  size_t started() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return started_;
  }
  size_t cancelled() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return cancelled_;
  }
  size_t names_asked() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return names_asked_;
  }
  // Waits until so many requests were started (since the beginning), or were cancelled.
  void WaitForStarted(size_t count) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    while (started_ < count) changed_.Wait(mu_);
  }
  void WaitForCancelled(size_t count) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    while (cancelled_ < count) changed_.Wait(mu_);
  }

  std::unique_ptr<Request> Start(std::vector<std::string> names, NameLookup::Progress progress,
                                 Done done) override EXCLUDES(mu_) {
    auto state = std::make_shared<State>();
    state->names = std::move(names);
    state->progress = std::move(progress);
    state->done = std::move(done);
    MutexLock lock(mu_);
    ++started_;
    names_asked_ += state->names.size();
    if (held_) {
      waiting_.insert(state);
    } else {
      Answer(state);
    }
    changed_.NotifyAll();
    return std::make_unique<Handle>(*this, std::move(state));
  }

 private:
  struct State {
    std::vector<std::string> names;
    NameLookup::Progress progress;
    Done done;
    Mutex mu;  // held while a callback runs
    bool ended GUARDED_BY(mu) = false;
  };

  class Handle final : public Request {
   public:
    Handle(FakeNameLookup& owner, std::shared_ptr<State> state)
        : owner_(owner), state_(std::move(state)) {}
    ~Handle() override {
      bool was_answered = false;
      {
        MutexLock running(state_->mu);
        was_answered = std::exchange(state_->ended, true);
      }
      if (!was_answered) owner_.Forget(state_);
    }

   private:
    FakeNameLookup& owner_;
    const std::shared_ptr<State> state_;
  };

  static std::string Key(std::string name) {
    if (!name.empty() && name.back() == '.') name.pop_back();
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name;
  }

  void Answer(const std::shared_ptr<State>& state) REQUIRES(mu_) {
    std::vector<NameAnswer> answers;
    for (const std::string& name : state->names) {
      const auto found = answers_.find(Key(name));
      if (stopped_) {
        answers.push_back({{}, LookupProblem::kCouldNotAsk, stopped_detail_});
      } else if (found == answers_.end()) {
        answers.push_back({{}, LookupProblem::kNoSuchName, ""});
      } else {
        answers.push_back(found->second);
      }
    }
    runner_.Post([state, answers = std::move(answers)]() mutable {
      MutexLock running(state->mu);
      if (std::exchange(state->ended, true)) return;
      if (state->progress != nullptr) state->progress(answers.size());
      state->done(std::move(answers));
    });
  }
  void Forget(const std::shared_ptr<State>& state) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    waiting_.erase(state);
    ++cancelled_;
    changed_.NotifyAll();
  }

  mutable Mutex mu_;
  CondVar changed_;
  std::map<std::string, NameAnswer> answers_ GUARDED_BY(mu_);
  std::set<std::shared_ptr<State>> waiting_ GUARDED_BY(mu_);
  bool held_ GUARDED_BY(mu_) = false;
  bool stopped_ GUARDED_BY(mu_) = false;
  std::string stopped_detail_ GUARDED_BY(mu_);
  size_t started_ GUARDED_BY(mu_) = 0;
  size_t cancelled_ GUARDED_BY(mu_) = 0;
  size_t names_asked_ GUARDED_BY(mu_) = 0;
  TaskRunner runner_;  // last: its thread uses the others
};

}  // namespace portolan
