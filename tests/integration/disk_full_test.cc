// A full disk stops the scan with a clear error and loses nothing; when there is room, it goes on
// by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/integration/fleet.h"
#include "tests/integration/net_lab.h"

namespace portolan::integration {
namespace {

// A small file system of its own.
class TmpFs {
 public:
  TmpFs() : ok_(getuid() == 0 && Shell("mount -t tmpfs -o size=6m portolan-test " + dir_.path())) {}
  ~TmpFs() {
    if (ok_) Shell("umount " + dir_.path());
  }
  bool ok() const { return ok_; }
  std::string path(const std::string& name) const { return dir_.path(name); }

 private:
  TempDir dir_;
  bool ok_;
};

TEST(DiskFull, ScanPausesWithAClearErrorAndGoesOn) {
  if (getuid() != 0) GTEST_SKIP() << "mounting a small file system needs root";
  TmpFs small;
  if (!small.ok()) GTEST_SKIP() << "a tmpfs cannot be mounted here";
  Fleet fleet;
  fleet.set_data(small.path("data"));
  ASSERT_TRUE(fleet.StartCoordinator());
  fleet.StartAgent({"a1", "lab", "", "", {"--max-rate", "3000"}});
  ASSERT_TRUE(fleet.WaitForAgents(1));
  const std::string id = fleet.Detach({"127.6.0.0/20", "-p", "1-20"});  // 81,920 positions, 27 s
  ASSERT_TRUE(Eventually(seconds(20), [&] { return fleet.Done(id) > 5000; }));

  ASSERT_FALSE(RunToEnd({"dd", "if=/dev/zero", "of=" + small.path("filler"), "bs=4096"}).code ==
               0);  // until it is full
  std::string message;
  EXPECT_TRUE(Eventually(seconds(60),
                         [&] {
                           const auto show = fleet.Show(id);
                           if (!show.is_object()) return false;
                           message = show.value("status_message", "");
                           return message.find("full") != std::string::npos;
                         }))
      << fleet.Show(id).dump(1) << fleet.coordinator().Err();
  EXPECT_THAT(message, testing::HasSubstr("free"));  // the remedy
  EXPECT_TRUE(fleet.coordinator().Running());

  ASSERT_EQ(unlink(small.path("filler").c_str()), 0);
  EXPECT_EQ(fleet.WaitFinished(id, seconds(180)), "complete") << fleet.coordinator().Err();
  const Results results = fleet.AllResults(id);
  EXPECT_EQ(results.observations.size(), 81920u);
  EXPECT_EQ(std::set<Seen>(results.observations.begin(), results.observations.end()).size(),
            81920u);
}

}  // namespace
}  // namespace portolan::integration
