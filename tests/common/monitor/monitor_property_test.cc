#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/status.h"
#include "common/monitor/monitor_file.h"
#include "tests/common/monitor/random_spec.h"

namespace portolan {
namespace {

TEST(MonitorYaml, ParsesBackToTheSameSpec) {
  RandomSpec specs(1);
  for (int i = 0; i < 800; ++i) {
    const MonitorSpec spec = specs.Next();
    const std::string text = MonitorYaml(spec);
    const MonitorFile file = ParseMonitors(text);
    ASSERT_TRUE(file.problems.empty()) << Message(ProblemsStatus("", file.problems)) << "\n"
                                       << text;
    ASSERT_EQ(file.monitors.size(), 1u);
    ASSERT_TRUE(file.monitors[0].spec == spec) << text;
    ASSERT_EQ(MonitorYaml(file.monitors[0].spec), text);
    ASSERT_TRUE(CheckMonitor(spec).ok());
  }
}

TEST(DiffMonitors, EmptyExactlyWhenEqualAsIsTheDigest) {
  RandomSpec specs(2);
  MonitorSpec before = specs.Next();
  for (int i = 0; i < 500; ++i) {
    const MonitorSpec after = specs.Next();
    ASSERT_EQ(DiffMonitors(before, after).empty(), before == after);
    ASSERT_EQ(MonitorDigest(before) == MonitorDigest(after), before == after);
    ASSERT_TRUE(DiffMonitors(after, after).empty());
    for (const std::string& line : DiffMonitors(before, after))
      ASSERT_EQ(line.find('\n'), line.npos) << line;
    before = after;
  }
}

// Texts that were valid once and were then damaged: no crash, and every problem printable.
TEST(ParseMonitors, DamagedTextsAreRefusedOrRead) {
  std::vector<std::string> seeds;
  for (const auto& entry :
       std::filesystem::directory_iterator(PORTOLAN_SOURCE_DIR "/deploy/monitors")) {
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    seeds.push_back(text.str().substr(0, 4000));
  }
  RandomSpec specs(3);
  for (int i = 0; i < 20; ++i) seeds.push_back(MonitorYaml(specs.Next()));
  const std::vector<std::string> pieces = {"\n",
                                           "  ",
                                           ":",
                                           "- ",
                                           "[",
                                           "]",
                                           "{",
                                           "}",
                                           "\"",
                                           "'",
                                           "&a ",
                                           "*a",
                                           "!!str ",
                                           "|\n",
                                           ">-\n",
                                           "---\n",
                                           "#",
                                           "\t",
                                           "~",
                                           "<<: ",
                                           "\xEF\xBB\xBF",
                                           "\xC3",
                                           "? ",
                                           ", ",
                                           "%YAML 1.2\n",
                                           "999999999999",
                                           "\\"};
  std::mt19937_64 rng(5);
  int valid = 0, refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = seeds[rng() % seeds.size()];
    for (size_t edits = 1 + rng() % 3; edits > 0; --edits) {
      const size_t at = rng() % (text.size() + 1);
      switch (rng() % 4) {
        case 0:
          text.erase(at, rng() % 30);
          break;
        case 1:
          text.insert(at, pieces[rng() % pieces.size()]);
          break;
        case 2:
          text.insert(at, text.substr(rng() % (text.size() + 1), rng() % 60));
          break;
        default:
          if (at < text.size()) text[at] = static_cast<char>(rng());
      }
    }
    const MonitorFile file = ParseMonitors(text);
    for (const auto& m : file.monitors) {
      ++valid;
      ASSERT_TRUE(CheckMonitor(m.spec).ok()) << CheckMonitor(m.spec) << text;
    }
    for (const MonitorProblem& p : file.problems) {
      ++refused;
      ASSERT_FALSE(p.message.empty());
      for (const char c : p.path + p.message) ASSERT_TRUE(c >= 0x20 && c < 0x7F) << p.message;
    }
  }
  EXPECT_GT(valid, 150);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace portolan
