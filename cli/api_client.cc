#include "cli/api_client.h"

#include <grpc/support/time.h>

#include <algorithm>

#include "cli/convert.h"
#include "cli/render/text.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr Duration kFirstWait = std::chrono::milliseconds(250);
constexpr Duration kLongestWait = std::chrono::seconds(5);
constexpr int kDetailsRoom = 40'000;  // bytes; the channel takes headers of 64 KiB

}  // namespace

void SetTimeout(grpc::ClientContext& context, Duration timeout) {
  context.set_deadline(gpr_time_from_micros(
      std::chrono::duration_cast<std::chrono::microseconds>(timeout).count(), GPR_TIMESPAN));
}

ApiClient::ApiClient(std::shared_ptr<grpc::Channel> channel, ApiClientOptions options,
                     Interrupts& interrupts, Notes& notes, const Clock& clock)
    : channel_(std::move(channel)),
      stub_(v1::ScanService::NewStub(channel_)),
      monitors_(v1::MonitorService::NewStub(channel_)),
      options_(std::move(options)),
      interrupts_(interrupts),
      notes_(notes),
      clock_(clock) {}

std::shared_ptr<grpc::ClientContext> ApiClient::NewContext(std::optional<Duration> deadline) const {
  auto context = std::make_shared<grpc::ClientContext>();
  if (deadline) SetTimeout(*context, *deadline);
  return context;
}

std::string ApiClient::Who() const {
  return options_.coordinator.empty() ? "the scanner inside this program" : "the coordinator";
}

absl::Status ApiClient::Explain(const grpc::Status& grpc_status) const {
  if (grpc_status.ok()) return absl::OkStatus();
  if (interrupts_.interrupted()) return Aborted("interrupted");
  absl::Status status = FromGrpc(grpc_status);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      if (options_.coordinator.empty()) return status;
      if (status.message().find("connect to") == std::string_view::npos)  // its own word
        return Annotate(status, fmt::format("coordinator {}", options_.coordinator));
      return Unavailable(
          "coordinator {}: {}; is it running there, and does it expect TLS (--tls-cert, --tls-key, "
          "--tls-ca)?",
          options_.coordinator, Message(status));
    case absl::StatusCode::kCancelled:  // a coordinator that is killed or stops ends its calls so
    case absl::StatusCode::kUnknown:
      return Unavailable("the call was broken off: {}", Message(status));
    case absl::StatusCode::kDeadlineExceeded:
      return DeadlineExceeded("{} did not answer in time: {}", Who(), Message(status));
    case absl::StatusCode::kUnimplemented:
      if (options_.coordinator.empty()) return status;
      return Unimplemented(
          "the coordinator does not know this call: it is older than this program, or not a "
          "portolan-coordinator ({})",
          Message(status));
    default:
      return status;
  }
}

void ApiClient::Patience::Good() {
  if (since_ != kNever) client_.notes_.Note(client_.Who() + " answers again");
  since_ = kNever;
}

absl::Status ApiClient::Patience::Bad(const absl::Status& status) {
  if (client_.interrupts_.interrupted()) return Aborted("interrupted");
  if (status.code() != absl::StatusCode::kUnavailable &&
      status.code() != absl::StatusCode::kDeadlineExceeded)
    return status;
  const Duration limit = client_.options_.reconnect_timeout;
  const Time now = client_.clock_.Now();
  if (since_ == kNever) {
    since_ = now;
    next_wait_ = kFirstWait;
    if (limit > Duration::zero()) {
      client_.notes_.Note(
          fmt::format("{}\ntrying again for {} (--reconnect-timeout){}", Message(status),
                      HumanDuration(ToSeconds(limit)),
                      client_.options_.coordinator.empty() ? "" : "; " + std::string(meanwhile_)));
    }
  }
  if (now - since_ >= limit) {
    return Annotate(status, fmt::format("gave up after {}", HumanDuration(ToSeconds(limit))));
  }
  if (Wait(limit - (now - since_))) return Aborted("interrupted");
  return absl::OkStatus();
}

bool ApiClient::Patience::Wait(Duration limit) {
  const ApiClientOptions& options = client_.options_;
  const bool away = options.wait_connected && !options.coordinator.empty() &&
                    client_.channel_->GetState(/*try_to_connect=*/true) != GRPC_CHANNEL_READY;
  const Duration wait = std::min(next_wait_, limit);
  if (!away) {
    // It answers, and with an error.
    next_wait_ = std::min(next_wait_ * 2, kLongestWait);
    return options.wait(wait);
  }
  // Not more often, whatever cuts its connections; then as soon as there is one.
  if (options.wait(std::min(kFirstWait, wait))) return true;
  return options.wait_connected(*client_.channel_, std::min(kLongestWait, limit));
}

