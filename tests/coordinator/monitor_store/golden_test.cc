// One record of each type, byte by byte: what was stored by a released program must be read for
// good. A test that fails here needs a new version of the record, and code that reads the old one.
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "coordinator/monitor_store/exposure_codec.h"

namespace portolan {
namespace {

WallTime At(int64_t seconds) { return FromUnixMicros(1'700'000'000'000'000 + seconds * 1'000'000); }

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

const IpAddress kHost = IpAddress::V4(0xC6120007);  // 198.18.0.7
const IpAddress kHost6 = IpAddress::V6((uint128{0x20010DB8} << 96) + 7);
const TargetKey kName = TargetKey::OfName("db.example");
const Symbol kOpen{State::kOpen, Reason::kSynAck}, kClosed{State::kClosed, Reason::kConnRefused};

TEST(GoldenRecord, Baseline) {
  VantageBaseline b;
  b.established = true;
  b.last_complete = At(0);
  b.runs = 3;
  b.covered = Coverage::Of(
      {{IpSet::Of({{IpAddress::V4(0xC6120000), IpAddress::V4(0xC61200FF)}, {kHost6, kHost6}}),
        {"db.example"},
        PortSet::Of({{22, 22}, {80, 90}})}});
  b.open[{TargetKey::Of(kHost), 22}] = {At(-60), At(0), 150, Reason::kSynAck, kHost, 3};
  b.open[{TargetKey::Of(kHost), 80}] = {At(-50), At(1), 151, Reason::kResetAfterAccept, kHost, 2};
  b.open[{TargetKey::Of(kHost6), 80}] = {At(-40), At(2), 152, Reason::kSynAck, kHost6, 1};
  b.open[{kName, 80}] = {At(-40), At(2), 152, Reason::kSynAck, kHost, 1};
  b.not_open[{TargetKey::Of(kHost), 81}] = {kClosed, kHost, At(3)};
  b.folded[TargetKey::Of(kHost)] = {HostAnswers::kSynProxy, At(4), true};
  b.unresolved["gone.example"] = At(5);
  b.mass.emplace();
  b.mass->since = At(6);
  b.mass->count = {1, 2, 3, 4, 500};
  b.mass->examples = {{kName, 80}};
  EXPECT_EQ(
      Hex(EncodeBaseline(b)),
      "0101008080f281838985060301018080c8b00cff01018780808080808080808080808080ee86814000010a64"
      "622e6578616d706c65021616505a0400c61200071680e4d5c8828985068080f2818389850696010103033980"
      "dac40980897a970102020120010db80000000000000000000000075080dac40980897a98010101060a64622e"
      "6578616d706c655000c61200070000980101010100c612000751020a809be084838985060100c61200070280"
      "a4e80301010c676f6e652e6578616d706c6580897a0180897a0501020304f40301020a64622e6578616d706c"
      "65502cef68193e398b5b");
}

TEST(GoldenRecord, Health) {
  EXPECT_EQ(Hex(EncodeHealth({{CanaryState::kQuarantined, "no answer"}, At(0), true})),
            "0103096e6f20616e737765728080f2818389850601b2798d1935da9de5");
}

TEST(GoldenRecord, Canaries) {
  EXPECT_EQ(
      Hex(EncodeCanaries(
          {{{TargetKey::Of(kHost), 22}, kHost, true, false}, {{kName, 9}, kHost6, false, true}})),
      "010200c61200071600c61200070100020a64622e6578616d706c65090120010db80000000000000000000000"
      "0700010f4a65a4e24fb6d7");
}

TrailStep Step() { return {TrailStep::What::kProbe, At(1), "in", "agent-1", kHost, kOpen, 150, 0}; }

TEST(GoldenRecord, Confirmations) {
  Confirmations::State state;
  state.next_sequence = 300;
  PendingChange p;
  p.candidate = {"in", {kName, 80}, ChangeKind::kOpened, Symbol(), kOpen, kHost,
                 150,  At(0),       "agent-1",           {Step()}};
  p.agreed = 1;
  p.denied = 2;
  p.lost = 3;
  p.number = 4;
  p.not_before = At(30);
  p.latest = {kOpen, kHost, 149, At(2), "agent-2"};
  p.trail = {Step()};
  p.avoid = {"agent-1"};
  state.pending[{"in", {kName, 80}}] = p;
  ChangeHistory h;
  h.changes = {At(-100), At(-50)};
  h.flapping = true;
  h.since = At(-50);
  h.told = kClosed;
  h.now = p.latest;
  h.untold = 5;
  state.history[{"out", {TargetKey::Of(kHost6), 443}}] = h;
  EXPECT_EQ(
      Hex(EncodeConfirmations(state)),
      "01ac02010102696e020a64622e6578616d706c655002020a64622e6578616d706c6550010600010100c61200"
      "0796018080f2818389850601076167656e742d31010280897a020300c61200070101960100010203048085d4"
      "1b010100c61200079501fffbd91a01076167656e742d320102ff887a020300c6120007010196010001030101"
      "036f75740120010db8000000000000000000000007bb0302ff8ca96080c2d72f0100020a010100c612000795"
      "0180d4cb310405eb5d0d9d6450c010");
}

Finding SampleFinding() {
  Finding f;
  f.key = {FindingKind::kMustBeOpen, "web-is-up", "out", kName, 443};
  f.severity = Severity::kCritical;
  f.address = kHost;
  f.since = At(0);
  f.found = At(1);
  f.resolved = At(2);
  f.owner = "web";
  f.text = "it is closed";
  f.remedy = "open it";
  return f;
}

TEST(GoldenRecord, Finding) {
  EXPECT_EQ(
      Hex(EncodeFinding(SampleFinding())),
      "010201097765622d69732d757001036f757401020a64622e6578616d706c6501bb030500c61200078080f281"
      "8389850680897a80897a01037765620c697420697320636c6f736564076f70656e206974a1ef6292932d7fb8");
}

TEST(GoldenRecord, OpenFindings) {
  StoredFindings findings;
  findings.board.open[SampleFinding().key] = SampleFinding();
  findings.board.total[{FindingKind::kMustBeOpen, "web-is-up"}] = 1500;
  findings.evaluated = At(9);
  findings.stale = false;
  EXPECT_EQ(
      Hex(EncodeFindings(findings)),
      "0180d1bc8a8389850600010201097765622d69732d757001036f757401020a64622e6578616d706c6501bb03"
      "0500c6120007ffd0ca0880897a80897a01037765620c697420697320636c6f736564076f70656e2069740102"
      "02dc0b930d646ff8e09f4b");
}

TEST(GoldenRecord, Event) {
  ExposureEvent e;
  e.id = "00112233445566778899aabbccddeeff";
  e.sequence = 41;
  e.time = At(60);
  e.monitor = "edge";
  e.vantage = "in";
  e.subject = {kName, 80};
  e.address = kHost;
  e.kind = ChangeKind::kFiltered;
  e.from = kOpen;
  e.to = {State::kFiltered, Reason::kNoResponse};
  e.trail = {Step()};
  EXPECT_EQ(
      Hex(EncodeEvent(e)),
      "010100112233445566778899aabbccddeeff29809c8ebb838985060104656467650102696e020a64622e6578"
      "616d706c655000c612000703010103140102ff92a2380301076167656e742d3100c61200070101960100c2ee"
      "d743857a0091");
}

TEST(GoldenRecord, Plan) {
  MonitorPlanState p;
  p.generation = 3;
  p.next_number = 42;
  p.handled_until = At(0);
  p.paused = true;
  p.pending = {RunTrigger::kCatchUp, At(1), At(2)};
  p.running = {"edge", 3, 41, RunTrigger::kManual, At(-3), At(-2), At(-1)};
  p.overrun_since = At(-4);
  p.scheduled_runs = 1;
  p.manual_runs = 2;
  p.skipped = 3;
  p.missed = 4;
  p.while_paused = 5;
  p.clock_resets = 6;
  p.failures_in_row = 7;
  p.last_outcome = RunOutcome::kPartial;
  p.last_started = At(-10);
  p.last_ended = At(-9);
  p.last_success = At(-20);
  EXPECT_EQ(
      Hex(EncodePlan(p)),
      "01032a8080f2818389850601010380897a80897a01010465646765032902fface20480897a80897a01ff9aee"
      "020102030405060702ffb5dc0580897affe2be0aadcd35af3a2bd8ce");
}

}  // namespace
}  // namespace portolan
