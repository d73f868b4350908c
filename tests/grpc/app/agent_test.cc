#include "agent/app/agent.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "common/base/status.h"
#include "tests/fakes/fake_fleet.h"

namespace portolan {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

// A port of 127.0.0.1 on which somebody listens.
class Listener {
 public:
  Listener() {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 64), 0);
    socklen_t length = sizeof(address);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(fd_); }
  uint16_t port() const { return port_; }

 private:
  int fd_ = -1;
  uint16_t port_ = 0;
};

const IpAddress kHost = IpAddress::V4(0x7f000001);

// 127.0.0.1 on the listener's port and on `closed` low ones, which the machine's kernel refuses.
std::vector<Block> Blocks(const Listener& listener, uint16_t closed) {
  return {{IpSet::Of({{kHost, kHost}}),
           PortSet::Of({{1, closed}, {listener.port(), listener.port()}})}};
}

class AgentTest : public testing::Test {
 protected:
  // On this port, or any free one.
  void Serve(int port = 0) {
    grpc::ServerBuilder builder;
    // Else a second server would share the port with one that is stopping.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(fmt::format("127.0.0.1:{}", port), grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(&fleet_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    ASSERT_NE(port_, 0);
  }
  void StopServing() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    server_.reset();
  }
  AgentOptions Options() {
    AgentOptions options;
    options.coordinators = {fmt::format("127.0.0.1:{}", port_)};
    options.vantage = "lab";
    options.name = "agent-1";
    options.engine_threads = 1;
    options.window = 256;
    return options;
  }
  void StartAgent(AgentOptions options) {
    auto agent = Agent::Start(std::move(options));
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = *std::move(agent);
  }
  void StartAgent() { StartAgent(Options()); }
  void TearDown() override {
    agent_.reset();
    if (server_ != nullptr) StopServing();
  }

  Listener listener_;
  FakeFleet fleet_{Blocks(listener_, 999), ProbeTiming()};  // 1,000 positions
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::unique_ptr<Agent> agent_;
};

TEST_F(AgentTest, ProbesWhatItIsGrantedAndReportsEachPositionOnce) {
  Serve();
  fleet_.Grant(1, {{0, 500}});
  fleet_.Grant(2, {{500, 1000}});
  AgentOptions options = Options();
  options.engine_threads = 2;
  StartAgent(options);
  fleet_.WaitForDone(1000);
  const auto counts = fleet_.Counts();
  EXPECT_GE(counts.at({State::kOpen, Reason::kSynAck}), 1u);  // this machine may have others open
  uint64_t sum = 0;
  for (const auto& [symbol, n] : counts) sum += n;
  EXPECT_EQ(sum, 1000u);
  EXPECT_EQ(fleet_.OpenPositions().size(), counts.at({State::kOpen, Reason::kSynAck}));
  const auto space = ScanSpace::Create(Blocks(listener_, 999), 5);
  EXPECT_TRUE(fleet_.OpenPositions().contains(*(*space)->IndexOf(kHost, listener_.port())));
  fleet_.WaitForRequest(
      [](const auto& r) { return r.leases_size() == 0 && r.stats().probes_sent() >= 1000; });
  EXPECT_EQ(fleet_.repeated(), 0u);
}

TEST_F(AgentTest, MayBeStartedBeforeItsCoordinator) {
  Serve();
  const int port = port_;
  StopServing();
  StartAgent();
  fleet_.Grant(1, {{0, 1000}});
  Serve(port);
  fleet_.WaitForDone(1000);
}

TEST_F(AgentTest, GoesOnWhereItWasWhenTheCoordinatorComesBack) {
  Serve();
  fleet_.Grant(1, {{0, 300}});
  StartAgent();
  fleet_.WaitForDone(300);
  fleet_.Grant(2, {{300, 1000}});
  fleet_.WaitForRequest([](const auto& r) { return r.revision_seen() >= 3; });
  const int port = port_;
  StopServing();
  fleet_.Restart();
  Serve(port);
  fleet_.WaitForDone(1000);
  EXPECT_TRUE(agent_->Fatal().ok());
}

