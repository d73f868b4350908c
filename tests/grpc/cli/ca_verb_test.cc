#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/base/check.h"
#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class CaVerbTest : public CliTest {
 protected:
  CaVerbTest() {
    std::string pattern = fs::temp_directory_path() / "portolan-ca-XXXXXX";
    PORTOLAN_CHECK(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
  }
  ~CaVerbTest() override {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }
  std::string Path(const std::string& name) const { return directory_ / name; }
  Result Ca(std::vector<std::string> args) {
    args.insert(args.begin(), "ca");
    return Run(args);
  }
  static std::string Read(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  static mode_t Mode(const std::string& path) {
    struct stat s {};
    return ::stat(path.c_str(), &s) == 0 ? s.st_mode & 07777 : 0;
  }

  fs::path directory_;
};

TEST_F(CaVerbTest, MakesAllThatAFleetNeeds) {
  const Result init = Ca({"init", "--out", Path("ca")});
  EXPECT_EQ(init.code, 0) << init.err;
  EXPECT_THAT(init.out, HasSubstr("wrote " + Path("ca/ca.pem")));
  EXPECT_THAT(init.err, HasSubstr("keep it here, or offline"));
  EXPECT_EQ(Mode(Path("ca")), 0700u);
  EXPECT_EQ(Mode(Path("ca/ca.key")), 0600u);
  for (const std::string role : {"coordinator", "agent", "operator"}) {
    std::vector<std::string> args = {"issue", role, "--ca", Path("ca"), "--out", Path(role)};
    if (role == "coordinator") args.insert(args.end(), {"--dns", "localhost", "--ip", "127.0.0.1"});
    const Result issue = Ca(args);
    EXPECT_EQ(issue.code, 0) << issue.err;
    EXPECT_THAT(issue.out, HasSubstr("spiffe://portolan/portolan/" + role + ", valid until 20"));
    const TlsFiles files{Path(role + "/" + role + ".pem"), Path(role + "/" + role + ".key"),
                         Path(role + "/ca.pem")};
    EXPECT_EQ(Mode(files.key), 0600u);
    EXPECT_EQ(Read(files.ca), Read(Path("ca/ca.pem")));
    EXPECT_FALSE(fs::exists(Path(role + "/ca.key")));
  }
}

TEST_F(CaVerbTest, AFileInTheWayIsNamedAndStays) {
  ASSERT_EQ(Ca({"init", "--out", Path("ca")}).code, 0);
  const std::string before = Read(Path("ca/ca.key"));
  Result again = Ca({"init", "--out", Path("ca")});
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr(Path("ca/ca.key")));
  EXPECT_THAT(again.err, HasSubstr("--force"));
  EXPECT_EQ(Read(Path("ca/ca.key")), before);

  ASSERT_EQ(Ca({"issue", "agent", "--out", Path("ca")}).code, 0);
  const std::string old = Read(Path("ca/agent.pem"));
  EXPECT_EQ(Ca({"issue", "agent", "--out", Path("ca")}).code, 2);
  EXPECT_EQ(Read(Path("ca/agent.pem")), old);
  EXPECT_EQ(Ca({"issue", "agent", "--out", Path("ca"), "--force"}).code, 0);
  EXPECT_NE(Read(Path("ca/agent.pem")), old);
  EXPECT_EQ(Read(Path("ca/ca.key")), before);
}

TEST_F(CaVerbTest, SaysWhatWasMadeAsJson) {
  ASSERT_EQ(Ca({"init", "--out", Path("ca"), "--domain", "example.org", "--valid", "2d"}).code, 0);
  const Result r =
      Ca({"issue", "agent", "--name", "dmz-1", "--out", Path("ca"), "--valid", "90d", "--json"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.err, HasSubstr("the authority ends then, too"));
  const auto json = nlohmann::json::parse(r.out);
  EXPECT_EQ(json["type"], "certificate");
  EXPECT_EQ(json["uri"], "spiffe://example.org/portolan/agent/dmz-1");
  EXPECT_EQ(json["certificate"], Path("ca/agent.pem"));
  EXPECT_EQ(json["key"], Path("ca/agent.key"));
  EXPECT_TRUE(json["not_after"].is_string());
}

TEST_F(CaVerbTest, OtherAuthoritiesInTheWayAreNotLost) {
  ASSERT_EQ(Ca({"init", "--out", Path("old")}).code, 0);
  ASSERT_EQ(Ca({"init", "--out", Path("new")}).code, 0);
  ASSERT_EQ(Ca({"issue", "agent", "--ca", Path("old"), "--out", Path("agent")}).code, 0);
  const Result refused =
      Ca({"issue", "agent", "--ca", Path("new"), "--out", Path("agent"), "--force"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("holds other authorities"));
  const std::string both = Read(Path("old/ca.pem")) + Read(Path("new/ca.pem"));
  std::ofstream(Path("agent/ca.pem")) << both;
  EXPECT_EQ(Ca({"issue", "agent", "--ca", Path("new"), "--out", Path("agent"), "--force"}).code, 0);
  EXPECT_EQ(Read(Path("agent/ca.pem")), both);
}

TEST_F(CaVerbTest, BadUsageSaysTheRemedy) {
  const auto refused = [&](std::vector<std::string> args, const std::string& says) {
    const Result r = Ca(args);
    EXPECT_EQ(r.code, 2) << says;
    EXPECT_THAT(r.err, HasSubstr(says));
  };
  refused({"issue", "agent", "--out", Path("none")}, "portolan ca init --out DIR");
  ASSERT_EQ(Ca({"init", "--out", Path("ca")}).code, 0);
  refused({"issue", "worker", "--out", Path("ca")}, "role \"worker\"");
  refused({"issue", "coordinator", "--out", Path("ca")}, "--dns NAME or --ip ADDRESS");
  refused({"issue", "agent", "--dns", "a.example", "--out", Path("ca")}, "nobody dials an agent");
  refused({"issue", "agent", "--valid", "soon", "--out", Path("ca")}, "--valid: duration \"soon\"");
  refused({"issue", "agent", "--valid", "0s", "--out", Path("ca")}, "--valid 0 s");
  refused({"issue", "agent", "--owner", "nobody-at-all", "--out", Path("ca")}, "--owner");
  refused({"issue", "agent", "--name", "../../x", "--out", Path("ca")}, "--name");
  refused({"init", "--domain", "A/B", "--out", Path("b")}, "--domain");
  EXPECT_FALSE(fs::exists(Path("b")));
}

}  // namespace
}  // namespace portolan
