#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <string>

#include "coordinator/control/control.h"
#include "coordinator/service/latest_stream.h"
#include "portolan/v1/scan_service.pb.h"

// The streams that operators read. Each owns itself until gRPC is done with it and nobody holds
// it any more.
namespace portolan {

// WatchScan: the scan as it is, until it has finished.
class WatchReactor final : public LatestStream<v1::Scan> {
 public:
  static WatchReactor* Start(Control& control, const std::string& ref);

 private:
  explicit WatchReactor(Control& control) : control_(control) {}
  void Update(absl::StatusOr<std::shared_ptr<const ScanStatus>> status, bool last);
  void Detach(bool /*cancelled*/) override { control_.Unwatch(watch_); }

  Control& control_;
  uint64_t watch_ = 0;
};

// CreateScanWithProgress: how far its names are, then the scan. A caller that goes away abandons
// the creation.
class CreateReactor final : public LatestStream<v1::CreateScanProgress> {
 public:
  // `details_room`: see WithProblems.
  static CreateReactor* Start(Control& control, CreateCall call, size_t details_room);

 private:
  CreateReactor(Control& control, uint64_t call) : control_(control), call_(call) {}
  void Detach(bool cancelled) override {
    if (cancelled) control_.AbandonCreate(call_);
  }

  Control& control_;
  const uint64_t call_;
};

// StreamObservations: reads a page, writes it, reads the next. There is always exactly one of the
// two under way, and its end decides what comes next, so that no lock is needed.
class ObservationReactor final : public grpc::ServerWriteReactor<v1::ListObservationsResponse> {
 public:
  static ObservationReactor* Start(Control& control, const std::string& ref,
                                   Control::ResultRequest request, const std::string& page_token);

 private:
  explicit ObservationReactor(Control& control) : control_(control) {}
  void Read(const std::string& page_token);
  void OnPage(absl::StatusOr<ResultPage> page);
  void OnWriteDone(bool ok) override;
  void OnCancel() override {
    cancelled_ = true;
  }  // the read or write under way ends soon, and then the stream
  void OnDone() override;

  Control& control_;
  std::shared_ptr<ObservationReactor> self_;
  std::atomic<bool> cancelled_{false};
  std::shared_ptr<const Control::ResultSource> source_;
  v1::ListObservationsResponse message_;
};

}  // namespace portolan