TEST_F(AgentTest, BrokenStreamsLoseNothing) {
  Serve();
  fleet_.BreakStreamsAfter(1);
  AgentOptions options = Options();
  options.max_rate = 2000;  // so that it takes several batches
  for (uint64_t i = 0; i < 10; ++i) fleet_.Grant(i + 1, {{i * 100, i * 100 + 100}});
  StartAgent(options);
  fleet_.WaitForDone(1000);
  fleet_.WaitForRequest([](const auto& r) { return r.leases_size() == 0; });
  EXPECT_GT(fleet_.streams(), 1);
}

TEST_F(AgentTest, RevokedLeaseIsNotListedAnyMore) {
  Serve();
  AgentOptions options = Options();
  options.max_rate = 1;
  fleet_.Grant(1, {{0, 1000}});
  StartAgent(options);
  fleet_.WaitForRequest([](const auto& r) { return r.leases_size() == 1; });
  fleet_.Revoke(1);
  fleet_.WaitForRequest([](const auto& r) { return r.leases_size() == 0; });
}

TEST_F(AgentTest, ExclusionOfARunningScanIsObeyedAndReported) {
  Serve();
  fleet_.Exclude("127.0.0.1");
  fleet_.Grant(1, {{0, 1000}});
  StartAgent();
  fleet_.WaitForDone(1000);
  EXPECT_EQ(fleet_.Counts()[std::pair(State::kNotProbed, Reason::kExcluded)], 1000u);
}

TEST_F(AgentTest, OwnScopeWinsOverTheCoordinator) {
  Serve();
  fleet_.Grant(1, {{0, 1000}});
  AgentOptions options = Options();
  options.scope = Scope::Create({}, {*ParseScopeRule("127.0.0.1")});
  StartAgent(options);
  fleet_.WaitForDone(1000);
  EXPECT_EQ(fleet_.Counts()[std::pair(State::kOwed, Reason::kRefusedByScope)], 1000u);
  const auto request =
      fleet_.WaitForRequest([](const auto& r) { return r.stats().owed() == 1000; });
  EXPECT_EQ(request.stats().probes_sent(), 0u);
  EXPECT_THAT(
      std::vector<std::string>(request.agent().scope().begin(), request.agent().scope().end()),
      testing::Contains(HasSubstr("127.0.0.1")));
}

TEST_F(AgentTest, NewScopeHoldsForWhatIsNotStartedAndIsTold) {
  Serve();
  StartAgent();
  agent_->SetScope(Scope::Create({}, {*ParseScopeRule("127.0.0.1")}));
  fleet_.WaitForRequest([](const auto& r) {
    const auto& rules = r.agent().scope();
    return std::any_of(rules.begin(), rules.end(), [](const std::string& rule) {
      return rule.find("127.0.0.1") != std::string::npos;
    });
  });
  fleet_.Grant(1, {{0, 1000}});
  fleet_.WaitForDone(1000);
  EXPECT_EQ(fleet_.Counts()[std::pair(State::kOwed, Reason::kRefusedByScope)], 1000u);
}

TEST_F(AgentTest, DrainFinishesWhatWasBegunGivesBackTheRestAndSaysGoodbye) {
  Serve();
  fleet_.Grant(1, {{0, 1000}});
  AgentOptions options = Options();
  options.max_rate = 50;
  StartAgent(options);
  fleet_.WaitForRequest([](const auto& r) { return r.stats().probes_sent() > 0; });
  EXPECT_TRUE(agent_->Drain(seconds(20)).ok());
  const auto last =
      fleet_.WaitForRequest([](const auto& r) { return r.draining() && r.leases_size() == 0; });
  uint64_t sum = 0;
  for (const auto& [symbol, n] : fleet_.Counts()) sum += n;
  EXPECT_EQ(sum, last.stats().open() + last.stats().closed() + last.stats().filtered() +
                     last.stats().owed());
  EXPECT_LT(sum, 1000u);
  EXPECT_EQ(last.stats().spool_bytes(), 0u);
}

TEST_F(AgentTest, SupersededAgentSaysSo) {
  Serve();
  StartAgent();
  fleet_.WaitForRequest([](const auto&) { return true; });
  fleet_.RefuseCalls({grpc::StatusCode::ABORTED, "incarnation superseded"});
  while (agent_->Fatal().ok()) std::this_thread::yield();
  EXPECT_EQ(agent_->Fatal().code(), absl::StatusCode::kAborted);
}

