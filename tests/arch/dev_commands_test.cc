// Whatever calls ./dev, or tells people to, names commands that it has: deploy/docker/Dockerfile
// once called one that a merge had dropped, and no image could be built.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace portolan {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The first group of each match.
std::vector<std::string> All(const std::string& text, const std::regex& what) {
  std::vector<std::string> out;
  for (std::sregex_iterator at(text.begin(), text.end(), what), end; at != end; ++at)
    out.push_back((*at)[1]);
  return out;
}

// "./dev X" and "/src/dev X", the latter as the Dockerfile calls it. "./dev" alone names the file.
Names Called(const std::string& text) {
  static const std::regex call(R"((?:\./|/src/)dev ([a-z][a-z0-9-]*))");
  const auto all = All(text, call);
  return {all.begin(), all.end()};
}

// The commands that the script runs: the words of the last case statement's line.
Names Commands(const std::string& dev) {
  const size_t begin = dev.rfind("\ncase $command in");
  EXPECT_NE(begin, std::string::npos);
  static const std::regex line(R"(\n  ([a-z][a-z0-9 |-]*)\)\n)");
  static const std::regex word(R"(([a-z][a-z0-9-]*))");
  Names out;
  for (const std::string& words : All(dev.substr(begin), line)) {
    for (const std::string& name : All(words, word)) out.insert(name);
  }
  return out;
}

// The lines that `./dev help` prints.
std::string HelpText(const std::string& dev) {
  const std::string begin = "<<'TEXT'\n", end = "\nTEXT\n";
  const size_t from = dev.find(begin, dev.find("cmd_help() {")), to = dev.find(end, from);
  return from == std::string::npos || to == std::string::npos
             ? ""
             : dev.substr(from + begin.size(), to + 1 - from - begin.size());
}

// Everything that people write here, as files; not what is made from it.
std::vector<fs::path> Files(const fs::path& top) {
  static const Names made = {".git", "build", "node_modules"};
  std::vector<fs::path> out;
  for (auto at = fs::recursive_directory_iterator(top); at != fs::end(at); ++at) {
    if (made.count(at->path().filename().string()) > 0) {
      at.disable_recursion_pending();
    } else if (at->is_regular_file() && at->file_size() < (1u << 20)) {
      out.push_back(at->path());
    }
  }
  return out;
}

TEST(DevCommands, AreFoundInTexts) {
  EXPECT_EQ(Called("see `./dev bench [NAME]` and ./dev"), Names{"bench"});
  EXPECT_EQ(Called("RUN /src/dev build-packages x && ./dev build --target y"),
            (Names{"build-packages", "build"}));
  EXPECT_EQ(Commands("x\ncase $command in\n  a | b-c)\n    y\n    ;;\n  *) z ;;\nesac\n"),
            (Names{"a", "b-c"}));
}

TEST(DevCommands, HelpListsEachAndEachHasItsFunction) {
  const std::string dev = Read(fs::path(PORTOLAN_SOURCE_DIR) / "dev");
  const Names commands = Commands(dev);
  EXPECT_GE(commands.size(), 15u);
  static const std::regex listed(R"((?:^|\n)\./dev ([a-z][a-z0-9-]*))");
  const auto lines = All(HelpText(dev), listed);
  EXPECT_EQ(Names(lines.begin(), lines.end()), commands);
  static const std::regex function(R"(\ncmd_([a-z0-9_]+)\(\) \{)");
  Names functions;
  for (std::string name : All(dev, function)) {
    std::replace(name.begin(), name.end(), '_', '-');
    functions.insert(name);
  }
  EXPECT_EQ(functions, commands);
}

TEST(DevCommands, ExistWhereverTheyAreNamed) {
  const fs::path top(PORTOLAN_SOURCE_DIR);
  const Names commands = Commands(Read(top / "dev"));
  std::map<std::string, Names> callers;
  for (const fs::path& file : Files(top)) {
    if (file.filename() == "dev_commands_test.cc") continue;
    const std::string name = fs::relative(file, top).string();
    for (const std::string& command : Called(Read(file))) {
      callers[name].insert(command);
      EXPECT_EQ(commands.count(command), 1u) << name << ": ./dev " << command << " does not exist";
    }
  }
  // Those that must be among them, so that the test cannot pass by finding nothing.
  EXPECT_TRUE(callers["deploy/docker/Dockerfile"].count("build-packages"));
  EXPECT_TRUE(callers["deploy/docker/Dockerfile"].count("build"));
  for (const char* gate : {"lint", "test", "build", "image-test", "k8s-check"})
    EXPECT_TRUE(callers[".ci/run"].count(gate)) << gate;
  EXPECT_TRUE(callers["README.md"].count("help"));
  EXPECT_GT(callers.size(), 15u);
}

}  // namespace
}  // namespace portolan
