// Local mode as people use it: open ports while it scans, an interrupt, the commands that it
// prints, and scans that are called by their names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <sstream>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LocalMode : public ::testing::Test {
 protected:
  void SetUp() override {
    listeners_ = std::make_unique<Listeners>("", std::vector<Listeners::Endpoint>{{"0.0.0.0", 0}});
    ASSERT_TRUE(listeners_->ok());
  }
  std::string Port() const { return std::to_string(listeners_->ports()[0]); }
  // A directory whose name a shell needs in quotes.
  std::string Data() const { return dir_.path("my scans"); }
  Process::Options Options() const {
    Process::Options options;
    options.env["PATH"] = std::string(PORTOLAN_BIN_DIR) + ":/usr/bin:/bin";
    options.env["HOME"] = dir_.path("home");
    return options;
  }
  RunResult Run(std::vector<std::string> args) {
    args.insert(args.begin(), std::string(PORTOLAN_BIN_DIR) + "/portolan");
    args.insert(args.end(), {"--data", Data()});
    return RunToEnd(args, seconds(60), Options());
  }
  // Starts a scan of minutes, in which each 300th port is open, and interrupts it once an open port
  // was shown: by --json on standard output, for people on standard error.
  std::unique_ptr<Process> Interrupted(const std::string& name, bool json) {
    std::vector<std::string> argv = {std::string(PORTOLAN_BIN_DIR) + "/portolan",
                                     "scan",
                                     "127.0.15.0/24",
                                     "-p",
                                     "1-300," + Port(),
                                     "--max-rate",
                                     "200",
                                     "--name",
                                     name,
                                     "--data",
                                     Data()};
    if (json) argv.push_back("--json");
    auto process = std::make_unique<Process>(argv, dir_.path(name), Options());
    const std::string sign = json ? "\"port\":" + Port() : ":" + Port();
    EXPECT_TRUE(Eventually(seconds(60), [&] {
      return (json ? process->Out() : process->Err()).find(sign) != std::string::npos ||
             !process->Running();
    }));
    EXPECT_TRUE(process->Running()) << process->Out() << process->Err();
    process->Signal(SIGINT);
    EXPECT_EQ(process->Wait(seconds(30)), 130) << process->Err();
    return process;
  }
  // The commands that a text tells people to type, each at the end of a line.
  static std::vector<std::string> CommandsIn(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (const size_t at = line.find("portolan "); at != std::string::npos && line.find("  ") == 0)
        out.push_back(line.substr(at));
    }
    return out;
  }

  TempDir dir_;
  std::unique_ptr<Listeners> listeners_;
};

TEST_F(LocalMode, OpenPortsAreShownWhileItScansAndPrintedCommandsWork) {
  for (const bool json : {false, true}) {
    SCOPED_TRACE(json ? "--json" : "for people");
    const auto process = Interrupted(json ? "record" : "people", json);
    EXPECT_THAT(process->Err(), Not(HasSubstr("coordinator")));
    const std::vector<std::string> commands = CommandsIn(process->Err());
    ASSERT_EQ(commands.size(), 2u) << process->Err();  // to go on, and its results
    for (const std::string& command : commands) {
      EXPECT_THAT(command, HasSubstr("--data"));
      if (command.find("resume") == std::string::npos) {
        const RunResult typed = RunToEnd({"sh", "-c", command}, seconds(60), Options());
        EXPECT_EQ(typed.code, 0) << command << "\n" << typed.err;
        EXPECT_THAT(typed.out, HasSubstr(Port() + "/tcp")) << typed.out;
        continue;
      }
      Process resumed({"sh", "-c", "exec " + command}, dir_.path(json ? "r1" : "r0"), Options());
      EXPECT_TRUE(Eventually(seconds(60), [&] {
        return resumed.Err().find(":" + Port()) != std::string::npos || !resumed.Running();
      }));
      EXPECT_TRUE(resumed.Running()) << command << "\n" << resumed.Err();
      resumed.Signal(SIGINT);
      EXPECT_EQ(resumed.Wait(seconds(30)), 130) << resumed.Err();
    }
  }
}

TEST_F(LocalMode, EveryCommandThatTakesAScanTakesItsName) {
  const std::vector<std::string> scan = {"scan", "127.0.14.1", "-p", Port() + ",1", "--name"};
  for (const char* name : {"before", "weekly scan"}) {
    std::vector<std::string> args = scan;
    args.push_back(name);
    ASSERT_EQ(Run(args).code, 0);
  }
  const std::string name = "weekly scan";
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"results", name},
                                             {"diff", "before", name},
                                             {"diff", name, "last"},
                                             {"scans", "show", name},
                                             {"scans", "watch", name}}) {
    const RunResult r = Run(args);
    EXPECT_EQ(r.code, 0) << args[0] << " " << args[1] << "\n" << r.out << r.err;
  }
  const auto paused = Interrupted("slow", false);
  // In local mode this runs the scan until it ends or is interrupted.
  Process resumed(
      {std::string(PORTOLAN_BIN_DIR) + "/portolan", "scans", "resume", "slow", "--data", Data()},
      dir_.path("resumed"), Options());
  EXPECT_TRUE(Eventually(seconds(60), [&] {
    return resumed.Err().find(":" + Port()) != std::string::npos || !resumed.Running();
  }));
  EXPECT_TRUE(resumed.Running()) << resumed.Err();
  resumed.Signal(SIGINT);
  EXPECT_EQ(resumed.Wait(seconds(30)), 130) << resumed.Err();
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"scans", "exclude", "slow", "127.0.15.9"},
                                             {"scans", "pause", "slow"},
                                             {"scans", "cancel", "slow"},
                                             {"scans", "rm", "slow"},
                                             {"scans", "rm", name}}) {
    const RunResult r = Run(args);
    EXPECT_EQ(r.code, 0) << args[1] << " " << args[2] << "\n" << r.out << r.err;
  }
  const RunResult gone = Run({"results", name});
  EXPECT_EQ(gone.code, 1);
  EXPECT_THAT(gone.err, HasSubstr(name));
}

}  // namespace
}  // namespace portolan::integration
