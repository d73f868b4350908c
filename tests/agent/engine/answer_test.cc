#include "agent/engine/answer.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace portolan {
namespace {

TEST(Answer, SocketAddressesComeBackAsTheyWentIn) {
  for (const char* text :
       {"0.0.0.0", "127.0.0.1", "255.255.255.255", "::1", "2001:db8::ff:1", "fe80::1"}) {
    const IpAddress address = IpAddress::Parse(text).value();
    const SocketName expected{address, 54321};
    EXPECT_EQ(FromSocketAddress(ToSocketAddress(address, 54321).storage), expected) << text;
  }
  sockaddr_storage other{};
  other.ss_family = AF_UNIX;
  EXPECT_EQ(FromSocketAddress(other), std::nullopt);
}

TEST(Answer, NoErrnoOfOursIsEverAState) {
  for (int error : {EMFILE, ENFILE, EADDRNOTAVAIL, ENOBUFS, ENOMEM, EPERM, ENETDOWN, EINVAL,
                    EAFNOSUPPORT, ECONNABORTED, EBADF}) {
    for (bool at_once : {false, true}) {
      EXPECT_EQ(MeaningOfErrno(error, at_once), (Symbol{State::kOwed, Reason::kLocalFailure}))
          << error;
    }
  }
  EXPECT_EQ(MeaningOfErrno(EACCES, true).state, State::kOwed);
  EXPECT_EQ(MeaningOfErrno(ECONNRESET, true).state, State::kOwed);
}

TEST(Answer, AnswersFromTheNetworkAreStates) {
  EXPECT_EQ(MeaningOfErrno(ECONNREFUSED, false), (Symbol{State::kClosed, Reason::kConnRefused}));
  EXPECT_EQ(MeaningOfErrno(ECONNRESET, false), (Symbol{State::kOpen, Reason::kResetAfterAccept}));
  EXPECT_EQ(MeaningOfErrno(ETIMEDOUT, false), (Symbol{State::kFiltered, Reason::kNoResponse}));
  EXPECT_EQ(MeaningOfErrno(ENETUNREACH, true),
            (Symbol{State::kUnreachable, Reason::kNetUnreachable}));
  EXPECT_EQ(MeaningOfErrno(EHOSTUNREACH, false),
            (Symbol{State::kUnreachable, Reason::kHostUnreachable}));
}

TEST(Answer, IcmpCodesTellPolicyFromReachability) {
  const auto v4 = [](uint8_t code) { return MeaningOf(IcmpError{false, 3, code}).reason; };
  EXPECT_EQ(v4(0), Reason::kNetUnreachable);
  EXPECT_EQ(v4(1), Reason::kHostUnreachable);
  EXPECT_EQ(v4(2), Reason::kProtoUnreachable);
  EXPECT_EQ(v4(3), Reason::kPortUnreachable);
  for (uint8_t code : {9, 10, 13}) EXPECT_EQ(v4(code), Reason::kAdminProhibited) << int{code};
  EXPECT_EQ(MeaningOf(IcmpError{false, 11, 0}).reason, Reason::kTtlExceeded);
  const auto v6 = [](uint8_t code) { return MeaningOf(IcmpError{true, 1, code}).reason; };
  EXPECT_EQ(v6(0), Reason::kNetUnreachable);
  EXPECT_EQ(v6(3), Reason::kHostUnreachable);
  EXPECT_EQ(v6(4), Reason::kPortUnreachable);
  for (uint8_t code : {1, 5, 6}) EXPECT_EQ(v6(code), Reason::kAdminProhibited) << int{code};
  EXPECT_EQ(MeaningOf(IcmpError{true, 3, 0}).reason, Reason::kTtlExceeded);
}

TEST(Answer, EveryMeaningIsNeverClosedForIcmp) {
  for (int type = 0; type < 256; ++type) {
    for (int code = 0; code < 256; ++code) {
      for (bool v6 : {false, true}) {
        const State state =
            MeaningOf(IcmpError{v6, static_cast<uint8_t>(type), static_cast<uint8_t>(code)}).state;
        ASSERT_TRUE(state == State::kFiltered || state == State::kUnreachable);
      }
    }
  }
}

}  // namespace
}  // namespace portolan
