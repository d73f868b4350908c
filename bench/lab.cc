#include "bench/lab.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace portolan::bench {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  if (!in) Die(fmt::format("cannot read {}", path));
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

template <typename Request>
v1::Scan Call(v1::ScanService::Stub& stub, const char* what,
              grpc::Status (v1::ScanService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                            v1::Scan*),
              const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  context.set_wait_for_ready(true);
  v1::Scan scan;
  const grpc::Status status = (stub.*method)(&context, request, &scan);
  if (!status.ok()) Die(fmt::format("{}: {}", what, status.error_message()));
  return scan;
}

}  // namespace

void Die(const std::string& why) {
  fmt::print(stderr, "{}\n", why);
  std::fflush(stdout);
  std::exit(1);
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(const std::string& directory,
                                                      const std::string& name) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ReadFile(directory + "/ca.pem");
  options.pem_cert_chain = ReadFile(directory + "/" + name + ".pem");
  options.pem_private_key = ReadFile(directory + "/" + name + ".key");
  return grpc::SslCredentials(options);
}

std::shared_ptr<grpc::Channel> Connect(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  StopDeadlockDetection();
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
              1);  // else channels of one target share a connection
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetMaxReceiveMessageSize(kMaxMessageBytes);
  return grpc::CreateCustomChannel("ipv4:" + address, credentials, args);
}

Lab::Lab(const Arguments& arguments, std::vector<std::string> flags)
    : data_directory_(arguments.Text("work", ".") + "/data") {
  const std::string tls = arguments.Text("tls", ".");
  std::filesystem::remove_all(data_directory_);
  std::vector<std::string> argv = {arguments.Text("bin", ".") + "/bin/portolan-coordinator",
                                   "--listen",
                                   "127.0.0.1:0",
                                   "--data",
                                   data_directory_,
                                   "--log-level",
                                   "info",
                                   "--tls-cert",
                                   tls + "/coordinator.pem",
                                   "--tls-key",
                                   tls + "/coordinator.key",
                                   "--tls-ca",
                                   tls + "/ca.pem"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  auto process =
      ChildProcess::Start(std::move(argv), arguments.Text("work", ".") + "/coordinator.log");
  if (!process.ok()) Die(std::string(Message(process.status())));
  coordinator_ = *std::move(process);
  auto address = coordinator_->WaitForField("listening", "grpc", std::chrono::seconds(20));
  if (!address.ok()) Die(std::string(Message(address.status())));
  address_ = *address;
  agent_credentials_ = Credentials(tls, "agent");
  operator_credentials_ = Credentials(tls, "operator");
  scans_ = v1::ScanService::NewStub(ConnectOperator());
}

Lab::~Lab() {
  coordinator_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(data_directory_, ignored);
}

std::string Lab::HttpAddress() {
  auto address = coordinator_->WaitForField("listening", "http", std::chrono::seconds(20));
  if (!address.ok()) Die(std::string(Message(address.status())));
  return *address;
}

std::shared_ptr<grpc::Channel> Lab::Connect() const {
  return bench::Connect(address_, agent_credentials_);
}

std::shared_ptr<grpc::Channel> Lab::ConnectOperator() const {
  return bench::Connect(address_, operator_credentials_);
}

v1::Scan Lab::Create(const v1::ScanRequestSpec& spec) {
  v1::CreateScanRequest request;
  *request.mutable_spec() = spec;
  return Call(*scans_, "CreateScan", &v1::ScanService::Stub::CreateScan, request);
}

v1::Scan Lab::Get(const std::string& id) {
  v1::GetScanRequest request;
  request.set_scan_id(id);
  return Call(*scans_, "GetScan", &v1::ScanService::Stub::GetScan, request);
}

void Lab::Cancel(const std::string& id) {
  v1::CancelScanRequest request;
  request.set_scan_id(id);
  Call(*scans_, "CancelScan", &v1::ScanService::Stub::CancelScan, request);
}

v1::Scan Lab::WaitForEnd(const std::string& id, Duration at_most) {
  const auto until = Steady::now() + at_most;
  while (true) {
    v1::Scan scan = Get(id);
    if (scan.state() >= v1::SCAN_STATE_COMPLETE) return scan;
    if (Steady::now() > until)
      Die(fmt::format("scan {} has not finished after {:.0f} s: {}", id, ToSeconds(at_most),
                      scan.ShortDebugString()));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

uint64_t Lab::StoredBytes(const std::string& prefix) const {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data_directory_)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    std::error_code gone;  // between listing and asking
    const auto size = entry.file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

uint64_t Lab::StopAndMeasureStore() {
  coordinator_->Stop();
  return StoredBytes();
}

SimFleet::SimFleet(const std::vector<SimOptions>& agents, const ChunkSource& maker,
                   const std::function<std::shared_ptr<grpc::Channel>()>& connect,
                   SimAgent::OnAnswer on_answer)
    : runner_("agents", SystemClock()) {
  for (const SimOptions& o : agents) {
    agents_.push_back(
        std::make_unique<SimAgent>(o, connect(), maker, counters_, &runner_, on_answer));
  }
  for (auto& agent : agents_) agent->Start();
}

SimFleet::~SimFleet() {
  runner_.Stop();
  for (auto& agent : agents_) agent->Stop();
}

void SimFleet::Check() const {
  for (const auto& agent : agents_) {
    if (const grpc::Status s = agent->failure(); !s.ok()) {
      Die(fmt::format("agent {}: {} ({})", agent->options().name, s.error_message(),
                      static_cast<int>(s.error_code())));
    }
  }
}

void SimFleet::RunFor(Duration time) {
  std::this_thread::sleep_for(time);
  Check();
}

void SimFleet::Quiesce() {
  for (auto& agent : agents_) agent->Quiesce();
  for (int i = 0; i < 1200; ++i) {
    bool quiet = true;
    for (auto& agent : agents_) quiet = quiet && agent->quiet();
    if (quiet) return;
    RunFor(std::chrono::milliseconds(50));
  }
  Die("results are still not acknowledged after a minute");
}

}  // namespace portolan::bench