absl::StatusOr<v1::Scan> ApiClient::CreateScan(
    const v1::CreateScanRequest& request,
    const std::function<void(uint64_t done, uint64_t total)>& progress) {
  Patience patience(*this, "the request is made again, and counts once");
  while (true) {
    const auto context = NewContext(std::nullopt);
    context->AddMetadata(kDetailsRoomHeader, std::to_string(kDetailsRoom));
    Interrupts::Guard guard(interrupts_, [context] { context->TryCancel(); });
    const auto reader = stub_->CreateScanWithProgress(context.get(), request);
    v1::CreateScanProgress message;
    std::optional<v1::Scan> scan;
    bool heard = false;
    while (reader->Read(&message)) {
      heard = true;
      patience.Good();
      if (message.has_scan()) {
        scan = message.scan();
      } else {
        progress(message.names_done(), message.names_total());
      }
    }
    const grpc::Status ended = reader->Finish();
    if (scan) return *std::move(scan);
    if (interrupts_.interrupted()) return Aborted("interrupted");
    absl::Status status = ended.ok() ? Unavailable("{} ended the call", Who()) : Explain(ended);
    // What it says about names is its answer, not its absence; and a first call that does not get
    // through is told at once.
    if (!ended.error_details().empty()) SetDetails(&status, ended.error_details());
    if (!ended.error_details().empty() || (!heard && !patience.waiting())) return status;
    PORTOLAN_RETURN_IF_ERROR(patience.Bad(status));
  }
}

absl::StatusOr<v1::Scan> ApiClient::Watch(
    const std::string& scan_id, const std::function<absl::Status(const v1::Scan&)>& update) {
  v1::WatchScanRequest request;
  request.set_scan_id(scan_id);
  Patience patience(*this);
  while (true) {
    const auto context = NewContext(std::nullopt);
    Interrupts::Guard guard(interrupts_, [context] { context->TryCancel(); });
    const auto reader = stub_->WatchScan(context.get(), request);
    v1::Scan scan;
    absl::Status updated;
    while (updated.ok() && reader->Read(&scan)) {
      patience.Good();
      updated = update(scan);
      if (updated.ok() && IsFinished(scan.state())) {
        context->TryCancel();  // the stream ends here anyway
        (void)reader->Finish();
        return scan;
      }
    }
    if (!updated.ok()) context->TryCancel();
    const grpc::Status ended = reader->Finish();
    PORTOLAN_RETURN_IF_ERROR(updated);
    // A watch ends with a finished scan; one that just stops is a coordinator that stops.
    PORTOLAN_RETURN_IF_ERROR(
        patience.Bad(ended.ok() ? Unavailable("{} ended the watch", Who()) : Explain(ended)));
  }
}

absl::Status ApiClient::Observations(
    v1::ListObservationsRequest request,
    const std::function<absl::Status(const v1::ListObservationsResponse&)>& page) {
  Patience patience(*this);
  while (true) {
    const auto context = NewContext(std::nullopt);
    Interrupts::Guard guard(interrupts_, [context] { context->TryCancel(); });
    const auto reader = stub_->StreamObservations(context.get(), request);
    v1::ListObservationsResponse response;
    absl::Status taken;
    while (taken.ok() && reader->Read(&response)) {
      patience.Good();
      if (interrupts_.interrupted()) taken = Aborted("interrupted");
      if (taken.ok()) taken = page(response);
      request.set_page_token(response.next_page_token());
    }
    if (!taken.ok()) context->TryCancel();
    const grpc::Status ended = reader->Finish();
    PORTOLAN_RETURN_IF_ERROR(taken);
    if (ended.ok()) return absl::OkStatus();
    PORTOLAN_RETURN_IF_ERROR(patience.Bad(Explain(ended)));
  }
}

absl::Status ApiClient::FollowEvents(
    v1::ListEventsRequest request,
    const std::function<absl::Status(const v1::ExposureEvent&)>& event) {
  Patience patience(*this);
  while (true) {
    const auto context = NewContext(std::nullopt);
    Interrupts::Guard guard(interrupts_, [context] { context->TryCancel(); });
    const auto reader = monitors_->FollowEvents(context.get(), request);
    v1::ExposureEvent message;
    absl::Status taken;
    while (taken.ok() && reader->Read(&message)) {
      patience.Good();
      taken = interrupts_.interrupted() ? Aborted("interrupted") : event(message);
      request.set_after(message.sequence());
    }
    if (!taken.ok()) context->TryCancel();
    const grpc::Status ended = reader->Finish();
    PORTOLAN_RETURN_IF_ERROR(taken);
    // It never ends by itself: a coordinator that stops ends it.
    PORTOLAN_RETURN_IF_ERROR(
        patience.Bad(ended.ok() ? Unavailable("{} ended the stream", Who()) : Explain(ended)));
  }
}

}  // namespace portolan
