#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/base/mutex.h"
#include "common/scan/chunk_codec.h"
#include "coordinator/control/control.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_name_lookup.h"
#include "tests/fakes/full_disk_store.h"
#include "tests/fakes/temp_directory.h"
#include "tests/fakes/waiter.h"

namespace portolan {

// The agent's end of a report stream.
class FakePeer final : public ReportPeer {
 public:
  void Accepted() override {
    MutexLock lock(mu_);
    accepted_ = true;
    cv_.NotifyAll();
  }
  void Acked(uint64_t seq, std::vector<Token> fenced) override {
    MutexLock lock(mu_);
    PORTOLAN_CHECK(seq >= acked_ && !end_.has_value());
    acked_ = seq;
    fenced_.insert(fenced_.end(), fenced.begin(), fenced.end());
    cv_.NotifyAll();
  }
  void Resume() override {
    MutexLock lock(mu_);
    ++resumed_;
  }
  void End(absl::Status status) override {
    MutexLock lock(mu_);
    PORTOLAN_CHECK(!end_.has_value());
    end_ = std::move(status);
    cv_.NotifyAll();
  }
  // False: the stream ended instead.
  bool WaitAccepted() {
    MutexLock lock(mu_);
    while (!accepted_ && !end_.has_value()) cv_.Wait(mu_);
    return accepted_;
  }
  bool WaitAcked(uint64_t seq) {
    MutexLock lock(mu_);
    while (acked_ < seq && !end_.has_value()) cv_.Wait(mu_);
    return acked_ >= seq;
  }
  absl::Status WaitEnd() {
    MutexLock lock(mu_);
    while (!end_.has_value()) cv_.Wait(mu_);
    return *end_;
  }
  uint64_t acked() {
    MutexLock lock(mu_);
    return acked_;
  }
  int resumed() {
    MutexLock lock(mu_);
    return resumed_;
  }
  std::vector<Token> fenced() {
    MutexLock lock(mu_);
    return fenced_;
  }

 private:
  Mutex mu_;
  CondVar cv_;
  bool accepted_ GUARDED_BY(mu_) = false;
  uint64_t acked_ GUARDED_BY(mu_) = 0;
  int resumed_ GUARDED_BY(mu_) = 0;
  std::vector<Token> fenced_ GUARDED_BY(mu_);
  std::optional<absl::Status> end_ GUARDED_BY(mu_);
};

// An agent that a test plays: what it holds, what it reports.
class FakeAgent {
 public:
  FakeAgent(Control& control, std::string name, std::string vantage, char incarnation = 'a')
      : control_(&control) {
    call_.report.name = std::move(name);
    call_.report.vantage = std::move(vantage);
    call_.report.incarnation = std::string(16, incarnation);
    call_.report.room = 1 << 20;
    call_.report.measured_rate = 100'000;
  }
  const std::string& name() const { return call_.report.name; }
  AgentCall& call() { return call_; }
  void Use(Control& control) {
    control_ = &control;
    peer_.reset();
  }

  // Begins a call; the answer may take long.
  Waiter<SyncAnswer> Begin() {
    Waiter<SyncAnswer> waiter;
    last_id_ = control_->NextCallId();
    control_->Synchronize(last_id_, call_, waiter.done());
    return waiter;
  }
  void CancelCall() { control_->CancelSynchronize(name(), last_id_); }
  // Takes an answer over, as an agent does.
  void Take(const SyncAnswer& answer) {
    call_.epoch_seen = answer.epoch;
    call_.report.revision_seen = answer.decision.revision;
    call_.report.shares = answer.decision.shares;
    call_.report.fractions = answer.decision.fractions;
    for (const SyncContext& c : answer.contexts) {
      if (c.with_space) specs_[c.scan] = c.spec;
      call_.report.known_scans[c.scan] = c.overlay.version;
    }
    call_.report.leases.clear();
    leases_.clear();
    for (const GrantedLease& lease : answer.decision.leases) {
      IntervalSet ranges = lease.ranges;
      ranges.Remove(reported_[lease.token]);
      leases_.push_back(lease);
      call_.report.leases.push_back({lease.token, lease.ranges, ranges.size()});
    }
  }
  absl::Status Sync() {
    absl::StatusOr<SyncAnswer> answer = Begin().Wait();
    if (!answer.ok()) return answer.status();
    Take(*answer);
    return absl::OkStatus();
  }
  const std::vector<GrantedLease>& leases() const { return leases_; }
  uint64_t held() const {
    uint64_t n = 0;
    for (const GrantedLease& l : leases_) n += l.ranges.size();
    return n;
  }