TEST_F(AgentTest, RefusalIsFatalOnlyWhenRepeated) {
  Serve();
  StartAgent();
  fleet_.WaitForRequest([](const auto&) { return true; });
  fleet_.RefuseCalls({grpc::StatusCode::PERMISSION_DENIED, "certificate of another agent"});
  while (agent_->Fatal().ok()) std::this_thread::yield();
  EXPECT_THAT(std::string(Message(agent_->Fatal())), HasSubstr("certificate of another agent"));
}

TEST_F(AgentTest, WorksOverAChannelOfTheSameProcess) {
  Serve();
  fleet_.Grant(1, {{0, 1000}});
  AgentOptions options = Options();
  options.coordinators.clear();
  options.channel = server_->InProcessChannel({});
  StartAgent(options);
  fleet_.WaitForDone(1000);
  EXPECT_TRUE(agent_->Drain(seconds(20)).ok());
}

TEST_F(AgentTest, ServesMetricsAndHealth) {
  Serve();
  AgentOptions options = Options();
  options.http = "127.0.0.1:0";
  StartAgent(options);
  EXPECT_GT(agent_->http_port(), 0);
}

std::string ComplaintAbout(void (*change)(AgentOptions&)) {
  AgentOptions options;
  options.coordinators = {"127.0.0.1:7443"};
  options.vantage = "lab";
  options.name = "a";
  change(options);
  return std::string(Message(CheckAgentOptions(options)));
}

TEST(CheckAgentOptionsTest, NamesTheFlagTheValueAndTheRemedy) {
  using O = AgentOptions&;
  EXPECT_EQ(ComplaintAbout([](O) {}), "");
  EXPECT_EQ(ComplaintAbout([](O o) { o.coordinators = {"localhost:1", "[::1]:2"}; }), "");
  EXPECT_THAT(ComplaintAbout([](O o) { o.coordinators = {}; }), HasSubstr("--coordinator"));
  EXPECT_THAT(ComplaintAbout([](O o) {
                o.coordinators = {"127.0.0.1:1", "127.0.0.1:1"};
              }),
              HasSubstr("twice"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.coordinators = {"127.0.0.1"}; }), HasSubstr("HOST:PORT"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.coordinators = {"10.0.0.1:7443"}; }),
              HasSubstr("--insecure"));
  EXPECT_EQ(ComplaintAbout([](O o) {
              o.coordinators = {"10.0.0.1:7443"};
              o.insecure = true;
            }),
            "");
  EXPECT_THAT(ComplaintAbout([](O o) { o.vantage = ""; }), HasSubstr("--vantage"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.vantage = "two words"; }), HasSubstr("two words"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.vantage = std::string(61, 'v'); }), HasSubstr("1 to 60"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.name = "\n"; }), HasSubstr("--name"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.http = ":9000"; }), HasSubstr("--http"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.max_rate = -1; }), HasSubstr("--max-rate"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.max_rate = std::nan(""); }), HasSubstr("--max-rate"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.engine = "kqueue"; }), HasSubstr("--engine \"kqueue\""));
  EXPECT_EQ(ComplaintAbout([](O o) { o.engine = "epoll"; }), "");
  EXPECT_EQ(ComplaintAbout([](O o) { o.engine = "io_uring"; }), "");
  EXPECT_THAT(ComplaintAbout([](O o) { o.engine_threads = 65; }), HasSubstr("--threads"));
  EXPECT_THAT(ComplaintAbout([](O o) {
                o.window = 2;
                o.engine_threads = 3;
              }),
              HasSubstr("--window"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.spool_bytes = 1000; }), HasSubstr("--spool-mib"));
  EXPECT_THAT(ComplaintAbout([](O o) { o.tls.cert = "/nowhere.pem"; }), HasSubstr("--tls-key"));
}

TEST(CheckAgentOptionsTest, FillsInTheHostNameAndTheThreads) {
  AgentOptions options;
  options.coordinators = {"127.0.0.1:7443"};
  options.vantage = "lab";
  ASSERT_TRUE(CheckAgentOptions(options).ok());
  EXPECT_FALSE(options.name.empty());
  EXPECT_GE(options.engine_threads, 1);
  EXPECT_LE(options.engine_threads, 4);
}

}  // namespace
}  // namespace portolan
