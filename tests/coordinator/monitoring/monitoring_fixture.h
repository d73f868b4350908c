#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "coordinator/monitoring/monitoring.h"
#include "tests/coordinator/monitoring/fake_scans.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_name_lookup.h"
#include "tests/fakes/temp_directory.h"
#include "tests/fakes/waiter.h"

namespace portolan {

// `yaml` with one part of it replaced.
inline std::string With(std::string yaml, const std::string& from, const std::string& to) {
  const size_t at = yaml.find(from);
  EXPECT_NE(at, yaml.npos) << from;
  return yaml.replace(at, from.size(), to);
}

// Monitoring over a network of a test's own, with a clock that moves only when the test waits.
class MonitoringTest : public ::testing::Test {
 protected:
  static constexpr const char* kYaml = R"(apiVersion: portolan/v1
kind: Monitor
metadata: {name: web, owner: team-web}
spec:
  targets: [10.0.0.0/28]
  ports: 1-100
  vantages: [{name: in, role: inside}, {name: out, role: outside}]
  schedule: {every: 10m, at: 0s}
  confirmation: {probes: 3, needed: 2, delay: 5s}
  profiles: [no-remote-admin-from-outside]
)";

  MonitoringTest() {
    for (const char* vantage : {"in", "out"}) {
      for (int host = 1; host <= 4; ++host) {
        scans_.Set(vantage, "10.0.0." + std::to_string(host), 80, true);
        if (std::string(vantage) == "in")
          scans_.Set(vantage, "10.0.0." + std::to_string(host), 22, true);
      }
    }
  }
  void SetUp() override { Restart(); }
  void TearDown() override { monitoring_.reset(); }

  // As a program that ends and is started again on the same directory.
  void Restart() {
    monitoring_.reset();
    MonitoringOptions options = options_;
    options.data_directory = directory_.path();
    options.sync_full = false;
    options.names = &names_;
    auto started = Monitoring::Start(std::move(options), scans_, clock_);
    ASSERT_TRUE(started.ok()) << started.status();
    monitoring_ = *std::move(started);
  }

  absl::StatusOr<std::vector<ApplyResult>> Apply(const std::string& yaml, bool dry_run = false,
                                                 bool prune = false, std::string manager = "",
                                                 std::map<std::string, std::string> files = {}) {
    Waiter<std::vector<ApplyResult>> w;
    monitoring_->Apply({{"test.yaml", yaml, std::move(files)}}, dry_run, prune, std::move(manager),
                       w.done());
    return w.Wait();
  }
  MonitorStatus Get(const std::string& name = "web") {
    Waiter<MonitorStatus> w;
    monitoring_->Get(name, w.done());
    const auto got = w.Wait();
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? *got : MonitorStatus{};
  }
  std::vector<StoredEvent> Events() {
    Waiter<EventPage> w;
    EventQuery query;
    query.limit = 2'000;
    monitoring_->Events(query, w.done());
    const auto got = w.Wait();
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? got->events : std::vector<StoredEvent>{};
  }
  FindingList Findings(bool resolved = false) {
    Waiter<FindingList> w;
    FindingQuery query;
    query.resolved = resolved;
    monitoring_->Findings(query, w.done());
    const auto got = w.Wait();
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? *got : FindingList{};
  }
  Explanation Explain(const std::string& target, uint16_t port) {
    Waiter<Explanation> w;
    monitoring_->Explain(target, port, "", w.done());
    const auto got = w.Wait();
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? *got : Explanation{};
  }
  std::vector<std::string> FindingKeys() {
    std::vector<std::string> out;
    for (const MonitorFinding& f : Findings().findings) out.push_back(f.finding.key.ToString());
    std::sort(out.begin(), out.end());
    return out;
  }
  ExposurePage Exposure(ExposureQuery query = {}) {
    Waiter<ExposurePage> w;
    monitoring_->Exposure(std::move(query), w.done());
    const auto got = w.Wait();
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? *got : ExposurePage{};
  }

  // Lets time pass until `done`, at most some hours of it.
  bool Until(const std::function<bool()>& done, Duration step = std::chrono::milliseconds(500)) {
    for (int i = 0; i < 20'000; ++i) {
      if (done()) return true;
      clock_.Advance(step);
      Barrier();
    }
    return false;
  }
  // What was due has been done, as far as it does not wait for other threads.
  void Barrier() {
    Waiter<std::vector<MonitorStatus>> w;
    monitoring_->List(w.done());
    w.Wait().status().IgnoreError();
  }
  // The next run of the monitor begins and ends.
  void NextRun(const std::string& name = "web") {
    const uint64_t before = Ended(name);
    Waiter<MonitorStatus> w;
    monitoring_->RunNow(name, w.done());
    ASSERT_TRUE(w.Wait().ok());
    ASSERT_TRUE(Until([&] { return Ended(name) > before; }));
  }
  uint64_t Ended(const std::string& name = "web") {
    const MonitorStatus s = Get(name);
    for (const RunRecord& r : s.runs) {
      if (r.state != RunState::kRunning) return r.number;
    }
    return 0;
  }
  // Until no change waits for its confirmation.
  void Settle(const std::string& name = "web") {
    ASSERT_TRUE(Until([&] {
      uint64_t confirming = 0;
      for (const VantageStatus& v : Get(name).vantages) confirming += v.confirming;
      return confirming == 0;
    }));
  }

  TempDirectory directory_;
  FakeClock clock_;
  FakeScans scans_{clock_};
  MonitoringOptions options_;
  FakeNameLookup names_;
  std::unique_ptr<Monitoring> monitoring_;
};

}  // namespace portolan
