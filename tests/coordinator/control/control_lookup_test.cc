#include <gmock/gmock.h>

#include <atomic>

#include "common/base/status.h"
#include "tests/coordinator/control/control_fixture.h"

// Scans whose targets are names, and exclusions by name.
namespace portolan {
namespace {

using ::testing::HasSubstr;

class ControlLookup : public ControlTest {
 protected:
  ControlLookup() {
    names_.Set("web.example", {"10.0.0.1", "10.0.0.2"});
    names_.Set("db.example", {"10.0.0.3"});
  }
  CreateCall Call(std::vector<std::string> targets, Waiter<ScanStatus>& waiter,
                  const std::string& key = "") {
    CreateCall call;
    call.id = control_->NextCallId();
    call.request = Request();
    call.request.targets = std::move(targets);
    call.key = key;
    call.digest = "digest";
    call.done = waiter.done();
    return call;
  }
  size_t Scans() {
    Waiter<Control::ScanList> w;
    control_->ListScans(100, "", w.done());
    return w.Wait()->scans.size();
  }
  absl::StatusOr<ScanStatus> Exclude(const ScanId& id, const std::vector<std::string>& texts) {
    auto request = ExclusionRequest::Parse(texts);
    if (!request.ok()) return request.status();
    Waiter<ScanStatus> w;
    control_->Exclude(id, *std::move(request), w.done());
    return w.Wait();
  }
  static std::vector<std::string> Overlay(const ScanStatus& scan) {
    std::vector<std::string> out;
    for (const ScopeRule& rule : scan.overlay.rules) out.push_back(rule.text);
    return out;
  }
};

TEST_F(ControlLookup, AreLookedUpAndKept) {
  Waiter<ScanStatus> w;
  control_->CreateScan(Call({"web.example", "db.example", "WEB.example."}, w));
  const auto scan = w.Wait();
  ASSERT_TRUE(scan.ok()) << scan.status();
  EXPECT_EQ(scan->addresses, 3u);
  EXPECT_EQ(scan->target_names, 2u);
  EXPECT_EQ(names_.names_asked(), 2u);
}

TEST_F(ControlLookup, OthersDoNotWaitForThem) {
  names_.Hold();
  std::vector<Waiter<ScanStatus>> slow(8);
  for (auto& w : slow) control_->CreateScan(Call({"web.example"}, w));
  names_.WaitForStarted(8);
  EXPECT_TRUE(Create(Request()).ok());
  names_.Release();
  for (auto& w : slow) EXPECT_TRUE(w.Wait().ok());
}

TEST_F(ControlLookup, TellHowFarTheyAre) {
  names_.Hold();
  Waiter<ScanStatus> w;
  std::atomic<int> told{-1};
  CreateCall call = Call({"web.example", "db.example"}, w);
  call.progress = [&told](size_t done, size_t total) {
    EXPECT_EQ(total, 2u);
    told = static_cast<int>(done);
  };
  control_->CreateScan(std::move(call));
  names_.WaitForStarted(1);
  names_.Progress(1);
  // The lookup's thread says it; the control thread looks 4 times a second.
  while (told != 1) Advance(std::chrono::milliseconds(300));
  names_.Release();
  EXPECT_TRUE(w.Wait().ok());
}

TEST_F(ControlLookup, ACallerThatGoesLeavesNothing) {
  names_.Hold();
  Waiter<ScanStatus> w;
  CreateCall call = Call({"web.example"}, w, "key");
  const uint64_t id = call.id;
  control_->CreateScan(std::move(call));
  names_.WaitForStarted(1);
  control_->AbandonCreate(id);
  names_.WaitForCancelled(1);
  names_.Release();
  EXPECT_EQ(Scans(), 0u);
  // Its key is free.
  Waiter<ScanStatus> again;
  control_->CreateScan(Call({"db.example"}, again, "key"));
  EXPECT_TRUE(again.Wait().ok());
  EXPECT_EQ(Scans(), 1u);
}

TEST_F(ControlLookup, ACreationGoesOnWhileOneOfItsCallersWaits) {
  names_.Hold();
  Waiter<ScanStatus> first, second;
  CreateCall call = Call({"web.example"}, first, "key");
  const uint64_t id = call.id;
  control_->CreateScan(std::move(call));
  control_->CreateScan(Call({"web.example"}, second, "key"));
  names_.WaitForStarted(1);
  control_->AbandonCreate(id);
  names_.Release();
  EXPECT_TRUE(second.Wait().ok());
  EXPECT_EQ(Scans(), 1u);
}

TEST_F(ControlLookup, TheNumberOfCreationsIsBounded) {
  names_.Hold();
  std::vector<Waiter<ScanStatus>> waiters(options_.plan_queue);
  for (auto& w : waiters) control_->CreateScan(Call({"web.example"}, w));
  names_.WaitForStarted(options_.plan_queue);
  const auto refused = Create(Request());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(Message(refused.status())), HasSubstr("64 scans"));
  names_.Release();
  for (auto& w : waiters) EXPECT_TRUE(w.Wait().ok());
  EXPECT_TRUE(Create(Request()).ok());
}

TEST_F(ControlLookup, NoSuchNameAndCouldNotAskAreDifferent) {
  Waiter<ScanStatus> gone, down;
  control_->CreateScan(Call({"gone.example"}, gone));
  const auto no_name = gone.Wait();
  EXPECT_EQ(no_name.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(no_name.status())), HasSubstr("there is no such name"));
  names_.StopServer();
  control_->CreateScan(Call({"web.example"}, down));
  const auto no_server = down.Wait();
  EXPECT_EQ(no_server.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(no_server.status())), HasSubstr("no answer from 198.18.0.1"));
}

