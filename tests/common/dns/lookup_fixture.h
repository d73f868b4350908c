#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/dns/blocking_lookup.h"
#include "common/dns/system_name_lookup.h"
#include "tests/dns/dns_server.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {

// A name server on loopback, system files in a directory, and a lookup that uses nothing else.
class LookupFixture : public ::testing::Test {
 protected:
  LookupFixture() {
    options.resolv_conf = Write("resolv.conf", "");
    options.hosts = Write("hosts", "127.0.0.1 localhost\n");
    options.nsswitch = Write("nsswitch.conf", "hosts: files dns\n");
    options.environment = false;
    options.timeout = std::chrono::seconds(20);  // nothing waits for it, unless a test says so
    options.attempts = 1;
    options.ask_system = [](const std::string& name) {
      ADD_FAILURE() << "the system was asked for " << name;
      return NameAnswer{{}, LookupProblem::kNoSuchName, ""};
    };
  }

  std::string Write(const std::string& file, const std::string& text) {
    const std::string path = directory.path() + "/" + file;
    std::ofstream(path) << text;
    return path;
  }
  void StartServer(DnsServer::Options with = {}) {
    auto started = DnsServer::Start(std::move(with));
    ASSERT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
    options.servers.push_back(server->server());
  }
  // After the options are as the test wants them.
  NameLookup& Lookup() {
    if (lookup == nullptr) {
      auto made = MakeSystemNameLookup(options);
      EXPECT_TRUE(made.ok()) << made.status();
      lookup = *std::move(made);
    }
    return *lookup;
  }
  NameAnswer One(const std::string& name) {
    auto answers = LookUp(Lookup(), {name});
    EXPECT_TRUE(answers.ok()) << answers.status();
    EXPECT_EQ(answers->size(), 1u);
    return std::move(answers->at(0));
  }
  static std::vector<std::string> Text(const NameAnswer& answer) {
    std::vector<std::string> text;
    for (const IpAddress& address : answer.addresses) text.push_back(address.ToString());
    return text;
  }

  TempDirectory directory;
  SystemNameLookupOptions options;
  std::unique_ptr<DnsServer> server;
  std::unique_ptr<NameLookup> lookup;  // before the server goes
};

}  // namespace portolan
