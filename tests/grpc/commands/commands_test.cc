// Every command line that we tell people to run is one that our programs understand: those of
// documents, runbooks, alert rules, manifests, help texts and messages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "agent/app/agent_flags.h"
#include "cli/program.h"
#include "common/base/status.h"
#include "coordinator/server/coordinator_flags.h"
#include "tests/grpc/commands/command_lines.h"

namespace portolan {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the names of values stand for.
const std::map<std::string, std::string>& Values() {
  static const std::map<std::string, std::string> values = {
      {"ADDRESS", "192.0.2.1"}, {"DIR", "dir"},       {"EXPR", "ssh"},
      {"FILE", "file"},         {"FIRST", "web#1"},   {"HOST:PORT", "h:7411"},
      {"MONITOR", "web"},       {"NAME", "name"},     {"NUMBER", "17"},
      {"PORT", "22"},           {"RECEIVER", "desk"}, {"RULE", "10.0.0.1"},
      {"SCAN", "last"},         {"TEXT", "text"},     {"SECOND", "web#2"},
      {"TARGET", "10.0.0.1"},   {"VANTAGE", "dmz"}};
  return values;
}

bool IsName(const std::string& word) {
  return word.size() > 1 &&
         word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ:") == std::string::npos;
}

bool IsVerb(const std::string& word) {
  bool missing = false;
  return CheckCommand({word}, &missing).ok();
}

// OK, or why the program does not understand it.
absl::Status Check(const CommandLine& line) {
  std::vector<std::string> words = line.words;
  // Asked for help, the parsers look at nothing else.
  words.erase(std::find(words.begin(), words.end(), "--help"), words.end());
  bool arguments = false;  // more than verbs
  for (std::string& word : words) {
    if (IsName(word)) {
      const auto value = Values().find(word);
      if (value == Values().end())
        return InvalidArgument("{}: what is it? Add it to the values of this test", word);
      word = value->second;
    }
    arguments |= word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") != std::string::npos ||
                 word[0] == '-';
  }
  // A value that is filled in later: a name, or a number.
  absl::Status last;
  for (const char* const anything : {"name", "17"}) {
    std::vector<std::string> filled = words;
    for (std::string& word : filled) {
      for (size_t at; (at = word.find(kAnything)) != std::string::npos;)
        word.replace(at, 1, anything);
    }
    bool missing = false;
    if (line.program == "portolan") {
      last = CheckCommand(filled, &missing);
    } else if (line.program == "portolan-agent") {
      last = CheckAgentCommand(filled);
    } else {
      last = CheckCoordinatorCommand(filled);
    }
    // "see `portolan ca`" and "`portolan ca issue ...`" name what is there, and need not be whole.
    if (last.ok() && missing && arguments && !line.elided)
      last = InvalidArgument("something that it needs is missing");
    if (last.ok()) return last;
  }
  return last;
}

std::string Text(const CommandLine& line) {
  std::string text = line.program;
  for (const std::string& word : line.words) text += " " + word;
  for (size_t at; (at = text.find(kAnything)) != std::string::npos;) text.replace(at, 1, "{}");
  return text;
}

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<CommandLine> CommandsOf(const fs::path& file, const std::string& name) {
  static const std::set<std::string> configs = {".yaml", ".yml", ".json",    ".py",  ".js",
                                                ".sh",   ".in",  ".service", ".env", ".proto"};
  const std::string kind = file.extension().string();
  if (kind == ".md") return CommandsInMarkdown(Read(file), name);
  if (kind == ".cc" || kind == ".h") return CommandsInCode(Read(file), name);
  if (configs.count(kind) > 0 || file.filename() == "Dockerfile" || file.filename() == "dev")
    return CommandsInConfig(Read(file), name);
  return {};
}

// All of the project, except tests, which also say what is wrong.
std::vector<CommandLine> AllCommands() {
  static const std::set<std::string> left_out = {".git", "build", "node_modules", "tests"};
  const fs::path top(PORTOLAN_SOURCE_DIR);
  std::vector<CommandLine> out;
  for (auto at = fs::recursive_directory_iterator(top); at != fs::end(at); ++at) {
    if (left_out.count(at->path().filename().string()) > 0) {
      at.disable_recursion_pending();
    } else if (at->is_regular_file()) {
      for (CommandLine& line : CommandsOf(at->path(), fs::relative(at->path(), top).string()))
        out.push_back(std::move(line));
    }
  }
  return out;
}

TEST(Commands, EveryOneThatPeopleAreToldIsUnderstood) {
  std::map<std::string, size_t> by_folder;
  for (const CommandLine& line : AllCommands()) {
    if (!line.certain && line.program == "portolan" && !IsVerb(line.words[0])) continue;
    ++by_folder[line.place.substr(0, line.place.find_first_of("/:"))];
    const absl::Status status = Check(line);
    EXPECT_TRUE(status.ok()) << line.place << ": " << Text(line) << ": " << Message(status);
  }
  // So that it cannot pass by finding nothing.
  EXPECT_GT(by_folder["docs"], 60u);
  EXPECT_GT(by_folder["deploy"], 40u);
  EXPECT_GT(by_folder["cli"], 90u);
  EXPECT_GT(by_folder["coordinator"], 5u);
  EXPECT_GT(by_folder["agent"], 2u);
  EXPECT_GT(by_folder["README.md"], 15u);
}

absl::Status CheckText(const std::string& text) {
  const auto lines = CommandsInMarkdown("`" + text + "`", "x.md");
  EXPECT_EQ(lines.size(), 1u) << text;
  return lines.size() == 1 ? Check(lines[0]) : absl::OkStatus();
}

TEST(Commands, WrongOnesAreRecognised) {
  for (const char* wrong :
       {"portolan exposure MONITOR --expected no", "portolan scans delete",
        "portolan scans delete x", "portolan notifications resend RECEIVER",
        "portolan scna 10.0.0.1", "portolan scna --help", "portolan scan 10.0.0.1 -p",
        "portolan scans show", "portolan scans show last more",
        "portolan explain 10.0.0.1 22 --monitor", "portolan scan 10.0.0.1 --retries many",
        "portolan agents drain NAME --undo=yes", "portolan explain WHATEVER 22",
        "portolan-agent --coordinatr h:1", "portolan-agent --coordinator h:1 surplus",
        "portolan-coordinator --data", "portolan-coordinator --series-budget many"}) {
    if (std::string(wrong) == "portolan scans show") continue;  // names the verb
    EXPECT_FALSE(CheckText(wrong).ok()) << wrong;
  }
  for (const char* right :
       {"portolan exposure MONITOR --unexpected", "portolan scans rm SCAN", "portolan scans show",
        "portolan notifications resend --receiver RECEIVER", "portolan notifications drop {{ $n }}",
        "portolan ca issue agent ... --out DIR", "portolan scan -iL FILE -p- -T4",
        "portolan-agent --coordinator h:1 --vantage x", "portolan-coordinator --help"}) {
    EXPECT_TRUE(CheckText(right).ok()) << right << ": " << CheckText(right);
  }
}

// The words of each command that is found.
std::vector<std::vector<std::string>> WordsOf(const std::vector<CommandLine>& lines) {
  std::vector<std::vector<std::string>> out;
  for (const CommandLine& line : lines) out.push_back(line.words);
  return out;
}
const std::string kAny(1, kAnything);

TEST(CommandLines, AreFoundInLiteralsAsTheCompilerJoinsThem) {
  const char* code = R"cc(
    // portolan not this
    Note(
        fmt::format("go on with portolan scans "
                    "resume {} --wait{}; or not",
                    id, flags));
    out += "see portolan findings " + name;
    f('"',
      "  portolan scan 10.0.0.1 -p-     every port\n  portolan scans exclude last '10.0.1.7 22'\n");
  )cc";
  EXPECT_THAT(WordsOf(CommandsInCode(code, "x.cc")),
              ElementsAre(ElementsAre("scans", "resume", kAny, "--wait"),
                          ElementsAre("findings", kAny), ElementsAre("scan", "10.0.0.1", "-p-"),
                          ElementsAre("scans", "exclude", "last", "10.0.1.7 22")));
}

