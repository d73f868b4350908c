#include "coordinator/service/event_stream.h"

#include "tests/grpc/service/monitor_fixture.h"

namespace portolan {
namespace {

class EventStreamTest : public MonitorServiceTest {
 protected:
  struct Stream {
    ~Stream() { context.TryCancel(); }
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::ExposureEvent>> reader;
    // Reads first..last, and says what was wrong on the way.
    std::string ReadTo(uint64_t first, uint64_t last) {
      v1::ExposureEvent event;
      for (uint64_t n = first; n <= last; ++n) {
        if (!reader->Read(&event)) return "ended before " + std::to_string(n);
        if (event.sequence() != n)
          return std::to_string(event.sequence()) + " in place of " + std::to_string(n);
      }
      return "";
    }
  };
  std::unique_ptr<Stream> Open(const v1::ListEventsRequest& request) {
    auto stream = std::make_unique<Stream>();
    Limit(stream->context);
    stream->reader = stub_->FollowEvents(&stream->context, request);
    return stream;
  }
  std::vector<StoredEvent> Events(uint64_t first, uint64_t last) {
    std::vector<StoredEvent> out;
    for (uint64_t n = first; n <= last; ++n) out.push_back(Event(n));
    return out;
  }
};

TEST_F(EventStreamTest, GivesWhatIsThereThenWhatComes) {
  monitoring_.Tell(Events(1, 500));
  v1::ListEventsRequest request;
  request.set_after(3);
  const auto stream = Open(request);
  EXPECT_EQ(stream->ReadTo(4, 500), "");
  ASSERT_TRUE(monitoring_.WaitForFollowers(1));
  EXPECT_GE(monitoring_.pages(), 3u) << "what is there is read in pages";
  monitoring_.Tell(Events(501, 503));
  EXPECT_EQ(stream->ReadTo(501, 503), "");
}

TEST_F(EventStreamTest, GivesOnlyWhatWasAskedFor) {
  monitoring_.Tell({Event(1, "web"), Event(2, "db"), Event(3, "web")});
  v1::ListEventsRequest request;
  request.set_monitor("db");
  const auto stream = Open(request);
  EXPECT_EQ(stream->ReadTo(2, 2), "");
  ASSERT_TRUE(monitoring_.WaitForFollowers(1));
  monitoring_.Tell({Event(4, "web"), Event(5, "db")});
  EXPECT_EQ(stream->ReadTo(5, 5), "");
}

TEST_F(EventStreamTest, ASlowReaderMissesNothingAndIsGivenPagesAgain) {
  const auto stream = Open({});
  ASSERT_TRUE(monitoring_.WaitForFollowers(1));
  const size_t pages = monitoring_.pages();
  // Nobody reads meanwhile: more than the stream keeps, and more than the transport takes.
  constexpr uint64_t kMany = 20'000;
  for (uint64_t n = 1; n <= kMany; n += 100) monitoring_.Tell(Events(n, n + 99));
  EXPECT_EQ(stream->ReadTo(1, kMany), "");
  EXPECT_GT(monitoring_.pages(), pages) << "the queue was bounded";
  ASSERT_TRUE(monitoring_.WaitForFollowers(1)) << "and it follows again";
  monitoring_.Tell(Events(kMany + 1, kMany + 1));
  EXPECT_EQ(stream->ReadTo(kMany + 1, kMany + 1), "");
}

TEST_F(EventStreamTest, AnUpdateLargerThanTheQueueIsReadFromPages) {
  const auto stream = Open({});
  ASSERT_TRUE(monitoring_.WaitForFollowers(1));
  monitoring_.Tell(Events(1, EventStream::kMaxQueued + 1));
  EXPECT_EQ(stream->ReadTo(1, EventStream::kMaxQueued + 1), "");
}

TEST_F(EventStreamTest, EndsWithTheErrorAfterWhatCameBeforeIt) {
  const auto stream = Open({});
  ASSERT_TRUE(monitoring_.WaitForFollowers(1));
  monitoring_.Tell(Events(1, 50));
  monitoring_.EndFollowers(Unavailable("stopping"));
  EXPECT_EQ(stream->ReadTo(1, 50), "");
  v1::ExposureEvent event;
  EXPECT_FALSE(stream->reader->Read(&event));
  const grpc::Status end = stream->reader->Finish();
  EXPECT_EQ(end.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(end.error_message(), "stopping");
}

TEST_F(EventStreamTest, ACallerThatGoesIsForgotten) {
  auto stream = Open({});
  ASSERT_TRUE(monitoring_.WaitForFollowers(1));
  stream->context.TryCancel();
  EXPECT_EQ(stream->reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(monitoring_.WaitForFollowers(0));
  // In the middle of a backlog that nobody reads, too.
  monitoring_.Tell(Events(1, 20'000));
  stream = Open({});
  EXPECT_EQ(stream->ReadTo(1, 10), "");
  stream.reset();
  EXPECT_TRUE(monitoring_.WaitForFollowers(0));
}

TEST_F(EventStreamTest, RefusesAtOnce) {
  v1::ListEventsRequest request;
  request.set_monitor("../etc");
  auto stream = Open(request);
  EXPECT_EQ(stream->reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  monitoring_.error = ResourceExhausted("1000 follow already");
  stream = Open({});
  EXPECT_EQ(stream->reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace portolan
