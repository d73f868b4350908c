// docs/metrics.md lists every metric that the programs export.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace portolan {
namespace {

namespace fs = std::filesystem;

std::string Read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The string literals of a source that begin with `prefix` and hold nothing but a name.
void AddNames(const std::string& text, const std::string& prefix, std::set<std::string>& out) {
  for (size_t at = text.find('"' + prefix); at != std::string::npos;
       at = text.find('"' + prefix, at + 1)) {
    const size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at + 1);
    if (end != std::string::npos && text[end] == '"') out.insert(text.substr(at + 1, end - at - 1));
  }
}

TEST(MetricsDoc, ListsEveryMetric) {
  const fs::path top(PORTOLAN_SOURCE_DIR);
  std::set<std::string> names;
  for (const char* folder : {"common", "coordinator", "agent", "cli"}) {
    for (const auto& entry : fs::recursive_directory_iterator(top / folder)) {
      if (entry.path().extension() != ".cc" ||
          entry.path().filename().string().find("metrics") == std::string::npos) {
        continue;
      }
      const std::string text = Read(entry.path());
      AddNames(text, "portolan_", names);
      AddNames(text, "process_", names);
    }
  }
  EXPECT_GT(names.size(), 50u);
  const std::string page = Read(top / "docs" / "metrics.md");
  for (const std::string& name : names) {
    EXPECT_NE(page.find("`" + name + "`"), std::string::npos)
        << name << " is not in docs/metrics.md";
  }
}

}  // namespace
}  // namespace portolan
