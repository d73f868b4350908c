// What holds over the sources as a whole: every metric is documented, and no two classes share a name. (The command line links coordinator and agent
// into one program: two classes of one name would make its behaviour undefined, and no tool says so.)
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
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

TEST(Names, EveryMetricIsDocumented) {
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

TEST(Names, NoTwoHeadersDefineTheSameType) {
  // Definitions at namespace level start in the first column.
  const std::regex definition("(^|\n)(class|struct|enum class) (?:PORTOLAN_TSA\\([^)]*\\)+ )?([A-Za-z0-9]+)(?=[ <])[^;\n]*\\{");
  std::map<std::string, std::string> where;
  ForEachSource(".h", [&](const fs::path& path, const std::string& text) {
    for (std::sregex_iterator it(text.begin(), text.end(), definition), end; it != end; ++it) {
      const auto [known, fresh] = where.emplace((*it)[3], path.string());
      EXPECT_TRUE(fresh || known->second == path.string())
          << (*it)[3] << " is defined in " << known->second << " and in " << path;
    }
  });
  EXPECT_GT(where.size(), 100u);
}

}  // namespace
}  // namespace portolan
