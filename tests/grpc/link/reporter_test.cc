#include "agent/link/reporter.h"

#include <gmock/gmock.h>

#include "common/base/status.h"
#include "tests/fakes/fake_coordinator_client.h"

namespace portolan {
namespace {

using testing::ElementsAre;

class ReporterTest : public testing::Test {
 protected:
  ReporterTest() : spool_(Options(), SystemClock()) {
    spool_.SetFlushing(true);
    reporter_ =
        std::make_unique<Reporter>(Reporter::Options{"agent", std::string(16, 'i'), 1}, client_,
                                   spool_, [this](const std::vector<Token>& tokens) {
                                     MutexLock lock(mu_);
                                     fenced_.insert(fenced_.end(), tokens.begin(), tokens.end());
                                   });
  }
  // Each chunk is a batch of its own.
  static SpoolOptions Options() {
    SpoolOptions out;
    out.batch_bytes = 1;
    return out;
  }
  void Put(uint64_t token, uint64_t begin) {
    ChunkReport chunk;
    chunk.token = Token{token};
    chunk.range = {begin, begin + 10};
    chunk.outcomes = "xyz";
    spool_.PutChunk(std::move(chunk));
  }
  std::shared_ptr<FakeReportStream> Stream() {
    auto stream = client_.NextStream().second;
    const auto hello = stream->Next();
    EXPECT_TRUE(hello.has_value() && hello->has_hello());
    EXPECT_EQ(hello->hello().agent(), "agent");
    EXPECT_EQ(hello->hello().incarnation(), std::string(16, 'i'));
    return stream;
  }
  // (seq, first position) of the next batch.
  static std::pair<uint64_t, uint64_t> Batch(FakeReportStream& stream) {
    const auto message = stream.Next();
    EXPECT_TRUE(message.has_value() && message->has_batch());
    if (!message.has_value() || message->batch().chunks_size() == 0) return {};
    return {message->batch().seq(), message->batch().chunks(0).begin()};
  }
  template <typename Condition>
  void WaitFor(Condition condition) {
    while (!condition()) std::this_thread::yield();
  }

  FakeCoordinatorClient client_{2};
  Spool spool_;
  Mutex mu_;
  std::vector<Token> fenced_ GUARDED_BY(mu_);
  std::unique_ptr<Reporter> reporter_;
};

using Pair = std::pair<uint64_t, uint64_t>;

TEST_F(ReporterTest, NothingIsSentBeforeACoordinatorIsNamed) {
  Put(1, 0);
  reporter_.reset();
  EXPECT_FALSE(spool_.empty());
}

TEST_F(ReporterTest, SendsNoMoreThanItsCreditAndForgetsWhatIsAcknowledged) {
  for (uint64_t i = 0; i < 6; ++i) Put(1, i * 10);
  reporter_->Use(0);
  const auto stream = Stream();
  EXPECT_EQ(Batch(*stream), Pair(1, 0));
  stream->Ack(0, 3);
  EXPECT_EQ(Batch(*stream), Pair(2, 10));
  EXPECT_EQ(Batch(*stream), Pair(3, 20));
  EXPECT_EQ(stream->waiting(), 0u);
  stream->Ack(2, 3);
  EXPECT_EQ(Batch(*stream), Pair(4, 30));
  EXPECT_EQ(Batch(*stream), Pair(5, 40));
  stream->Ack(5, 3);
  EXPECT_EQ(Batch(*stream), Pair(6, 50));
  stream->Ack(6, 3);
  WaitFor([&] { return spool_.empty(); });
  EXPECT_EQ(reporter_->stats().acked, 6u);
}

TEST_F(ReporterTest, AfterABrokenStreamWhatWasNotAcknowledgedIsSentAgainFromOne) {
  for (uint64_t i = 0; i < 4; ++i) Put(1, i * 10);
  reporter_->Use(0);
  auto stream = Stream();
  Batch(*stream);
  stream->Ack(0, 10);
  for (int i = 0; i < 3; ++i) Batch(*stream);
  stream->Ack(1, 10);
  WaitFor([&] { return reporter_->stats().acked == 1; });
  stream->End(Unavailable("gone"));
  stream = Stream();
  EXPECT_EQ(Batch(*stream), Pair(1, 10));
  stream->Ack(0, 10);
  EXPECT_EQ(Batch(*stream), Pair(2, 20));
  EXPECT_EQ(Batch(*stream), Pair(3, 30));
  stream->Ack(3, 10);
  WaitFor([&] { return spool_.empty(); });
  EXPECT_EQ(reporter_->stats().streams, 2u);
}

TEST_F(ReporterTest, MalformedBatchIsDroppedAndTheOthersArrive) {
  for (uint64_t i = 0; i < 4; ++i) Put(1 + i, i * 10);
  reporter_->Use(0);
  auto stream = Stream();
  Batch(*stream);
  stream->Ack(0, 10);
  for (int i = 0; i < 3; ++i) Batch(*stream);
  stream->End(InvalidArgument("chunks: bad outcomes"));  // one of the four: which?
  stream = Stream();
  EXPECT_EQ(Batch(*stream), Pair(1, 0));
  stream->Ack(1, 10);
  EXPECT_EQ(Batch(*stream), Pair(2, 10));
  EXPECT_EQ(stream->waiting(), 0u) << "one by one, whatever the credit";
  stream->End(InvalidArgument("chunks: bad outcomes"));
  stream = Stream();
  EXPECT_EQ(Batch(*stream), Pair(1, 20));
  stream->Ack(1, 10);
  EXPECT_EQ(Batch(*stream), Pair(2, 30));
  stream->Ack(2, 10);
  WaitFor([&] { return spool_.empty(); });
  EXPECT_EQ(reporter_->stats().rejected, 1u);
  EXPECT_EQ(reporter_->stats().acked, 3u);
}

TEST_F(ReporterTest, FencedLeasesAreForgottenAndTold) {
  Put(7, 0);
  Put(7, 10);
  Put(8, 20);
  reporter_->Use(0);
  const auto stream = Stream();
  EXPECT_EQ(Batch(*stream), Pair(1, 0));
  stream->Ack(1, 10, {7});
  EXPECT_EQ(Batch(*stream), Pair(2, 20));
  stream->Ack(2, 10);
  WaitFor([&] { return spool_.empty(); });
  MutexLock lock(mu_);
  EXPECT_THAT(fenced_, ElementsAre(Token{7}));
}

TEST_F(ReporterTest, AnotherCoordinatorGetsANewStream) {
  Put(1, 0);
  reporter_->Use(0);
  auto [first, stream] = client_.NextStream();
  EXPECT_EQ(first, 0u);
  reporter_->Use(1);
  stream->WaitForCancel();
  const auto [second, next] = client_.NextStream();
  EXPECT_EQ(second, 1u);
  next->Next();
  EXPECT_EQ(Batch(*next), Pair(1, 0));
}

TEST_F(ReporterTest, AckOfWhatWasNeverSentIsNotBelieved) {
  Put(1, 0);
  reporter_->Use(0);
  const auto stream = Stream();
  stream->Ack(1000, 1);
  EXPECT_EQ(Batch(*stream), Pair(1, 0));
  stream->Ack(1, 0);  // a credit of 0 counts as 1
  Put(1, 10);
  EXPECT_EQ(Batch(*stream), Pair(2, 10));
}

}  // namespace
}  // namespace portolan
