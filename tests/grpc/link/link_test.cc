#include "agent/link/link.h"

#include <gmock/gmock.h>

#include <future>

#include "agent/engine/probe_engine.h"
#include "common/base/status.h"
#include "common/rpc/convert.h"
#include "common/scan/chunk_codec.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_coordinator_client.h"

namespace portolan {
namespace {

using testing::IsEmpty;

// A link, its probe threads and the machine's own loopback, with the coordinator played by the
// test.
class LinkTest : public testing::Test {
 protected:
  void Start(size_t threads = 1, size_t coordinators = 1, const Clock& clock = SystemClock()) {
    client_ = std::make_unique<FakeCoordinatorClient>(coordinators);
    for (size_t i = 0; i < threads; ++i) {
      EngineOptions options;
      options.window = 64;
      auto engine = MakeEpollEngine(options, SystemClock());
      ASSERT_TRUE(engine.ok()) << engine.status();
      threads_.push_back(std::make_unique<ProbeThread>(*std::move(engine), spool_, Scope::Default(),
                                                       SystemClock()));
    }
    std::vector<ProbeThread*> borrowed;
    for (auto& t : threads_) borrowed.push_back(t.get());
    LinkOptions options;
    options.name = "agent-1";
    options.vantage = "lab";
    options.incarnation = std::string(16, 'x');
    options.engine = "epoll";
    options.scope = {"allow everything"};
    link_ = std::make_unique<Link>(options, *client_, borrowed, spool_, clock);
  }

