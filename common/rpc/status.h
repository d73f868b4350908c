#pragma once

#include <grpcpp/support/status.h>

#include "common/base/status.h"

namespace portolan {

// The two kinds of status have the same codes. Messages pass unchanged, cut to 4 KiB (headers are
// limited).
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace portolan
