#include "coordinator/service/report_reactor.h"

#include <utility>

#include "common/base/status.h"
#include "common/rpc/status.h"
#include "coordinator/service/fleet_convert.h"

namespace portolan {

ReportReactor* ReportReactor::Start(Control& control, PeerIdentity identity) {
  std::shared_ptr<ReportReactor> reactor(new ReportReactor(control, std::move(identity)));
  reactor->self_ = reactor;
  reactor->StartRead(&reactor->request_);
  return reactor.get();
}

void ReportReactor::OnReadDone(bool ok) {
  bool hello = false;
  {
    MutexLock lock(mu_);
    if (!ok) {
      reading_ = false;
      read_closed_ = true;
      if (stream_ == 0) ended_ = true;  // went away without a word
    } else if (ended_ || finished_) {
      reading_ = false;
      return;
    }
    hello = stream_ == 0;
  }
  if (!ok) return MaybeWrite();
  if (hello) {
    OnHello();
  } else {
    OnBatch();
  }
}

void ReportReactor::OnHello() {
  if (!request_.has_hello())
    return Refuse(InvalidArgument("the first message of a report stream is hello"));
  if (absl::Status s = CheckHello(request_.hello()); !s.ok()) return Refuse(std::move(s));
  if (absl::Status s = MayCallFleet(identity_, request_.hello().agent()); !s.ok())
    return Refuse(std::move(s));
  // The stream's number is needed to close it; no read is started before it is accepted, so nothing
  // can overtake this.
  const uint64_t stream =
      control_.OpenReport(request_.hello().agent(), request_.hello().incarnation(), self_);
  bool gone = false;
  {
    MutexLock lock(mu_);
    stream_ = stream;
    reading_ = false;
    gone = finished_ || ended_;
  }
  if (gone) control_.CloseReport(stream);
  MaybeRead();
  MaybeWrite();
}

void ReportReactor::OnBatch() {
  uint64_t stream = 0;
  {
    MutexLock lock(mu_);
    stream = stream_;
  }
  const uint64_t seq = request_.has_batch() ? request_.batch().seq() : 0;
  absl::StatusOr<ParsedBatch> batch =
      request_.has_batch()
          ? ParseBatch(*request_.mutable_batch())
          : absl::StatusOr<ParsedBatch>(InvalidArgument("after hello come batches only"));
  if (!batch.ok()) {
    {
      MutexLock lock(mu_);
      reading_ = false;
      read_closed_ = true;
      ++received_;  // never acknowledged: keeps the stream open until the control thread ends it
    }
    control_.RejectReport(stream, seq, batch.status());
    return;
  }
  const size_t bytes = MemoryOf(*batch);
  {
    MutexLock lock(mu_);
    ++received_;
  }
  control_.Report(stream, seq, *std::move(batch), bytes);
  {
    MutexLock lock(mu_);
    reading_ = false;
  }
  MaybeRead();
}

void ReportReactor::Refuse(absl::Status status) {
  {
    MutexLock lock(mu_);
    reading_ = false;
    ended_ = true;
    end_ = std::move(status);
  }
  MaybeWrite();
}

void ReportReactor::Accepted() {
  {
    MutexLock lock(mu_);
    accepted_ = true;
  }
  MaybeRead();
}

void ReportReactor::Acked(uint64_t seq, std::vector<Token> fenced) {
  {
    MutexLock lock(mu_);
    acked_ = seq;
    ack_due_ = true;
    fenced_.insert(fenced_.end(), fenced.begin(), fenced.end());
  }
  MaybeWrite();
  MaybeRead();
}

void ReportReactor::Resume() { MaybeRead(); }

void ReportReactor::End(absl::Status status) {
  {
    MutexLock lock(mu_);
    if (!ended_) end_ = std::move(status);
    ended_ = true;
  }
  MaybeWrite();
}

void ReportReactor::MaybeRead() {
  {
    MutexLock lock(mu_);
    if (stream_ == 0 || !accepted_ || reading_ || read_closed_ || ended_ || finished_) return;
    if (received_ - acked_ >= kReportCredit || !control_.MayRead()) return;
    reading_ = true;
    ++starting_reads_;  // Finish must not come before StartRead
  }
  StartRead(&request_);
  {
    MutexLock lock(mu_);
    --starting_reads_;
  }
  MaybeWrite();
}

void ReportReactor::MaybeWrite() {
  bool write = false;
  grpc::Status status;
  {
    MutexLock lock(mu_);
    if (finished_ || writing_) return;
    if (ack_due_ && !broken_) {
      response_.Clear();
      response_.set_acked_seq(acked_);
      response_.set_credit(kReportCredit);
      for (const Token token : fenced_) response_.add_fenced_tokens(token.value);
      fenced_.clear();
      ack_due_ = false;
      writing_ = write = true;
    } else if (starting_reads_ == 0 &&
               (ended_ || broken_ || (read_closed_ && received_ == acked_))) {
      finished_ = true;
      status = ToGrpc(end_);
    } else {
      return;
    }
  }
  if (write) {
    StartWrite(&response_);
  } else {
    Finish(status);
  }
}

void ReportReactor::OnWriteDone(bool ok) {
  {
    MutexLock lock(mu_);
    writing_ = false;
    if (!ok) broken_ = true;
  }
  MaybeWrite();
}

void ReportReactor::OnCancel() {
  uint64_t stream = 0;
  {
    MutexLock lock(mu_);
    stream = stream_;
    broken_ = true;
    if (!ended_) end_ = Cancelled("the stream was cancelled");
    ended_ = true;
  }
  if (stream != 0) control_.CloseReport(stream);
  MaybeWrite();
}

void ReportReactor::OnDone() {
  uint64_t stream = 0;
  {
    MutexLock lock(mu_);
    stream = stream_;
  }
  if (stream != 0) control_.CloseReport(stream);
  const std::shared_ptr<ReportReactor> last = std::move(self_);  // may delete this at the end
}

}  // namespace portolan
