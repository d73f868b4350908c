#include "common/rpc/status.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

TEST(RpcStatus, EveryCodeSurvivesTheWayThereAndBack) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status in =
        MakeStatus(static_cast<absl::StatusCode>(code), code == 0 ? "" : "a message");
    const absl::Status out = FromGrpc(ToGrpc(in));
    EXPECT_EQ(out, in);
  }
}

TEST(RpcStatus, UnknownNumbersOfAPeerBecomeUnknown) {
  const absl::Status s = FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(77), "odd"));
  EXPECT_EQ(s.code(), absl::StatusCode::kUnknown);
}

TEST(RpcStatus, LongMessagesAreCutBetweenCharacters) {
  std::string text;
  while (text.size() < 10'000) text += "ü";
  const std::string cut = ToGrpc(Internal("x{}", text)).error_message();
  EXPECT_LE(cut.size(), 4096u);
  EXPECT_GT(cut.size(), 4000u);
  EXPECT_EQ(cut.substr(cut.size() - 3), "...");
  EXPECT_EQ((cut.size() - 1 - 3) % 2, 0u);
}

}  // namespace
}  // namespace portolan
