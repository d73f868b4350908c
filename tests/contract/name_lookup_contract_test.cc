// What every NameLookup keeps to: the system's, and the fake that other tests believe.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/dns/blocking_lookup.h"
#include "common/dns/counted_lookup.h"
#include "common/dns/system_name_lookup.h"
#include "tests/dns/dns_server.h"
#include "tests/fakes/fake_name_lookup.h"

namespace portolan {
namespace {

// A lookup that knows both.test (198.18.0.7, 2001:db8::7), nodata.test without an address,
// servfail.test that nobody can be asked for, and no gone.nx.test.
class Harness {
 public:
  virtual ~Harness() = default;
  virtual NameLookup& lookup() = 0;
  // From now on nothing is answered.
  virtual void Stall() = 0;
  // A request has been taken up.
  virtual void WaitUntilAsked() = 0;
};

class FakeHarness final : public Harness {
 public:
  FakeHarness() {
    names_.Set("both.test", {"2001:db8::7", "198.18.0.7", "198.18.0.7"});
    names_.Set("nodata.test", {});
    names_.SetProblem("servfail.test", LookupProblem::kCouldNotAsk, "SERVFAIL from 198.18.0.53");
  }
  NameLookup& lookup() override { return names_; }
  void Stall() override { names_.Hold(); }
  void WaitUntilAsked() override { names_.WaitForStarted(1); }

 private:
  FakeNameLookup names_;
};

class CountedHarness final : public Harness {
 public:
  NameLookup& lookup() override { return counted_; }
  void Stall() override { inner_.Stall(); }
  void WaitUntilAsked() override { inner_.WaitUntilAsked(); }

 private:
  FakeHarness inner_;
  CountedNameLookup counted_{inner_.lookup(), SystemClock()};
};

class SystemHarness final : public Harness {
 public:
  SystemHarness() {
    DnsServer::Options with;
    with.zone.Set("both.test", {IpAddress::V4(0xc6120007), *IpAddress::Parse("2001:db8::7"),
                                IpAddress::V4(0xc6120007)});
    auto server = DnsServer::Start(std::move(with));
    PORTOLAN_CHECK(server.ok());
    server_ = *std::move(server);
    SystemNameLookupOptions options;
    options.servers = {server_->server()};
    options.resolv_conf = options.hosts = options.nsswitch = "/dev/null";
    options.environment = false;
    options.timeout = std::chrono::seconds(60);
    auto made = MakeSystemNameLookup(std::move(options));
    PORTOLAN_CHECK(made.ok());
    lookup_ = *std::move(made);
  }
  NameLookup& lookup() override { return *lookup_; }
  void Stall() override { server_->SetMode(DnsServer::Mode::kSilent); }
  void WaitUntilAsked() override { server_->WaitForQuestions(1); }

 private:
  std::unique_ptr<DnsServer> server_;
  std::unique_ptr<NameLookup> lookup_;
};

using MakeHarness = std::function<std::unique_ptr<Harness>()>;

class NameLookupContract : public ::testing::TestWithParam<std::pair<const char*, MakeHarness>> {
 protected:
  void SetUp() override { harness_ = GetParam().second(); }
  NameLookup& lookup() { return harness_->lookup(); }
  std::unique_ptr<Harness> harness_;
};

TEST_P(NameLookupContract, AnswersEachNameInOrder) {
  const auto answers =
      LookUp(lookup(), {"servfail.test", "BOTH.test.", "gone.nx.test", "nodata.test", "both.test"});
  ASSERT_TRUE(answers.ok());
  ASSERT_EQ(answers->size(), 5u);
  EXPECT_EQ((*answers)[0].problem, LookupProblem::kCouldNotAsk);
  EXPECT_NE((*answers)[0].detail, "");
  EXPECT_EQ((*answers)[2].problem, LookupProblem::kNoSuchName);
  EXPECT_EQ((*answers)[3].problem, LookupProblem::kNoAddress);
  for (const size_t i : {1u, 4u}) {
    const NameAnswer& both = (*answers)[i];
    ASSERT_EQ(both.addresses.size(), 2u);  // ascending and distinct
    EXPECT_EQ(both.addresses[0].ToString(), "198.18.0.7");
    EXPECT_EQ(both.addresses[1].ToString(), "2001:db8::7");
    EXPECT_FALSE(both.problem.has_value());
  }
  for (const NameAnswer& answer : *answers) {
    EXPECT_EQ(answer.problem.has_value(), answer.addresses.empty());
  }
}

TEST_P(NameLookupContract, NoNamesAreAnsweredToo) {
  const auto answers = LookUp(lookup(), {});
  ASSERT_TRUE(answers.ok());
  EXPECT_TRUE(answers->empty());
}

TEST_P(NameLookupContract, AnswersOnceAndNotInsideOfStart) {
  std::promise<void> started, answered;
  std::atomic<int> calls{0};
  const auto request = lookup().Start({"both.test"}, nullptr, [&](std::vector<NameAnswer>) {
    started.get_future().wait();  // set after Start() has returned
    ++calls;
    answered.set_value();
  });
  started.set_value();
  answered.get_future().wait();
  EXPECT_EQ(calls, 1);
}

TEST_P(NameLookupContract, NothingIsCalledAfterARequestIsDestroyed) {
  harness_->Stall();
  auto alive = std::make_unique<int>(0);
  auto request = lookup().Start(
      {"both.test"}, [&](size_t) { ++*alive; }, [&](std::vector<NameAnswer>) { ++*alive; });
  harness_->WaitUntilAsked();
  request = nullptr;
  EXPECT_EQ(*alive, 0);
  alive = nullptr;
  harness_ = nullptr;  // the address sanitizer sees a call that comes now
}

INSTANTIATE_TEST_SUITE_P(
    All, NameLookupContract,
    ::testing::Values(
        std::pair("Fake", MakeHarness([] { return std::make_unique<FakeHarness>(); })),
        std::pair("Counted", MakeHarness([] { return std::make_unique<CountedHarness>(); })),
        std::pair("System", MakeHarness([] { return std::make_unique<SystemHarness>(); }))),
    [](const auto& chosen) { return chosen.param.first; });

}  // namespace
}  // namespace portolan
