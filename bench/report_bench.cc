// Results from agents to the disk: outcomes received over gRPC with mutual TLS, decoded, fenced and
// durably counted each second, and the bytes that they take on the wire. Simulated agents in this
// process send as fast as they are acknowledged; the coordinator is a process of its own. The
// baseline, before and after, is a server that decodes the same messages and acknowledges them, no
// more: what the wire allows.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <thread>

#include "bench/lab.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/ops/signals.h"
#include "common/rpc/channel.h"

namespace portolan::bench {
namespace {

constexpr double kWantedRate = 5e6;
constexpr double kWantedBytes = 0.3;
constexpr uint32_t kCredit = 32;

// Acknowledges each batch once it is decoded.
class BareReactor final : public grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse> {
 public:
  BareReactor() { StartRead(&request_); }

 private:
  void OnReadDone(bool ok) override {
    bool write = false;
    {
      MutexLock lock(mu_);
      if (!ok) {
        if (!finished_) Finish(grpc::Status::OK);
        finished_ = true;
        return;
      }
      seen_ = request_.has_batch() ? request_.batch().seq() : 0;
      write = !writing_;
      writing_ = true;
      if (write) Fill();
    }
    if (write) StartWrite(&response_);
    StartRead(&request_);
  }
  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mu_);
      writing_ = ok && !finished_ && told_ < seen_;
      if (!writing_) return;
      Fill();
    }
    StartWrite(&response_);
  }
  void OnCancel() override {}  // OnReadDone ends it
  void OnDone() override { delete this; }
  void Fill() REQUIRES(mu_) {
    told_ = seen_;
    response_.set_acked_seq(told_);
    response_.set_credit(kCredit);
  }

  v1::ReportRequest request_;
  v1::ReportResponse response_;
  Mutex mu_;
  uint64_t seen_ GUARDED_BY(mu_) = 0, told_ GUARDED_BY(mu_) = 0;
  bool writing_ GUARDED_BY(mu_) = false, finished_ GUARDED_BY(mu_) = false;
};

class BareService final : public v1::FleetService::CallbackService {
  grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse>* Report(
      grpc::CallbackServerContext*) override {
    return new BareReactor;
  }
};

int ServeBare(const std::string& tls) {
  SignalWaiter signals;
  BareService service;
  grpc::ServerBuilder builder;
  ConfigureServer(builder);
  auto credentials =
      MakeServerCredentials({tls + "/coordinator.pem", tls + "/coordinator.key", tls + "/ca.pem"});
  if (!credentials.ok()) Die(std::string(Message(credentials.status())));
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) Die("the bare server cannot listen");
  fmt::print("listening grpc=127.0.0.1:{}\n", port);
  std::fflush(stdout);
  signals.Wait(std::chrono::hours(1));
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  return 0;
}

std::vector<SimOptions> Agents(int count, bool bare) {
  std::vector<SimOptions> out;
  for (int i = 0; i < count; ++i) {
    SimOptions o;
    o.name = fmt::format("agent-{}", i);
    o.vantage = "v";
    o.speed = 2e6;
    o.bare = bare;
    o.seed = static_cast<uint64_t>(i) + 1;
    out.push_back(o);
  }
  return out;
}

struct Figures {
  double rate = 0, bytes = 0;  // outcomes a second; bytes an outcome
};

Figures Measure(SimFleet& fleet, double seconds) {
  fleet.RunFor(std::chrono::seconds(3));  // leases, caches
  SimCounters& c = fleet.counters();
  const auto begin = Steady::now();
  const uint64_t acked = c.acked, sent = c.sent, wire = c.report_bytes + c.sync_bytes;
  fleet.RunFor(FromSeconds(seconds));
  const double elapsed = std::chrono::duration<double>(Steady::now() - begin).count();
  return {static_cast<double>(c.acked - acked) / elapsed,
          static_cast<double>(c.report_bytes + c.sync_bytes - wire) /
              static_cast<double>(c.sent - sent)};
}

