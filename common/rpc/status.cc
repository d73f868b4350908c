#include "common/rpc/status.h"

#include "absl/strings/cord.h"

namespace portolan {
namespace {

// A message travels percent-encoded in a header, and many clients refuse headers above 8 KiB in
// all.
constexpr size_t kMaxMessage = 4096;
constexpr char kDetails[] = "portolan/details";

std::string Cut(std::string_view text) {
  if (text.size() <= kMaxMessage) return std::string(text);
  size_t end = kMaxMessage - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;  // not inside a UTF-8 sequence
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), Cut(Message(status)),
                      DetailsOf(status));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const int code = status.error_code();
  // A peer may send any number.
  if (code < 1 || code > 16) return MakeStatus(absl::StatusCode::kUnknown, status.error_message());
  absl::Status out = MakeStatus(static_cast<absl::StatusCode>(code), status.error_message());
  if (!status.error_details().empty()) SetDetails(&out, status.error_details());
  return out;
}

void SetDetails(absl::Status* status, std::string_view details) {
  status->SetPayload(kDetails, absl::Cord(absl::string_view(details.data(), details.size())));
}

std::string DetailsOf(const absl::Status& status) {
  const auto details = status.GetPayload(kDetails);
  return details.has_value() ? std::string(*details) : std::string();
}

}  // namespace portolan
