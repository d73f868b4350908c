#include "coordinator/service/scan_streams.h"

#include <utility>

#include "common/base/status.h"
#include "common/rpc/status.h"
#include "coordinator/service/scan_convert.h"

namespace portolan {

WatchReactor* WatchReactor::Start(Control& control, const std::string& ref) {
  std::shared_ptr<WatchReactor> reactor(new WatchReactor(control));
  reactor->Own(reactor);
  reactor->watch_ =
      control.Watch(ref, [reactor](absl::StatusOr<std::shared_ptr<const ScanStatus>> status,
                                   bool last) { reactor->Update(std::move(status), last); });
  return reactor.get();
}

void WatchReactor::Update(absl::StatusOr<std::shared_ptr<const ScanStatus>> status, bool last) {
  if (!status.ok()) return End(status.status());
  Fill fill = [shown = *std::move(status)](v1::Scan* out) { ToProto(*shown, out); };
  if (last) {
    End(absl::OkStatus(), std::move(fill));
  } else {
    Show(std::move(fill));
  }
}

CreateReactor* CreateReactor::Start(Control& control, CreateCall call, size_t details_room) {
  std::shared_ptr<CreateReactor> reactor(new CreateReactor(control, call.id));
  reactor->Own(reactor);
  call.progress = [reactor](size_t done, size_t total) {
    reactor->Show([done, total](v1::CreateScanProgress* out) {
      out->set_names_done(done);
      out->set_names_total(total);
    });
  };
  call.done = [reactor, details_room](absl::StatusOr<ScanStatus> result) {
    if (!result.ok()) return reactor->End(WithProblems(result.status(), details_room));
    reactor->End(absl::OkStatus(), [scan = *std::move(result)](v1::CreateScanProgress* out) {
      ToProto(scan, out->mutable_scan());
    });
  };
  control.CreateScan(std::move(call));
  return reactor.get();
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
