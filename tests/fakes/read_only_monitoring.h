#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "coordinator/monitoring/monitoring.h"

namespace portolan {

// Answers what it was given, at once on the caller's thread (or later: see `answer`), and remembers
// what it was asked. What changes monitors is refused. Not thread-safe, but for concurrent reads.
class ReadOnlyMonitoring : public Monitoring {
 public:
  // What there is.
  std::vector<MonitorStatus> monitors;
  ExposurePage exposure;
  EventPage events;
  FindingList findings;
  Explanation explanation;
  MonitoringMetrics metrics;
  WebhookStats webhooks;
  absl::Status error;  // of every query, when not OK
  // Runs an answer; the default does so at once.
  std::function<void(std::function<void()>)> answer = [](std::function<void()> f) { f(); };

  // What was asked.
  ExposureQuery exposure_query;
  EventQuery event_query;
  FindingQuery finding_query;
  std::string explained;  // "MONITOR TARGET PORT"

  void Stop() override {}
  void Apply(std::vector<MonitorDocument>, bool, bool, std::string,
             Done<std::vector<ApplyResult>> done) override {
    done(Refused());
  }
  void List(Done<std::vector<MonitorStatus>> done) override { Give(monitors, std::move(done)); }
  void Get(std::string name, Done<MonitorStatus> done) override {
    for (const MonitorStatus& m : monitors) {
      if (m.spec.name == name) return Give(m, std::move(done));
    }
    done(NotFound("monitor \"{}\": no such monitor", name));
  }
  void Pause(std::string, bool, Done<MonitorStatus> done) override { done(Refused()); }
  void RunNow(std::string, Done<MonitorStatus> done) override { done(Refused()); }
  void AcceptNextRun(std::string, std::string, Done<MonitorStatus> done) override {
    done(Refused());
  }
  void Delete(std::string, Done<std::string> done) override { done(Refused()); }

  void Exposure(ExposureQuery query, Done<ExposurePage> done) override {
    exposure_query = std::move(query);
    Give(exposure, std::move(done));
  }
  void Events(EventQuery query, Done<EventPage> done) override {
    event_query = std::move(query);
    Give(events, std::move(done));
  }
  uint64_t Follow(EventQuery, FollowUpdate) override { return 0; }
  void Unfollow(uint64_t) override {}
  void Findings(FindingQuery query, Done<FindingList> done) override {
    finding_query = query;
    Give(findings, std::move(done));
  }
  void Explain(std::string target, uint16_t port, std::string monitor,
               Done<Explanation> done) override {
    explained = fmt::format("{} {} {}", monitor, target, port);
    Give(explanation, std::move(done));
  }

  void ListDeadLetters(std::string, Done<std::vector<DeadLetter>> done) override {
    done(Refused());
  }
  void SettleDeadLetters(std::string, int64_t, bool, Done<uint64_t> done) override {
    done(Refused());
  }
  void TestReceiver(std::string, Done<std::string> done) override { done(Refused()); }

  std::shared_ptr<const MonitoringMetrics> Metrics() const override {
    return std::shared_ptr<const MonitoringMetrics>(&metrics, [](const auto*) {});
  }
  WebhookStats Webhooks() const override { return webhooks; }

 private:
  static absl::Status Refused() { return Unimplemented("the fake changes nothing"); }
  template <typename T>
  void Give(const T& value, Done<T> done) {
    answer([this, value, done = std::move(done)] {
      if (error.ok()) {
        done(value);
      } else {
        done(error);
      }
    });
  }
};

}  // namespace portolan