  v1::SynchronizeResponse Response(std::vector<std::pair<uint64_t, IndexRange>> leases,
                                   bool with_scan = false) {
    v1::SynchronizeResponse r;
    r.set_epoch(1);
    r.set_revision(++revision_);
    r.set_lease_term_ms(10'000);
    for (const auto& [token, range] : leases) {
      v1::Lease* l = r.add_leases();
      l->set_token(token);
      l->set_lane_id(1);
      l->set_scan_id("scan");
      l->set_attempt(1);
      l->add_ranges()->set_begin(range.begin);
      l->mutable_ranges(0)->set_end(range.end);
    }
    v1::ScanShare* s = r.add_shares();
    s->set_scan_id("scan");
    s->set_rate(-1);
    if (with_scan) {
      v1::ScanContext* c = r.add_scans();
      c->set_scan_id("scan");
      const IpAddress a = IpAddress::V4(0x7f000001);
      ToProto({{IpSet::Of({{a, IpAddress::V4(0x7f000010)}}), PortSet::Of({{1, 100}})}}, 5,
              c->mutable_space());  // 1,600
      ToProto(ProbeTiming(), c->mutable_timing());
    }
    return r;
  }

  // Takes and acknowledges reports until `positions` have an outcome.
  static void TakeReports(FakeReportStream& stream, uint64_t positions) {
    uint64_t seen = 0;
    while (seen < positions) {
      const auto message = stream.Next();
      ASSERT_TRUE(message.has_value());
      if (!message->has_batch()) continue;
      for (const v1::Chunk& c : message->batch().chunks()) {
        const auto totals = CountOutcomes(c.outcomes(), c.count());
        ASSERT_TRUE(totals.ok()) << totals.status();
        seen += totals->count;
      }
      stream.Ack(message->batch().seq(), 8);
    }
    EXPECT_EQ(seen, positions);
  }

  Spool spool_{{}, SystemClock()};
  std::unique_ptr<FakeCoordinatorClient> client_;
  std::vector<std::unique_ptr<ProbeThread>> threads_;
  std::unique_ptr<Link> link_;
  uint64_t revision_ = 0;
};

TEST_F(LinkTest, FirstCallSaysWhoItIsAndAsksForWork) {
  Start(2);
  const auto call = client_->NextCall();
  EXPECT_EQ(call.request.agent().name(), "agent-1");
  EXPECT_EQ(call.request.agent().vantage(), "lab");
  EXPECT_EQ(call.request.agent().incarnation().size(), 16u);
  EXPECT_EQ(call.request.agent().permutation_version(), 1u);
  EXPECT_EQ(call.request.epoch_seen(), 0u);
  EXPECT_EQ(call.request.leases_size(), 0);
  EXPECT_GE(call.request.room(), 65'536u);
  EXPECT_FALSE(call.request.draining());
  EXPECT_FALSE(link_->Ready().ok());
}

TEST_F(LinkTest, GrantIsProbedReportedListedUntilAcknowledgedAndThenDropped) {
  Start(2);
  client_->NextCall();
  client_->Answer(Response({{1, {0, 800}}, {2, {800, 1600}}}, true));
  auto call = client_->NextCall();
  EXPECT_EQ(call.request.revision_seen(), 1u);
  EXPECT_EQ(call.request.leases_size(), 2);
  EXPECT_EQ(call.request.scans(0).scan_id(), "scan");
  EXPECT_EQ(call.request.shares(0).rate(), -1);
  EXPECT_TRUE(link_->Ready().ok());
  TakeReports(*client_->NextStream().second, 1600);
  // The next calls, cut short by the agent itself or answered here, come to list nothing.
  client_->Answer(Response({{1, {0, 800}}, {2, {800, 1600}}}));
  for (int i = 0; i < 100; ++i) {
    call = client_->NextCall();
    if (call.request.leases_size() == 0) break;
    client_->Answer(Response({{1, {0, 800}}, {2, {800, 1600}}}));
  }
  EXPECT_EQ(call.request.leases_size(), 0);
  EXPECT_EQ(
      call.request.stats().open() + call.request.stats().closed() + call.request.stats().filtered(),
      1600u);
  EXPECT_TRUE(spool_.empty());
}

TEST_F(LinkTest, IsNotAliveWhileAProbeThreadIsStuck) {
  FakeClock clock;
  Start(1, 1, clock);
  client_->NextCall();
  clock.Advance(std::chrono::seconds(20));
  EXPECT_TRUE(link_->Live().ok());
  std::promise<void> stuck, go_on;
  threads_[0]->Post([&](Runner&, Time) {
    stuck.set_value();
    go_on.get_future().wait();
  });
  stuck.get_future().wait();
  // The round that begins next, if any, is the last one.
  for (int i = 0; i < 3 && link_->Live().ok(); ++i) clock.Advance(std::chrono::seconds(31));
  EXPECT_EQ(link_->Live().code(), absl::StatusCode::kInternal);
  go_on.set_value();
  client_->Answer(Response({}));
  client_->NextCall();
  EXPECT_TRUE(link_->Live().ok());
  link_.reset();  // before the clock
}

TEST_F(LinkTest, AnswerThatMakesNoSenseIsNotFollowed) {
  Start();
  client_->NextCall();
  client_->Answer(Response({{1, {0, 9'999'999}}}, true));  // beyond the scan
  const auto call = client_->NextCall();
  EXPECT_EQ(call.request.epoch_seen(), 0u);
  EXPECT_EQ(call.request.leases_size(), 0);
  EXPECT_TRUE(link_->Fatal().ok());
}

TEST_F(LinkTest, CoordinatorsAreTriedInTurn) {
  Start(1, 2);
  EXPECT_EQ(client_->NextCall().which, 0u);
  client_->Fail(Unavailable("nobody there"));
  EXPECT_EQ(client_->NextCall().which, 1u);
  client_->Answer(Response({}));
  EXPECT_EQ(client_->NextCall().which, 1u);
  EXPECT_EQ(client_->NextStream().first, 1u);
}

TEST_F(LinkTest, SupersededAgentStops) {
  Start();
  client_->NextCall();
  client_->Fail(Aborted("a newer incarnation has registered"));
  while (link_->Fatal().ok()) std::this_thread::yield();
  EXPECT_EQ(link_->Fatal().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(Message(link_->Fatal())), testing::HasSubstr("--name"));
  EXPECT_FALSE(link_->Ready().ok());
  EXPECT_TRUE(link_->Drain(std::chrono::seconds(1)).ok()) << "nothing is left to wait for";
}

TEST_F(LinkTest, AnAgentWaitsForItsNameAndHoldsNothing) {
  Start();
  client_->NextCall();
  v1::SynchronizeResponse wait;
  wait.set_epoch(1);
  wait.set_lease_term_ms(10'000);
  wait.set_wait_ms(1);
  client_->Answer(wait);
  client_->NextCall();
  EXPECT_TRUE(link_->Status().waiting);
  EXPECT_FALSE(link_->Status().connected);
  EXPECT_FALSE(link_->Ready().ok());
  EXPECT_TRUE(link_->Fatal().ok());
  client_->Answer(Response({}));
  client_->NextCall();
  EXPECT_FALSE(link_->Status().waiting);
  EXPECT_TRUE(link_->Ready().ok());
}

TEST_F(LinkTest, AnAgentWhoseNameIsInUseStops) {
  Start();
  client_->NextCall();
  client_->Fail(AlreadyExists("another process uses this name"));
  while (link_->Fatal().ok()) std::this_thread::yield();
  EXPECT_EQ(link_->Fatal().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(LinkTest, TheLastCallsOfAProcessThatEndsSaySo) {
  Start();
  const v1::SynchronizeRequest first = client_->NextCall().request;
  EXPECT_FALSE(first.leaving());
  EXPECT_GT(first.sent_unix_us(), 0);
  client_->Answer(Response({}));
  EXPECT_FALSE(client_->NextCall().request.leaving());
  auto drained =
      std::async(std::launch::async, [&] { return link_->Drain(std::chrono::seconds(20)); });
  const v1::SynchronizeRequest last = client_->NextCall().request;
  EXPECT_TRUE(last.leaving());
  EXPECT_EQ(last.leases_size(), 0);
  client_->Answer(Response({}));
  EXPECT_TRUE(drained.get().ok());
}

TEST_F(LinkTest, DrainThatCannotEndSaysWhatIsLeft) {
  Start();
  client_->NextCall();
  client_->Answer(Response({{1, {0, 1600}}}, true));
  client_->NextCall();
  const auto stream = client_->NextStream().second;
  while (true) {  // never acknowledged
    const auto message = stream->Next();
    ASSERT_TRUE(message.has_value());
    if (message->has_batch()) break;
  }
  const absl::Status drained = link_->Drain(std::chrono::milliseconds(50));
  EXPECT_EQ(drained.code(), absl::StatusCode::kDeadlineExceeded) << drained;
}

TEST_F(LinkTest, DrainOfAnIdleAgentSaysGoodbye) {
  Start();
  client_->NextCall();
  client_->Answer(Response({}));
  client_->NextCall();
  absl::Status drained = Unavailable("not yet");
  std::thread drain([&] { drained = link_->Drain(std::chrono::seconds(20)); });
  const auto call = client_->NextCall();  // the parked one was cut short
  EXPECT_TRUE(call.request.draining());
  EXPECT_EQ(call.request.room(), 0u);
  client_->Answer(Response({}));
  drain.join();
  EXPECT_TRUE(drained.ok()) << drained;
}

}  // namespace
}  // namespace portolan
