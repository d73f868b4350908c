#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The one header for making and passing errors. A message is what failed, the value, and the
// remedy:
//   return InvalidArgument("port range \"{}\": first port is above last", text);
namespace portolan {

// Debian's Abseil has a string_view of its own; these are the only two places that convert.
inline absl::Status MakeStatus(absl::StatusCode code, std::string_view message) {
  return absl::Status(code, absl::string_view(message.data(), message.size()));
}
inline std::string_view Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

#define PORTOLAN_STATUS_MAKER(Name, code)                                      \
  template <typename... Args>                                                  \
  absl::Status Name(fmt::format_string<Args...> format, Args&&... args) {      \
    return MakeStatus(code, fmt::format(format, std::forward<Args>(args)...)); \
  }
PORTOLAN_STATUS_MAKER(InvalidArgument, absl::StatusCode::kInvalidArgument)
PORTOLAN_STATUS_MAKER(NotFound, absl::StatusCode::kNotFound)
PORTOLAN_STATUS_MAKER(AlreadyExists, absl::StatusCode::kAlreadyExists)
PORTOLAN_STATUS_MAKER(PermissionDenied, absl::StatusCode::kPermissionDenied)
PORTOLAN_STATUS_MAKER(Unauthenticated, absl::StatusCode::kUnauthenticated)
PORTOLAN_STATUS_MAKER(FailedPrecondition, absl::StatusCode::kFailedPrecondition)
PORTOLAN_STATUS_MAKER(ResourceExhausted, absl::StatusCode::kResourceExhausted)
PORTOLAN_STATUS_MAKER(OutOfRange, absl::StatusCode::kOutOfRange)
PORTOLAN_STATUS_MAKER(Unavailable, absl::StatusCode::kUnavailable)
PORTOLAN_STATUS_MAKER(DeadlineExceeded, absl::StatusCode::kDeadlineExceeded)
PORTOLAN_STATUS_MAKER(Cancelled, absl::StatusCode::kCancelled)
PORTOLAN_STATUS_MAKER(Aborted, absl::StatusCode::kAborted)
PORTOLAN_STATUS_MAKER(DataLoss, absl::StatusCode::kDataLoss)
PORTOLAN_STATUS_MAKER(Internal, absl::StatusCode::kInternal)
PORTOLAN_STATUS_MAKER(Unimplemented, absl::StatusCode::kUnimplemented)
#undef PORTOLAN_STATUS_MAKER

// The same status with "prefix: " before its message.
inline absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  return MakeStatus(status.code(), fmt::format("{}: {}", prefix, Message(status)));
}

}  // namespace portolan

#define PORTOLAN_CONCAT_INNER(a, b) a##b
#define PORTOLAN_CONCAT(a, b) PORTOLAN_CONCAT_INNER(a, b)

#define PORTOLAN_RETURN_IF_ERROR(expr)                 \
  do {                                                 \
    absl::Status portolan_status = (expr);             \
    if (!portolan_status.ok()) return portolan_status; \
  } while (false)

// PORTOLAN_ASSIGN_OR_RETURN(auto x, F()); a left side that holds a comma goes in parentheses-free
// auto.
#define PORTOLAN_ASSIGN_OR_RETURN(lhs, expr) \
  PORTOLAN_ASSIGN_OR_RETURN_IMPL(PORTOLAN_CONCAT(portolan_statusor_, __LINE__), lhs, expr)
#define PORTOLAN_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                                   \
  if (!tmp.ok()) return std::move(tmp).status();       \
  lhs = *std::move(tmp)
