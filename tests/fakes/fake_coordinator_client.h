#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/link/coordinator_client.h"
#include "common/base/mutex.h"
#include "common/base/status.h"

namespace portolan {

// One end of a Report stream that a test holds. What the agent writes is kept; the test answers and
// ends it. Thread-safe.
class FakeReportStream {
 public:
  // Waits for the next message that the agent writes; nullopt when it has cancelled the stream.
  std::optional<v1::ReportRequest> Next() {
    MutexLock lock(mu_);
    while (written_.empty() && !cancelled_) changed_.Wait(mu_);
    if (written_.empty()) return std::nullopt;
    v1::ReportRequest out = std::move(written_.front());
    written_.pop_front();
    return out;
  }
  size_t waiting() const {
    MutexLock lock(mu_);
    return written_.size();
  }
  void Say(v1::ReportResponse response) {
    MutexLock lock(mu_);
    said_.push_back(std::move(response));
    changed_.NotifyAll();
  }
  void Ack(uint64_t seq, uint32_t credit, std::vector<uint64_t> fenced = {}) {
    v1::ReportResponse response;
    response.set_acked_seq(seq);
    response.set_credit(credit);
    for (const uint64_t token : fenced) response.add_fenced_tokens(token);
    Say(std::move(response));
  }
  void End(absl::Status status) {
    MutexLock lock(mu_);
    end_ = std::move(status);
    changed_.NotifyAll();
  }
  void WaitForCancel() {
    MutexLock lock(mu_);
    while (!cancelled_) changed_.Wait(mu_);
  }

 private:
  friend class FakeCoordinatorClient;

  mutable Mutex mu_;
  CondVar changed_;
  std::deque<v1::ReportRequest> written_ GUARDED_BY(mu_);
  std::deque<v1::ReportResponse> said_ GUARDED_BY(mu_);
  std::optional<absl::Status> end_ GUARDED_BY(mu_);
  bool cancelled_ GUARDED_BY(mu_) = false;
};

// Stands for the coordinators of an agent: the test sees each call and answers it. Thread-safe.
class FakeCoordinatorClient final : public CoordinatorClient {
 public:
  struct Call {
    size_t which = 0;
    v1::SynchronizeRequest request;
    Duration deadline{};
  };

  explicit FakeCoordinatorClient(size_t coordinators = 1) : coordinators_(coordinators) {}

  size_t coordinators() const override { return coordinators_; }
  std::string address(size_t which) const override { return fmt::format("fake:{}", which); }

  void Synchronize(size_t which, const v1::SynchronizeRequest& request, Duration deadline,
                   Done done) override {
    MutexLock lock(mu_);
    call_ = Call{which, request, deadline};
    done_ = std::move(done);
    changed_.NotifyAll();
  }
  void CancelSynchronize() override { Finish(Cancelled("by the caller"), {}); }

  std::unique_ptr<ReportStream> OpenReport(size_t which) override {
    auto state = std::make_shared<FakeReportStream>();
    MutexLock lock(mu_);
    streams_.emplace_back(which, state);
    changed_.NotifyAll();
    return std::make_unique<AgentEnd>(std::move(state));
  }

  // Waits for a call that has not been looked at.
  Call NextCall() {
    MutexLock lock(mu_);
    while (!call_.has_value()) changed_.Wait(mu_);
    return *std::exchange(call_, std::nullopt);
  }
  void Answer(const v1::SynchronizeResponse& response) { Finish(absl::OkStatus(), response); }
  void Fail(const absl::Status& status) { Finish(status, {}); }

  // Waits for a stream that has not been looked at.
  std::pair<size_t, std::shared_ptr<FakeReportStream>> NextStream() {
    MutexLock lock(mu_);
    while (streams_.empty()) changed_.Wait(mu_);
    auto out = std::move(streams_.front());
    streams_.pop_front();
    return out;
  }

 private:
  class AgentEnd final : public ReportStream {
   public:
    explicit AgentEnd(std::shared_ptr<FakeReportStream> state) : s_(std::move(state)) {}
    bool Write(const v1::ReportRequest& request) override {
      MutexLock lock(s_->mu_);
      if (s_->cancelled_ || s_->end_.has_value()) return false;
      s_->written_.push_back(request);
      s_->changed_.NotifyAll();
      return true;
    }
    bool Read(v1::ReportResponse* response) override {
      MutexLock lock(s_->mu_);
      while (s_->said_.empty() && !s_->cancelled_ && !s_->end_.has_value())
        s_->changed_.Wait(s_->mu_);
      if (s_->said_.empty()) return false;
      *response = std::move(s_->said_.front());
      s_->said_.pop_front();
      return true;
    }
    void WritesDone() override {}
    void Cancel() override {
      MutexLock lock(s_->mu_);
      s_->cancelled_ = true;
      s_->changed_.NotifyAll();
    }
    absl::Status Finish() override {
      MutexLock lock(s_->mu_);
      return s_->end_.value_or(Cancelled("by the caller"));
    }

   private:
    const std::shared_ptr<FakeReportStream> s_;  // the test looks at it after the agent has let go
  };

  void Finish(const absl::Status& status, const v1::SynchronizeResponse& response) {
    Done done;
    {
      MutexLock lock(mu_);
      done = std::exchange(done_, nullptr);
      call_.reset();
    }
    if (done) done(status, response);
  }

  const size_t coordinators_;
  Mutex mu_;
  CondVar changed_;
  std::optional<Call> call_ GUARDED_BY(mu_);
  Done done_ GUARDED_BY(mu_);
  std::deque<std::pair<size_t, std::shared_ptr<FakeReportStream>>> streams_ GUARDED_BY(mu_);
};

}  // namespace portolan
