#include "coordinator/monitor_store/exposure_codec.h"

#include <gtest/gtest.h>

#include "common/base/status.h"
#include "coordinator/monitor_store/record.h"
#include "tests/coordinator/monitor_store/random_state.h"

namespace portolan {
namespace {

// What is the same for every type of record.
template <typename T>
struct Codec {
  std::string (*encode)(const T&);
  absl::StatusOr<T> (*decode)(std::string_view);
  T (*make)(RandomState&);
  const char* name;
};

std::string Content(const std::string& record) {
  return record.substr(0, record.size() - kRecordChecksumBytes);
}

template <typename T>
void RoundTrips(const Codec<T>& codec) {
  SCOPED_TRACE(codec.name);
  for (uint64_t seed = 0; seed < 500; ++seed) {
    RandomState random(seed);
    const T value = codec.make(random);
    const absl::StatusOr<T> read = codec.decode(codec.encode(value));
    ASSERT_TRUE(read.ok()) << seed << ": " << read.status();
    ASSERT_EQ(*read, value) << seed;
  }
}

template <typename T>
void RefusesDamage(const Codec<T>& codec) {
  SCOPED_TRACE(codec.name);
  for (uint64_t seed = 0; seed < 10; ++seed) {
    RandomState random(seed);
    const std::string record = codec.encode(codec.make(random));
    const auto refused = [&](const std::string& bytes) {
      const absl::Status status = codec.decode(bytes).status();
      return status.code() == absl::StatusCode::kDataLoss && !Message(status).empty();
    };
    for (size_t size = 0; size < record.size(); ++size) {
      ASSERT_TRUE(refused(record.substr(0, size))) << size;
    }
    ASSERT_TRUE(refused(record + '\0'));
    for (int i = 0; i < 1000; ++i) {
      std::string flipped = record;
      flipped[random.Below(flipped.size())] ^= static_cast<char>(1 << random.Below(8));
      ASSERT_TRUE(refused(flipped));
    }
    std::string newer = Content(record);
    ++newer[0];
    ASSERT_TRUE(refused(SealRecord(newer)));
  }
}

// What the checksum lets through is refused or taken, and then agrees with itself.
template <typename T>
void LivesThroughAnything(const Codec<T>& codec) {
  SCOPED_TRACE(codec.name);
  size_t taken = 0;
  const auto look = [&](const std::string& content) {
    const absl::StatusOr<T> read = codec.decode(SealRecord(content));
    if (!read.ok()) {
      ASSERT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
      return;
    }
    ++taken;
    const absl::StatusOr<T> again = codec.decode(codec.encode(*read));
    ASSERT_TRUE(again.ok()) << again.status();
    ASSERT_EQ(*again, *read);
  };
  for (uint64_t seed = 0; seed < 10; ++seed) {
    RandomState random(seed);
    const std::string content = Content(codec.encode(codec.make(random)));
    for (size_t size = 0; size < content.size(); ++size) look(content.substr(0, size));
    for (int i = 0; i < 2000; ++i) {
      std::string damaged = content;
      for (uint64_t n = 1 + random.Below(3); n > 0; --n) {
        char& c = damaged[random.Below(damaged.size())];
        c = static_cast<char>(random.Coin() ? 0xFF : c ^ (1 << random.Below(8)));
      }
      look(damaged);
    }
  }
  EXPECT_GT(taken, 0u);
}

template <typename T>
void Check(const Codec<T>& codec) {
  RoundTrips(codec);
  RefusesDamage(codec);
  LivesThroughAnything(codec);
}

TEST(ExposureCodec, Baselines) {
  Check<VantageBaseline>(
      {EncodeBaseline, DecodeBaseline, [](RandomState& r) { return r.Baseline(); }, "baseline"});
}
TEST(ExposureCodec, Health) {
  Check<VantageHealth>(
      {EncodeHealth, DecodeHealth, [](RandomState& r) { return r.Health(); }, "health"});
}
TEST(ExposureCodec, Canaries) {
  Check<std::vector<Canary>>(
      {EncodeCanaries, DecodeCanaries, [](RandomState& r) { return r.Canaries(); }, "canaries"});
}
TEST(ExposureCodec, Confirmations) {
  Check<Confirmations::State>({EncodeConfirmations, DecodeConfirmations,
                               [](RandomState& r) { return r.Confirming(); }, "confirmations"});
}
TEST(ExposureCodec, Finding) {
  Check<Finding>(
      {EncodeFinding, DecodeFinding, [](RandomState& r) { return r.Finding(); }, "finding"});
}
TEST(ExposureCodec, OpenFindings) {
  Check<StoredFindings>(
      {EncodeFindings, DecodeFindings, [](RandomState& r) { return r.Findings(); }, "findings"});
}
TEST(ExposureCodec, Events) {
  Check<ExposureEvent>(
      {EncodeEvent, DecodeEvent, [](RandomState& r) { return r.Event(); }, "event"});
}
TEST(ExposureCodec, Names) {
  Check<StoredNames>({EncodeNames, DecodeNames, [](RandomState& r) { return r.Names(); }, "names"});
}
TEST(ExposureCodec, UnresolvedNames) {
  Check<std::vector<UnresolvedName>>({EncodeUnresolved, DecodeUnresolved,
                                      [](RandomState& r) { return r.Unresolved(); },
                                      "names of a run"});
}

// By what they are, not where.
struct Runs {
  LastRuns runs;
  friend bool operator==(const Runs& a, const Runs& b) {
    return std::equal(
        a.runs.begin(), a.runs.end(), b.runs.begin(), b.runs.end(),
        [](const auto& x, const auto& y) { return x.first == y.first && *x.second == *y.second; });
  }
};
TEST(ExposureCodec, LastRuns) {
  Check<Runs>({[](const Runs& r) { return EncodeLastRuns(r.runs); },
               [](std::string_view bytes) -> absl::StatusOr<Runs> {
                 PORTOLAN_ASSIGN_OR_RETURN(LastRuns runs, DecodeLastRuns(bytes));
                 return Runs{std::move(runs)};
               },
               [](RandomState& r) { return Runs{r.LastRuns()}; }, "last runs"});
  RandomState random(1);
  LastRuns shared;
  LookedRun run{1, "scan", {}, {}};
  for (int i = 0; i < 1000; ++i) run.names[std::to_string(i)] = {IpAddress::V4(1)};
  shared["one"] = std::make_shared<const LookedRun>(run);
  const size_t size = EncodeLastRuns(shared).size();
  shared["two"] = shared["one"];
  EXPECT_LT(EncodeLastRuns(shared).size(), size + 10) << "a run is kept once";
}
TEST(ExposureCodec, Plans) {
  Check<MonitorPlanState>(
      {EncodePlan, DecodePlan, [](RandomState& r) { return r.Plan(); }, "plan"});
}

TEST(ExposureCodec, AnOpenPortTakesSomeTensOfBytes) {
  VantageBaseline b;
  RandomState random(7);
  constexpr size_t kPorts = 100'000;
  for (uint32_t i = 0; i < kPorts; ++i) {
    const IpAddress ip = IpAddress::V4(0x0A000000 + i);
    const WallTime seen =
        FromUnixMicros(1'700'000'000'000'000 + static_cast<int64_t>(random.Below(3'600'000'000)));
    b.open[{TargetKey::Of(ip), 443}] = {seen, seen, 20'000, Reason::kSynAck, ip, 500};
  }
  const std::string bytes = EncodeBaseline(b);
  EXPECT_LT(bytes.size(), 30 * kPorts);
  EXPECT_EQ(DecodeBaseline(bytes).value(), b);
}

// A damaged count of a record with a right checksum must not be believed.
TEST(ExposureCodec, NoCountMakesItAllocateMoreThanTheBytesCanHold) {
  std::string canaries;
  canaries.push_back(1);                                   // version
  for (int i = 0; i < 8; ++i) canaries.push_back('\xFF');  // 2^56 of them
  canaries.push_back(1);
  EXPECT_EQ(DecodeCanaries(SealRecord(canaries)).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace portolan
