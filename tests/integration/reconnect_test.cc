// A coordinator that is away for 20 seconds, over mutual TLS: whatever follows it goes on
// afterwards, and so does the agent.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

constexpr char kBack[] = "the coordinator answers again";

// One that is quick and notices a door that opens, and one whose run takes about a minute. Their
// schedules start nothing.
std::string Monitors(int first_door, int second_door) {
  const auto monitor = [](const std::string& name, const std::string& more) {
    return "apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: " + name + "}\nspec:\n" +
           "  vantages: [{name: lab, role: inside}]\n  schedule: {every: 24h}\n  paused: true\n" +
           "  confirmation: {probes: 2, needed: 2, delay: 1s}\n" + more;
  };
  return monitor("door", "  targets: [127.0.91.1]\n  ports: \"" + std::to_string(first_door) + "," +
                             std::to_string(second_door) + "\"\n") +
         "---\n" +
         monitor("slow", "  targets: [127.0.92.0/25]\n  ports: 1-20\n  rate: {maxRate: 40}\n");
}

class Reconnect : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(certs_.Issue("coordinator", "coordinator", {"--ip", "127.0.0.1"}));
    ASSERT_TRUE(certs_.Issue("agent") && certs_.Issue("operator"));
    {
      // Two ports that are free, and will be.
      Listeners doors("", {{"127.0.91.1", 0}, {"127.0.91.1", 0}});
      ASSERT_TRUE(doors.ok());
      doors_ = doors.ports();
    }
    WriteFile(monitors_.path("lab.yaml"), Monitors(doors_[0], doors_[1]));
    Fleet::Options options;
    options.coordinator_flags = certs_.Flags("coordinator");
    for (const char* flag : {"--monitors", "", "--lease-term", "2s"}) {
      options.coordinator_flags.push_back(*flag == 0 ? monitors_.path() : flag);
    }
    options.cli_flags = certs_.Flags("operator");
    fleet_ = std::make_unique<Fleet>(options);
    ASSERT_TRUE(fleet_->StartCoordinator());
    fleet_->StartAgent({"a1", "lab", "", "", certs_.Flags("agent")});
    ASSERT_TRUE(fleet_->WaitForAgents(1));
  }
  bool RunDoor() {
    const RunResult r = fleet_->Cli({"monitor", "run-now", "door", "--wait"});
    EXPECT_EQ(r.code, 0) << r.err;
    return r.code == 0;
  }

  Certificates certs_;
  TempDir monitors_;
  std::vector<uint16_t> doors_;
  std::unique_ptr<Fleet> fleet_;
};

TEST_F(Reconnect, WhateverFollowsGoesOnAfterTheCoordinatorWasAway) {
  ASSERT_TRUE(Eventually(seconds(20), [&] {
    return fleet_->Cli({"monitor", "get", "door"}).code == 0;
  })) << fleet_->coordinator().Err();
  ASSERT_TRUE(RunDoor());
  const std::string scan =
      fleet_->Detach({"127.0.93.0/25", "-p", "1-20", "--max-rate", "40", "--name", "slow"});
  ASSERT_NE(scan, "");

  const auto watch = fleet_->StartCli({"scans", "watch", scan, "--json"});
  const auto own = fleet_->StartCli({"scan", "127.0.94.0/25", "-p", "1-20", "--max-rate", "40"});
  const auto run = fleet_->StartCli({"monitor", "run-now", "slow", "--wait"});
  const auto events = fleet_->StartCli({"events", "door", "--follow", "--json"});
  const auto told = [&](int port) {
    return events->Out().find("\"port\":" + std::to_string(port)) != std::string::npos;
  };
  Listeners first("", {{"127.0.91.1", doors_[0]}});
  ASSERT_TRUE(first.ok() && RunDoor());
  // Each has got something of the coordinator that is there now.
  ASSERT_TRUE(Eventually(seconds(30), [&] { return told(doors_[0]); })) << events->Err();
  ASSERT_NE(run->WaitForErr("run 1 of slow", seconds(20)), "") << run->Err();
  ASSERT_TRUE(Eventually(seconds(20), [&] { return !watch->Out().empty(); })) << watch->Err();
  ASSERT_TRUE(Eventually(seconds(20), [&] { return fleet_->Done(scan) > 0; }));

  fleet_->KillCoordinator();
  Pause(seconds(20));
  ASSERT_TRUE(fleet_->StartCoordinator());
  ASSERT_TRUE(fleet_->WaitForAgents(1)) << fleet_->agent("a1").Err();
  Listeners second("", {{"127.0.91.1", doors_[1]}});
  ASSERT_TRUE(second.ok() && RunDoor());

  EXPECT_TRUE(Eventually(seconds(40), [&] { return told(doors_[1]); }))
      << events->Out() << events->Err();
  for (Process* follower : {events.get(), watch.get(), own.get(), run.get()}) {
    EXPECT_NE(follower->WaitForErr(kBack, seconds(40)), "") << follower->Err();
  }
  for (Process* follower : {watch.get(), own.get(), run.get()}) {
    const auto code = follower->Wait(seconds(150));
    EXPECT_TRUE(code.has_value() && *code == 0) << follower->Out() << follower->Err();
  }
  events->Signal(SIGINT);
  EXPECT_EQ(events->Wait(seconds(10)), 130) << "it can be interrupted";
}

// While nobody is there, a follower that waits can be interrupted at once.
TEST_F(Reconnect, AFollowerThatWaitsForTheCoordinatorCanBeInterrupted) {
  const auto events = fleet_->StartCli({"events", "--follow"});
  const std::string scan =
      fleet_->Detach({"127.0.93.0/25", "-p", "1-20", "--max-rate", "40", "--name", "slow"});
  const auto watch = fleet_->StartCli({"scans", "watch", scan, "--json"});
  ASSERT_TRUE(Eventually(seconds(20), [&] { return !watch->Out().empty(); })) << watch->Err();
  fleet_->KillCoordinator();
  for (Process* follower : {watch.get(), events.get()}) {
    EXPECT_NE(follower->WaitForErr("trying again for", seconds(40)), "") << follower->Err();
    follower->Signal(SIGINT);
    EXPECT_EQ(follower->Wait(seconds(5)), 130) << follower->Err();
  }
}

}  // namespace
}  // namespace portolan::integration
