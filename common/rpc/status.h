#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <string_view>

#include "common/base/status.h"

namespace portolan {

// The two kinds of status have the same codes. Messages pass unchanged, cut to 4 KiB (headers are
// limited).
// Details (SetDetails) pass as the status details of gRPC.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// A caller that takes more than 2,000 bytes of details says so in this header.
inline constexpr char kDetailsRoomHeader[] = "portolan-details-room";
// A serialised message that says more than the text of a status does. Empty: there is none.
void SetDetails(absl::Status* status, std::string_view details);
std::string DetailsOf(const absl::Status& status);

}  // namespace portolan
