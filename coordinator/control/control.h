#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/task_runner.h"
#include "common/base/thread_pool.h"
#include "common/net/name_lookup.h"
#include "common/ops/log.h"
#include "common/scope/exclusion_request.h"
#include "coordinator/control/control_calls.h"
#include "coordinator/control/fleet.h"
#include "coordinator/control/rate_meter.h"
#include "coordinator/control/rivals.h"
#include "coordinator/control/scan_creator.h"
#include "coordinator/control/scan_finder.h"
#include "coordinator/control/scan_request.h"
#include "coordinator/control/scan_status.h"
#include "coordinator/control/scan_watchers.h"
#include "coordinator/ingest/clock_skew.h"
#include "coordinator/ingest/compactor.h"
#include "coordinator/ingest/ingest.h"
#include "coordinator/results/result_reader.h"
#include "coordinator/results/scan_outcomes.h"
#include "coordinator/scheduler/known_vantages.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/store/store.h"

namespace portolan {

struct ControlOptions {
  Scope scope = Scope::Default();
  Duration retention = std::chrono::hours(24 * 30);
  SchedulerOptions scheduler;
  NameLookup* names = nullptr;  // must outlive the object; null: scans with names are refused
  // of reported results not committed yet; beyond, nothing more is read or granted
  size_t max_backlog_bytes = 128u << 20;
  size_t max_watchers = 1000;
  size_t max_queue = 20'000;  // calls that wait for the control thread
  int read_threads = 4;
  size_t read_queue = 1024;
  int plan_threads = 2;
  size_t plan_queue = 64;  // also how many scans may be in creation at a time
  // Called on the control thread when Ready() changes, and once at start.
  std::function<void(bool ready)> on_ready;
  // Where the life of scans and agents is told; Log of common/ops in the program. May be called on
  // any thread.
  std::function<void(LogLevel, std::string_view, std::initializer_list<LogField>)> log;
};

// The coordinator without its network: the one control thread that owns scheduler, ingest and the
// fleet's directory; threads that plan scans and read results; and the rule that nothing is told to
// anybody before it is committed.
//
// Thread-safe; nothing blocks the caller. Every callback is called exactly once, on one of this
// object's threads or (refusals) the caller's, and must not block. Errors: RESOURCE_EXHAUSTED when
// a queue is full, UNAVAILABLE when stopping.
class Control {
 public:
  template <typename T>
  using Done = ControlCalls::Done<T>;

  // Loads and restores what was running. Borrows the clock.
  static absl::StatusOr<std::unique_ptr<Control>> Start(ControlOptions options,
                                                        std::unique_ptr<Store> store,
                                                        const Clock& clock);
  ~Control();  // BeginShutdown, then Stop

  // ---- scans. `ref`: an id, a unique prefix of one, or "last" ----
  // See scan_creator.h; `call.id` comes from NextCallId. After AbandonCreate the answer may still
  // be on its way.
  void CreateScan(CreateCall call);
  void CreateScan(ScanRequest request, std::string key, std::string digest, Done<ScanStatus> done);
  void AbandonCreate(uint64_t call);
  void GetScan(const std::string& ref, Done<ScanStatus> done);
  struct ScanList {
    std::vector<ScanStatus> scans;
    std::string next;
  };
  void ListScans(size_t limit, const std::string& after, Done<ScanList> done);
  enum class Verb { kPause, kResume, kCancel };
  void ChangeScan(const std::string& ref, Verb verb, Done<ScanStatus> done);
  // Rules and addresses take hold at once, as do names that the scan was given; then names are
  // looked up, and take hold too. Answers after that. InvalidArgument or Unavailable: names that
  // lead nowhere and that the scan does not know; all the rest holds even so.
  void Exclude(const std::string& ref, ExclusionRequest request, Done<ScanStatus> done);
  void DeleteScan(const std::string& ref, Done<ScanId> done);

