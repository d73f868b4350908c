#include "common/dns/counted_lookup.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_name_lookup.h"

namespace portolan {
namespace {

using std::chrono::seconds;

class CountedLookup : public testing::Test {
 protected:
  CountedLookup() {
    fake_.Set("a.test", {"198.18.0.1"});
    fake_.Set("empty.test", {});
    fake_.SetProblem("lost.test", LookupProblem::kCouldNotAsk);
  }
  // Starts a list, and waits for nothing.
  std::unique_ptr<NameLookup::Request> Start(std::vector<std::string> names) {
    return counted_.Start(
        std::move(names), [this](size_t n) { progress_.Set(n); },
        [this](std::vector<NameAnswer> answers) { answers_.Set(std::move(answers)); });
  }

  // The last value that a callback brought.
  template <typename T>
  class Last {
   public:
    void Set(T value) {
      MutexLock lock(mu_);
      value_ = std::move(value);
      changed_.NotifyAll();
    }
    T Wait() {
      MutexLock lock(mu_);
      while (!value_.has_value()) changed_.Wait(mu_);
      return *std::exchange(value_, std::nullopt);
    }

   private:
    Mutex mu_;
    CondVar changed_;
    std::optional<T> value_ GUARDED_BY(mu_);
  };

  FakeClock clock_;
  FakeNameLookup fake_;
  CountedNameLookup counted_{fake_, clock_};
  Last<size_t> progress_;
  Last<std::vector<NameAnswer>> answers_;
};

TEST_F(CountedLookup, CountsNamesByWhatCameOfThem) {
  fake_.Hold();
  const auto request = Start({"a.test", "A.test.", "gone.test", "empty.test", "lost.test"});
  EXPECT_EQ(counted_.stats().under_way, 5u);
  fake_.Progress(2);
  EXPECT_EQ(progress_.Wait(), 2u);
  EXPECT_EQ(counted_.stats().under_way, 3u);
  EXPECT_EQ(counted_.stats().found, 0u);
  clock_.Advance(seconds(7));
  fake_.Release();
  EXPECT_EQ(answers_.Wait().size(), 5u);
  const NameLookupStats s = counted_.stats();
  EXPECT_EQ(s.under_way, 0u);
  EXPECT_EQ(s.found, 2u);
  EXPECT_EQ(s.no_such_name, 1u);
  EXPECT_EQ(s.no_address, 1u);
  EXPECT_EQ(s.could_not_ask, 1u);
  EXPECT_EQ(s.cancelled, 0u);
  EXPECT_EQ(s.list_seconds_total, 7);
  for (size_t i = 0; i < s.list_buckets.size(); ++i) {
    const bool holds = i > 0 && i < std::size(NameLookupStats::kBucketsS) &&
                       NameLookupStats::kBucketsS[i - 1] < 7 && NameLookupStats::kBucketsS[i] >= 7;
    EXPECT_EQ(s.list_buckets[i], holds ? 1u : 0u) << i;
  }
}

TEST_F(CountedLookup, ACancelledListIsNoLongerUnderWay) {
  fake_.Hold();
  auto request = Start({"a.test", "gone.test", "lost.test"});
  fake_.Progress(1);
  EXPECT_EQ(progress_.Wait(), 1u);
  request.reset();
  const NameLookupStats s = counted_.stats();
  EXPECT_EQ(s.under_way, 0u);
  EXPECT_EQ(s.cancelled, 3u);
  EXPECT_EQ(s.found + s.no_such_name + s.could_not_ask, 0u);
  for (const uint64_t n : s.list_buckets) EXPECT_EQ(n, 0u);
}

TEST_F(CountedLookup, ThoseThatTakeLongerThanTheLastBucketCountToo) {
  fake_.Hold();
  const auto request = Start({"a.test"});
  clock_.Advance(seconds(301));
  fake_.Release();
  (void)answers_.Wait();
  EXPECT_EQ(counted_.stats().list_buckets.back(), 1u);
}

}  // namespace
}  // namespace portolan
