#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "cli/environment.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_monitor_service.h"
#include "tests/fakes/fake_scan_service.h"

namespace portolan {

// Runs the program's verbs against the fake service, through an in-process channel and with a clock
// that moves only while the program waits.
class CliTest : public testing::Test {
 protected:
  struct Result {
    int code = -1;
    std::string out, err;
    std::vector<std::string> Lines() const {
      std::vector<std::string> lines;
      std::istringstream in(out);
      for (std::string line; std::getline(in, line);) lines.push_back(line);
      return lines;
    }
  };

  class FakeLocal : public LocalStack {
   public:
    explicit FakeLocal(CliTest& test) : test_(test) {}
    ~FakeLocal() override { test_.local_log.push_back("gone"); }
    std::shared_ptr<grpc::Channel> channel() override { return test_.channel_; }
    absl::Status StartAgent() override {
      test_.local_log.push_back("agent");
      return absl::OkStatus();
    }
    absl::Status AgentFatal() const override { return test_.agent_fatal; }
    void Stop(Duration) override { test_.local_log.push_back("stop"); }

   private:
    CliTest& test_;
  };

  CliTest() : interrupts([this](int signal) { at_once = signal; }) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service);
    builder.RegisterService(&monitoring);
    server_ = builder.BuildAndStart();
    channel_ = server_->InProcessChannel({});
  }
  ~CliTest() override {
    channel_.reset();
    server_->Shutdown(std::chrono::system_clock::time_point());
    server_->Wait();
  }

  Result Run(std::vector<std::string> args) {
    Result result;
    StringOutput own;
    Notes notes([&](std::string_view text) { result.err += text; },
                {.is_terminal = err_is_terminal, .columns = [] { return size_t{200}; }}, clock);
    std::istringstream in(stdin_text);
    Environment env;
    env.out = output != nullptr ? output : &own;
    env.in = &in;
    env.notes = &notes;
    env.interrupts = &interrupts;
    env.clock = &clock;
    env.out_is_terminal = out_is_terminal;
    env.in_is_terminal = in_is_terminal;
    env.getenv = [this](const char* name) {
      const auto at = variables.find(name);
      return at == variables.end() ? std::nullopt : std::optional<std::string>(at->second);
    };
    env.wait = [this](Duration d) {
      clock.Advance(d);
      waited += d;
      if (on_wait) on_wait();
      return interrupts.interrupted();
    };
    env.dial = [this](const std::string& target,
                      const TlsFiles& tls) -> absl::StatusOr<std::shared_ptr<grpc::Channel>> {
      dialled = target;
      dialled_tls = tls;
      return channel_;
    };
    env.start_local =
        [this](const LocalOptions& options) -> absl::StatusOr<std::unique_ptr<LocalStack>> {
      local_options = options;
      local_log.push_back("start");
      if (!local_error.ok()) return local_error;
      return std::make_unique<FakeLocal>(*this);
    };
    result.code = RunCli(args, env);
    result.out = own.text();
    return result;
  }
  // With a coordinator named.
  Result Remote(std::vector<std::string> args) {
    args.insert(args.end(), {"--coordinator", "127.0.0.1:4460"});
    return Run(std::move(args));
  }

  v1::Scan& AddScan(const std::string& id, v1::ScanState state) {
    v1::Scan& scan = service.scans[id];
    scan.set_id(id);
    scan.set_state(state);
    scan.mutable_spec()->set_mode(v1::SCAN_MODE_SPLIT);
    scan.set_created_unix_us(1'700'000'000'000'000);
    scan.mutable_ledger()->set_planned(10);
    service.last = id;
    return scan;
  }
  void AddLiveAgent(const std::string& vantage) {
    v1::Agent& a = service.agents.emplace_back();
    a.set_name("a-" + vantage);
    a.set_vantage(vantage);
    a.set_live(true);
  }
  void AddLane(v1::Scan& scan, uint64_t id, const std::string& vantage) {
    v1::Lane* lane = scan.add_lanes();
    lane->set_id(id);
    lane->set_vantage(vantage);
  }
  void Observe(const std::string& ip, uint16_t port, v1::PortState state = v1::PORT_STATE_OPEN,
               const std::string& vantage = "office") {
    v1::Observation o;
    o.set_address(IpAddress::Parse(ip)->ToBytes());
    o.set_port(port);
    o.set_state(state);
    o.set_reason(state == v1::PORT_STATE_OPEN     ? "syn-ack"
                 : state == v1::PORT_STATE_CLOSED ? "conn-refused"
                                                  : "no-response");
    o.set_vantage(vantage);
    o.set_agent("a-" + vantage);
    if (state == v1::PORT_STATE_OPEN) o.set_rtt_us(420);
    o.set_unix_us(1'767'323'045'678'901);
    service.observations.push_back(o);
  }

  // Complete an hour ago.
  v1::Monitor& AddMonitor(const std::string& name) {
    v1::Monitor& m = monitoring.monitors[name];
    m.set_name(name);
    m.set_schedule("every 1h");
    m.set_last_success_unix_us(ToUnixMicros(clock.Wall()) - 3'600'000'000);
    m.set_next_run(1);
    return m;
  }

  std::shared_ptr<grpc::Channel> channel() const { return channel_; }

  FakeScanService service;
  FakeMonitorService monitoring;
  FakeClock clock;
  int at_once = 0;
  Interrupts interrupts;
  std::map<std::string, std::string> variables = {{"HOME", "/nonexistent"}};
  std::string stdin_text, dialled;
  TlsFiles dialled_tls;
  bool out_is_terminal = false, err_is_terminal = false, in_is_terminal = false;
  Output* output = nullptr;  // in place of the captured one
  Duration waited{};
  std::function<void()> on_wait;
  LocalOptions local_options;
  absl::Status local_error, agent_fatal;
  std::vector<std::string> local_log;

 private:
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace portolan
