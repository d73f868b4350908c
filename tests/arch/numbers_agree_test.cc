// Numbers agree with their nouns: "1 addresses" is what a format string with a count before a
// plural prints one day. Such counts go through Counted() (common/base/counted.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace portolan {
namespace {

namespace fs = std::filesystem;

// Words that end like a plural and are none: verbs whose subject is what is put in, and others.
const std::set<std::string> kNoPlurals = {
    "address", "answers",  "as",     "asks",   "becomes", "belongs", "caps",  "carries", "changes",
    "comes",   "confirms", "does",   "drains", "ends",    "gives",   "goes",  "has",     "is",
    "its",     "leads",    "leaves", "less",   "lies",    "ms",      "needs", "perhaps", "reads",
    "runs",    "says",     "shows",  "takes",  "tells",   "this",    "waits", "was"};
// Not counts: a name, a number that is part of a name, a family of addresses.
const std::set<std::string> kNoCounts = {"monitor {} run {} canaries {}",
                                         "its {} addresses are not known: {}",
                                         "{0} targets are left to other agents"};

// The text of adjacent literals as the compiler sees it, without escapes being read.
std::vector<std::string> LiteralsIn(std::string_view source) {
  std::vector<std::string> out;
  bool adjacent = false;
  for (size_t i = 0; i < source.size(); ++i) {
    const char c = source[i];
    if (c == '/' && source.substr(i, 2) == "//") {
      i = std::min(source.find('\n', i), source.size());
    } else if (c == '\'' && (i == 0 || isalnum(static_cast<unsigned char>(source[i - 1])) == 0)) {
      for (++i; i < source.size() && source[i] != '\''; ++i) i += source[i] == '\\' ? 1 : 0;
      adjacent = false;
    } else if (c == '"') {
      const size_t begin = i + 1;
      for (++i; i < source.size() && source[i] != '"' && source[i] != '\n'; ++i)
        i += source[i] == '\\' ? 1 : 0;
      if (!adjacent) out.emplace_back();
      out.back() += source.substr(begin, i - begin);
      adjacent = true;
    } else if (c != ' ' && c != '\n') {
      adjacent = false;
    }
  }
  return out;
}

// The counts in a format string that would be wrong for one. A number of digits behind the point
// makes a plural right in any case, and so does a limit beside the count: only what is beyond it is
// told, and every limit is above one.
std::vector<std::string> WrongCounts(const std::string& literal) {
  static const std::regex count(R"((^|[^{])\{[0-9]*(:[^.{}]*)?\} ([a-z-]+ )?([a-z]+s)\b)");
  static const std::regex limit_before(
      R"((at most|more than|over|longer than|to|the limit is|at least|ranks) $)");
  static const std::regex limit_behind(
      R"(at most \{|the limit is|may have \{|1 to \{|are more than|more than \{)");
  std::vector<std::string> out;
  for (auto m = std::sregex_iterator(literal.begin(), literal.end(), count);
       m != std::sregex_iterator(); ++m) {
    const std::string before = m->prefix().str() + (*m)[1].str(), behind = m->suffix().str();
    std::string middle = (*m)[3].str();
    if (!middle.empty()) middle.pop_back();  // the blank
    if (kNoPlurals.count((*m)[4].str()) > 0 || kNoPlurals.count(middle) > 0 || middle == "and")
      continue;
    if (std::regex_search(before, limit_before) || std::regex_search(behind, limit_behind))
      continue;
    const bool exempt = std::any_of(kNoCounts.begin(), kNoCounts.end(), [&](const std::string& e) {
      return literal.find(e) != std::string::npos;
    });
    if (!exempt) out.push_back(m->str());
  }
  return out;
}

TEST(NumbersAgree, TheCheckFindsWhatItShould) {
  EXPECT_EQ(WrongCounts("{} addresses").size(), 1u);
  EXPECT_EQ(WrongCounts("scan {}: {} host names").size(), 1u);
  EXPECT_EQ(WrongCounts("{0} open ports and {1} findings").size(), 2u);
  for (const char* fine : {"{} of {}", "at most {} addresses", "{} bytes; at most {} are allowed",
                           "{:.1f} years", "{} has no route", "{{}} names"}) {
    EXPECT_TRUE(WrongCounts(fine).empty()) << fine;
  }
  EXPECT_EQ(LiteralsIn("f(\"a \"\n  \"b\", 'x', \"c\\\"d\"); // \"e\""),
            (std::vector<std::string>{"a b", "c\\\"d"}));
}

TEST(NumbersAgree, EveryCountBeforeAPluralIsCounted) {
  size_t files = 0;
  std::set<std::string> unused = kNoCounts;
  for (const char* folder : {"cli", "coordinator", "common", "agent"}) {
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(PORTOLAN_SOURCE_DIR) / folder)) {
      if (entry.path().extension() != ".cc" && entry.path().extension() != ".h") continue;
      ++files;
      std::ifstream in(entry.path());
      std::ostringstream text;
      text << in.rdbuf();
      for (const std::string& literal : LiteralsIn(text.str())) {
        std::erase_if(unused,
                      [&](const std::string& e) { return literal.find(e) != std::string::npos; });
        if (literal.find('{') == std::string::npos) continue;
        for (const std::string& wrong : WrongCounts(literal)) {
          ADD_FAILURE() << entry.path() << ": \"" << literal << "\": write Counted(n, ...) for \""
                        << wrong << '"';
        }
      }
    }
  }
  EXPECT_GT(files, 300u);
  EXPECT_TRUE(unused.empty()) << *unused.begin() << " is in no text any more";
}

// The same where a count is put together without a format string.
TEST(NumbersAgree, NoCountIsGluedToAPlural) {
  static const std::regex glued(R"((Grouped|to_string)\([^;]*\) \+ " ([a-z-]+ )?([a-z]+s)\b)");
  for (const char* folder : {"cli", "coordinator", "common", "agent"}) {
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(PORTOLAN_SOURCE_DIR) / folder)) {
      if (entry.path().extension() != ".cc") continue;
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        std::smatch m;
        if (!std::regex_search(line, m, glued) || kNoPlurals.count(m[3].str()) > 0) continue;
        ADD_FAILURE() << entry.path() << ": " << line << ": write Counted(n, ...)";
      }
    }
  }
}

}  // namespace
}  // namespace portolan
