#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/child_process.h"
#include "bench/sim_agent.h"
#include "bench/summary.h"
#include "portolan/v1/scan_service.grpc.pb.h"

namespace portolan::bench {

// The arguments that every benchmark with a coordinator has: where the programs are, where the
// certificates (ca.pem; coordinator, agent, operator: .pem and .key), and an empty directory to
// work in.
inline const std::vector<std::string> kLabArguments = {"bin", "tls", "work"};

// A portolan-coordinator of the build as a process of its own, on an empty directory, with mutual
// TLS and every commit on the disk; an operator; and any number of connections for agents.
// Everything ends with it. Errors end the program: a benchmark has no other use for them.
class Lab {
 public:
  // `flags`: of the coordinator, besides.
  explicit Lab(const Arguments& arguments, std::vector<std::string> flags = {"--http", "none"});
  ~Lab();

  ChildProcess& coordinator() { return *coordinator_; }
  v1::ScanService::Stub& scans() { return *scans_; }
  const std::string& address() const { return address_; }
  const std::string& data_directory() const { return data_directory_; }
  // HOST:PORT of its HTTP listener.
  std::string HttpAddress();
  // A TCP connection and TLS session of its own, for an agent or an operator.
  std::shared_ptr<grpc::Channel> Connect() const;
  std::shared_ptr<grpc::Channel> ConnectOperator() const;

  v1::Scan Create(const v1::ScanRequestSpec& spec);
  v1::Scan Get(const std::string& id);
  // Waits until it has finished; asks each `every`.
  v1::Scan WaitForEnd(const std::string& id, Duration at_most);
  void Cancel(const std::string& id);
  // Stops the coordinator, so that everything is in the database file; its size then.
  uint64_t StopAndMeasureStore();
  // Of the files whose names begin so.
  uint64_t StoredBytes(const std::string& prefix = "") const;

 private:
  const std::string data_directory_;
  std::string address_;
  std::unique_ptr<ChildProcess> coordinator_;
  std::unique_ptr<v1::ScanService::Stub> scans_;
  std::shared_ptr<grpc::ChannelCredentials> agent_credentials_, operator_credentials_;
};

// Certificates NAME.pem and NAME.key, and ca.pem, of `directory`.
std::shared_ptr<grpc::ChannelCredentials> Credentials(const std::string& directory,
                                                      const std::string& name);
std::shared_ptr<grpc::Channel> Connect(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials);

// Some agents on connections of their own, started together. Ends the program when one of them
// fails.
class SimFleet {
 public:
  SimFleet(const std::vector<SimOptions>& agents, const ChunkSource& maker,
           const std::function<std::shared_ptr<grpc::Channel>()>& connect,
           SimAgent::OnAnswer on_answer = nullptr);
  ~SimFleet();

  SimCounters& counters() { return counters_; }
  std::vector<std::unique_ptr<SimAgent>>& agents() { return agents_; }
  // Sleeps, then checks that all agents live.
  void RunFor(Duration time);
  // Until everything that was sent is acknowledged.
  void Quiesce();

 private:
  void Check() const;

  SimCounters counters_;
  TaskRunner runner_;
  std::vector<std::unique_ptr<SimAgent>> agents_;
};

[[noreturn]] void Die(const std::string& why);

}  // namespace portolan::bench
