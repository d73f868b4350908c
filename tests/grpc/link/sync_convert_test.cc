#include "agent/link/sync_convert.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "common/base/status.h"
#include "common/rpc/convert.h"

namespace portolan {
namespace {

std::vector<Block> Blocks() {
  const IpAddress net = IpAddress::V4(0xC6120000);
  return {
      {IpSet::Of({{net, IpAddress::V4(0xC61200FF)}}), PortSet::Of({{1, 10}})}};  // 2,560 positions
}

v1::SynchronizeResponse Response() {
  v1::SynchronizeResponse r;
  r.set_epoch(3);
  r.set_revision(9);
  r.set_lease_term_ms(10'000);
  v1::ScanContext* c = r.add_scans();
  c->set_scan_id("abc");
  ToProto(Blocks(), 42, c->mutable_space());
  c->mutable_timing()->set_timeout_ms(700);
  c->set_overlay_version(2);
  c->add_overlay("198.18.0.7");
  v1::Lease* l = r.add_leases();
  l->set_token(17);
  l->set_lane_id(4);
  l->set_scan_id("abc");
  l->set_attempt(2);
  auto* range = l->add_ranges();
  range->set_begin(100);
  range->set_end(200);
  v1::ScanShare* s = r.add_shares();
  s->set_scan_id("abc");
  s->set_rate(50);
  return r;
}

TEST(SyncConvert, ReadsAWholeAnswer) {
  std::vector<std::string> problems;
  const auto d = FromProto(Response(), LinkState(), problems);
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(d->epoch, 3u);
  EXPECT_EQ(d->lease_term, std::chrono::seconds(10));
  ASSERT_EQ(d->leases.size(), 1u);
  EXPECT_EQ(d->leases[0].token, Token{17});
  EXPECT_EQ(d->leases[0].lane, LaneId{4});
  EXPECT_EQ(d->leases[0].attempt, 2u);
  EXPECT_EQ(d->leases[0].ranges, (IntervalSet{{100, 200}}));
  ASSERT_EQ(d->contexts.size(), 1u);
  EXPECT_EQ(d->contexts[0].space->size(), 2560u);
  EXPECT_EQ(d->contexts[0].timing.timeout, std::chrono::milliseconds(700));
  EXPECT_TRUE(d->contexts[0].overlay->Denies(*IpAddress::Parse("198.18.0.7"), 80));
  EXPECT_EQ(d->shares.at("abc"), 50);
  EXPECT_THAT(problems, testing::IsEmpty());
}

TEST(SyncConvert, RefusesAnswersThatCannotBeFollowed) {
  const auto refused = [](auto change) {
    v1::SynchronizeResponse r = Response();
    change(r);
    std::vector<std::string> problems;
    return !FromProto(r, LinkState(), problems).ok();
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& r) { r.set_epoch(0); }));
  EXPECT_TRUE(refused([](auto& r) { r.set_lease_term_ms(0); }));
  EXPECT_TRUE(refused([](auto& r) { r.set_lease_term_ms(std::numeric_limits<uint32_t>::max()); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_leases(0)->set_token(0); }));
  EXPECT_TRUE(refused([](auto& r) { *r.add_leases() = r.leases(0); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_leases(0)->mutable_ranges(0)->set_end(2561); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_leases(0)->mutable_ranges(0)->set_end(50); }));
  EXPECT_TRUE(refused([](auto& r) { *r.mutable_leases(0)->add_ranges() = r.leases(0).ranges(0); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_shares(0)->set_rate(std::nan("")); }));
  for (const double fraction : {-0.1, 1.1, std::nan("")})
    EXPECT_TRUE(refused([=](auto& r) { r.mutable_shares(0)->set_target_fraction(fraction); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_scans(0)->set_scan_id(""); }));
}

TEST(SyncConvert, ContextThatCannotBeUsedIsLeftOutNotTheWholeAnswer) {
  v1::SynchronizeResponse r = Response();
  r.mutable_scans(0)->mutable_space()->set_permutation_version(99);
  std::vector<std::string> problems;
  const auto d = FromProto(r, LinkState(), problems);
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_THAT(d->contexts, testing::IsEmpty());
  EXPECT_EQ(problems.size(), 1u);
  r = Response();
  r.mutable_scans(0)->set_overlay(0, "not a rule");
  problems.clear();
  EXPECT_THAT(FromProto(r, LinkState(), problems)->contexts, testing::IsEmpty());
  EXPECT_EQ(problems.size(), 1u);
}

TEST(SyncConvert, RequestListsWhatTheRunnerHoldsAndWhatItBeganBeyondAShrink) {
  LinkState state;
  state.epoch = 3;
  state.revision = 9;
  state.leases[Token{5}] = {"abc", LaneId{1}, {{0, 50}}, kNever};
  state.leases[Token{6}] = {"abc", LaneId{1}, {{100, 150}}, kNever};
  state.shares["abc"] = 12.5;
  std::map<Token, LeaseProgress> progress;
  progress[Token{5}] = {Token{5}, "abc", {{0, 70}}, 60, false};  // had begun 20 beyond the cut
  v1::SynchronizeRequest r;
  FillRequest(state, progress, &r);
  EXPECT_EQ(r.epoch_seen(), 3u);
  EXPECT_EQ(r.revision_seen(), 9u);
  ASSERT_EQ(r.leases_size(), 2);
  EXPECT_EQ(r.leases(0).ranges(0).end(), 70u);
  EXPECT_EQ(r.leases(0).unprobed(), 60u);
  EXPECT_EQ(r.leases(1).unprobed(), 50u);
  EXPECT_EQ(r.shares(0).rate(), 12.5);
  EXPECT_TRUE(r.shares(0).has_target_fraction()) << "says that this agent keeps fractions";
  EXPECT_EQ(r.shares(0).target_fraction(), 1);
  state.fractions["abc"] = 0;
  v1::SynchronizeRequest held;
  FillRequest(state, progress, &held);
  EXPECT_TRUE(held.shares(0).has_target_fraction());
  EXPECT_EQ(held.shares(0).target_fraction(), 0);
}

TEST(SyncConvert, OpenPortsBecomeColumns) {
  SpoolBatch batch;
  batch.seq = 4;
  const IpAddress source = IpAddress::V4(0x7f000001);
  const WallTime t = FromUnixMicros(1'700'000'000'000'000);
  batch.opens.push_back({Token{9},
                         source,
                         {{100, Reason::kSynAck, 250, t + std::chrono::milliseconds(30), source},
                          {107, Reason::kSynAck, 90, t, source}}});
  batch.opens.push_back({Token{10}, source, {{5, Reason::kResetAfterAccept, 1, t, source}}});
  v1::ReportBatch out;
  ToProto(batch, &out);
  EXPECT_EQ(out.seq(), 4u);
  ASSERT_EQ(out.open_ports_size(), 2);
  const v1::OpenPorts& p = out.open_ports(0);
  EXPECT_EQ(p.token(), 9u);
  EXPECT_EQ(p.source(), source.ToBytes());
  EXPECT_EQ(p.base_unix_us(), 1'700'000'000'000'000);
  EXPECT_THAT(p.index_delta(), testing::ElementsAre(100, 7));
  EXPECT_THAT(p.time_delta_ms(), testing::ElementsAre(30, 0));
  EXPECT_THAT(p.rtt_us(), testing::ElementsAre(250, 90));
  EXPECT_EQ(p.reason_size(), 0);
  EXPECT_THAT(out.open_ports(1).reason(), testing::ElementsAre(2));
}

TEST(SyncConvert, FindingsAreSentAsTheyAre) {
  HostFinding f;
  f.kind = HostFindingKind::kStoppedAnswering;
  f.address = *IpAddress::Parse("2001:db8::9");
  f.when = FromUnixMicros(1'700'000'000'000'000);
  f.since = FromUnixMicros(1'600'000'000'000'000);
  f.opens = 1;
  f.outcomes = 20;
  f.sentinel = 443;
  f.silences = 11;
  SpoolBatch batch;
  batch.findings.push_back({Token{9}, f});
  v1::ReportBatch out;
  ToProto(batch, &out);
  ASSERT_EQ(out.host_findings_size(), 1);
  EXPECT_EQ(out.host_findings(0).token(), 9u);
  const auto back = FromProto(out.host_findings(0).finding());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, f);
}

}  // namespace
}  // namespace portolan
