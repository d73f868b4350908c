#include "cli/live_results.h"

#include "cli/base/notes.h"
#include "common/base/status.h"
#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

using testing::HasSubstr;
using testing::Not;

class LiveResultsTest : public CliTest {
 protected:
  LiveResultsTest() {
    env_.out = &out_;
    env_.notes = &notes_;
    env_.interrupts = &interrupts;
    env_.clock = &clock;
    env_.wait = [](Duration) { return false; };
    session_.client =
        std::make_unique<ApiClient>(channel(), ApiClientOptions{}, interrupts, notes_, clock);
    scan_ = AddScan("abc", v1::SCAN_STATE_RUNNING);
    scan_.mutable_ledger()->set_planned(1'000'000);
  }
  // After a while, with as many open ports as were observed.
  absl::Status Update(LiveResults& live) {
    clock.Advance(std::chrono::seconds(10));
    scan_.mutable_ledger()->set_open(service.observations.size());
    return live.Update(scan_);
  }
  absl::Status Finish(const PrintFlags& flags, LiveResults& live) {
    scan_.set_state(v1::SCAN_STATE_COMPLETE);
    scan_.mutable_ledger()->set_open(service.observations.size());
    return PrintResults(context_, session_, scan_, flags, {}, &live);
  }
  static size_t Count(const std::string& text, const std::string& what) {
    size_t n = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
    return n;
  }

  StringOutput out_;
  std::string err_;
  Notes notes_{[this](std::string_view text) { err_ += text; }, {}, clock};
  Environment env_;
  Context context_{env_, {}, {}, false};
  Session session_;
  v1::Scan scan_;
};

TEST_F(LiveResultsTest, JsonLinesComeAsPortsAreFoundAndOnce) {
  PrintFlags flags;
  flags.json = true;
  LiveResults live(context_, session_, "abc", flags);
  ASSERT_TRUE(live.Update(scan_).ok());
  Observe("10.0.0.7", 22);
  ASSERT_TRUE(Update(live).ok());
  EXPECT_EQ(Count(out_.text(), "\"port\":22,"), 1u) << out_.text();
  Observe("10.0.0.1", 443);  // sorts before
  ASSERT_TRUE(Update(live).ok());
  ASSERT_TRUE(Update(live).ok());
  EXPECT_EQ(Count(out_.text(), "\"observation\""), 2u);
  EXPECT_LT(out_.text().find("\"port\":22,"), out_.text().find("\"port\":443,"));
  Observe("10.0.0.3", 80);
  ASSERT_TRUE(Finish(flags, live).ok());
  EXPECT_EQ(Count(out_.text(), "\"observation\""), 3u) << out_.text();
  EXPECT_EQ(Count(out_.text(), "\"port\":22,"), 1u);
  EXPECT_EQ(Count(out_.text(), "\"port\":80,"), 1u);
  EXPECT_EQ(Count(out_.text(), "\"summary\""), 1u);
  EXPECT_EQ(err_, "");
}

TEST_F(LiveResultsTest, PeopleSeeThemOnStderrAndThenTheTable) {
  const PrintFlags flags;
  LiveResults live(context_, session_, "abc", flags);
  ASSERT_TRUE(live.Update(scan_).ok());
  Observe("10.0.0.7", 22);
  ASSERT_TRUE(Update(live).ok());
  EXPECT_EQ(err_, "open  10.0.0.7:22  by port number ssh\n");
  EXPECT_EQ(out_.text(), "");
  ASSERT_TRUE(Finish(flags, live).ok());
  EXPECT_EQ(err_, "open  10.0.0.7:22  by port number ssh\n");
  EXPECT_EQ(Count(out_.text(), "22/tcp"), 1u);
}

TEST_F(LiveResultsTest, AScanThatIsOverSoonShowsItsEndOnly) {
  const PrintFlags flags;
  LiveResults live(context_, session_, "abc", flags);
  Observe("10.0.0.7", 22);
  scan_.mutable_ledger()->set_open(1);
  ASSERT_TRUE(live.Update(scan_).ok());
  ASSERT_TRUE(live.Update(scan_).ok());
  EXPECT_TRUE(service.listed.empty());
  EXPECT_EQ(err_, "");
}

TEST_F(LiveResultsTest, NothingIsAskedWhereNothingIsNewOrWanted) {
  PrintFlags flags;
  LiveResults live(context_, session_, "abc", flags);
  ASSERT_TRUE(live.Update(scan_).ok());
  Observe("10.0.0.7", 22);
  ASSERT_TRUE(Update(live).ok());
  ASSERT_TRUE(Update(live).ok());
  EXPECT_EQ(service.listed.size(), 1u);
  flags.show = "closed";
  LiveResults closed(context_, session_, "abc", flags);
  ASSERT_TRUE(closed.Update(scan_).ok());
  ASSERT_TRUE(Update(closed).ok());
  EXPECT_EQ(service.listed.size(), 1u);
}

TEST_F(LiveResultsTest, AHostOrANetworkFullOfPortsDoesNotFloodTheTerminal) {
  const PrintFlags flags;
  service.page_size = 500;
  LiveResults live(context_, session_, "abc", flags);
  ASSERT_TRUE(live.Update(scan_).ok());
  for (uint16_t port = 1; port <= 100; ++port) Observe("10.0.0.7", port);
  ASSERT_TRUE(Update(live).ok());
  EXPECT_EQ(Count(err_, "open  10.0.0.7:"), LiveResults::kMostOfAddress);
  EXPECT_THAT(err_, HasSubstr("open  10.0.0.7  more than 20 ports"));
  for (int i = 0; i < 2'000; ++i)
    Observe("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250), 80);
  ASSERT_TRUE(Update(live).ok());
  EXPECT_LE(Count(err_, "open  "), LiveResults::kMostLines + 1);
  EXPECT_THAT(err_, HasSubstr("1,000 open ports so far; the rest is shown at the end only"));
  const size_t asked = service.listed.size();
  Observe("10.9.9.9", 80);
  ASSERT_TRUE(Update(live).ok());
  EXPECT_EQ(service.listed.size(), asked);
}

TEST_F(LiveResultsTest, WhatCannotBeLookedUpIsLeftToTheEnd) {
  PrintFlags flags;
  flags.json = true;
  LiveResults live(context_, session_, "abc", flags);
  ASSERT_TRUE(live.Update(scan_).ok());
  Observe("10.0.0.7", 22);
  service.errors["StreamObservations"] = grpc::Status(grpc::StatusCode::INTERNAL, "disk");
  EXPECT_TRUE(Update(live).ok());
  EXPECT_TRUE(Finish(flags, live).ok());
  EXPECT_EQ(Count(out_.text(), "\"port\":22,"), 1u);
}

TEST_F(LiveResultsTest, AFileIsWrittenAtTheEndAsAlways) {
  PrintFlags flags;
  flags.json = true;
  flags.output = "/nonexistent/file";
  LiveResults live(context_, session_, "abc", flags);
  ASSERT_TRUE(live.Update(scan_).ok());
  Observe("10.0.0.7", 22);
  ASSERT_TRUE(Update(live).ok());
  EXPECT_EQ(out_.text(), "");
  EXPECT_THAT(err_, HasSubstr("10.0.0.7:22"));
  EXPECT_FALSE(live.Contains({}));
}

}  // namespace
}  // namespace portolan
