#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "common/rpc/status.h"

namespace portolan {

// A unary call that is answered later, from another thread, and may be cancelled meanwhile: it ends
// once, whoever comes first. Lives until gRPC is done with it and nobody holds it any more. The
// response belongs to gRPC and is touched by the one who ends the call only.
template <typename Response>
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  static std::shared_ptr<UnaryCall> Make(Response* response) {
    std::shared_ptr<UnaryCall> call(new UnaryCall(response));
    call->self_ = call;
    return call;
  }

  // `fill` makes the response. Later calls do nothing.
  void Succeed(const std::function<void(Response*)>& fill) {
    if (ended_.exchange(true)) return;
    fill(response_);
    Finish(grpc::Status::OK);
  }
  void Fail(const absl::Status& status) {
    if (ended_.exchange(true)) return;
    Finish(ToGrpc(status));
  }

  // Called when the caller goes away or its deadline passes. Set it before the reactor is handed to
  // gRPC.
  void set_on_cancel(std::function<void()> on_cancel) { on_cancel_ = std::move(on_cancel); }

 private:
  explicit UnaryCall(Response* response) : response_(response) {}
  void OnCancel() override {
    if (on_cancel_) on_cancel_();
    Fail(MakeStatus(absl::StatusCode::kCancelled, "cancelled by the caller"));
  }
  void OnDone() override {
    const std::shared_ptr<UnaryCall> last = std::move(self_);  // may delete this at the end
  }

  Response* const response_;
  std::atomic<bool> ended_{false};
  std::function<void()> on_cancel_;
  std::shared_ptr<UnaryCall> self_;
};

// Refuses a call at once.
inline grpc::ServerUnaryReactor* RefuseUnary(grpc::CallbackServerContext* context,
                                             const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

// A stream that is refused at once.
template <typename Message>
class RefusedStream final : public grpc::ServerWriteReactor<Message> {
 public:
  explicit RefusedStream(const absl::Status& status) { this->Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
  void OnCancel() override {}  // finished already
};

// Answers `call` with a converted value.
template <typename Response, typename Value, typename Fill>
std::function<void(absl::StatusOr<Value>)> AnswerTo(std::shared_ptr<UnaryCall<Response>> call,
                                                    Fill fill) {
  return [call = std::move(call), fill](absl::StatusOr<Value> value) {
    if (!value.ok()) return call->Fail(value.status());
    call->Succeed([&](Response* out) { fill(*value, out); });
  };
}

}  // namespace portolan
