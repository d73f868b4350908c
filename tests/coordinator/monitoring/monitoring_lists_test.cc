// Targets that a monitor takes from a file.
#include "tests/coordinator/monitoring/monitoring_fixture.h"

namespace portolan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class MonitoringListsTest : public MonitoringTest {
 protected:
  std::string Yaml() {
    return With(kYaml, "targets: [10.0.0.0/28]", "targetsFrom: {file: lists/hosts.txt}");
  }
  absl::StatusOr<std::vector<ApplyResult>> ApplyList(const std::string& text,
                                                     bool dry_run = false) {
    return Apply(Yaml(), dry_run, false, "", {{"lists/hosts.txt", text}});
  }
  std::vector<std::string> Targets() {
    std::set<std::string> out;
    for (const ExposureRow& row : Exposure().rows) out.insert(row.subject.target.ToString());
    return {out.begin(), out.end()};
  }
};

TEST_F(MonitoringListsTest, TargetsOfAFileAreScannedAndKept) {
  names_.Set("www.example", {"10.0.0.4"});
  ASSERT_TRUE(ApplyList("# hosts\n10.0.0.1, 10.0.0.2\nWWW.Example:80\n").ok());
  EXPECT_THAT(Get().yaml, AllOf(HasSubstr("targetsFrom:"), HasSubstr("file: lists/hosts.txt"),
                                Not(HasSubstr("10.0.0.1"))));
  NextRun();
  EXPECT_THAT(Targets(), ElementsAre("10.0.0.1", "10.0.0.2", "www.example"));
  // The list is kept, also for a run that is under way.
  Waiter<MonitorStatus> w;
  monitoring_->RunNow("web", w.done());
  ASSERT_TRUE(w.Wait().ok());
  Restart();
  ASSERT_TRUE(Until([&] { return Ended() == 2; }));
  EXPECT_EQ(Get().runs[0].state, RunState::kComplete) << Get().runs[0].message;
  EXPECT_THAT(Targets(), SizeIs(3));
  EXPECT_EQ((*ApplyList("# hosts\n10.0.0.1, 10.0.0.2\nWWW.Example:80\n"))[0].action,
            ApplyAction::kUnchanged);
}

TEST_F(MonitoringListsTest, AChangedListIsAChange) {
  ASSERT_TRUE(ApplyList("10.0.0.1\n10.0.0.2\n").ok());
  const auto dry = ApplyList("10.0.0.2 # still\n10.0.0.3\n", true);
  ASSERT_TRUE(dry.ok()) << dry.status();
  EXPECT_EQ((*dry)[0].action, ApplyAction::kChanged);
  EXPECT_THAT((*dry)[0].diff,
              ElementsAre("- spec.targetsFrom: 10.0.0.1", "+ spec.targetsFrom: 10.0.0.3"));
  NextRun();
  EXPECT_THAT(Targets(), ElementsAre("10.0.0.1", "10.0.0.2")) << "it was a dry run";
  ASSERT_TRUE(ApplyList("10.0.0.2\n10.0.0.3\n").ok());
  EXPECT_EQ(Get().generation, 2u);
  NextRun();
  EXPECT_THAT(Targets(), ElementsAre("10.0.0.2", "10.0.0.3"));
  // Without the file in the document, its list goes.
  ASSERT_TRUE(Apply(kYaml).ok());
  Restart();
  NextRun();
  EXPECT_THAT(Targets(), SizeIs(4));
}

TEST_F(MonitoringListsTest, ProblemsNameTheLineOfTheList) {
  const auto bad = ApplyList("10.0.0.1\n10.0.0.0/33\n\n10.0.0.999\n");
  EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(bad.status())),
              AllOf(HasSubstr("lists/hosts.txt:2:"), HasSubstr("lists/hosts.txt:4:")));
  EXPECT_THAT(std::string(Message(ApplyList("# nothing\n").status())),
              HasSubstr("lists/hosts.txt: no target in it"));
  EXPECT_THAT(std::string(Message(ApplyList("8.8.8.8\n").status())), HasSubstr("8.8.8.8"))
      << "out of scope";
  // The coordinator reads no file that a document names.
  EXPECT_THAT(std::string(Message(Apply(Yaml()).status())),
              AllOf(HasSubstr("lists/hosts.txt"), HasSubstr("not sent")));
}

TEST_F(MonitoringListsTest, TakesMoreThanADocumentHolds) {
  std::string text;
  for (int i = 0; i < 12'000; ++i) text += fmt::format("10.1.{}.{}\n", i / 200, i % 200 + 1);
  ASSERT_TRUE(
      Apply(With(Yaml(), "1-100", "80"), false, false, "", {{"lists/hosts.txt", text}}).ok());
  EXPECT_LT(Get().yaml.size(), 1'000u);
  NextRun();
  EXPECT_EQ(Get().runs[0].positions, 24'000u);
}

}  // namespace
}  // namespace portolan
