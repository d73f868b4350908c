#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <vector>

#include "common/base/mutex.h"
#include "common/rpc/identity.h"
#include "coordinator/control/control.h"
#include "portolan/v1/fleet_service.pb.h"

namespace portolan {

// One agent's stream of results: reads and verifies batches on gRPC's threads, hands them to the
// control thread, writes what that acknowledges. At most one read and one write are under way; not
// reading is how an agent is slowed down. Owns itself until gRPC is done and the control thread has
// let go.
class ReportReactor final : public grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse>,
                            public ReportPeer {
 public:
  static ReportReactor* Start(Control& control, PeerIdentity identity);

  // ReportPeer, on the control thread.
  void Accepted() override;
  void Acked(uint64_t seq, std::vector<Token> fenced) override;
  void Resume() override;
  void End(absl::Status status) override;

 private:
  ReportReactor(Control& control, PeerIdentity identity)
      : control_(control), identity_(std::move(identity)) {}
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void OnHello();
  void OnBatch();
  void Refuse(absl::Status status);  // before the control thread knows the stream
  void MaybeRead() EXCLUDES(mu_);
  void MaybeWrite() EXCLUDES(mu_);  // or finish

  // Constant.
  Control& control_;
  const PeerIdentity identity_;
  std::shared_ptr<ReportReactor> self_;

  // The reader's, between StartRead and OnReadDone gRPC's.
  v1::ReportRequest request_;
  // The writer's likewise.
  v1::ReportResponse response_;

  Mutex mu_;
  uint64_t stream_ GUARDED_BY(mu_) = 0;  // 0: no hello yet
  bool accepted_ GUARDED_BY(mu_) = false;
  // a read is under way, or what it brought is being worked on
  bool reading_ GUARDED_BY(mu_) = true;
  int starting_reads_ GUARDED_BY(mu_) = 0;  // between the decision and StartRead, on any thread
  // the agent will send nothing more, or nothing more is wanted
  bool read_closed_ GUARDED_BY(mu_) = false;
  bool writing_ GUARDED_BY(mu_) = false;
  bool finished_ GUARDED_BY(mu_) = false;
  uint64_t received_ GUARDED_BY(mu_) = 0, acked_ GUARDED_BY(mu_) = 0;
  bool ack_due_ GUARDED_BY(mu_) = false;
  std::vector<Token> fenced_ GUARDED_BY(mu_);
  bool ended_ GUARDED_BY(mu_) = false;
  bool broken_ GUARDED_BY(mu_) = false;  // nothing can be written any more
  absl::Status end_ GUARDED_BY(mu_);
};

}  // namespace portolan
