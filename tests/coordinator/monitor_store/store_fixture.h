#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "common/base/status.h"
#include "common/monitor/monitor_file.h"
#include "coordinator/monitor_store/monitor_store.h"
#include "tests/coordinator/monitor_store/random_state.h"
#include "tests/coordinator/notify/sample_notification.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {

inline WallTime At(int64_t seconds) { return FromUnixMicros(seconds * 1'000'000); }

// Queries in a line: Ask<EventQuery>().Monitor("a").Limit(2).
template <typename Query>
struct Ask : Query {
  Ask Monitor(const std::string& m) { return this->monitor = m, *this; }
  Ask Vantage(const std::string& v) { return this->vantage = v, *this; }
  Ask After(uint64_t sequence) { return this->after = sequence, *this; }
  Ask Since(WallTime t) { return this->since = t, *this; }
  Ask Limit(size_t n) { return this->limit = n, *this; }
  Ask NewestFirst() { return this->newest_first = true, *this; }
  Ask MinSeverity(Severity s) { return this->min_severity = s, *this; }
};

// A store in a directory of its own, and short ways to fill it.
class MonitorStoreTest : public testing::Test {
 protected:
  using Change = MonitorStore::Change;

  MonitorStoreTest() {
    WebhookReceiver receiver;
    receiver.name = "chat";
    receiver.url = WebhookUrl::Parse("http://127.0.0.1:1/").value();
    WebhookConfig config;
    config.receivers = {receiver};
    outbox_ = std::make_unique<Outbox>(config, OutboxLimits(), clock_);
    Reopen();
  }

  std::string Path() const { return dir_.path() + "/monitors.db"; }
  void Reopen() {
    store_ = nullptr;
    auto store = MonitorStore::Open(Path(), /*sync_full=*/false);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  // As another program would see it.
  std::unique_ptr<Connection> Other(bool read_only = false) {
    return Connection::Open(Path(), {.sync_full = false, .read_only = read_only}).value();
  }
  static int64_t Count(Connection& db, const std::string& sql) {
    const auto rows = db.Prepare(sql);
    const int64_t n = rows->Step() ? rows->Int(0) : -1;
    EXPECT_TRUE(rows->status().ok()) << rows->status();
    return n;
  }

  static MonitorSpec Spec(const std::string& name) {
    MonitorSpec spec;
    spec.name = name;
    spec.owner = "team@example.org";
    spec.targets = {"192.0.2.0/24", "www.example"};
    spec.ports = "1-1000";
    spec.vantages = {{"in", VantageRole::kInside}, {"out", VantageRole::kOutside}};
    spec.schedule.every = std::chrono::hours(1);
    EXPECT_TRUE(CheckMonitor(spec).ok()) << CheckMonitor(spec);
    return spec;
  }
  static MonitorPlanState Plan(uint64_t generation, uint64_t next_number = 1) {
    MonitorPlanState plan;
    plan.generation = generation;
    plan.next_number = next_number;
    plan.handled_until = At(1000);
    return plan;
  }
  void Make(const std::string& name, uint64_t generation = 1) {
    Change change(*store_);
    change.PutMonitor(Spec(name), "", Plan(generation));
    ASSERT_TRUE(change.Commit().ok());
  }
  static ExposureEvent Event(const std::string& monitor, uint64_t number, int64_t seconds,
                             const std::string& vantage = "in", const std::string& target = "h",
                             uint16_t port = 80) {
    ExposureEvent e;
    e.sequence = number;
    e.time = At(seconds);
    e.monitor = monitor;
    e.vantage = vantage;
    e.subject = {TargetKey::FromString(target), port};
    e.id = MakeEventId(e);
    return e;
  }
  uint64_t AddEvent(const ExposureEvent& event) {
    Change change(*store_);
    const std::vector<StoredEvent> stored = change.AddEvents(event.monitor, {&event, 1});
    EXPECT_TRUE(change.Commit().ok());
    return stored.size() == 1 ? stored[0].sequence : 0;
  }
  static RunRecord Run(const std::string& monitor, uint64_t number, RunState state) {
    RunRecord run;
    run.monitor = monitor;
    run.number = number;
    run.generation = 3;
    run.trigger = RunTrigger::kCatchUp;
    run.state = state;
    run.due = At(10);
    run.started = At(11);
    run.finished = state == RunState::kRunning ? WallTime() : At(12);
    run.scan = "scan-" + std::to_string(number);
    run.message = "one vantage had no agent";
    run.positions = 1000;
    run.known = 999;
    run.candidates = 2;
    return run;
  }
  MonitorStore::Loaded Load() {
    auto loaded = store_->LoadAll();
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded.ok() ? *std::move(loaded) : MonitorStore::Loaded();
  }

  TempDirectory dir_;
  FakeClock clock_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<MonitorStore> store_;
};

}  // namespace portolan
