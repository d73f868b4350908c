// Many names, many callers, servers in trouble.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <future>

#include "tests/common/dns/lookup_fixture.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<std::string> Names(size_t count, const std::string& domain) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back(fmt::format("h{}.{}", i, domain));
  return names;
}

class LookupLimits : public LookupFixture {
 protected:
  // A list of names that nobody answers. It is full when it has as many under way as it gets.
  std::unique_ptr<NameLookup::Request> StartSlow(size_t names) {
    return Lookup().Start(Names(names, "silent.test"), nullptr,
                          [](std::vector<NameAnswer>) { ADD_FAILURE() << "nobody answers these"; });
  }
};

TEST_F(LookupLimits, BoundNamesUnderWay) {
  StartServer();
  options.max_names = 30;
  const auto answers = LookUp(Lookup(), Names(600, "ms2.test"));
  ASSERT_TRUE(answers.ok());
  for (const NameAnswer& answer : *answers) EXPECT_THAT(answer.addresses, SizeIs(2));
  EXPECT_LE(server->max_waiting(), 60u);  // A and AAAA
  EXPECT_GE(server->max_waiting(), 20u);
}

TEST_F(LookupLimits, SlowListsDoNotHoldUpASingleName) {
  StartServer();
  options.max_names = 64;
  const auto first = StartSlow(100'000);
  server->WaitForQuestions(2 * 42);
  EXPECT_THAT(One("a.test").addresses, SizeIs(2));
  const uint64_t before = server->questions();
  const auto second = StartSlow(100'000);
  const auto third = StartSlow(100'000);
  server->WaitForQuestions(before + 8);
  EXPECT_THAT(One("b.test").addresses, SizeIs(2));
  // A whole list, too.
  const auto answers = LookUp(Lookup(), Names(300, "quick.test"));
  ASSERT_TRUE(answers.ok());
  for (const NameAnswer& answer : *answers) EXPECT_THAT(answer.addresses, SizeIs(2));
}

TEST_F(LookupLimits, ACancelledListLeavesItsPlace) {
  StartServer();
  options.max_names = 4;
  for (int i = 0; i < 2; ++i) {
    const uint64_t before = server->questions();
    const auto request = StartSlow(1'000);
    server->WaitForQuestions(before + 4);
  }
  EXPECT_THAT(One("a.test").addresses, SizeIs(2));
}

TEST_F(LookupLimits, StartingAndCancellingDoesNotPileUpQuestions) {
  StartServer();
  options.max_names = 10;
  for (int i = 0; i < 50; ++i) {
    const auto request = StartSlow(100);
    EXPECT_THAT(LookUp(Lookup(), {"127.0.0.1"})->at(0).addresses, SizeIs(1));
  }
  // Twice max_names, two questions each.
  EXPECT_LE(server->questions(), 40u);
}

TEST_F(LookupLimits, NothingIsCalledAfterARequestIsDestroyed) {
  StartServer();
  for (int i = 0; i < 200; ++i) {
    auto alive = std::make_unique<int>(0);
    const uint64_t before = server->questions();
    auto request = Lookup().Start(
        Names(20, "quick.test"), [&alive](size_t) { ++*alive; },
        [&alive](std::vector<NameAnswer>) { ++*alive; });
    if (i % 2 == 0) server->WaitForQuestions(before + 1);
    request = nullptr;
    alive = nullptr;
  }
}

TEST_F(LookupLimits, AServerThatRefusesWhenItHasTooManyIsAskedMoreSlowly) {
  DnsServer::Options with;
  with.max_waiting = 50;
  StartServer(std::move(with));
  const auto answers = LookUp(Lookup(), Names(1'500, "ms10.test"));
  ASSERT_TRUE(answers.ok());
  size_t found = 0;
  for (const NameAnswer& answer : *answers) found += answer.addresses.size() == 2 ? 1 : 0;
  EXPECT_GE(found, 1'490u);  // a name may have the bad luck of four crowds
}

TEST_F(LookupLimits, ThousandsOfNamesDoNotWaitForAServerThatIsDown) {
  StartServer();
  server->SetMode(DnsServer::Mode::kSilent);
  options.max_names = 100;
  options.timeout = std::chrono::milliseconds(200);
  options.attempts = 2;
  const auto answers = LookUp(Lookup(), Names(20'000, "a.test"));
  ASSERT_TRUE(answers.ok());
  for (const NameAnswer& answer : *answers) {
    ASSERT_EQ(answer.problem, LookupProblem::kCouldNotAsk);
    ASSERT_THAT(answer.detail, HasSubstr(server->server().ToString()));
  }
  EXPECT_THAT(answers->back().detail, HasSubstr("so this name was not asked for"));
  EXPECT_LT(server->questions(), 4'000u);  // of 80,000
  // A single name is always asked for.
  EXPECT_THAT(One("b.test").detail, HasSubstr("within 0.2 s"));
  server->SetMode(DnsServer::Mode::kAnswers);
  EXPECT_THAT(One("b.test").addresses, SizeIs(2));
  const auto again = LookUp(Lookup(), Names(1'000, "a.test"));
  ASSERT_TRUE(again.ok());
  for (const NameAnswer& answer : *again) EXPECT_THAT(answer.addresses, SizeIs(2));
}

TEST_F(LookupLimits, NamesThatNobodyAnswersDoNotMakeALiveServerDown) {
  StartServer();
  options.max_names = 100;
  options.timeout = std::chrono::milliseconds(100);
  std::vector<std::string> names = Names(600, "silent.test");
  names.push_back("last.test");
  const auto answers = LookUp(Lookup(), names);
  ASSERT_TRUE(answers.ok());
  for (size_t i = 0; i < 600; ++i) {
    ASSERT_THAT((*answers)[i].detail, HasSubstr("within 0.1 s"));
  }
  EXPECT_THAT(answers->back().addresses, SizeIs(2));
}

TEST_F(LookupLimits, OtherSourcesAreSharedToo) {
  Write("nsswitch.conf", "hosts: files dns sss\n");
  StartServer();
  std::promise<void> end;
  const std::shared_future<void> ended = end.get_future().share();
  std::atomic<int> stuck{0};
  options.max_other = 6;
  options.ask_system = [&](const std::string& name) {
    if (name != "single.nx.test") {
      ++stuck;
      ended.wait();
      --stuck;
    }
    return NameAnswer{{IpAddress::V4(1)}, {}, {}};
  };
  std::promise<size_t> all;
  const auto request =
      Lookup().Start(Names(50, "nx.test"), nullptr,
                     [&](std::vector<NameAnswer> answers) { all.set_value(answers.size()); });
  EXPECT_THAT(One("single.nx.test").addresses, SizeIs(1));
  EXPECT_LE(stuck, 4);
  end.set_value();
  EXPECT_EQ(all.get_future().get(), 50u);
}

}  // namespace
}  // namespace portolan