  // `update` is called with the scan now, then after changes (see ScanWatchers), with `last` after
  // it has finished or on an error. Unwatch makes sure that no further call begins, but one may be
  // under way.
  using WatchUpdate = ScanWatchers::Update;
  uint64_t Watch(const std::string& ref, WatchUpdate update);
  void Unwatch(uint64_t id);

  // ---- results ----
  struct ResultRequest {
    std::vector<State> states;
    std::vector<std::string> targets;  // expressions without names, or names that the scan resolved
    std::string ports;
    std::vector<std::string> vantages;
    bool without_everywhere_open = false;
    size_t limit = 500;
  };
  struct ResultSource {
    ScanId scan;
    ResultQuery query;
  };
  void OpenResults(const std::string& ref, ResultRequest request, Done<ResultSource> done);
  void ReadPage(std::shared_ptr<const ResultSource> source, const std::string& page_token,
                Done<ResultPage> done);
  void ReadFindings(std::shared_ptr<const ResultSource> source, const std::string& page_token,
                    Done<FindingRows> done);
  // The same at once, for a caller that may wait for the disk and has a whole id.
  absl::StatusOr<ResultPage> ReadPageNow(const ScanId& id, const ResultQuery& query,
                                         const std::string& page_token);
  absl::StatusOr<FindingRows> ReadFindingsNow(const ScanId& id, const ResultQuery& query,
                                              const std::string& page_token);
  absl::StatusOr<std::unique_ptr<ScanOutcomes>> OpenOutcomes(const ScanId& id);
  // Any blocking work on the threads that read. False: the queue is full.
  bool PostRead(std::function<void()> task) { return readers_.TryPost(std::move(task)); }

  // ---- the fleet, for operators ----
  void ListAgents(Done<std::vector<AgentStatus>> done);
  void DrainAgent(const std::string& name, bool undo, Done<AgentStatus> done);
  struct LeaseStatus {
    Scheduler::LeaseView lease;
    double expires_in_s = 0;
  };
  void ListLeases(const std::string& ref, const std::string& agent,
                  Done<std::vector<LeaseStatus>> done);
  // Every vantage that has had an agent, by name.
  void ListVantages(Done<std::vector<std::string>> done);
  uint64_t epoch() const { return epoch_; }
  WallTime started() const { return started_; }
  std::shared_ptr<const Scope> scope() const;
  // Holds for scans that are created from now on. Any thread.
  void SetScope(Scope scope);

  // ---- the fleet, for agents ----
  // Answers when there is news for the agent, at the latest after a third of the lease term.
  // Aborted: superseded by another incarnation. AlreadyExists: another process of this name is at
  // work. `id` comes from NextCallId; CancelSynchronize ends the call with Cancelled if it has not
  // ended.
  uint64_t NextCallId() { return next_call_.fetch_add(1); }
  void Synchronize(uint64_t id, AgentCall call, Done<SyncAnswer> done);
  void CancelSynchronize(const std::string& agent, uint64_t id);

  // A stream of results. `peer` is called on the control thread until CloseReport or its End. The
  // stream begins with Accepted, which may be some time after a restart: the agent must have
  // registered.
  uint64_t OpenReport(std::string agent, std::string incarnation, std::shared_ptr<ReportPeer> peer);
  // `bytes`: about what the batch holds in memory.
  void Report(uint64_t stream, uint64_t seq, ParsedBatch batch, size_t bytes);
  // The batch `seq` was malformed: what came before is acknowledged, then the stream ends with
  // `why`.
  void RejectReport(uint64_t stream, uint64_t seq, absl::Status why);
  void CloseReport(uint64_t stream);
  // False: too much waits for the disk. ReportPeer::Resume tells when to try again.
  bool MayRead() const;

