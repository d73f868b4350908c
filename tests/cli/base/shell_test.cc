#include "cli/base/shell.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

TEST(ShellQuoted, LeavesPlainWordsAsTheyAre) {
  for (const char* word : {"/tmp/data", "scan.example:7411", "10.0.0.0/8", "a_b-c,d@e%f+g=h"})
    EXPECT_EQ(ShellQuoted(word), word);
}

TEST(ShellQuoted, QuotesWhatAShellWouldRead) {
  EXPECT_EQ(ShellQuoted(""), "''");
  EXPECT_EQ(ShellQuoted("my scans"), "'my scans'");
  EXPECT_EQ(ShellQuoted("10.0.0.0/8 22"), "'10.0.0.0/8 22'");
  EXPECT_EQ(ShellQuoted("$HOME;`x`"), "'$HOME;`x`'");
  EXPECT_EQ(ShellQuoted("it's"), "'it'\\''s'");
  EXPECT_EQ(ShellQuoted("~/x"), "'~/x'");  // a shell would not expand it inside the quotes either
}

}  // namespace
}  // namespace portolan