TEST_F(ControlLookup, SkippedNamesSurviveARestart) {
  Waiter<ScanStatus> w;
  CreateCall call = Call({"web.example", "gone.example"}, w);
  call.request.skip_unresolved = true;
  control_->CreateScan(std::move(call));
  const auto scan = w.Wait();
  ASSERT_TRUE(scan.ok()) << scan.status();
  EXPECT_EQ(scan->spec->names_skipped, 1u);
  Restart();
  const auto again = Get(scan->id);
  ASSERT_TRUE(again.ok());
  ASSERT_EQ(again->spec->skipped_names.size(), 1u);
  EXPECT_EQ(again->spec->skipped_names[0].name, "gone.example");
}

TEST_F(ControlLookup, AnExclusionTakesHoldBeforeItsNamesAreLookedUp) {
  Waiter<ScanStatus> w;
  control_->CreateScan(Call({"web.example", "db.example"}, w));
  const auto scan = w.Wait();
  ASSERT_TRUE(scan.ok());
  names_.Hold();
  Waiter<ScanStatus> answer;
  control_->Exclude(scan->id, *ExclusionRequest::Parse({"10.0.0.3:80", "WEB.example."}),
                    answer.done());
  names_.WaitForStarted(2);
  EXPECT_THAT(
      Overlay(*Get(scan->id)),
      testing::ElementsAre("10.0.0.3 80", "10.0.0.1 # WEB.example.", "10.0.0.2 # WEB.example."));
  names_.Set("web.example", {"10.0.0.2", "10.0.0.9"});  // it has moved
  names_.Release();
  const auto done = answer.Wait();
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_THAT(Overlay(*done), testing::Contains("10.0.0.9 # WEB.example."));
  EXPECT_EQ(done->overlay.rules.size(), 4u);
}

TEST_F(ControlLookup, ANameOfTheScanIsExcludedWithoutANameServer) {
  Waiter<ScanStatus> w;
  control_->CreateScan(Call({"web.example"}, w));
  const auto scan = w.Wait();
  ASSERT_TRUE(scan.ok());
  names_.StopServer();
  EXPECT_TRUE(Exclude(scan->id, {"web.example:80"}).ok());
  const auto other = Exclude(scan->id, {"10.0.0.2, other.example"});
  EXPECT_EQ(other.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(other.status())), HasSubstr("everything else is excluded"));
  EXPECT_THAT(
      Overlay(*Get(scan->id)),
      testing::ElementsAre("10.0.0.1 80 # web.example", "10.0.0.2 80 # web.example", "10.0.0.2"));
}

}  // namespace
}  // namespace portolan
