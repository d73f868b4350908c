#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "coordinator/monitoring/monitoring.h"

namespace portolan {

// Answers from what the test put into it, at once and on the caller's thread. Events follow the
// contract: followers get what is there already, then what Tell adds. Thread-safe.
class FakeMonitoring final : public Monitoring {
 public:
  void Stop() override {}

  // What is known. Set it up before the calls.
  std::map<std::string, MonitorStatus> monitors;
  std::vector<ApplyResult> apply_results;
  ExposurePage exposure;
  FindingList findings;
  Explanation explanation;
  std::vector<DeadLetter> dead;
  absl::Status error;  // of every call, when not OK

  // What was asked.
  std::vector<std::string> calls;
  std::vector<MonitorDocument> applied;
  ExposureQuery exposure_query;
  FindingQuery finding_query;

  void Apply(std::vector<MonitorDocument> documents, bool dry_run, bool prune, std::string manager,
             Done<std::vector<ApplyResult>> done) override {
    applied = std::move(documents);
    Note(fmt::format("Apply{}{} by \"{}\"", dry_run ? " dry" : "", prune ? " prune" : "", manager));
    Answer(apply_results, done);
  }
  void List(Done<std::vector<MonitorStatus>> done) override {
    std::vector<MonitorStatus> all;
    for (const auto& entry : monitors) all.push_back(entry.second);
    Note("List");
    Answer(all, done);
  }
  void Get(std::string name, Done<MonitorStatus> done) override { One("Get " + name, name, done); }
  void Pause(std::string name, bool undo, Done<MonitorStatus> done) override {
    One("Pause " + name + (undo ? " undo" : ""), name, done);
  }
  void RunNow(std::string name, Done<MonitorStatus> done) override {
    One("RunNow " + name, name, done);
  }
  void AcceptNextRun(std::string name, std::string vantage, Done<MonitorStatus> done) override {
    One("Accept " + name + " " + vantage, name, done);
  }
  void Delete(std::string name, Done<std::string> done) override {
    Note("Delete " + name);
    if (monitors.erase(name) == 0) return done(NotFound("monitor \"{}\": no such monitor", name));
    Answer(name, done);
  }
  void Exposure(ExposureQuery query, Done<ExposurePage> done) override {
    exposure_query = std::move(query);
    Answer(exposure, done);
  }
  void Events(EventQuery query, Done<EventPage> done) override {
    EventPage page;
    {
      MutexLock lock(mu_);
      ++pages_;
      for (const StoredEvent& e : events_) {
        if (!Fits(query, e)) continue;
        if (page.events.size() == query.limit) {
          page.more = true;
          break;
        }
        page.events.push_back(e);
      }
    }
    Answer(page, done);
  }
  uint64_t Follow(EventQuery query, FollowUpdate update) override {
    if (!error.ok()) {
      update(error);
      return 0;
    }
    std::vector<StoredEvent> old;
    uint64_t id = 0;
    {
      MutexLock lock(mu_);
      for (const StoredEvent& e : events_) {
        if (Fits(query, e)) old.push_back(e);
      }
      id = ++last_id_;
      followers_[id] = {std::move(query), update};
      changed_.NotifyAll();
    }
    if (!old.empty()) update(std::move(old));
    return id;
  }
  void Unfollow(uint64_t id) override {
    MutexLock lock(mu_);
    followers_.erase(id);
    changed_.NotifyAll();
  }
  void Findings(FindingQuery query, Done<FindingList> done) override {
    finding_query = std::move(query);
    Answer(findings, done);
  }
  void Explain(std::string target, uint16_t port, std::string monitor,
               Done<Explanation> done) override {
    Note(fmt::format("Explain {} {} {}", target, port, monitor));
    Answer(explanation, done);
  }
  void ListDeadLetters(std::string receiver, Done<std::vector<DeadLetter>> done) override {
    Note("ListDeadLetters " + receiver);
    Answer(dead, done);
  }
  void SettleDeadLetters(std::string receiver, int64_t number, bool drop,
                         Done<uint64_t> done) override {
    Note(fmt::format("Settle {} {} {}", receiver, number, drop ? "drop" : "resend"));
    Answer(uint64_t{7}, done);
  }
  void TestReceiver(std::string receiver, Done<std::string> done) override {
    Note("Test " + receiver);
    Answer(std::string("test-1"), done);
  }
  std::shared_ptr<const MonitoringMetrics> Metrics() const override {
    return std::make_shared<const MonitoringMetrics>();
  }
  WebhookStats Webhooks() const override { return {}; }

  // ---- for tests of followers ----

  // Confirms events: those who follow are told, in one update.
  void Tell(std::vector<StoredEvent> events) EXCLUDES(mu_) {
    std::vector<std::pair<FollowUpdate, std::vector<StoredEvent>>> updates;
    {
      MutexLock lock(mu_);
      for (const auto& entry : followers_) {
        std::vector<StoredEvent> fitting;
        for (const StoredEvent& e : events) {
          if (Fits(entry.second.query, e)) fitting.push_back(e);
        }
        if (!fitting.empty()) updates.emplace_back(entry.second.update, std::move(fitting));
      }
      events_.insert(events_.end(), events.begin(), events.end());
    }
    for (auto& [update, fitting] : updates) update(std::move(fitting));
  }
  void EndFollowers(const absl::Status& status) EXCLUDES(mu_) {
    std::map<uint64_t, Follower> followers;
    {
      MutexLock lock(mu_);
      followers.swap(followers_);
    }
    for (auto& entry : followers) entry.second.update(status);
  }
  // False after 30 s.
  bool WaitForFollowers(size_t n) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    for (int i = 0; followers_.size() != n; ++i) {
      if (i == 300) return false;
      (void)changed_.WaitFor(mu_, std::chrono::milliseconds(100));
    }
    return true;
  }
  size_t pages() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return pages_;
  }

 private:
  struct Follower {
    EventQuery query;
    FollowUpdate update;
  };
  static bool Fits(const EventQuery& q, const StoredEvent& e) {
    return e.sequence > q.after && (q.monitor.empty() || q.monitor == e.event.monitor) &&
           (q.vantage.empty() || q.vantage == e.event.vantage) && e.event.time >= q.since;
  }
  template <typename T>
  void Answer(const T& value, const Done<T>& done) {
    if (!error.ok()) return done(error);
    done(value);
  }
  void One(const std::string& call, const std::string& name, const Done<MonitorStatus>& done) {
    Note(call);
    const auto at = monitors.find(name);
    if (at == monitors.end()) return done(NotFound("monitor \"{}\": no such monitor", name));
    Answer(at->second, done);
  }
  void Note(const std::string& call) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    calls.push_back(call);
  }

  Mutex mu_;
  CondVar changed_;
  std::deque<StoredEvent> events_ GUARDED_BY(mu_);
  std::map<uint64_t, Follower> followers_ GUARDED_BY(mu_);
  uint64_t last_id_ GUARDED_BY(mu_) = 0;
  size_t pages_ GUARDED_BY(mu_) = 0;
};

}  // namespace portolan
