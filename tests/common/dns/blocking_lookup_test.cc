#include "common/dns/blocking_lookup.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/fakes/fake_name_lookup.h"

namespace portolan {
namespace {

TEST(BlockingLookup, AnswersInTheOrderOfTheNames) {
  FakeNameLookup names;
  names.Set("b.test", {"198.18.0.2", "2001:db8::2"});
  names.Set("a.test", {"198.18.0.1"});
  names.SetProblem("c.test", LookupProblem::kCouldNotAsk, "SERVFAIL from 198.18.0.53");
  const auto answers = LookUp(names, {"B.test.", "gone.test", "a.test", "c.test"});
  ASSERT_TRUE(answers.ok()) << answers.status();
  ASSERT_EQ(answers->size(), 4u);
  EXPECT_EQ((*answers)[0].addresses.size(), 2u);
  EXPECT_FALSE((*answers)[0].problem.has_value());
  EXPECT_EQ((*answers)[1].problem, LookupProblem::kNoSuchName);
  EXPECT_EQ((*answers)[2].addresses.at(0).ToString(), "198.18.0.1");
  EXPECT_EQ((*answers)[3].problem, LookupProblem::kCouldNotAsk);
  EXPECT_EQ((*answers)[3].detail, "SERVFAIL from 198.18.0.53");
}

TEST(BlockingLookup, ReportsProgressOnTheCallingThread) {
  FakeNameLookup names;
  names.Hold();
  std::vector<size_t> seen;
  const auto caller = std::this_thread::get_id();
  std::thread other([&] {
    names.WaitForStarted(1);
    names.Progress(1);
  });
  const auto answers = LookUp(names, {"a.test", "b.test"}, [&](size_t done) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    seen.push_back(done);
    names.Release();
  });
  other.join();
  ASSERT_TRUE(answers.ok());
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0], 1u);
}

TEST(BlockingLookup, CancelsWhatIsLeft) {
  FakeNameLookup names;
  names.Hold();
  std::atomic<bool> stop{false};
  std::thread other([&] {
    names.WaitForStarted(1);
    stop = true;
  });
  const auto answers = LookUp(names, {"a.test"}, nullptr, [&] { return stop.load(); });
  other.join();
  EXPECT_EQ(answers.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(names.cancelled(), 1u);
  names.Release();  // answers nobody
}

TEST(BlockingLookup, NoNamesAreNoWait) {
  FakeNameLookup names;
  const auto answers = LookUp(names, {});
  ASSERT_TRUE(answers.ok());
  EXPECT_TRUE(answers->empty());
}

}  // namespace
}  // namespace portolan