  // Reports everything that it holds and has not reported: open where `open` says so, else closed.
  // One batch a lease. Returns when all is acknowledged, or false when the stream ended.
  bool ReportAll(const std::function<bool(const ScanSpace::Endpoint&)>& open) {
    if (!OpenStream()) return false;
    for (const GrantedLease& lease : leases_) {
      ParsedBatch batch = MakeBatch(lease, open);
      if (!batch.chunks.empty()) control_->Report(stream_, ++seq_, std::move(batch), 1000);
    }
    return peer_->WaitAcked(seq_);
  }
  bool OpenStream() {
    if (peer_ != nullptr) return true;
    peer_ = std::make_shared<FakePeer>();
    seq_ = 0;
    stream_ = control_->OpenReport(name(), call_.report.incarnation, peer_);
    return peer_->WaitAccepted();
  }
  ParsedBatch MakeBatch(const GrantedLease& lease,
                        const std::function<bool(const ScanSpace::Endpoint&)>& open) {
    ParsedBatch batch;
    const ScanSpace& space = *specs_.at(lease.scan)->space;
    IntervalSet left = lease.ranges;
    left.Remove(reported_[lease.token]);
    for (const IndexRange& whole : left.ToVector()) {
      for (uint64_t at = whole.begin; at < whole.end;) {
        const uint64_t end = std::min({whole.end, space.GroupOf(at).range.end, at + 65'536});
        std::vector<Symbol> outcomes;
        for (uint64_t i = at; i < end; ++i) {
          const bool is_open = open(space.At(i));
          outcomes.push_back(is_open ? Symbol{State::kOpen, Reason::kSynAck}
                                     : Symbol{State::kClosed, Reason::kConnRefused});
          if (is_open)
            batch.opens.push_back({lease.token, OpenRow{i, Reason::kSynAck, 250, FromUnixMicros(1),
                                                        *IpAddress::Parse("10.9.9.9")}});
        }
        batch.chunks.push_back(*ParseChunk(lease.token, at, static_cast<uint32_t>(end - at),
                                           FromUnixMicros(1'000'000), 100, EncodeOutcomes(outcomes),
                                           0));
        reported_[lease.token].Add({at, end});
        at = end;
      }
    }
    return batch;
  }
  FakePeer& peer() { return *peer_; }
  uint64_t stream() const { return stream_; }
  uint64_t NextSeq() { return ++seq_; }
  void CloseStream() {
    control_->CloseReport(stream_);
    peer_.reset();
  }

 private:
  Control* control_;
  AgentCall call_;
  uint64_t last_id_ = 0;
  std::map<ScanId, std::shared_ptr<const ScanSpec>> specs_;
  std::vector<GrantedLease> leases_;
  std::map<Token, IntervalSet> reported_;
  std::shared_ptr<FakePeer> peer_;
  uint64_t stream_ = 0, seq_ = 0;
};

class ControlTest : public ::testing::Test {
 protected:
  ControlTest() { Start(); }
  ~ControlTest() override { control_.reset(); }

  void Start() {
    SqliteOptions sqlite;
    sqlite.directory = directory_.path();
    sqlite.sync_full = false;
    auto store = OpenSqliteStore(sqlite);
    ASSERT_TRUE(store.ok()) << store.status();
    auto disk = std::make_unique<FullDiskStore>(std::move(*store));
    disk_ = disk.get();
    options_.names = &names_;
    auto control = Control::Start(options_, std::move(disk), clock_);
    ASSERT_TRUE(control.ok()) << control.status();
    control_ = std::move(*control);
  }
  void Restart() {
    control_.reset();
    Start();
  }
  // Lets the coordinator's timers see that time has passed, in steps smaller than a lease. What
  // waits for a commit gets it first: commits take real time, which would be none of the fake.
  void Advance(Duration d) {
    while (disk_->Committing()) std::this_thread::yield();
    Settle();
    const Duration step = std::chrono::milliseconds(500);
    for (Duration at{}; at < d; at += step) {
      clock_.Advance(std::min(step, d - at));
      Settle();
    }
  }
  // Returns when everything that was due or posted before has run.
  void Settle() {
    Waiter<std::vector<AgentStatus>> w;
    control_->ListAgents(w.done());
    (void)w.Wait();
  }

  static ScanRequest Request(const std::string& targets = "10.0.0.0/28",
                             const std::string& ports = "1-100") {
    ScanRequest r;
    r.targets = {targets};
    r.ports = ports;
    r.seed = 7;
    return r;
  }
  absl::StatusOr<ScanStatus> Create(ScanRequest r, const std::string& key = "",
                                    const std::string& digest = "") {
    Waiter<ScanStatus> w;
    control_->CreateScan(std::move(r), key, digest, w.done());
    return w.Wait();
  }
  absl::StatusOr<ScanStatus> Get(const std::string& ref) {
    Waiter<ScanStatus> w;
    control_->GetScan(ref, w.done());
    return w.Wait();
  }
  absl::StatusOr<ScanStatus> Change(const std::string& ref, Control::Verb verb) {
    Waiter<ScanStatus> w;
    control_->ChangeScan(ref, verb, w.done());
    return w.Wait();
  }
  // Plays the agents until the scan has finished, at most `rounds` rounds.
  absl::StatusOr<ScanStatus> Play(const ScanId& id, std::vector<FakeAgent*> agents,
                                  const std::function<bool(const ScanSpace::Endpoint&)>& open,
                                  int rounds = 100) {
    for (int i = 0; i < rounds; ++i) {
      for (FakeAgent* agent : agents) {
        // A call without news is parked: let a third of the lease term pass.
        Waiter<SyncAnswer> call = agent->Begin();
        Settle();
        if (!call.ready())
          Advance(options_.scheduler.lease_term / 3 + std::chrono::milliseconds(600));
        absl::StatusOr<SyncAnswer> answer = call.Wait();
        if (!answer.ok()) return answer.status();
        agent->Take(*answer);
        if (!agent->ReportAll(open)) return agent->peer().WaitEnd();
      }
      absl::StatusOr<ScanStatus> scan = Get(id);
      if (!scan.ok() || IsFinished(scan->state)) return scan;
    }
    return Get(id);
  }
  std::vector<Observation> Results(const std::string& ref, Control::ResultRequest request = {}) {
    Waiter<Control::ResultSource> source;
    control_->OpenResults(ref, std::move(request), source.done());
    auto s = source.Wait();
    EXPECT_TRUE(s.ok()) << s.status();
    if (!s.ok()) return {};
    auto shared = std::make_shared<const Control::ResultSource>(*s);
    std::vector<Observation> out;
    std::string token;
    do {
      Waiter<ResultPage> page;
      control_->ReadPage(shared, token, page.done());
      auto p = page.Wait();
      EXPECT_TRUE(p.ok()) << p.status();
      if (!p.ok()) break;
      out.insert(out.end(), p->observations.begin(), p->observations.end());
      token = p->next_page_token;
    } while (!token.empty());
    return out;
  }

  TempDirectory directory_;
  FakeClock clock_;
  FakeNameLookup names_;
  ControlOptions options_;
  FullDiskStore* disk_ = nullptr;  // the control's
  std::unique_ptr<Control> control_;
};

}  // namespace portolan
