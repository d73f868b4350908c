#include "coordinator/notify/signature.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

// RFC 4231, test cases 1, 2, 3 and 6.
TEST(WebhookSignature, HmacGivesThePublishedVectors) {
  EXPECT_EQ(HmacSha256Hex(std::string(20, '\x0b'), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(HmacSha256Hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(HmacSha256Hex(std::string(20, '\xaa'), std::string(50, '\xdd')),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(HmacSha256Hex(std::string(131, '\xaa'),
                          "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// The example of docs/webhooks.md.
TEST(WebhookSignature, CoversTheTimeAndTheBody) {
  const WallTime now = FromUnixMicros(1'700'000'000'999'999);
  const std::string header = SignWebhook("swordfish", now, R"({"version":1})");
  EXPECT_EQ(header,
            "t=1700000000,v1=22c922e0bdd8a174cf1435b2d3cff7b307ca8803724cd91b92a3f57e2152288e");
  EXPECT_NE(header, SignWebhook("swordfish", now, R"({"version":2})"));
  EXPECT_NE(header, SignWebhook("swordfisH", now, R"({"version":1})"));
  EXPECT_NE(header, SignWebhook("swordfish", now + std::chrono::seconds(1), R"({"version":1})"));
}

}  // namespace
}  // namespace portolan
