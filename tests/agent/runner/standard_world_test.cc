// A whole simulated network through an engine, a runner and their thread, without gRPC: what the
// sanitizers can look at. Needs root and /dev/net/tun.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <string>
#include <thread>

#include "agent/runner/probe_thread.h"
#include "common/base/mutex.h"
#include "common/scan/chunk_codec.h"
#include "common/scan/timing_template.h"
#include "tests/simnet/params.h"
#include "tests/simnet/world.h"

namespace portolan {
namespace {

// Moves this thread, and those that it starts from now on, to a network namespace of their own with
// the simulated network in it; it ends with them.
class Simulation {
 public:
  explicit Simulation(const char* world) {
    if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
      unavailable_ = "needs root and /dev/net/tun";
    } else if (unshare(CLONE_NEWNET) != 0) {
      unavailable_ = "network namespaces cannot be made here";
    } else {
      Start(world);
    }
  }
  ~Simulation() {
    if (child_ <= 0) return;
    kill(child_, SIGTERM);
    waitpid(child_, nullptr, 0);
  }
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;
  const std::string& unavailable() const { return unavailable_; }
  bool ready() const { return ready_; }

 private:
  void Start(const char* world) {
    int out[2];
    ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
    child_ = fork();
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(out[1], 1);
      execl(PORTOLAN_SIMNET, "simnet", "run", world, "--max-seconds", "300", nullptr);
      _exit(127);
    }
    close(out[1]);
    std::string text;
    char byte = 0;
    while (text.find("ready\n") == std::string::npos && read(out[0], &byte, 1) == 1) text += byte;
    close(out[0]);
    ready_ = text.find("ready\n") != std::string::npos;
  }
  std::string unavailable_;
  bool ready_ = false;
  pid_t child_ = -1;
};

// Keeps every outcome.
class Outcomes final : public ReportSink {
 public:
  void PutOpen(const OpenReport&) override {}
  void PutFinding(const FindingReport&) override {}
  void PutChunk(ChunkReport chunk) override {
    const auto decoded = DecodeOutcomes(chunk.outcomes, 65'536);
    MutexLock lock(mu_);
    if (!decoded.ok() || decoded->codes.size() != chunk.range.size()) {
      ++broken_;
      return;
    }
    for (size_t i = 0; i < decoded->codes.size(); ++i)
      symbols_[chunk.range.begin + i] = decoded->At(i);
    came_.NotifyAll();
  }
  bool HasRoom() const override { return true; }
  // Waits for so many. They come whatever the network does: silence is an outcome too.
  std::map<uint64_t, Symbol> Take(uint64_t positions) {
    MutexLock lock(mu_);
    while (symbols_.size() < positions && broken_ == 0) came_.Wait(mu_);
    EXPECT_EQ(broken_, 0);
    return std::move(symbols_);
  }

 private:
  Mutex mu_;
  CondVar came_;
  std::map<uint64_t, Symbol> symbols_ GUARDED_BY(mu_);
  int broken_ GUARDED_BY(mu_) = 0;
};

class StandardWorld : public testing::TestWithParam<EngineChoice> {
 protected:
  // Scans the positions and returns what was found.
  std::map<uint64_t, Symbol> Run(ProbeThread& thread, Outcomes& outcomes,
                                 const ScanContext& context, const IntervalSet& ranges,
                                 uint32_t attempt) {
    thread.Post([&](Runner& runner, Time now) {
      runner.SetContext(context);
      AgentLease lease;
      lease.token = Token{attempt};
      lease.scan = context.scan;
      lease.ranges = ranges;
      lease.attempt = attempt;
      lease.deadline = now + std::chrono::minutes(5);
      EXPECT_EQ(runner.Grant(lease), absl::OkStatus());
    });
    return outcomes.Take(ranges.size());
  }
};

TEST_P(StandardWorld, IsFoundWithoutAnErrorOfTheEngine) {
  const auto preset = simnet::FindPreset("standard");
  ASSERT_TRUE(preset.ok());
  simnet::WorldOptions parameters;
  ASSERT_EQ(simnet::SetParameters(preset->parameters, parameters), absl::OkStatus());
  const simnet::World world(parameters);
  const auto targets = ParseAddressTargets({std::string(preset->targets)});
  const auto ports = ParsePorts(preset->ports);
  ASSERT_TRUE(targets.ok() && ports.ok());
  const auto blocks = MakeBlocks(*targets, *ports, {});
  ASSERT_TRUE(blocks.ok());
  ScanContext context;
  context.scan = "s";
  context.space = ScanSpace::Create(*blocks, 1).value();
  context.timing = TimingTemplateOf(5).timing;
  context.overlay = std::make_shared<DenyOverlay>();

  // On a thread of its own, as the namespace is the thread's and another test is to have another.
  std::string skipped;
  std::thread([&] {
    const Simulation simulation("standard");
    skipped = simulation.unavailable();
    if (!skipped.empty()) return;
    ASSERT_TRUE(simulation.ready());
    RaiseFileLimit();
    auto made = MakeEngine(GetParam(), {}, SystemClock());
    if (!made.ok()) {
      skipped = std::string(made.status().message());  // io_uring refused
      return;
    }
    Outcomes outcomes;
    ProbeThread thread(std::move(made->engine), outcomes, Scope::Default(), SystemClock());
    IntervalSet left{{0, context.space->size()}};
    uint64_t all = 0, open = 0, found = 0, false_open = 0, wrong = 0;
    for (uint32_t attempt = 1; attempt <= 5 && !left.empty(); ++attempt) {
      IntervalSet owed;
      for (const auto& [index, symbol] : Run(thread, outcomes, context, left, attempt)) {
        if (symbol.state == State::kOwed) {
          owed.Add({index, index + 1});
          continue;
        }
        const ScanSpace::Endpoint at = context.space->At(index);
        const simnet::Host host = world.HostAt(simnet::ToAddress(at.address));
        const Symbol truth = simnet::World::TruthOf(world.PortAt(host, at.port));
        ++all;
        open += truth.state == State::kOpen;
        found += truth.state == State::kOpen && symbol.state == State::kOpen;
        false_open += truth.state != State::kOpen && symbol.state == State::kOpen;
        wrong += truth.state != symbol.state;
      }
      left = owed;
    }
    EXPECT_TRUE(left.empty());
    EXPECT_EQ(all, context.space->size());
    EXPECT_EQ(false_open, 0u);
    EXPECT_GT(open, 500u);
    // 2 % of round trips are lost, and two tries are made; the bench wants more of this figure than
    // a sanitizer's pace allows.
    EXPECT_GE(found * 100, open * 99);
    EXPECT_LE(wrong * 200, all);
    const ProbeThread::Snapshot end = thread.Ask();
    EXPECT_EQ(end.in_flight, 0u);
    EXPECT_EQ(end.open_chunks, 0u);
  }).join();
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}

INSTANTIATE_TEST_SUITE_P(Engines, StandardWorld,
                         testing::Values(EngineChoice::kEpoll, EngineChoice::kUring),
                         [](const auto& each) {
                           return each.param == EngineChoice::kEpoll ? "Epoll" : "Uring";
                         });

}  // namespace
}  // namespace portolan
