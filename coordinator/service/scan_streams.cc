#include "coordinator/service/scan_streams.h"

#include <utility>

#include "common/base/status.h"
#include "common/rpc/status.h"
#include "coordinator/service/scan_convert.h"

namespace portolan {

WatchReactor* WatchReactor::Start(Control& control, const std::string& ref) {
  std::shared_ptr<WatchReactor> reactor(new WatchReactor(control));
  reactor->self_ = reactor;
  reactor->watch_ =
      control.Watch(ref, [reactor](absl::StatusOr<std::shared_ptr<const ScanStatus>> status,
                                   bool last) { reactor->Update(std::move(status), last); });
  return reactor.get();
}

void WatchReactor::Update(absl::StatusOr<std::shared_ptr<const ScanStatus>> status, bool last) {
  {
    MutexLock lock(mu_);
    if (ended_ || finished_) return;
    if (status.ok()) {
      latest_ = *std::move(status);
    } else {
      end_ = status.status();
    }
    ended_ = last;
  }
  Pump();
}

void WatchReactor::Pump() {
  std::shared_ptr<const ScanStatus> status;
  grpc::Status end;
  {
    MutexLock lock(mu_);
    if (writing_ || finished_) return;
    if (latest_ != nullptr) {
      status = std::move(latest_);
      latest_ = nullptr;
      writing_ = true;
    } else if (ended_) {
      finished_ = true;
      end = ToGrpc(end_);
    } else {
      return;
    }
  }
  if (status == nullptr) return Finish(end);
  message_.Clear();
  ToProto(*status, &message_);
  StartWrite(&message_);
}

void WatchReactor::OnWriteDone(bool ok) {
  {
    MutexLock lock(mu_);
    writing_ = false;
    if (!ok) {
      latest_ = nullptr;
      ended_ = true;
    }
  }
  Pump();
}

void WatchReactor::OnCancel() {
  control_.Unwatch(watch_);
  {
    MutexLock lock(mu_);
    latest_ = nullptr;
    ended_ = true;
    end_ = Cancelled("cancelled by the caller");
  }
  Pump();
}

void WatchReactor::OnDone() {
  control_.Unwatch(watch_);
  const std::shared_ptr<WatchReactor> last = std::move(self_);  // may delete this at the end
}

CreateReactor* CreateReactor::Start(Control& control, CreateCall call, size_t details_room) {
  std::shared_ptr<CreateReactor> reactor(new CreateReactor(control, call.id, details_room));
  reactor->self_ = reactor;
  call.progress = [reactor](size_t done, size_t total) { reactor->Progress(done, total); };
  call.done = [reactor](absl::StatusOr<ScanStatus> result) { reactor->End(std::move(result)); };
  control.CreateScan(std::move(call));
  return reactor.get();
}

void CreateReactor::Progress(size_t done, size_t total) {
  {
    MutexLock lock(mu_);
    if (ended_) return;
    latest_ = std::make_unique<v1::CreateScanProgress>();
    latest_->set_names_done(done);
    latest_->set_names_total(total);
  }
  Pump();
}

void CreateReactor::End(absl::StatusOr<ScanStatus> result) {
  auto last = std::make_unique<v1::CreateScanProgress>();
  if (result.ok()) ToProto(*result, last->mutable_scan());
  {
    MutexLock lock(mu_);
    if (ended_) return;
    ended_ = true;
    latest_ = result.ok() ? std::move(last) : nullptr;
    if (!result.ok()) end_ = WithProblems(result.status(), details_room_);
  }
  Pump();
}

void CreateReactor::Pump() {
  std::unique_ptr<v1::CreateScanProgress> next;
  grpc::Status end;
  {
    MutexLock lock(mu_);
    if (writing_ || finished_) return;
    if (latest_ != nullptr) {
      next = std::move(latest_);
      writing_ = true;
    } else if (ended_) {
      finished_ = true;
      end = ToGrpc(end_);
    } else {
      return;
    }
  }
  if (next == nullptr) return Finish(end);
  message_ = std::move(*next);
  StartWrite(&message_);
}

void CreateReactor::OnWriteDone(bool ok) {
  {
    MutexLock lock(mu_);
    writing_ = false;
    if (!ok) {
      latest_ = nullptr;
      ended_ = true;
    }
  }
  Pump();
}

void CreateReactor::OnCancel() {
  control_.AbandonCreate(call_);
  {
    MutexLock lock(mu_);
    latest_ = nullptr;
    ended_ = true;
    end_ = Cancelled("cancelled by the caller");
  }
  Pump();
}

void CreateReactor::OnDone() {
  const std::shared_ptr<CreateReactor> last = std::move(self_);  // may delete this at the end
}

ObservationReactor* ObservationReactor::Start(Control& control, const std::string& ref,
                                              Control::ResultRequest request,
                                              const std::string& page_token) {
  std::shared_ptr<ObservationReactor> reactor(new ObservationReactor(control));
  reactor->self_ = reactor;
  control.OpenResults(
      ref, std::move(request), [reactor, page_token](absl::StatusOr<Control::ResultSource> source) {
        if (!source.ok()) return reactor->Finish(ToGrpc(source.status()));
        reactor->source_ = std::make_shared<const Control::ResultSource>(*std::move(source));
        reactor->Read(page_token);
      });
  return reactor.get();
}

void ObservationReactor::Read(const std::string& page_token) {
  control_.ReadPage(source_, page_token, [self = self_](absl::StatusOr<ResultPage> page) {
    self->OnPage(std::move(page));
  });
}

void ObservationReactor::OnPage(absl::StatusOr<ResultPage> page) {
  if (cancelled_) return Finish(ToGrpc(Cancelled("cancelled by the caller")));
  if (!page.ok()) return Finish(ToGrpc(page.status()));
  // Nothing found in the part that was searched: on, without a message.
  if (page->observations.empty() && !page->next_page_token.empty())
    return Read(page->next_page_token);
  if (page->observations.empty()) return Finish(grpc::Status::OK);
  message_.Clear();
  ToProto(*page, &message_);
  StartWrite(&message_);
}

void ObservationReactor::OnWriteDone(bool ok) {
  if (!ok || cancelled_) return Finish(ToGrpc(Cancelled("cancelled by the caller")));
  if (message_.next_page_token().empty()) return Finish(grpc::Status::OK);
  Read(message_.next_page_token());
}

void ObservationReactor::OnDone() {
  const std::shared_ptr<ObservationReactor> last = std::move(self_);  // may delete this at the end
}

}  // namespace portolan
