#include "cli/base/notes.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace portolan {
namespace {

TEST(Notes, DrawsNoProgressWithoutATerminal) {
  FakeClock clock;
  std::string text;
  Notes notes([&](std::string_view t) { text += t; }, {}, clock);
  notes.ShowProgress({.scan_id = "a",
                      .state = "running",
                      .planned = 1,
                      .done = 0,
                      .open = 0,
                      .rate = 0,
                      .agents = 0,
                      .eta_s = 0,
                      .status_message = ""});
  EXPECT_EQ(text, "");
  notes.Note("hello\nworld\x1b");
  EXPECT_EQ(text, "portolan: hello\nworld\\x1b\n");
}

TEST(Notes, ANoteReplacesTheProgressLineWhichIsClearedAtTheEnd) {
  FakeClock clock;
  std::string text;
  {
    Notes notes([&](std::string_view t) { text += t; },
                {.is_terminal = true, .columns = [] { return size_t{24}; }}, clock);
    const Progress p{.scan_id = "abc",
                     .state = "running",
                     .planned = 10,
                     .done = 5,
                     .open = 1,
                     .rate = 7,
                     .agents = 2,
                     .eta_s = 0,
                     .status_message = ""};
    notes.ShowProgress(p);
    EXPECT_EQ(text, "\rabc  50.0%  7.0/s  1...\x1b[K") << "cut to one less than the terminal";
    notes.ShowProgress(p);  // too soon
    notes.Note("x");
    EXPECT_TRUE(text.ends_with("\x1b[K\r\x1b[Kportolan: x\n"));
    clock.Advance(std::chrono::seconds(1));
    notes.ShowProgress(p);
  }
  EXPECT_TRUE(text.ends_with("\x1b[K\r\x1b[K"));
}

}  // namespace
}  // namespace portolan
