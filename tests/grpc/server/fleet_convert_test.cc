#include "coordinator/service/fleet_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "common/base/status.h"
#include "common/rpc/convert.h"
#include "common/scan/chunk_codec.h"
#include "coordinator/ingest/clock_skew.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

v1::ReportBatch GoodBatch() {
  v1::ReportBatch batch;
  batch.set_seq(1);
  v1::Chunk* chunk = batch.add_chunks();
  chunk->set_token(5);
  chunk->set_begin(100);
  chunk->set_count(3);
  chunk->set_start_unix_us(1'700'000'000'000'000);
  chunk->set_outcomes(EncodeOutcomes(std::vector<Symbol>{{State::kOpen, Reason::kSynAck},
                                                         {State::kOwed, Reason::kChunkClosed},
                                                         {State::kFiltered, Reason::kNoResponse}}));
  v1::OpenPorts* open = batch.add_open_ports();
  open->set_token(5);
  open->set_source(IpAddress::Parse("2001:db8::1")->ToBytes());
  open->set_base_unix_us(1'700'000'000'000'000);
  for (int i = 0; i < 3; ++i) {
    open->add_index_delta(i == 0 ? 100 : 2);
    open->add_rtt_us(10);
    open->add_time_delta_ms(static_cast<uint32_t>(i));
  }
  return batch;
}

TEST(FleetConvert, ABatchIsReadWhole) {
  v1::ReportBatch batch = GoodBatch();
  auto parsed = ParseBatch(batch);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->chunks.size(), 1u);
  EXPECT_EQ(parsed->chunks[0].range, (IndexRange{100, 103}));
  EXPECT_EQ(parsed->chunks[0].counts.open, 1u);
  EXPECT_EQ(parsed->chunks[0].owed, (IntervalSet{{101, 102}}));
  ASSERT_EQ(parsed->opens.size(), 3u);
  EXPECT_EQ(parsed->opens[2].row.index, 104u);
  EXPECT_EQ(parsed->opens[2].row.when, FromUnixMicros(1'700'000'000'002'000));
  EXPECT_EQ(parsed->opens[1].row.source.ToString(), "2001:db8::1");
  EXPECT_GT(MemoryOf(*parsed), 100u);
}

TEST(FleetConvert, MalformedBatchesAreRefused) {
  const auto refused = [](const std::function<void(v1::ReportBatch&)>& change) {
    v1::ReportBatch batch = GoodBatch();
    change(batch);
    const auto parsed = ParseBatch(batch);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(parsed.status().message());
  };
  EXPECT_THAT(refused([](auto& b) { b.mutable_chunks(0)->set_count(4); }), HasSubstr("chunks"));
  EXPECT_THAT(refused([](auto& b) { b.mutable_chunks(0)->set_count(0); }), HasSubstr("chunks"));
  EXPECT_THAT(refused([](auto& b) { b.mutable_chunks(0)->set_begin(UINT64_MAX - 1); }),
              HasSubstr("chunks"));
  EXPECT_THAT(refused([](auto& b) { b.mutable_chunks(0)->set_outcomes(""); }), HasSubstr("chunks"));
  EXPECT_THAT(refused([](auto& b) { b.mutable_open_ports(0)->add_rtt_us(1); }),
              HasSubstr("columns"));
  EXPECT_THAT(refused([](auto& b) { b.mutable_open_ports(0)->add_reason(1); }),
              HasSubstr("columns"));
  EXPECT_THAT(refused([](auto& b) { b.mutable_open_ports(0)->set_source("abc"); }),
              HasSubstr("source"));
  EXPECT_THAT(refused([](auto& b) { b.mutable_open_ports(0)->set_index_delta(1, 0); }),
              HasSubstr("index_delta"));
  EXPECT_THAT(refused([](auto& b) { b.mutable_open_ports(0)->set_index_delta(1, UINT64_MAX); }),
              HasSubstr("index_delta"));
  EXPECT_THAT(refused([](auto& b) {
                for (int i = 0; i < 3; ++i) b.mutable_open_ports(0)->add_reason(10);
              }),
              HasSubstr("reason"));
  EXPECT_THAT(refused([](auto& b) { b.mutable_open_ports(0)->clear_index_delta(); }),
              HasSubstr("columns"));
  EXPECT_THAT(refused([](auto& b) {
                b.mutable_chunks(0)->set_outcomes(std::string(kMaxReportBytes, 'x'));
              }),
              HasSubstr("bytes"));
  EXPECT_THAT(refused([](auto& b) {
                for (size_t i = 0; i <= kMaxBatchChunks; ++i) b.add_chunks();
              }),
              HasSubstr("chunks"));
}

v1::HostReport* AddFinding(v1::ReportBatch& batch) {
  HostFinding f;
  f.kind = HostFindingKind::kSynProxy;
  f.address = *IpAddress::Parse("2001:db8::1");
  f.when = FromUnixMicros(1'700'000'000'000'000);
  f.opens = 9;
  f.outcomes = 10;
  f.confirmed = {{50000, Held::kReset}, {65535, Held::kReset}};
  v1::HostReport* report = batch.add_host_findings();
  report->set_token(7);
  ToProto(f, report->mutable_finding());
  return report;
}

TEST(FleetConvert, FindingsAreReadAndWrongOnesRefused) {
  v1::ReportBatch good = GoodBatch();
  AddFinding(good);
  const auto parsed = ParseBatch(good);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->findings.size(), 1u);
  EXPECT_EQ(parsed->findings[0].token, Token{7});
  const HostFinding& f = parsed->findings[0].finding;
  EXPECT_EQ(f.kind, HostFindingKind::kSynProxy);
  EXPECT_EQ(f.confirmed[1], (ConfirmedPort{65535, Held::kReset}));
  EXPECT_FALSE(f.sentinel.has_value());
  const auto refused = [](auto&& change) {
    v1::ReportBatch batch = GoodBatch();
    change(*AddFinding(batch)->mutable_finding());
    const auto result = ParseBatch(batch);
    EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << result.status();
    return std::string(Message(result.status()));
  };
  EXPECT_THAT(refused([](auto& x) { x.set_address("abc"); }), HasSubstr("address"));
  EXPECT_THAT(refused([](auto& x) { x.set_kind(static_cast<v1::HostFindingKind>(9)); }),
              HasSubstr("kind"));
  EXPECT_THAT(refused([](auto& x) { x.set_kind(static_cast<v1::HostFindingKind>(257)); }),
              HasSubstr("kind"));
  EXPECT_THAT(refused([](auto& x) { x.mutable_confirmed(0)->set_port(65536); }),
              HasSubstr("confirmed"));
  EXPECT_THAT(refused([](auto& x) { x.mutable_confirmed(0)->set_held(v1::HELD_QUIET); }),
              HasSubstr("syn-proxy"));
  EXPECT_THAT(refused([](auto& x) { x.set_opens(11); }), HasSubstr("11 open of 10"));
  EXPECT_THAT(refused([](auto& x) {
                x.clear_confirmed();
                x.set_kind(v1::HOST_FINDING_KIND_STOPPED_ANSWERING);
                x.set_sentinel_port(70000);
              }),
              HasSubstr("sentinel_port"));
  EXPECT_THAT(refused([](auto& x) {
                for (int i = 0; i < 100; ++i) x.add_confirmed();
              }),
              HasSubstr("confirmed"));
  v1::ReportBatch many = GoodBatch();
  for (size_t i = 0; i <= kMaxBatchFindings; ++i) AddFinding(many);
  EXPECT_THAT(std::string(Message(ParseBatch(many).status())), HasSubstr("host_findings"));
}

// A batch that is refused is lost; a clock that is wrong is no reason for that.
TEST(FleetConvert, NoTimeIsAReasonToRefuseABatch) {
  const WallTime now = FromUnixMicros(1'800'000'000'000'000);
  for (const int64_t us : {INT64_MIN, int64_t{-1}, INT64_MAX, int64_t{253'402'300'800'000'000}}) {
    v1::ReportBatch batch = GoodBatch();
    v1::HostFinding* finding = AddFinding(batch)->mutable_finding();
    batch.mutable_chunks(0)->set_start_unix_us(us);
    batch.mutable_open_ports(0)->set_base_unix_us(us);
    for (int i = 0; i < 3; ++i) batch.mutable_open_ports(0)->set_time_delta_ms(i, UINT32_MAX);
    finding->set_unix_us(us);
    finding->set_since_unix_us(us);
    auto parsed = ParseBatch(batch);
    ASSERT_TRUE(parsed.ok()) << us << parsed.status();
    TimeJudge(std::nullopt, now).Apply(*parsed);
    EXPECT_EQ(parsed->chunks[0].start, now) << us;
    EXPECT_TRUE(parsed->chunks[0].time_of_receipt);
    EXPECT_EQ(parsed->opens[2].row.when, now) << us;
    EXPECT_TRUE(parsed->opens[2].time_of_receipt);
    EXPECT_EQ(parsed->findings[0].finding.when, now) << us;
  }
}

TEST(FleetConvert, RandomBytesNeverCrash) {
  std::mt19937 random(11);
  v1::ReportBatch whole = GoodBatch();
  AddFinding(whole);
  const std::string good = whole.SerializeAsString();
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int k = 0; k < 4; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    v1::ReportBatch batch;
    if (batch.ParseFromString(bytes)) (void)ParseBatch(batch);
    v1::SynchronizeRequest request;
    if (request.ParseFromString(bytes)) (void)FromProto(request, "peer", FromUnixMicros(1));
  }
}

TEST(FleetConvert, SynchronizeIsRead) {
  v1::SynchronizeRequest r;
  r.mutable_agent()->set_name("a1");
  r.mutable_agent()->set_vantage("lab");
  r.mutable_agent()->set_incarnation(std::string(16, 'x'));
  r.mutable_agent()->set_permutation_version(1);
  r.set_epoch_seen(3);
  r.set_revision_seen(9);
  r.set_room(77);
  auto* lease = r.add_leases();
  lease->set_token(4);
  lease->set_unprobed(5);
  auto* range = lease->add_ranges();
  range->set_begin(10);
  range->set_end(20);
  auto* share = r.add_shares();
  share->set_scan_id("abc");
  share->set_rate(-1);
  auto* known = r.add_scans();
  known->set_scan_id("abc");
  known->set_overlay_version(2);
  auto call = FromProto(r, "ipv4:127.0.0.1:1", FromUnixMicros(1));
  ASSERT_TRUE(call.ok()) << call.status();
  EXPECT_EQ(call->epoch_seen, 3u);
  EXPECT_EQ(call->report.revision_seen, 9u);
  EXPECT_EQ(call->report.room, 77u);
  ASSERT_EQ(call->report.leases.size(), 1u);
  EXPECT_EQ(call->report.leases[0].ranges, (IntervalSet{{10, 20}}));
  EXPECT_EQ(call->report.shares.at("abc"), -1);
  EXPECT_TRUE(call->report.fractions.empty()) << "an agent that knows none";
  auto divided = r;
  divided.mutable_shares(0)->set_target_fraction(0);
  EXPECT_EQ(FromProto(divided, "", FromUnixMicros(1))->report.fractions.at("abc"), 0);
  for (const double fraction : {-0.1, 1.1, std::nan("")}) {
    divided.mutable_shares(0)->set_target_fraction(fraction);
    EXPECT_FALSE(FromProto(divided, "", FromUnixMicros(1)).ok());
  }
  EXPECT_EQ(call->report.known_scans.at("abc"), 2u);
  EXPECT_EQ(call->details.peer, "ipv4:127.0.0.1:1");
  auto twice = r;
  *twice.add_leases() = *lease;
  EXPECT_FALSE(FromProto(twice, "", FromUnixMicros(1)).ok());
  twice = r;
  *twice.add_shares() = *share;
  EXPECT_FALSE(FromProto(twice, "", FromUnixMicros(1)).ok());
  twice = r;
  twice.mutable_shares(0)->set_rate(std::nan(""));
  EXPECT_FALSE(FromProto(twice, "", FromUnixMicros(1)).ok());
  twice = r;
  twice.mutable_leases(0)->set_token(0);
  EXPECT_FALSE(FromProto(twice, "", FromUnixMicros(1)).ok());
}

}  // namespace
}  // namespace portolan
