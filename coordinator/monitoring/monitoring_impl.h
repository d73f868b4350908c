#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/base/task_runner.h"
#include "common/base/thread_pool.h"
#include "coordinator/exposure/monitor_exposure.h"
#include "coordinator/monitor_store/monitor_store.h"
#include "coordinator/monitoring/confirmer.h"
#include "coordinator/monitoring/last_outcomes.h"
#include "coordinator/monitoring/monitor_run.h"
#include "coordinator/monitoring/monitoring.h"

namespace portolan {

// What a specification says of exposure. InvalidArgument: rules that cannot be put together.
absl::StatusOr<MonitorExposureConfig> ExposureConfigOf(const MonitorSpec& spec);

// One monitor and everything that is done for it. The monitoring thread's.
struct MonitorEntry {
  std::string name;
  std::string manager;
  std::unique_ptr<MonitorExposure> exposure;
  std::shared_ptr<Confirmer> confirmer;
  std::shared_ptr<MonitorRun> run;
  LastRuns last_runs;  // by vantage
  // What differs from what is stored.
  std::set<std::string> dirty_baselines;  // vantages
  bool dirty_health = false;              // of all vantages, with their canaries
  bool dirty_state = false;               // confirmations and findings
  bool dirty_names = false;               // names that lead nowhere
  bool dirty_last_runs = false;
  bool metrics_stale = true;
  MonitorMetrics metrics;  // but for what changes with the time alone, and for open_ports
  std::vector<MonitorMetrics::Port> open_ports;            // as many as the budget lets it show
  std::map<std::string, MonitorMetrics::Vantage> counted;  // changes and settled ones, by vantage
  std::map<RunState, uint64_t> runs;                       // ended, since the start
  std::vector<RunRecord> recent;                           // newest first, at most kRecentRuns
  uint64_t events = 0;
};
inline constexpr size_t kRecentRuns = 20;

// What has changed is written at the end of each task, in one transaction; what depends on that
// (answers, scans, followers) waits for it. While nothing can be written, it is tried again and no
// new work begins.
class MonitoringImpl final : public Monitoring {
 public:
  MonitoringImpl(MonitoringOptions options, ScanClient& scans, const Clock& clock);
  ~MonitoringImpl() override { Stop(); }
  absl::Status Open();
  void Stop() override;

  void Apply(std::vector<MonitorDocument> documents, bool dry_run, bool prune, std::string manager,
             Done<std::vector<ApplyResult>> done) override;
  void List(Done<std::vector<MonitorStatus>> done) override;
  void Get(std::string name, Done<MonitorStatus> done) override;
  void Pause(std::string name, bool undo, Done<MonitorStatus> done) override;
  void RunNow(std::string name, Done<MonitorStatus> done) override;
  void AcceptNextRun(std::string name, std::string vantage, Done<MonitorStatus> done) override;
  void Delete(std::string name, Done<std::string> done) override;
  void Exposure(ExposureQuery query, Done<ExposurePage> done) override;
  void Events(EventQuery query, Done<EventPage> done) override;
  uint64_t Follow(EventQuery query, FollowUpdate update) override;
  void Unfollow(uint64_t id) override;
  void Findings(FindingQuery query, Done<FindingList> done) override;
  void Explain(std::string target, uint16_t port, std::string monitor,
               Done<Explanation> done) override;
  void ListDeadLetters(std::string receiver, Done<std::vector<DeadLetter>> done) override;
  void SettleDeadLetters(std::string receiver, int64_t number, bool drop,
                         Done<uint64_t> done) override;
  void TestReceiver(std::string receiver, Done<std::string> done) override;
  std::shared_ptr<const MonitoringMetrics> Metrics() const override;
  WebhookStats Webhooks() const override;

 private:
  using Change = MonitorStore::Change;

  // ---- monitoring.cc: life, writing, time ----
  // `task` on the monitoring thread, followed by Flush; refused when stopping or full.
  template <typename T>
  void OnThread(Done<T> done, std::function<void(Done<T>)> task);
  void Load(MonitorStore::Loaded loaded);
  void Write(std::function<void(Change&)> write) { writes_.push_back(std::move(write)); }
  void AfterCommit(std::function<void()> then) {
    after_.push_back([then = std::move(then)](bool committed) {
      if (committed) then();
    });
  }
  template <typename T>
  void AnswerAfterCommit(Done<T> done, T value);
  static absl::Status CannotStore() {
    return Unavailable(
        "monitoring cannot store anything now (the coordinator's log says why); try again");
  }
  static absl::Status NotStored() {
    return Unavailable("the coordinator stopped before this was stored; try again");
  }
  void Flush();
  void GiveUpWriting();
  void FlushSoon();  // for callbacks that are in the middle of something
  absl::Status Commit();
  void Turn();  // everything that is due
  void SlowTick();
  void ScheduleTurn();
  void Prune();
  template <typename... Args>
  void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) const {
    if (options_.log) options_.log(level, event, fields);
  }

  // ---- monitoring_runs.cc: runs and what comes of them ----
  void StartRuns();
  void StartRun(MonitorEntry& entry, const RunOrder& order, const std::string& kept);
  void OnRunEnded(const std::string& monitor, MonitorRun::Result result);
  void OnAnswers(const std::string& monitor, const std::vector<ConfirmationAnswer>& answers);
  void TickExposure(MonitorEntry& entry);
  // Stores, tells and counts what a step asks for.
  void Take(MonitorEntry& entry, const ExposureStep& step);
  void Remember(MonitorEntry& entry, const RunRecord& record);

