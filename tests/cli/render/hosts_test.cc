#include "cli/render/hosts.h"

#include <gtest/gtest.h>

#include "cli/render/result_renderer.h"
#include "tests/cli/render/rows.h"

namespace portolan {
namespace {

HostRow Everywhere(std::string_view ip, uint64_t open, std::vector<Held> held,
                   HostFindingKind kind = HostFindingKind::kAnswersEverywhere) {
  HostRow row;
  row.finding.kind = kind;
  row.finding.address = Ip(ip);
  for (size_t i = 0; i < held.size(); ++i)
    row.finding.confirmed.push_back({static_cast<uint16_t>(50000 + i), held[i]});
  row.open_ports = open;
  row.ports = 65535;
  row.vantage = "dmz";
  return row;
}

TEST(Hosts, TheEvidenceOfALineSaysWhatTheConnectionsDid) {
  const auto line = [](std::vector<Held> held) {
    return HostLine(Everywhere("10.0.0.1", 65535, std::move(held)), false);
  };
  EXPECT_EQ(line({Held::kNoWindow, Held::kNoWindow}),
            "10.0.0.1  answers everywhere: 65,535 of 65,535 ports open, 2 of 2 random high ports "
            "open and taking no data: a tarpit or proxy, not 65,535 services");
  EXPECT_EQ(line({Held::kQuiet, Held::kData, Held::kQuiet, Held::kNotHeld}),
            "10.0.0.1  answers everywhere: 65,535 of 65,535 ports open, 4 of 4 random high ports "
            "open and 1 talkative, 2 quiet: a tarpit or proxy, not 65,535 services");
  EXPECT_EQ(line({Held::kNotHeld}),
            "10.0.0.1  answers everywhere: 65,535 of 65,535 ports open, 1 of 1 random high port "
            "open: a tarpit or proxy, not 65,535 services");
  HostRow named = Everywhere("10.0.0.1", 1, {Held::kQuiet});
  named.name = "evil\x1b[2J";
  EXPECT_EQ(HostLine(named, true),
            "10.0.0.1 (evil\\x1b[2J)  answers everywhere: 1 of 65,535 ports open, 1 of 1 random "
            "high port open and quiet: a tarpit or proxy, not 1 service (seen from dmz)");
}

TEST(Hosts, TotalsCountAnOpenPortAndAHostOnce) {
  HostRow stopped;
  stopped.finding.kind = HostFindingKind::kStoppedAnswering;
  stopped.finding.address = Ip("10.0.0.1");
  HostRow elsewhere = Everywhere("10.0.0.1", 7, {Held::kQuiet});
  elsewhere.vantage = "office";
  const std::vector<HostRow> rows = {
      Everywhere("10.0.0.1", 10, {Held::kQuiet}),
      Everywhere("10.0.0.1", 10, {Held::kReset}, HostFindingKind::kSynProxy),
      stopped,
      Everywhere("10.0.0.2", 5, {Held::kQuiet}),
      elsewhere,
  };
  HostTotals want;
  want.everywhere_hosts = 2;
  want.everywhere_open = 22;
  want.stopped_hosts = 1;
  want.findings = 5;
  want.dropped = 9;
  EXPECT_EQ(TotalsOf(rows, 9), want);
  EXPECT_EQ(TotalsOf({}, 0), HostTotals());
  EXPECT_EQ(EverywhereText(want), "22 on 2 hosts that answer everywhere");
  EXPECT_EQ(EverywhereText(HostTotals()), "");
  EXPECT_EQ(HostNotes(HostTotals()), "");
}

TEST(Hosts, ComeAfterTheRowsAndBeforeTheLedger) {
  StringOutput out;
  const auto renderer = MakeTableRenderer({}, out);
  ASSERT_TRUE(renderer->Add(Row("10.0.0.9", 22)).ok());
  ScanRecordEnd end = End(100, 11, 89);
  end.hosts = {Everywhere("10.0.0.1", 10, {Held::kQuiet})};
  end.host_totals = TotalsOf(end.hosts, 0);
  ASSERT_TRUE(renderer->Finish(end).ok());
  EXPECT_EQ(out.text(),
            "  PORT       STATE  SERVICE BY PORT  REASON        RTT\n"
            "10.0.0.9\n"
            "  22/tcp     open   ssh              syn-ack   0.42 ms\n"
            "\n"
            "10.0.0.1  answers everywhere: 10 of 65,535 ports open, 1 of 1 random high port open "
            "and quiet: a tarpit or proxy, not 10 services\n"
            "\n"
            "scan abc: complete in 2.5 s\n"
            "planned 100 = open 11 (of which 10 on 1 host that answers everywhere) + closed 89 + "
            "filtered 0 + unreachable 0 + not probed 0\n");
}

}  // namespace
}  // namespace portolan
