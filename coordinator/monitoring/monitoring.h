#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/net/name_lookup.h"
#include "common/ops/log.h"
#include "coordinator/monitoring/scan_client.h"
#include "coordinator/monitoring/views.h"
#include "coordinator/monitors/monitor_set.h"
#include "coordinator/notify/outbox.h"
#include "coordinator/notify/webhook_sender.h"

namespace portolan {

struct MonitoringOptions {
  std::string data_directory;  // monitors.db is made there
  bool sync_full = true;       // see SqliteOptions
  MonitorSet::Limits limits;
  WebhookConfig webhooks;
  NameLookup* names = nullptr;  // must outlive it; required
  uint64_t seed = 1;            // of scans and back-offs
  // Open ports that are metrics of their own, over all monitors. What is beyond is counted.
  size_t series_budget = 10'000;
  // Ports that are counted for metrics before other work has its turn: some tens of milliseconds.
  size_t counted_at_once = 20'000;
  Duration event_retention = std::chrono::hours(24 * 365);  // and of findings that are resolved
  size_t max_followers = 1'000;
  std::function<void(LogLevel, std::string_view, std::initializer_list<LogField>)> log;
};

// Runs the monitors of a coordinator: makes their scans when they are due, holds what these saw
// against the baselines, confirms changes, keeps events and findings, tells webhooks. One thread
// owns all of it and its database (monitors.db). Names are looked up by NameLookup, which no thread
// waits for; lists and scans are read by others.
//
// Thread-safe; nothing blocks the caller. Every callback is called exactly once, on one of this
// object's threads or (refusals) the caller's, and must not block. Errors: NOT_FOUND, no such
// monitor; RESOURCE_EXHAUSTED, too many wait; UNAVAILABLE, stopping or nothing can be stored.
//
// What survives a crash at any point: a run that was begun goes on (its scan is found by its key);
// an event is told exactly when the baseline has moved and its notifications are queued.
class Monitoring {
 public:
  template <typename T>
  using Done = std::function<void(absl::StatusOr<T>)>;

  // `scans` and `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<Monitoring>> Start(MonitoringOptions options,
                                                           ScanClient& scans, const Clock& clock);
  virtual ~Monitoring() = default;  // Stop
  // Ends followers, answers what waits, keeps what is under way for the next start. Idempotent.
  virtual void Stop() = 0;

  // ---- monitors ----
  // Makes the monitors be as the documents say, all of them or none. `manager` declares them:
  // those of another manager are not changed (FAILED_PRECONDITION) and not pruned.
  // INVALID_ARGUMENT: all problems, "FILE:LINE:COLUMN: ..." one a line.
  virtual void Apply(std::vector<MonitorDocument> documents, bool dry_run, bool prune,
                     std::string manager, Done<std::vector<ApplyResult>> done) = 0;
  // by name; at most the last run each
  virtual void List(Done<std::vector<MonitorStatus>> done) = 0;
  virtual void Get(std::string name, Done<MonitorStatus> done) = 0;
  virtual void Pause(std::string name, bool undo, Done<MonitorStatus> done) = 0;
  virtual void RunNow(std::string name, Done<MonitorStatus> done) = 0;
  // Vantage empty: all of them.
  virtual void AcceptNextRun(std::string name, std::string vantage, Done<MonitorStatus> done) = 0;
  // With its history. Scans of its runs stay as long as their retention says.
  virtual void Delete(std::string name, Done<std::string> done) = 0;

  // ---- what was found ----
  virtual void Exposure(ExposureQuery query, Done<ExposurePage> done) = 0;
  virtual void Events(EventQuery query, Done<EventPage> done) = 0;
  // `update` is called with pages of what is there already (after `query.after`), then as events
  // are confirmed; with an error at the end. One call at a time; after Unfollow no further call
  // begins. Who is slower than 10,000 events is ended (RESOURCE_EXHAUSTED) and may go on where it
  // was by `after`.
  using FollowUpdate = std::function<void(absl::StatusOr<std::vector<StoredEvent>>)>;
  virtual uint64_t Follow(EventQuery query, FollowUpdate update) = 0;
  virtual void Unfollow(uint64_t id) = 0;
  virtual void Findings(FindingQuery query, Done<FindingList> done) = 0;
  // `monitor` empty: all.
  virtual void Explain(std::string target, uint16_t port, std::string monitor,
                       Done<Explanation> done) = 0;

  // ---- notifications ----
  virtual void ListDeadLetters(std::string receiver, Done<std::vector<DeadLetter>> done) = 0;
  // Sends them again, or drops them. `number` 0: all of the receiver; receiver empty: of all.
  virtual void SettleDeadLetters(std::string receiver, int64_t number, bool drop,
                                 Done<uint64_t> done) = 0;
  // A test message. NOT_FOUND: no such receiver.
  virtual void TestReceiver(std::string receiver, Done<std::string> done) = 0;

  // ---- health and metrics; any thread, at once ----
  virtual std::shared_ptr<const MonitoringMetrics> Metrics() const = 0;
  virtual WebhookStats Webhooks() const = 0;  // reads the database: some indexed rows
};

}  // namespace portolan
