// Holds the sources to docs/architecture.md: who may include whom, where foreign libraries end,
// and that time comes from Clock. To allow something new, change the table and say why.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace portolan {
namespace {

using Names = std::set<std::string>;

// ---- the tables ----

// Which folders' headers a folder may include, besides its own. tests/ and bench/ may include all.
const std::map<std::string, Names>& AllowedFolders() {
  static const Names domain = {"common/base", "common/net", "common/scan", "common/scope",
                               "common/monitor"};
  static const auto with = [](Names names, const Names& more) {
    names.insert(more.begin(), more.end());
    return names;
  };
  static const Names common = with(domain, {"common/dns", "common/rpc", "common/ops"});
  static const std::map<std::string, Names> table = {
      {"common/base", {}},
      {"common/net", {"common/base"}},
      {"common/dns", {"common/base", "common/net"}},
      {"common/scope", {"common/base", "common/net"}},
      {"common/scan", {"common/base", "common/net"}},
      {"common/monitor", {"common/base", "common/net", "common/scan"}},
      {"common/pki", {"common/base", "common/net"}},
      {"common/rpc", domain},
      {"common/ops", with(domain, {"common/rpc"})},
      {"coordinator/scheduler", domain},
      {"coordinator/monitors", domain},
      {"coordinator/exposure", domain},
      {"coordinator/store", with(domain, {"coordinator/scheduler"})},
      {"coordinator/ingest", with(domain, {"coordinator/scheduler", "coordinator/store"})},
      {"coordinator/results", with(domain, {"coordinator/scheduler", "coordinator/store"})},
      {"coordinator/notify", with(domain, {"common/ops", "coordinator/store"})},
      // Of coordinator/monitoring only views.h, the plain values that it keeps and gives.
      {"coordinator/monitor_store",
       with(domain, {"coordinator/exposure", "coordinator/monitors", "coordinator/monitoring",
                     "coordinator/notify", "coordinator/store"})},
      // The coordinator without its network, so that it can be tested under ThreadSanitizer.
      {"coordinator/control",
       with(domain, {"common/dns", "common/ops", "coordinator/scheduler", "coordinator/store",
                     "coordinator/ingest", "coordinator/results"})},
      // Runs what the folders before it decide. Views are plain values, which the store keeps.
      {"coordinator/monitoring",
       with(domain, {"common/dns", "common/ops", "coordinator/control", "coordinator/exposure",
                     "coordinator/monitor_store", "coordinator/monitors", "coordinator/notify",
                     "coordinator/results", "coordinator/scheduler", "coordinator/store"})},
      {"coordinator/service", with(common, {"coordinator/*"})},
      {"coordinator/server", with(common, {"coordinator/*"})},
      {"agent/engine", domain},
      {"agent/pacing", domain},
      {"agent/runner", with(domain, {"agent/engine", "agent/pacing"})},
      {"agent/link", with(common, {"agent/runner"})},
      {"agent/app", with(common, {"agent/*"})},
      {"cli/render", domain},
      {"cli/base", with(domain, {"cli/render"})},
      // Local mode runs a coordinator and an agent inside the command line.
      {"cli",
       with(common, {"cli/base", "cli/render", "common/pki", "coordinator/server", "agent/app"})},
  };
  return table;
}

// State machines and arithmetic: no thread, socket, clock or chance of their own.
const Names kPure = {"common/net",           "common/scan",         "common/scope",
                     "common/monitor",       "agent/pacing",        "coordinator/scheduler",
                     "coordinator/monitors", "coordinator/exposure"};
const Names kNotInPure = {"thread",
                          "mutex",
                          "condition_variable",
                          "future",
                          "random",
                          "unistd.h",
                          "time.h",
                          "ctime",
                          "common/base/mutex.h",
                          "common/base/clock.h",
                          "common/base/task_runner.h",
                          "common/base/thread_pool.h"};

// Where the headers of a library may be included. A place is a folder, a file, or "*part*" of a
// file name.
struct Library {
  const char* name;
  std::vector<std::string> headers;  // beginnings, or "*end"
  Names places;
};
const Names kRpcPlaces = {"common/ops/log.cc",  // takes gRPC's own log lines into ours
                          "common/rpc",        "coordinator/service", "coordinator/server",
                          "agent/link",        "agent/app",           "cli"};
const std::vector<Library>& Libraries() {
  static const std::vector<Library> table = {
      {"gRPC and generated code",
       {"grpcpp/", "grpc/", "google/protobuf/", "portolan/v1/", "*.pb.h"},
       kRpcPlaces},
      {"SQLite", {"sqlite3.h"}, {"coordinator/store"}},
      {"Prometheus", {"prometheus/"}, {"common/ops", "*metrics*"}},
      {"sockets",
       {"sys/socket.h", "sys/epoll.h", "netinet/", "linux/errqueue.h", "liburing.h"},
       {"agent/engine",
        // Numbers of addresses as the peers of gRPC give them; no socket.
        "common/net", "common/rpc",
        // Questions to name servers; c-ares opens the sockets.
        "common/dns",
        // Ends a request that takes too long or is answered too much; the HTTP library dials.
        "coordinator/notify/socket_watch.cc",
        // Datagrams to the service manager of this machine.
        "common/ops/service_manager.cc"}},
      {"the HTTP server", {"httplib.h"}, {"common/ops", "coordinator/notify"}},
      {"zstd", {"zstd.h"}, {"common/scan"}},
      {"c-ares", {"ares"}, {"common/dns"}},
      // Throws on bad input: its exceptions end in yaml_reader.cc and receiver_file.cc.
      {"yaml-cpp",
       {"yaml-cpp/"},
       {"common/monitor/yaml_reader.cc", "coordinator/notify/receiver_file.cc",
        "coordinator/notify/receiver_yaml.h"}},
  };
  return table;
}

// Time comes from Clock. These read the machine's clock themselves, and why.
const std::vector<std::string> kClockCalls = {"_clock::now",    "clock_gettime", "gettimeofday",
                                              "timespec_get",   "std::time(",    " time(nullptr)",
                                              "(time(nullptr)", "gpr_now(",      "absl::Now("};
const std::map<std::string, std::string> kMayReadClocks = {
    {"common/base/clock.cc", "it is the Clock"},
    {"tests/grpc/", "gRPC counts deadlines on the system's clock"},
    {"tests/integration/", "real processes live in real time"},
    {"bench/", "measures real time"},
};

// ---- reading the sources ----

struct SourceLine {
  std::string file;  // from the top of the tree: "common/net/ip_set.h"
  int number = 0;
  std::string text;  // without comment
};

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// The header that a line includes, or "".
std::string IncludeOf(const std::string& text) {
  size_t at = text.find_first_not_of(" \t");
  if (at == std::string::npos || text[at] != '#') return "";
  at = text.find_first_not_of(" \t", at + 1);
  if (at == std::string::npos || text.compare(at, 7, "include") != 0) return "";
  const size_t begin = text.find_first_of("<\"", at);
  if (begin == std::string::npos) return "";
  const size_t end = text.find_first_of(">\"", begin + 1);
  return end == std::string::npos ? "" : text.substr(begin + 1, end - begin - 1);
}

std::vector<SourceLine> ReadSources() {
  namespace fs = std::filesystem;
  const fs::path top = PORTOLAN_SOURCE_DIR;
  std::vector<SourceLine> lines;
  for (const char* folder : {"common", "coordinator", "agent", "cli", "bench", "tests"}) {
    if (!fs::exists(top / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(top / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cc") continue;
      const std::string file = fs::relative(entry.path(), top).generic_string();
      if (file.rfind("tests/arch/", 0) == 0) continue;  // names what it forbids
      std::ifstream in(entry.path());
      std::string text;
      for (int number = 1; std::getline(in, text); ++number) {
        lines.push_back({file, number, text.substr(0, text.find("//"))});
      }
    }
  }
  return lines;
}

// ---- the rules: each gives why a line breaks it, or "" ----

bool IsFree(const std::string& file) {
  return file.rfind("tests/", 0) == 0 || file.rfind("bench/", 0) == 0;
}

std::string BreaksFolderRule(const SourceLine& line) {
  const std::string header = IncludeOf(line.text);
  const std::string from = FolderOf(line.file), to = FolderOf(header);
  const std::string top = to.substr(0, to.find('/'));
  static const Names ours = {"common", "coordinator", "agent", "cli", "bench", "tests"};
  if (ours.count(top) == 0 || from == to || IsFree(line.file)) return "";
  const auto allowed = AllowedFolders().find(from);
  if (allowed == AllowedFolders().end()) return from + " is in no table: add it";
  if (allowed->second.count(to) > 0 || allowed->second.count(top + "/*") > 0) return "";
  return from + " must not include " + to;
}

std::string BreaksPureRule(const SourceLine& line) {
  if (kPure.count(FolderOf(line.file)) == 0) return "";
  const std::string header = IncludeOf(line.text);
  if (kNotInPure.count(header) == 0 && header.rfind("sys/", 0) != 0) return "";
  return FolderOf(line.file) + " is pure and must not include " + header;
}

bool IsOf(const Library& library, const std::string& header) {
  return std::any_of(library.headers.begin(), library.headers.end(), [&](const std::string& h) {
    if (h[0] != '*') return header.rfind(h, 0) == 0;
    const std::string end = h.substr(1);
    return header.size() > end.size() && header.substr(header.size() - end.size()) == end;
  });
}

std::string BreaksLibraryRule(const SourceLine& line) {
  const std::string header = IncludeOf(line.text);
  if (header.empty() || IsFree(line.file)) return "";
  const std::string name = line.file.substr(line.file.rfind('/') + 1);
  for (const Library& library : Libraries()) {
    if (!IsOf(library, header)) continue;
    const bool ok =
        std::any_of(library.places.begin(), library.places.end(), [&](const std::string& place) {
          if (place[0] != '*') return FolderOf(line.file) == place || line.file == place;
          return name.find(place.substr(1, place.size() - 2)) != std::string::npos;
        });
    if (!ok) return std::string(library.name) + " must not be included here: " + header;
  }
  return "";
}

std::string BreaksClockRule(const SourceLine& line) {
  for (const auto& [place, reason] : kMayReadClocks) {
    if (line.file.rfind(place, 0) == 0) return "";
  }
  for (const std::string& call : kClockCalls) {
    if (line.text.find(call) != std::string::npos) {
      return "reads a clock (" + call + "): take a Time, or a Clock&";
    }
  }
  return "";
}

// The type that a line at the left margin of a header defines, or "".
std::string DefinedType(const SourceLine& line) {
  if (line.file.size() < 2 || line.file.substr(line.file.size() - 2) != ".h") return "";
  for (const std::string start : {"class ", "struct ", "enum class "}) {
    if (line.text.rfind(start, 0) != 0 || line.text.find('{') == std::string::npos) continue;
    const size_t end = line.text.find_first_of(" {<", start.size());
    const std::string name = line.text.substr(start.size(), end - start.size());
    return name.find("::") == std::string::npos ? name : "";  // Scheduler::Impl, std::hash
  }
  return "";
}

using Rule = std::string (*)(const SourceLine&);

void ExpectHolds(Rule rule) {
  static const std::vector<SourceLine> lines = ReadSources();
  ASSERT_GT(lines.size(), 1000u) << "sources not found under " << PORTOLAN_SOURCE_DIR;
  for (const SourceLine& line : lines) {
    const std::string why = rule(line);
    if (!why.empty()) ADD_FAILURE() << line.file << ":" << line.number << ": " << why;
  }
}

TEST(Architecture, FoldersIncludeOnlyWhatTheyMay) { ExpectHolds(BreaksFolderRule); }
TEST(Architecture, PureFoldersSeeNoThreadSocketClockOrChance) { ExpectHolds(BreaksPureRule); }
TEST(Architecture, ForeignLibrariesEndInTheirFolders) { ExpectHolds(BreaksLibraryRule); }
TEST(Architecture, TimeComesFromTheClock) { ExpectHolds(BreaksClockRule); }

// The command line links the coordinator and the agent into one program, where two types of one
// name are one to the linker: it calls the functions of either for both.
TEST(Architecture, NoTwoHeadersDefineATypeOfOneName) {
  std::map<std::string, std::string> seen;
  for (const SourceLine& line : ReadSources()) {
    const std::string name = IsFree(line.file) ? "" : DefinedType(line);
    if (name.empty()) continue;
    const auto [at, is_new] = seen.emplace(name, line.file);
    EXPECT_TRUE(is_new) << name << " is defined in " << at->second << " and in " << line.file
                        << ": rename one";
  }
  EXPECT_GT(seen.size(), 100u);
}

TEST(ArchitectureTest, RulesFindWhatTheyForbid) {
  const auto broken = [](Rule rule, const char* file, const char* text) {
    return !rule({file, 1, text}).empty();
  };
  EXPECT_TRUE(broken(BreaksFolderRule, "common/net/a.cc", "#include \"common/scan/b.h\""));
  EXPECT_TRUE(broken(BreaksFolderRule, "agent/link/a.cc", "#include \"coordinator/store/b.h\""));
  EXPECT_TRUE(broken(BreaksFolderRule, "coordinator/server/a.h", "#  include \"agent/app/b.h\""));
  EXPECT_TRUE(broken(BreaksFolderRule, "cli/a.cc", "#include \"coordinator/store/b.h\""));
  EXPECT_TRUE(broken(BreaksFolderRule, "common/new/a.cc", "#include \"common/base/b.h\""));
  EXPECT_TRUE(broken(BreaksFolderRule, "common/base/a.cc", "#include \"tests/fakes/b.h\""));
  EXPECT_FALSE(broken(BreaksFolderRule, "common/scan/a.cc", "#include \"common/net/b.h\""));
  EXPECT_FALSE(
      broken(BreaksFolderRule, "coordinator/server/a.cc", "#include \"coordinator/store/b.h\""));
  EXPECT_FALSE(broken(BreaksFolderRule, "tests/a.cc", "#include \"coordinator/store/b.h\""));
  EXPECT_EQ(DefinedType({"agent/link/a.h", 1, "class Control final : public X {"}), "Control");
  EXPECT_EQ(DefinedType({"agent/link/a.h", 1, "class Control;"}), "");
  EXPECT_EQ(DefinedType({"agent/link/a.h", 1, "struct std::hash<X> {"}), "");
  EXPECT_EQ(DefinedType({"agent/link/a.h", 1, "  struct Inner {"}), "");
  EXPECT_TRUE(broken(BreaksPureRule, "agent/pacing/a.cc", "#include <thread>"));
  EXPECT_TRUE(broken(BreaksPureRule, "coordinator/scheduler/a.h", "#include <sys/socket.h>"));
  EXPECT_TRUE(
      broken(BreaksPureRule, "coordinator/scheduler/a.h", "#include \"common/base/clock.h\""));
  EXPECT_FALSE(broken(BreaksPureRule, "agent/engine/a.cc", "#include <thread>"));
  EXPECT_TRUE(broken(BreaksLibraryRule, "coordinator/ingest/a.cc", "#include <sqlite3.h>"));
  EXPECT_TRUE(broken(BreaksLibraryRule, "agent/runner/a.h", "#include \"portolan/v1/types.pb.h\""));
  EXPECT_TRUE(broken(BreaksLibraryRule, "common/ops/a.cc", "#include <grpcpp/grpcpp.h>"));
  EXPECT_TRUE(broken(BreaksLibraryRule, "agent/app/agent.cc", "#include <prometheus/counter.h>"));
  EXPECT_FALSE(
      broken(BreaksLibraryRule, "agent/app/agent_metrics.cc", "#include <prometheus/counter.h>"));
  EXPECT_FALSE(broken(BreaksLibraryRule, "common/rpc/a.cc", "#include <grpcpp/grpcpp.h>"));
  EXPECT_TRUE(broken(BreaksLibraryRule, "coordinator/control/a.cc", "#include <ares.h>"));
  EXPECT_FALSE(broken(BreaksLibraryRule, "common/dns/a.cc", "#include <ares.h>"));
  EXPECT_TRUE(broken(BreaksClockRule, "agent/engine/a.cc", "auto t = steady_clock::now();"));
  EXPECT_TRUE(broken(BreaksClockRule, "cli/a.cc", "srand(time(nullptr));"));
  EXPECT_TRUE(broken(BreaksClockRule, "tests/agent/a.cc", "std::chrono::system_clock::now()"));
  EXPECT_FALSE(broken(BreaksClockRule, "common/base/clock.cc", "clock_gettime(CLOCK_BOOTTIME"));
  EXPECT_FALSE(broken(BreaksClockRule, "agent/engine/a.cc", "clock.Now()"));
}

}  // namespace
}  // namespace portolan