TEST(CommandLines, AreFoundInDocuments) {
  const char* page =
      "The portolan is a chart; `portolan scans\nrm SCAN` removes.\n"
      "```sh\n"
      "$ sudo portolan scan 10.0.0.1 \\\n"
      "    -p 22 | tee x   # portolan agents, too\n"
      "kubectl --namespace portolan get pods\n"
      "A=b portolan-agent --vantage x &\n"
      "```\n"
      "Then `portolan-coordinator --data DIR`.\n";
  const auto lines = CommandsInMarkdown(page, "x.md");
  EXPECT_THAT(
      WordsOf(lines),
      ElementsAre(ElementsAre("scans", "rm", "SCAN"), ElementsAre("scan", "10.0.0.1", "-p", "22"),
                  ElementsAre("agents"), ElementsAre("get", "pods"), ElementsAre("--vantage", "x"),
                  ElementsAre("--data", "DIR")));
  EXPECT_TRUE(lines[1].certain);
  EXPECT_FALSE(lines[3].certain);
  EXPECT_EQ(lines[1].place, "x.md:4");
}

TEST(CommandLines, AreFoundInRulesAndUnits) {
  EXPECT_THAT(WordsOf(CommandsInConfig("a: \"see `portolan check {{ $labels.m }}`\"\n"
                                       "# As in portolan ca --help.\n"
                                       "ExecStart=/usr/bin/portolan-agent --grace 20s\n",
                                       "x.yaml")),
              ElementsAre(ElementsAre("check", kAny), ElementsAre("ca", "--help"),
                          ElementsAre("--grace", "20s")));
}

}  // namespace
}  // namespace portolan
