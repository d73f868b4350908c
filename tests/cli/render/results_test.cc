#include <gtest/gtest.h>

#include "cli/render/result_renderer.h"
#include "cli/render/sorting.h"
#include "tests/cli/render/rows.h"

namespace portolan {
namespace {

TEST(JsonRenderer, WritesALineAnObservationAndEndsWithTheLedger) {
  StringOutput out;
  const auto renderer = MakeJsonRenderer("abc", out);
  ResultRow open = Row("10.0.0.1", 22);
  open.name = "db1.example";
  ASSERT_TRUE(renderer->Add(open).ok());
  ASSERT_TRUE(renderer->Add(Row("2001:db8::1", 4, State::kClosed, "conn-refused")).ok());
  ASSERT_TRUE(renderer->Finish(End(2, 1, 1)).ok());
  EXPECT_EQ(
      out.text(),
      R"({"type":"observation","scan_id":"abc","vantage":"office","ip":"10.0.0.1","name":"db1.example","names":["db1.example"],"port":22,"protocol":"tcp","state":"open",)"
      R"("reason":"syn-ack","rtt_ms":0.42,"timestamp":"2026-01-02T03:04:05.678901Z","service":"ssh","agent":"a1","source_ip":"10.9.9.9"})"
      "\n"
      R"({"type":"observation","scan_id":"abc","vantage":"office","ip":"2001:db8::1","port":4,"protocol":"tcp","state":"closed",)"
      R"("reason":"conn-refused","rtt_ms":null,"timestamp":"2026-01-02T03:04:05.678901Z","service":null,"agent":"a1","source_ip":null})"
      "\n"
      R"({"type":"summary","scan_id":"abc","name":null,"state":"complete","created":"2026-01-02T03:04:05.000000Z",)"
      R"("started":"2026-01-02T03:04:05.000000Z","finished":"2026-01-02T03:04:07.500000Z","planned":2,"open":1,"closed":1,"filtered":0,)"
      R"("unreachable":0,"not_probed":{},"to_do":0,"extra_probes":0,"names_skipped":0,"lanes":[]})"
      "\n");
}

TEST(JsonRenderer, MarksTimesOfReceipt) {
  StringOutput out;
  ResultRow row = Row("10.0.0.1", 22);
  row.time_of_receipt = true;
  ASSERT_TRUE(MakeJsonRenderer("abc", out)->Add(row).ok());
  EXPECT_NE(out.text().find("\"time_of_receipt\":true"), std::string::npos) << out.text();
}

TEST(CsvRenderer, WritesAHeaderOnceAndQuotesWhatNeedsIt) {
  StringOutput out;
  const auto renderer = MakeCsvRenderer("abc", out);
  ResultRow row = Row("10.0.0.1", 22);
  row.name = "a,\"b\"";
  ASSERT_TRUE(renderer->Add(row).ok());
  ResultRow late = Row("10.0.0.1", 4, State::kFiltered, "no-response");
  late.time_of_receipt = true;
  ASSERT_TRUE(renderer->Add(late).ok());
  ASSERT_TRUE(renderer->Finish(End(2, 1, 1)).ok());
  EXPECT_EQ(out.text(),
            "scan_id,vantage,ip,name,port,protocol,state,reason,rtt_ms,timestamp,service,agent,"
            "source_ip,host_finding,time_of_receipt\n"
            "abc,office,10.0.0.1,\"a,\"\"b\"\"\",22,tcp,open,syn-ack,0.42,2026-01-02T03:04:05."
            "678901Z,ssh,a1,10.9.9.9,,\n"
            "abc,office,10.0.0.1,,4,tcp,filtered,no-response,,2026-01-02T03:04:05.678901Z,,a1,,,"
            "true\n");
}

TEST(CsvRenderer, AnEmptyResultIsAHeader) {
  StringOutput out;
  ASSERT_TRUE(MakeCsvRenderer("abc", out)->Finish(End(2, 0, 2)).ok());
  EXPECT_EQ(out.text(),
            "scan_id,vantage,ip,name,port,protocol,state,reason,rtt_ms,timestamp,service,agent,"
            "source_ip,host_finding,time_of_receipt\n");
}

TEST(TableRenderer, GroupsByAddressAndEndsWithTheLedger) {
  StringOutput out;
  const auto renderer = MakeTableRenderer({}, out);
  ResultRow named = Row("10.0.0.1", 22);
  named.name = "db1.exa\x1bmple";
  ASSERT_TRUE(renderer->Add(named).ok());
  ASSERT_TRUE(renderer->Add(Row("10.0.0.1", 65535, State::kClosed, "conn-refused")).ok());
  ASSERT_TRUE(renderer->Add(Row("2001:db8::1", 443)).ok());
  ScanRecordEnd end = End(65'535, 2, 65'533);
  end.name = "weekly";
  ASSERT_TRUE(renderer->Finish(end).ok());
  EXPECT_EQ(
      out.text(),
      "  PORT       STATE   SERVICE BY PORT  REASON             RTT\n"
      "10.0.0.1 (db1.exa\\x1bmple)\n"
      "  22/tcp     open    ssh              syn-ack        0.42 ms\n"
      "  65535/tcp  closed                   conn-refused\n"
      "2001:db8::1\n"
      "  443/tcp    open    https            syn-ack        0.42 ms\n"
      "\n"
      "scan abc \"weekly\": complete in 2.5 s\n"
      "planned 65,535 = open 2 + closed 65,533 + filtered 0 + unreachable 0 + not probed 0\n");
}

TEST(TableRenderer, WithNothingToShowIsTheLedger) {
  StringOutput out;
  ASSERT_TRUE(MakeTableRenderer({}, out)->Finish(End(5, 0, 5)).ok());
  EXPECT_EQ(out.text(),
            "scan abc: complete in 2.5 s\nplanned 5 = open 0 + closed 5 + filtered 0 + unreachable "
            "0 + not probed 0\n");
}

TEST(TableRenderer, PassesRowsOnOnceTheSampleIsFull) {
  StringOutput out;
  TableOptions options;
  options.width_sample = 2;
  const auto renderer = MakeTableRenderer(options, out);
  ASSERT_TRUE(renderer->Add(Row("10.0.0.1", 22)).ok());
  EXPECT_EQ(out.text(), "");
  ASSERT_TRUE(renderer->Add(Row("10.0.0.1", 23)).ok());
  EXPECT_NE(out.text().find("23/tcp"), std::string::npos);
  ASSERT_TRUE(renderer->Add(Row("10.0.0.2", 25)).ok());
  EXPECT_NE(out.text().find("25/tcp"), std::string::npos);
}

TEST(TableRenderer, ColoursOnlyWhenAsked) {
  StringOutput plain, color;
  ASSERT_TRUE(MakeTableRenderer({}, plain)->Finish(End(1, 1, 0)).ok());
  TableOptions options;
  options.color = true;
  const auto renderer = MakeTableRenderer(options, color);
  ASSERT_TRUE(renderer->Add(Row("10.0.0.1", 22)).ok());
  ASSERT_TRUE(renderer->Finish(End(1, 1, 0)).ok());
  EXPECT_EQ(plain.text().find('\x1b'), std::string::npos);
  EXPECT_NE(color.text().find("\x1b[32mopen "), std::string::npos);
}

TEST(Ledger, NamesTheCausesOfWhatWasNotProbed) {
  LedgerRecord ledger;
  ledger.planned = 100;
  ledger.counts.open = 10;
  ledger.counts.not_probed[2] = 60;
  ledger.counts.not_probed[4] = 20;
  EXPECT_EQ(LedgerLine(ledger),
            "planned 100 = open 10 + closed 0 + filtered 0 + unreachable 0 + not probed 80 "
            "(no-agent 60, cancelled 20) + to do 10");
  EXPECT_EQ(
      LedgerJson(ledger),
      R"({"planned":100,"open":10,"closed":0,"filtered":0,"unreachable":0,"not_probed":{"no-agent":60,"cancelled":20},"to_do":10,"extra_probes":0})");
}

TEST(Ledger, IsShownForEachVantage) {
  ScanRecordEnd end = End(20, 1, 19);
  end.lanes = {{"office", {10, {}}}, {"dmz", {10, {}}}};
  EXPECT_EQ(
      SummaryText(end),
      "scan abc: complete in 2.5 s\n"
      "office  planned 10 = open 0 + closed 0 + filtered 0 + unreachable 0 + not probed 0 + to do "
      "10\n"
      "dmz     planned 10 = open 0 + closed 0 + filtered 0 + unreachable 0 + not probed 0 + to do "
      "10\n"
      "total   planned 20 = open 1 + closed 19 + filtered 0 + unreachable 0 + not probed 0\n");
}

TEST(SortingRenderer, SortsByAddressPortAndVantage) {
  StringOutput out;
  const auto csv = MakeCsvRenderer("s", out);
  SortingRenderer sorting(*csv, 10, [] { FAIL(); });
  for (const auto& row : {Row("10.0.0.10", 1), Row("10.0.0.9", 2),
                          Row("10.0.0.9", 1, State::kOpen, "syn-ack", "z"), Row("10.0.0.9", 1)}) {
    ASSERT_TRUE(sorting.Add(row).ok());
  }
  ASSERT_TRUE(sorting.Finish(End(4, 4, 0)).ok());
  const std::string text = out.text();
  EXPECT_LT(text.find("s,office,10.0.0.9,,1,"), text.find("s,z,10.0.0.9,,1,"));
  EXPECT_LT(text.find("s,z,10.0.0.9,,1,"), text.find("s,office,10.0.0.9,,2,"));
  EXPECT_LT(text.find("s,office,10.0.0.9,,2,"), text.find("10.0.0.10"));
}

TEST(SortingRenderer, PassesEverythingOnUnsortedOverItsLimit) {
  StringOutput out;
  const auto csv = MakeCsvRenderer("s", out);
  int overflows = 0;
  SortingRenderer sorting(*csv, 2, [&] { ++overflows; });
  for (uint16_t port = 9; port > 0; --port) ASSERT_TRUE(sorting.Add(Row("10.0.0.1", port)).ok());
  ASSERT_TRUE(sorting.Finish(End(9, 9, 0)).ok());
  EXPECT_EQ(overflows, 1);
  size_t at = 0;
  for (uint16_t port = 9; port > 0; --port) {
    const size_t next = out.text().find("10.0.0.1,," + std::to_string(port) + ",");
    ASSERT_NE(next, std::string::npos);
    EXPECT_GT(next, at);
    at = next;
  }
}

TEST(TextPool, KeepsOneCopy) {
  TextPool pool;
  const std::string a = "dmz", b = "dmz";
  const std::string_view first = pool.Intern(a);
  for (int i = 0; i < 1000; ++i) (void)pool.Intern(std::to_string(i));
  EXPECT_EQ(pool.Intern(b).data(), first.data());
  EXPECT_TRUE(pool.Intern("").empty());
}

}  // namespace
}  // namespace portolan
