// docs/metrics.md lists every metric that the programs export.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
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

template <typename F>
void ForEachSource(const std::string& extension, F visit) {
  for (const char* top : {"common", "coordinator", "agent", "cli"}) {
    const fs::path root = fs::path(PORTOLAN_SOURCE_DIR) / top;
    if (!fs::exists(root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (entry.path().extension() == extension) visit(entry.path(), Read(entry.path()));
    }
  }
}

TEST(MetricsDoc, ListsEveryMetric) {
  const std::string page = Read(fs::path(PORTOLAN_SOURCE_DIR) / "docs" / "metrics.md");
  const std::regex name("\"((portolan|process)_[a-z_]+)\"");
  std::set<std::string> seen;
  ForEachSource(".cc", [&](const fs::path& path, const std::string& text) {
    if (path.filename().string().find("metrics") == std::string::npos) return;
    for (std::sregex_iterator it(text.begin(), text.end(), name), end; it != end; ++it) {
      seen.insert((*it)[1]);
      EXPECT_NE(page.find("`" + (*it)[1].str() + "`"), std::string::npos)
          << (*it)[1] << " of " << path << " is not in docs/metrics.md";
    }
  });
  EXPECT_GT(seen.size(), 50u);
}

}  // namespace
}  // namespace portolan
