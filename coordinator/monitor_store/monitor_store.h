#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/exposure/monitor_exposure.h"
#include "coordinator/monitor_store/exposure_codec.h"
#include "coordinator/monitoring/last_run.h"
#include "coordinator/monitoring/views.h"
#include "coordinator/notify/outbox.h"
#include "coordinator/store/sqlite_db.h"

namespace portolan {

// All that is kept of a monitor, but for its history.
struct MonitorRecord {
  MonitorSpec spec;
  std::string manager;  // see MonitorStatus
  MonitorPlanState plan;
  MonitorExposure::State exposure;
  LastRuns last_runs;  // by vantage
};

// What could not be read, and what became of it.
struct StoreProblem {
  std::string monitor;
  std::string text;  // a sentence for a person
  friend bool operator==(const StoreProblem&, const StoreProblem&) = default;
};

// Monitors, their state and their history in one SQLite file, together with the outbox of webhooks:
// so that a baseline moves, its event is kept and its notifications are queued in one transaction.
// Used by one thread (senders have connections of their own); every call blocks on the disk.
//
// Calls that change something fail with ResourceExhausted (disk full), Unavailable (I/O) or
// DataLoss (the file is damaged), and have then changed nothing.
class MonitorStore {
 public:
  // Makes the file or brings it up to date. FailedPrecondition: it is of a newer program, or
  // another program's. `sync_full`: see SqliteOptions.
  static absl::StatusOr<std::unique_ptr<MonitorStore>> Open(const std::string& path,
                                                            bool sync_full);

  // Records that are damaged do not keep the others from working:
  //  baseline       not established: the vantage's next complete run becomes it, without events
  //  health         unknown, and the run under way is not believed
  //  canaries       chosen anew
  //  confirmations  dropped; what is true is found again by the next run. Numbers of events go on
  //  findings       none is open; they are found again when they are next evaluated
  //  names          all are taken to lead somewhere until the next run looks them up
  //  last runs      what was before is not known of changes that the next run finds
  //  plan           a new generation, whose first slot is after the last that was handled; a run
  //                 under way is forgotten
  //  spec, list     the monitor is left out, until it is applied anew: then without its old state
  struct Loaded {
    std::vector<MonitorRecord> monitors;  // by name
    std::vector<StoreProblem> problems;
  };
  absl::StatusOr<Loaded> LoadAll();

  // The newest generation that a monitor of this name has or had, removed ones too. 0: never.
  absl::StatusOr<uint64_t> LastGeneration(std::string_view name);

  // A transaction under construction: all of it or nothing. Errors are kept: call freely, Commit
  // says what failed first. The file is locked for other writers while it lives, so nothing else
  // should be waited for. Reads of the store see what it did. Monitors that it names must be there.
  class Change {
   public:
    explicit Change(MonitorStore& store);
    ~Change();  // takes everything back, unless it was committed
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

    // Made or replaced, with its plan, since a changed spec is a new generation.
    void PutMonitor(const MonitorSpec& spec, const std::string& manager,
                    const MonitorPlanState& plan);
    void PutPlan(const std::string& monitor, const MonitorPlanState& plan);
    void PutBaseline(const std::string& monitor, const std::string& vantage,
                     const VantageBaseline& baseline);
    void PutHealth(const std::string& monitor, const std::string& vantage,
                   const VantageHealth& health, const std::vector<Canary>& canaries);
    // Forgets baseline, health and canaries.
    void DropVantage(const std::string& monitor, const std::string& vantage);
    void PutConfirmations(const std::string& monitor, const Confirmations::State& state);
    // Those that are open. What was resolved becomes history by AddResolved.
    void PutFindings(const std::string& monitor, const FindingBoard::State& state,
                     WallTime evaluated, bool stale);
    void PutNames(const std::string& monitor, const NameTroubles& names, WallTime looked_up);
    void PutLastRuns(const std::string& monitor, const LastRuns& runs);
    void AddResolved(const std::string& monitor, std::span<const Finding> findings);
    // Gives them their numbers over all monitors, ascending and never used twice. Nothing after an
    // error.
    std::vector<StoredEvent> AddEvents(const std::string& monitor,
                                       std::span<const ExposureEvent> events);
    // Made or replaced, by its number. One that has ended loses its input.
    void PutRun(const RunRecord& run);
    // What a run was asked with (what names resolved to), so that it can be asked again after a
    // restart with the same.
    void PutRunInput(const std::string& monitor, uint64_t number, std::string_view bytes);
    // How many receivers it waits for. InvalidArgument: it is not put in, and the change goes on
    // without it; other errors are kept as those of the calls above. Call WebhookSender::Wake after
    // the commit.
    absl::StatusOr<size_t> Notify(const Outbox& outbox, const Notification& notification);
    // With its state and history. Nothing when it is not there. Its rows go by and by (Prune).
    void RemoveMonitor(const std::string& name);