  // ---- monitoring_apply.cc ----
  struct Wanted {
    std::string source;
    MonitorSpec spec;
  };
  // On any thread.
  absl::StatusOr<std::vector<Wanted>> ReadDocuments(
      const std::vector<MonitorDocument>& documents) const;
  absl::StatusOr<std::vector<ApplyResult>> DoApply(const std::vector<Wanted>& wanted, bool dry_run,
                                                   bool prune, const std::string& manager);
  absl::Status PutMonitor(const MonitorSpec& spec, const std::string& manager,
                          uint64_t stored_generation);
  void Remove(const std::string& name);
  std::unique_ptr<MonitorEntry> MakeEntry(const std::string& name, MonitorExposureConfig config);
  // Changes one monitor by `change` and answers with its status when that is stored.
  void ChangeOne(std::string name, Done<MonitorStatus> done,
                 std::function<absl::Status(MonitorEntry&)> change);
  absl::StatusOr<MonitorEntry*> Find(const std::string& name);
  MonitorStatus StatusOf(const MonitorEntry& entry, size_t runs) const;

  // ---- monitoring_queries.cc ----
  ExposureRow RowOf(const MonitorEntry& entry, const Subject& subject) const;
  // What a row's baselines do not say, and the results of the last complete run of a vantage may.
  struct Question {
    size_t row = 0, sight = 0;
    std::shared_ptr<const LookedRun> run;
  };
  // Adds the questions that `row`, which has index `at` in its list, leaves open.
  static void AskStored(const MonitorEntry& entry, const ExposureRow& row, size_t at,
                        std::vector<Question>* questions);
  // Answers them. Blocks on the disk: called on a thread of the pool.
  void ReadStored(const std::vector<Question>& questions, std::vector<ExposureRow>* rows) const;
  absl::StatusOr<ExposurePage> DoExposure(const ExposureQuery& query,
                                          std::vector<Question>* questions) const;
  absl::StatusOr<FindingList> DoFindings(const FindingQuery& query);
  absl::StatusOr<Explanation> DoExplain(const std::string& target, uint16_t port,
                                        const std::string& monitor,
                                        std::vector<Question>* questions);
  InputJob::Environment InputEnvironment() {
    return {runner_, inputs_pool_, *options_.names, scans_};
  }
  void Publish(const std::vector<StoredEvent>& events);
  void FeedFollower(uint64_t id);

  // ---- monitoring_metrics.cc ----
  bool RefreshMetrics();  // false: there is more to count first; call again
  void PublishMetrics();
  size_t CountExposure(MonitorEntry& entry, size_t budget) const;
  size_t BudgetOf(const std::string& name) const;

  // Constant after Open.
  const MonitoringOptions options_;
  ScanClient& scans_;
  const Clock& clock_;
  const Outbox outbox_;
  std::unique_ptr<WebhookSender> sender_;

  // Own synchronisation.
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> next_follower_{1};
  mutable Mutex metrics_mu_;
  std::shared_ptr<const MonitoringMetrics> metrics_ GUARDED_BY(metrics_mu_);

  // The monitoring thread's.
  std::unique_ptr<MonitorStore> store_;
  MonitorSet set_;
  std::map<std::string, std::unique_ptr<MonitorEntry>> entries_;
  std::vector<std::function<void(Change&)>> writes_;
  std::vector<std::function<void(bool committed)>> after_;
  std::set<std::string> changed_plans_;
  std::deque<std::string> uncounted_;            // of the round of counting under way
  std::string ticked_;                           // the last one whose slow tick was made
  std::set<std::string> unstored_;               // monitors that were never committed
  std::map<std::string, uint64_t> generations_;  // the newest of each name, since the start
  bool cannot_write_ = false, flush_posted_ = false;
  int lasting_ = 0;  // commits in a row that failed for a reason that does not pass
  Time retry_at_ = kNever;
  TaskRunner::TimerId turn_timer_ = 0;
  Time turn_at_ = kNever;
  Time next_tick_{}, next_slow_tick_{}, next_metrics_{}, next_prune_{};
  struct Follower {
    EventQuery query;
    FollowUpdate update;
    bool caught_up = false;
  };
  std::map<uint64_t, Follower> followers_;
  bool stopped_ = false;

  // Threads last, so that they end before what they use.
  ThreadPool inputs_pool_;
  ThreadPool pool_;
  TaskRunner runner_;
};

template <typename T>
void MonitoringImpl::OnThread(Done<T> done, std::function<void(Done<T>)> task) {
  const auto stopping = [] { return Unavailable("the coordinator is stopping; try again"); };
  auto shared = std::make_shared<Done<T>>(std::move(done));
  const bool posted =
      !stopping_ && runner_.TryPost([this, shared, stopping, task = std::move(task)] {
        if (stopped_) return (*shared)(stopping());
        task(*shared);
        Flush();
      });
  if (!posted) {
    (*shared)(stopping_ ? stopping()
                        : ResourceExhausted("too many calls wait; try again in a few seconds"));
  }
}

template <typename T>
void MonitoringImpl::AnswerAfterCommit(Done<T> done, T value) {
  after_.push_back([done = std::move(done), value = std::move(value)](bool committed) {
    if (!committed) return done(NotStored());
    done(value);
  });
}

}  // namespace portolan
