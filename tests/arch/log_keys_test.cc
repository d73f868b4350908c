// Keys of log lines: a program that reads them finds one kind of value under one key.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace portolan {
namespace {

namespace fs = std::filesystem;

// What every line has: FormatLogJson. A field of one of these names would replace it.
const std::set<std::string> kReserved = {"time", "level", "event"};

struct LogCall {
  std::string place;              // "coordinator/server/main.cc:17"
  std::vector<std::string> keys;  // in order
};

// The keys of a call's fields, from behind its opening parenthesis: literals that follow a brace.
std::vector<std::string> KeysOf(std::string_view text) {
  std::vector<std::string> keys;
  char before = '(';  // the last character that is not blank
  for (size_t i = 0, depth = 1; i < text.size() && depth > 0; ++i) {
    const char c = text[i];
    if (c == '"') {
      const size_t begin = i + 1;
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\' ? 1 : 0;
      if (before == '{') keys.emplace_back(text.substr(begin, i - begin));
    } else if (c == '\'') {
      for (++i; i < text.size() && text[i] != '\''; ++i) i += text[i] == '\\' ? 1 : 0;
    } else if (c == '/' && i + 1 < text.size() && text[i + 1] == '/') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    depth += c == '(' ? 1 : 0;
    depth -= c == ')' ? 1 : 0;
    if (c != ' ' && c != '\n') before = c;
  }
  return keys;
}

std::vector<LogCall> CallsIn(const std::string& file, const std::string& text) {
  std::vector<LogCall> calls;
  constexpr std::string_view kCall = "Log(LogLevel::";
  constexpr std::string_view kChosen = "Log(";  // the level is an expression
  for (size_t at = text.find(kChosen); at != std::string::npos; at = text.find(kChosen, at + 1)) {
    const bool named = text.compare(at, kCall.size(), kCall) == 0;
    const bool word = at > 0 && (isalnum(text[at - 1]) != 0 || text[at - 1] == '_');
    if (word || (!named && text.find("LogLevel::", at) > text.find(';', at))) continue;
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n');
    calls.push_back({file + ":" + std::to_string(line),
                     KeysOf(std::string_view(text).substr(at + kChosen.size()))});
  }
  return calls;
}

// "" or why a call is wrong.
std::string Problem(const LogCall& call) {
  std::set<std::string> seen;
  for (const std::string& key : call.keys) {
    if (kReserved.count(key) > 0)
      return "the key \"" + key + "\" is taken by what every line has: name the field otherwise";
    if (key.empty() ||
        key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
      return "the key \"" + key + "\" is not in lower case with underscores";
    if (!seen.insert(key).second) return "the key \"" + key + "\" is given twice";
  }
  return "";
}

TEST(LogKeys, NoFieldHidesWhatEveryLineHas) {
  const fs::path top(PORTOLAN_SOURCE_DIR);
  size_t calls = 0, fields = 0;
  for (const char* folder : {"common", "coordinator", "agent", "cli"}) {
    for (const auto& entry : fs::recursive_directory_iterator(top / folder)) {
      if (entry.path().extension() != ".cc") continue;
      std::ifstream in(entry.path());
      std::stringstream text;
      text << in.rdbuf();
      for (const LogCall& call : CallsIn(fs::relative(entry.path(), top).string(), text.str())) {
        ++calls;
        fields += call.keys.size();
        EXPECT_EQ(Problem(call), "") << call.place;
      }
    }
  }
  EXPECT_GT(calls, 40u);
  EXPECT_GT(fields, 80u);
}

TEST(LogKeys, TheTestFindsWhatItForbids) {
  const auto problem = [](const std::string& text) {
    const auto calls = CallsIn("a.cc", text);
    return calls.size() == 1 ? Problem(calls[0]) : std::to_string(calls.size()) + " calls";
  };
  EXPECT_EQ(problem("  Log(LogLevel::kInfo, \"x\", {{\"monitor\", a},\n {\"event_id\", e.id}});"),
            "");
  EXPECT_NE(problem("  Log(LogLevel::kInfo, \"x\",\n   {{\"a\", b}, {\"event\", e.id}});"), "");
  EXPECT_NE(problem("Log(ok ? LogLevel::kInfo : LogLevel::kError, \"x\", {{\"level\", a}});"), "");
  EXPECT_NE(problem("Log(LogLevel::kInfo, \"x\", {{\"Key\", a}});"), "");
  EXPECT_NE(problem("Log(LogLevel::kInfo, \"x\", {{\"a\", f(1)}, {\"a\", b}});"), "");
  EXPECT_EQ(CallsIn("a.cc", "MyLog(LogLevel::kInfo, 1); SaveLog(x);").size(), 0u);
  EXPECT_EQ(KeysOf("k, \"{a}\", {{\"key\", fmt::format(\"{}\", \"x\\\"\")}});"),
            std::vector<std::string>{"key"});
}

}  // namespace
}  // namespace portolan
