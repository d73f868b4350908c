#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "agent/engine/probe_engine.h"
#include "tests/contract/net_fixture.h"

namespace portolan {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline const IpAddress kLoopback = IpAddress::V4(0x7f000001);
inline const IpAddress kLoopback6 = IpAddress::V6(1);

struct EngineKind {
  const char* name;
  absl::StatusOr<std::unique_ptr<ProbeEngine>> (*make)(const EngineOptions&, const Clock&);
};
inline constexpr EngineKind kEngineKinds[] = {{"epoll", MakeEpollEngine},
                                              {"io_uring", MakeUringEngine}};
inline const EngineKind* engine_under_test = &kEngineKinds[0];

// Skips, and says why, where the kernel refuses the engine.
class RealEngine : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    engine_under_test = &GetParam();
    if (const auto engine = GetParam().make({1, {}}, SystemClock()); !engine.ok())
      GTEST_SKIP() << engine.status();
  }
};

inline std::unique_ptr<ProbeEngine> MakeEngine(uint32_t window, std::vector<IpAddress> sources = {},
                                               const Clock& clock = SystemClock()) {
  auto engine = engine_under_test->make({window, std::move(sources)}, clock);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

inline std::vector<ProbeOutcome> Collect(ProbeEngine& engine, size_t count) {
  std::vector<ProbeOutcome> out;
  const Time until = SystemClock().Now() + seconds(20);
  while (out.size() < count && SystemClock().Now() < until) engine.Poll(seconds(1), out);
  EXPECT_EQ(out.size(), count);
  out.resize(count);
  return out;
}

inline ProbeOutcome ProbeOnce(ProbeEngine& engine, const IpAddress& address, uint16_t port,
                              Duration timeout = seconds(5)) {
  EXPECT_TRUE(engine.Start(address, port, timeout, 1, kNever));
  return Collect(engine, 1).front();
}

inline Symbol SymbolOf(const ProbeOutcome& outcome) { return {outcome.state, outcome.reason}; }

inline constexpr Symbol kOpen = {State::kOpen, Reason::kSynAck};
inline constexpr Symbol kRefused = {State::kClosed, Reason::kConnRefused};
inline constexpr Symbol kSilent = {State::kFiltered, Reason::kNoResponse};
inline constexpr Symbol kFailed = {State::kOwed, Reason::kLocalFailure};

}  // namespace portolan