  // ---- health and metrics ----
  absl::Status Ready() const;  // why no work can be taken now
  absl::Status Live() const;   // why the process is stuck
  struct Snapshot {
    Scheduler::Counters scheduler;
    Ingest::Counters ingest;
    Store::Stats store;
    Compactor::Counters compactor;
    size_t store_backlog = 0, ingest_bytes = 0, control_queue = 0, read_queue = 0, plan_queue = 0;
    size_t parked = 0, watchers = 0, report_streams = 0, leases = 0;
    std::vector<AgentStatus> agents;
    // That have had an agent lately, or that a scan which is not finished names; ascending, at most
    // kMaxListedVantages.
    std::vector<std::string> vantages;
    uint64_t name_conflicts = 0;  // processes that had to end because another one has their name
    std::map<ScanState, size_t> scans;
    struct Progress {
      ScanId id;
      double done = 0, rate = 0;
    };
    std::vector<Progress> progress;  // at most 100 scans
  };
  // Blocks until the control thread has taken it. nullopt when stopping.
  std::optional<Snapshot> TakeSnapshot();
  static constexpr size_t kMaxListedVantages = 2'000;

  // Ends everything that waits: parked calls, report streams, watchers, answers that wait for a
  // commit. New calls are refused from then on.
  void BeginShutdown();
  // Stops all threads and closes the store, committing what is queued. Nobody may call anything any
  // more.
  void Stop();

 private:
  Control(ControlOptions options, std::unique_ptr<Store> store, const Clock& clock);
  absl::Status Load();

  // control.cc, on the control thread: what happened in the scheduler goes to the store, to agents
  // and to watchers. Call it after each call of the scheduler. `committed` runs after the commit of
  // `batch` and all changes, or with an error when stopping.
  using Committed = std::function<void(absl::Status)>;
  void Settle(WriteBatch batch = {}, Committed committed = nullptr);
  void OnCommit();
  void Tick();
  void ScheduleTick();
  bool Throttled() const;  // nothing may be granted now
  std::string StoreTrouble() const;
  void Sample();

  // control_scans.cc
  ScanCreator::Environment CreatorEnvironment();
  absl::Status CheckVantagesAreKnown(const ScanRequest& request) const;
  FleetPace PaceOfFleet() const;  // of the agents that take work now
  void SubmitPlanned(std::shared_ptr<const ScanSpec> spec, const std::string& key,
                     const std::string& digest, Done<ScanStatus> finish);
  void Discard(const ScanId& id);
  void DoExclude(const ScanId& id, const std::shared_ptr<const ExclusionRequest>& request,
                 Done<ScanStatus> done);
  void OnExcludedNames(const ScanId& id, const ExclusionRequest& request,
                       const std::vector<NameAnswer>& answers, Done<ScanStatus> done);
  absl::Status AddExclusions(const ScanId& id, std::vector<ScopeRule> rules);
  bool EndIsCommitted(const ScanId& id) const;
  // NotFound: the scheduler does not have it
  absl::StatusOr<ScanStatus> LiveStatus(const ScanId& id);
  void StoredStatus(const ScanId& id, Done<ScanStatus> done);  // any thread
  void AnswerWithScan(const ScanId& id, absl::Status status, Done<ScanStatus> done);
  void Retire(const ScanId& id);
  void SweepRetention();
  ScanId NewScanId();

