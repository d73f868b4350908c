#include "cli/render/text.h"

#include <gtest/gtest.h>

#include <random>

#include "cli/render/progress.h"
#include "cli/render/text_table.h"
#include "tests/fakes/fake_clock.h"

namespace portolan {
namespace {

TEST(Text, ControlCharactersAndBadUtf8AreEscaped) {
  EXPECT_EQ(Printable("db1.example"), "db1.example");
  EXPECT_EQ(Printable("zürich"), "zürich");
  EXPECT_EQ(Printable("a\x1b[31mb\n\x7f"), "a\\x1b[31mb\\x0a\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\u{009b}");  // C1 control sequence introducer
  EXPECT_EQ(Printable("a\xe2\x80\xae"
                      "b"),
            "a\\u{202e}b");  // right-to-left override
  EXPECT_EQ(Printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(Printable("\xc0\x80"), "\\xc0\\x80");           // overlong
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
}

TEST(Text, NoByteStringYieldsAControlCharacterOrInvalidJson) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 12, '\0');
    for (char& c : text) c = static_cast<char>(random());
    for (const std::string& safe : {Printable(text), JsonString(text)}) {
      for (const char c : safe) {
        EXPECT_GE(static_cast<unsigned char>(c), 0x20);
        EXPECT_NE(c, 0x7f);
      }
    }
    EXPECT_EQ(Printable(Printable(text)), Printable(text));
  }
}

TEST(Text, JsonStringsEscapeWhatTheyMust) {
  EXPECT_EQ(JsonString("a\"b\\c\n\t\x01"), R"("a\"b\\c\n\t\u0001")");
  EXPECT_EQ(JsonString("\xff"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(JsonString("é"), "\"é\"");
}

TEST(Text, JsonObjectsKeepOrderAndSayNull) {
  JsonObject o;
  o.Text("a", "x")
      .TextOrNull("b", "")
      .Uint("c", UINT64_MAX)
      .Number("d", 0.42)
      .Number("e", 1.0 / 0.0)
      .Bool("f", true)
      .TimeOrNull("g", WallTime());
  EXPECT_EQ(o.Done(),
            R"({"a":"x","b":null,"c":18446744073709551615,"d":0.42,"e":null,"f":true,"g":null})");
  EXPECT_EQ(JsonObject().Done(), "{}");
}

TEST(Text, NumbersForPeople) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(UINT64_MAX), "18,446,744,073,709,551,615");
  EXPECT_EQ(HumanDuration(0), "0 s");
  EXPECT_EQ(HumanDuration(0.84), "0.8 s");
  EXPECT_EQ(HumanDuration(59.7), "1m00s");
  EXPECT_EQ(HumanDuration(65), "1m05s");
  EXPECT_EQ(HumanDuration(3600 * 2 + 60 * 14), "2h14m");
  EXPECT_EQ(HumanDuration(86400 * 3 + 3600 * 4), "3d04h");
  EXPECT_EQ(HumanRtt(420), "0.42 ms");
  EXPECT_EQ(HumanRtt(12'340), "12.3 ms");
  EXPECT_EQ(HumanRtt(1'204'000), "1.20 s");
  EXPECT_EQ(HumanRate(12345.4), "12,345/s");
  EXPECT_EQ(HumanRate(0.5), "0.5/s");
}

TEST(Text, TimesAreRfc3339InUtc) {
  EXPECT_EQ(Rfc3339(FromUnixMicros(1'767'323'045'678'901)), "2026-01-02T03:04:05.678901Z");
  EXPECT_EQ(Rfc3339(FromUnixMicros(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(HumanTime(FromUnixMicros(1'767'323'045'678'901)), "2026-01-02 03:04:05Z");
  EXPECT_EQ(HumanTime(WallTime()), "-");
  EXPECT_EQ(Rfc3339(FromUnixMicros(INT64_MAX)), "");  // beyond year 9999
}

TEST(Text, WidthCountsCodePoints) {
  EXPECT_EQ(DisplayWidth("zürich"), 6u);
  EXPECT_EQ(PadRight("zü", 4), "zü  ");
  EXPECT_EQ(PadLeft("zü", 4), "  zü");
  EXPECT_EQ(CutTo("zürich", 5), "zü...");
  EXPECT_EQ(CutTo("abc", 3), "abc");
}

TEST(TextTable, AlignsColumnsAndEscapesCells) {
  TextTable table({{"ID"}, {"OPEN", TextTable::Align::kRight}});
  table.Add({"a\n", "7"});
  table.Add({"", "1,234"});
  EXPECT_EQ(table.Render(false), "ID      OPEN\na\\x0a      7\n-      1,234\n");
}

TEST(Progress, TellsPercentRateAndTimeLeft) {
  Progress p{.scan_id = "abc",
             .state = "running",
             .planned = 1000,
             .done = 452,
             .open = 17,
             .rate = 12345,
             .agents = 3,
             .eta_s = 65,
             .status_message = ""};
  EXPECT_EQ(ProgressLine(p, 200), "abc  45.2%  12,345/s  17 open  3 agents  ETA 1m05s");
  p.state = "paused";
  p.agents = 1;
  p.status_message = "no agent of vantage \"dmz\"";
  EXPECT_EQ(ProgressLine(p, 200),
            "abc  45.2%  12,345/s  17 open  1 agent  paused  no agent of vantage \"dmz\"");
  EXPECT_EQ(DisplayWidth(ProgressLine(p, 40)), 40u);
}

TEST(Progress, IsAHundredPercentOnlyAtTheEnd) {
  EXPECT_EQ(Percent(999'999'999, 1'000'000'000), "99.9%");
  EXPECT_EQ(Percent(UINT64_MAX - 1, UINT64_MAX), "99.9%");
  EXPECT_EQ(Percent(5, 5), "100%");
  EXPECT_EQ(Percent(0, 0), "100%");
}

TEST(Progress, IsDrawnAtMostFourTimesASecond) {
  FakeClock clock;
  DrawLimit limit;
  int drawn = 0;
  for (int ms = 0; ms < 1000; ++ms, clock.Advance(std::chrono::milliseconds(1)))
    drawn += limit.Due(clock.Now());
  EXPECT_EQ(drawn, 4);
}

}  // namespace
}  // namespace portolan