double MeasureBare(const Arguments& arguments, int agents, const ChunkMaker& maker,
                   double seconds) {
  const std::string tls = arguments.Text("tls", ".");
  auto server = ChildProcess::Start(
      {std::filesystem::read_symlink("/proc/self/exe"), "--serve-bare=1", "--tls=" + tls},
      arguments.Text("work", ".") + "/bare.log");
  if (!server.ok()) Die(std::string(Message(server.status())));
  auto address = (*server)->WaitForField("listening", "grpc", std::chrono::seconds(20));
  if (!address.ok()) Die(std::string(Message(address.status())));
  const auto credentials = Credentials(tls, "agent");
  SimFleet fleet(Agents(agents, true), maker, [&] { return Connect(*address, credentials); });
  return Measure(fleet, seconds).rate;
}

int Main(int argc, char** argv) {
  std::vector<std::string> keys = kLabArguments;
  keys.insert(keys.end(), {"serve-bare", "agents", "seconds", "mix"});
  const Arguments arguments(argc, argv, keys);
  if (!arguments.Text("serve-bare").empty()) return ServeBare(arguments.Text("tls", "."));
  const int agents = static_cast<int>(arguments.Number("agents", 8));
  const double seconds = arguments.Number("seconds", 30);
  const std::string mix = arguments.Text("mix", "random");
  const ChunkMaker maker(Mix::Named(mix), SimOptions().chunk, 1);

  const double before = MeasureBare(arguments, agents, maker, 5);
  Figures figures;
  double coordinator_cpu = 0, own_cpu = 0, resident = 0;
  {
    Lab lab(arguments);
    v1::ScanRequestSpec spec;
    spec.add_targets("127.0.0.0/8");
    spec.set_ports("1-4096");  // groups of 2^24 positions: a chunk is whole unless it ends a lease
    SimFleet fleet(Agents(agents, false), maker, [&] { return lab.Connect(); });
    const v1::Scan scan = lab.Create(spec);
    const auto cpu = lab.coordinator().usage().cpu_s, mine = OwnUsage().cpu_s;
    figures = Measure(fleet, seconds);
    coordinator_cpu = (lab.coordinator().usage().cpu_s - cpu) / (seconds + 3);
    own_cpu = (OwnUsage().cpu_s - mine) / (seconds + 3);
    resident = static_cast<double>(lab.coordinator().usage().resident_bytes);
    fleet.Quiesce();
    // What was acknowledged is what is counted: no more, no less.
    const v1::Ledger ledger = lab.Get(scan.id()).ledger();
    const uint64_t counted = ledger.open() + ledger.closed() + ledger.filtered();
    if (counted != fleet.counters().acked || ledger.open() != fleet.counters().acked_opens ||
        fleet.counters().fenced != 0) {
      Die(fmt::format("counted {} ({} open) of {} acknowledged ({} open), {} tokens fenced",
                      counted, ledger.open(), fleet.counters().acked.load(),
                      fleet.counters().acked_opens.load(), fleet.counters().fenced.load()));
    }
    fmt::print("  {} outcomes counted, {} open rows, {} batches, {} answers of Synchronize\n",
               Count(static_cast<double>(counted)), Count(static_cast<double>(ledger.open())),
               fleet.counters().batches.load(), fleet.counters().answers.load());
  }
  const double after = MeasureBare(arguments, agents, maker, 5);
  const double bare = (before + after) / 2;
  fmt::print(
      "  mix \"{}\", {} agents; baseline, decoded and acknowledged only: {} and {} outcomes/s\n",
      mix, agents, Count(before), Count(after));
  fmt::print("  cores used: coordinator {:.2f}, agents {:.2f}; coordinator's memory {}\n",
             coordinator_cpu, own_cpu, MiB(static_cast<uint64_t>(resident)));
  PrintSummary("report",
               fmt::format("{} outcomes/s durably counted, {:.2f} of bare gRPC",
                           Count(figures.rate), figures.rate / bare),
               "at least 5 M/s", figures.rate >= kWantedRate);
  PrintSummary("report-wire", fmt::format("{:.3f} bytes a probe", figures.bytes), "at most 0.3",
               figures.bytes <= kWantedBytes);
  return 0;
}

}  // namespace
}  // namespace portolan::bench

int main(int argc, char** argv) { return portolan::bench::Main(argc, argv); }
