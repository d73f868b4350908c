#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <string>

#include "common/base/mutex.h"
#include "coordinator/control/control.h"
#include "portolan/v1/scan_service.pb.h"

// The streams that operators read. Each owns itself until gRPC is done with it and nobody holds
// it any more.
namespace portolan {

// WatchScan: writes the newest status whenever the one before is on its way; what came in between
// is skipped.
class WatchReactor final : public grpc::ServerWriteReactor<v1::Scan> {
 public:
  static WatchReactor* Start(Control& control, const std::string& ref);

 private:
  explicit WatchReactor(Control& control) : control_(control) {}
  void Update(absl::StatusOr<std::shared_ptr<const ScanStatus>> status, bool last) EXCLUDES(mu_);
  void Pump() EXCLUDES(mu_);
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  Control& control_;
  std::shared_ptr<WatchReactor> self_;
  uint64_t watch_ = 0;
  v1::Scan message_;  // gRPC's while writing

  Mutex mu_;
  std::shared_ptr<const ScanStatus> latest_ GUARDED_BY(mu_);
  bool writing_ GUARDED_BY(mu_) = false;
  bool ended_ GUARDED_BY(mu_) = false;
  bool finished_ GUARDED_BY(mu_) = false;
  absl::Status end_ GUARDED_BY(mu_);
};

// CreateScanWithProgress: writes the newest progress whenever the one before is on its way, then
// the scan. A caller that goes away abandons the creation.
class CreateReactor final : public grpc::ServerWriteReactor<v1::CreateScanProgress> {
 public:
  // `details_room`: see WithProblems.
  static CreateReactor* Start(Control& control, CreateCall call, size_t details_room);

 private:
  CreateReactor(Control& control, uint64_t call, size_t details_room)
      : control_(control), call_(call), details_room_(details_room) {}
  void Progress(size_t done, size_t total) EXCLUDES(mu_);
  void End(absl::StatusOr<ScanStatus> result) EXCLUDES(mu_);
  void Pump() EXCLUDES(mu_);
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  Control& control_;
  const uint64_t call_;
  const size_t details_room_;
  std::shared_ptr<CreateReactor> self_;
  v1::CreateScanProgress message_;  // gRPC's while writing

  Mutex mu_;
  std::unique_ptr<v1::CreateScanProgress> latest_ GUARDED_BY(mu_);
  bool writing_ GUARDED_BY(mu_) = false;
  bool ended_ GUARDED_BY(mu_) = false;
  bool finished_ GUARDED_BY(mu_) = false;
  absl::Status end_ GUARDED_BY(mu_);
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