  // control_fleet.cc, control_report.cc
  struct SyncCall {
    uint64_t id = 0;
    Done<SyncAnswer> done;
    TaskRunner::TimerId timer = 0;     // when parked
    std::optional<SyncAnswer> answer;  // decided, but waits for the commit of `needs`
    Token needs;
  };
  struct AgentEntry {
    AgentReport report;  // the last one
    AgentDetails details;
    WallTime last_seen;
    std::optional<SyncCall> call;
    uint64_t report_stream = 0;
    std::string away_reason;
    ClockSkew skew;
    Rivals rivals;
    ExpiryNotice certificate_notice{ExpiryNotice::Repeat::kOnce};
  };
  struct ReportStream {
    std::string agent, incarnation;
    std::shared_ptr<ReportPeer> peer;
    bool accepted = false;
    uint64_t next_seq = 1, acked = 0;
    std::set<Token> fenced;
    absl::Status failed;  // ends with this once all before is acknowledged
  };
  void DoSynchronize(uint64_t id, AgentCall call, Done<SyncAnswer> done);
  void Resynchronize(const std::string& name, bool answer_anyhow);
  void Deliver(AgentEntry& entry, SyncDecision decision, bool answer_anyhow);
  // after a third of the lease term, whatever there is by then
  void AnswerInTime(AgentEntry& entry);
  void RenewOnly(AgentEntry& entry);
  void EndCall(AgentEntry& entry, absl::StatusOr<SyncAnswer> answer);
  absl::Status OnRefused(const AgentReport& report, const AgentDetails& details, bool can_wait,
                         const absl::Status& why);
  void OnLeft(const AgentReport& report);
  void NoteVantage(const std::string& vantage);
  void NoteRenewal(const AgentReport& report, const AgentDetails& before, const AgentDetails& now);
  void NoteCertificates();  // once a second
  void NoteDisconnected(const std::string& name, const AgentEntry& entry);
  void ReleaseCommitted();
  void TryAccept(uint64_t stream);
  void DoReport(uint64_t stream, uint64_t seq, ParsedBatch batch, size_t bytes);
  void EndReport(uint64_t stream, absl::Status why);
  void OnReportCommitted(uint64_t stream, uint64_t seq, const std::vector<Token>& fenced);
  AgentStatus StatusOfAgent(const Scheduler::AgentView& view) const;
  void ForgetAgents();
  void ResumeReports();
  void Log(LogLevel level, std::string_view event,
           std::initializer_list<LogField> fields = {}) const {
    if (options_.log) options_.log(level, event, fields);
  }

  // Constant after Start.
  const ControlOptions options_;
  const Clock& clock_;
  std::unique_ptr<Store> store_;  // until Stop
  uint64_t epoch_ = 0;
  WallTime started_;

  // Own synchronisation.
  mutable Mutex scope_mu_;
  std::shared_ptr<const Scope> scope_ GUARDED_BY(scope_mu_);  // never null
  std::atomic<uint64_t> next_call_{1};
  std::atomic<size_t> ingest_bytes_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> heartbeat_ns_{0};
  std::unique_ptr<Compactor> compactor_;
  std::unique_ptr<ResultReader> results_;
  ControlCalls calls_;
  ScanFinder finder_;

  // The control thread's.
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Ingest> ingest_;
  uint64_t next_lane_ = 1;
  uint64_t malformed_ = 0;  // batches refused before Ingest saw them
  Token written_next_token_, committed_next_token_;
  struct PendingCommit {
    Token next_token;
    std::vector<Committed> committed;
    std::vector<ScanId> finished;
  };
  std::deque<PendingCommit> pending_commits_;
  std::unordered_map<std::string, AgentEntry> agents_;
  KnownVantages vantages_;
  std::vector<KnownVantage> vantages_to_store_;  // with the next Settle, as the next
  std::vector<std::string> vantages_to_forget_;
  uint64_t name_conflicts_ = 0;
  std::set<std::string> waiting_for_commit_;  // agents whose answer does
  std::unordered_map<uint64_t, ReportStream> streams_;
  ScanCreator creator_;
  std::set<ScanId> discarded_;  // removed once they have ended
  struct ExclusionLookup {
    std::unique_ptr<NameLookup::Request> lookup;
    Done<ScanStatus> done;
  };
  std::map<uint64_t, ExclusionLookup> exclusion_lookups_;
  ScanWatchers watchers_;
  std::map<ScanId, RateMeter> meters_;
  Time next_sample_{}, next_retention_{}, tick_at_ = kNever;
  TaskRunner::TimerId tick_timer_ = 0;
  bool was_throttled_ = false, stopped_ = false;
  // an agent was told that there is no work because nothing could be stored
  bool turned_away_ = false;
  std::optional<bool> was_ready_;
  std::mt19937_64 random_;

  // Threads last, so that they end before what they use.
  ThreadPool readers_;
  ThreadPool planners_;
  TaskRunner runner_;
};

}  // namespace portolan