    // Once. On error everything is taken back.
    absl::Status Commit();

   private:
    // The number of a monitor; 0 after an error.
    int64_t NumberOf(const std::string& monitor);
    void Keep(absl::Status status);
    void PutPart(const std::string& monitor, int kind, const std::string& vantage,
                 std::string bytes);
    void ForgetState(int64_t number);

    MonitorStore& store_;
    Connection& db_;
    absl::Status status_;
    bool open_ = false;
    std::set<std::string, std::less<>> renewed_;  // were left out by LoadAll, and are made anew
  };

  // Newest first.
  absl::StatusOr<std::vector<RunRecord>> Runs(const std::string& monitor, size_t limit);
  absl::StatusOr<std::optional<RunRecord>> FindRun(const std::string& monitor, uint64_t number);
  absl::StatusOr<std::optional<std::string>> GetRunInput(const std::string& monitor,
                                                         uint64_t number);

  // In the order of `sequence`, those after `query.after`. At most 2,000.
  absl::StatusOr<EventPage> Events(const EventQuery& query);
  absl::StatusOr<std::optional<StoredEvent>> EventById(const std::string& id);
  absl::StatusOr<uint64_t> CountEvents(const std::string& monitor);  // O(events), 50 ns each
  // Newest first. `monitor` empty: of all.
  absl::StatusOr<std::vector<StoredEvent>> EventsOf(const Subject& subject,
                                                    const std::string& monitor, size_t limit);
  // Newest first; of a query all counts but `resolved`.
  absl::StatusOr<std::vector<MonitorFinding>> ResolvedFindings(const FindingQuery& query);
  // Rows of history that a read left out since the start, because they are damaged.
  uint64_t damaged_rows() const { return damaged_rows_; }

  // Deletes, at most `max_rows` in one transaction of its own: what removed monitors left behind,
  // events and findings from before `before`, and all but the newest `keep_runs` (1 or more) runs
  // of each monitor, never one under way. Gives how many rows went: when `max_rows`, there may be
  // more.
  absl::StatusOr<size_t> Prune(WallTime before, size_t keep_runs, size_t max_rows);

  // For calls of Outbox that are no part of a change. Not while there is one.
  Connection& connection() { return *db_; }

 private:
  explicit MonitorStore(std::unique_ptr<Connection> db) : db_(std::move(db)) {}
  absl::StatusOr<int64_t> Find(std::string_view monitor);  // 0: not there
  absl::Status LoadPlan(MonitorRecord& record, std::vector<StoreProblem>& problems);
  absl::Status LoadParts(int64_t number, MonitorRecord& record,
                         std::vector<StoreProblem>& problems);
  absl::StatusOr<std::vector<StoredEvent>> TakeEvents(Statement& rows, size_t limit, bool* more);
  absl::StatusOr<std::vector<RunRecord>> TakeRuns(const std::string& monitor, Statement& rows);
  absl::Status PruneRemoved(size_t max_rows, size_t* gone);
  absl::Status PruneOld(WallTime before, size_t keep_runs, size_t max_rows, size_t* gone);
  template <typename... Args>
  absl::Status PruneRows(size_t max_rows, size_t* gone, const char* sql, const Args&... args);

  std::unique_ptr<Connection> db_;
  bool changing_ = false;
  uint64_t damaged_rows_ = 0;
  std::set<std::string, std::less<>> left_out_;  // monitors whose spec cannot be read
};

}  // namespace portolan
