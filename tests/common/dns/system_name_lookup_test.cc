#include "common/dns/system_name_lookup.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/common/dns/lookup_fixture.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class SystemNameLookup : public LookupFixture {
 protected:
  void SetUp() override { StartServer(); }
  std::string Server() const { return server->server().ToString(); }
};

TEST_F(SystemNameLookup, FindsAddressesOfBothFamilies) {
  server->Set("db.test", {IpAddress::V4(0xc6120102), IpAddress::V6(7), IpAddress::V4(0xc6120101)});
  const NameAnswer answer = One("db.test");
  EXPECT_THAT(Text(answer), ElementsAre("198.18.1.1", "198.18.1.2", "::7"));
  EXPECT_FALSE(answer.problem.has_value());
  EXPECT_EQ(answer.detail, "");
  EXPECT_THAT(Text(One("v4.test")), SizeIs(1));
  EXPECT_THAT(Text(One("v6.test")), SizeIs(1));
}

TEST_F(SystemNameLookup, NeitherCaseNorAFinalDotMakesADifference) {
  server->Set("db.test", {IpAddress::V4(0xc6120102)});
  for (const char* name : {"db.test.", "DB.Test", "Db.TEST."}) {
    EXPECT_THAT(Text(One(name)), ElementsAre("198.18.1.2")) << name;
  }
}

TEST_F(SystemNameLookup, AnUnderscoreIsAskedForAsItIs) {
  server->Set("my_host._tcp.test", {IpAddress::V4(0xc6120102)});
  EXPECT_THAT(Text(One("my_host._tcp.test")), ElementsAre("198.18.1.2"));
}

TEST_F(SystemNameLookup, TellsProblemsApart) {
  const NameAnswer gone = One("gone.nx.test");
  EXPECT_EQ(gone.problem, LookupProblem::kNoSuchName);
  EXPECT_EQ(One("nodata.test").problem, LookupProblem::kNoAddress);
  const NameAnswer failed = One("servfail.test");
  EXPECT_EQ(failed.problem, LookupProblem::kCouldNotAsk);
  EXPECT_EQ(failed.detail, "SERVFAIL from " + Server());
  const NameAnswer refused = One("refused.test");
  EXPECT_EQ(refused.problem, LookupProblem::kCouldNotAsk);
  EXPECT_EQ(refused.detail, "REFUSED from " + Server());
}

TEST_F(SystemNameLookup, ANameThatIsNoneDoesNotExist) {
  const std::string long_label(64, 'a');
  for (const std::string& name : {std::string(), std::string("a..test"), long_label + ".test",
                                  std::string("a b.test"), std::string("a\\.test")}) {
    const NameAnswer answer = One(name);
    EXPECT_EQ(answer.problem, LookupProblem::kNoSuchName) << name;
    EXPECT_NE(answer.detail, "") << name;
  }
  EXPECT_EQ(server->questions(), 0u);
  EXPECT_THAT(Text(One("2001:db8::1")), ElementsAre("2001:db8::1"));
}

TEST_F(SystemNameLookup, FollowsAliases) {
  server->Set("target.test", {IpAddress::V4(0xc6120103)});
  DnsServer::Options with;
  with.zone.Set("target.test", {IpAddress::V4(0xc6120103)});
  with.zone.SetAlias("a.test", "b.test");
  with.zone.SetAlias("b.test", "target.test");
  with.zone.SetAlias("lost.test", "nowhere.nodata.test");
  options.servers.clear();
  StartServer(std::move(with));
  EXPECT_THAT(Text(One("a.test")), ElementsAre("198.18.1.3"));
  EXPECT_THAT(Text(One("x.alias5.test")), SizeIs(2));
  const NameAnswer lost = One("lost.test");
  EXPECT_EQ(lost.problem, LookupProblem::kNoAddress);
  EXPECT_EQ(lost.detail, "it is an alias of nowhere.nodata.test, which has no address");
}

TEST_F(SystemNameLookup, AsksOverTcpForWhatDoesNotFit) {
  EXPECT_THAT(One("many100.test").addresses, SizeIs(200));
  EXPECT_THAT(One("cut.test").addresses, SizeIs(2));
}

TEST_F(SystemNameLookup, HostileAnswersAreNoAnswers) {
  options.timeout = std::chrono::milliseconds(100);
  for (const char* name : {"wrongid.test", "garbage.test", "otherquestion.test", "silent.test"}) {
    const NameAnswer answer = One(name);
    EXPECT_EQ(answer.problem, LookupProblem::kCouldNotAsk) << name;
    EXPECT_EQ(answer.detail, fmt::format("no answer from {} within 0.1 s", Server())) << name;
  }
  for (const char* name : {"cutoff.test", "loop.test"}) {
    const NameAnswer answer = One(name);
    EXPECT_EQ(answer.problem, LookupProblem::kCouldNotAsk) << name;
    EXPECT_EQ(answer.detail, fmt::format("the answer of {} cannot be read", Server())) << name;
  }
  EXPECT_EQ(One("otherowner.test").problem, LookupProblem::kNoAddress);
}

TEST_F(SystemNameLookup, ALostQuestionIsAskedAgain) {
  options.timeout = std::chrono::milliseconds(100);
  options.attempts = 3;
  const NameAnswer answer = One("silent.test");
  EXPECT_EQ(answer.detail, fmt::format("no answer from {} within 0.1 s, asked 3 times", Server()));
  EXPECT_EQ(server->AskedFor("silent.test"), 6u);
}

TEST_F(SystemNameLookup, OneFamilyIsEnoughWhenTheOtherIsSilent) {
  options.timeout = std::chrono::milliseconds(100);
  options.attempts = 5;
  const NameAnswer answer = One("v6silent.test");
  EXPECT_THAT(answer.addresses, SizeIs(1));
  EXPECT_THAT(answer.detail, HasSubstr("its IPv6 addresses are not known"));
  EXPECT_EQ(server->AskedFor("v6silent.test"), 3u);  // nobody waits five times for it
  EXPECT_THAT(One("v6servfail.test").addresses, SizeIs(1));
}

TEST_F(SystemNameLookup, TheNextServerIsAskedWhenOneIsOfNoUse) {
  for (const DnsServer::Mode mode : {DnsServer::Mode::kSilent, DnsServer::Mode::kClosed}) {
    lookup = nullptr;
    options.servers.clear();
    StartServer();
    const std::unique_ptr<DnsServer> useless = std::move(server);
    useless->SetMode(mode);
    StartServer();
    options.timeout = std::chrono::milliseconds(100);
    EXPECT_THAT(One("a.test").addresses, SizeIs(2));
    EXPECT_EQ(server->AskedFor("a.test"), 2u);
  }
}

TEST_F(SystemNameLookup, SaysWhatEachServerDid) {
  options.timeout = std::chrono::milliseconds(100);
  const std::unique_ptr<DnsServer> silent = std::move(server);
  silent->SetMode(DnsServer::Mode::kSilent);
  StartServer();
  EXPECT_EQ(One("servfail.test").detail,
            fmt::format("no answer from {} within 0.1 s; SERVFAIL from {}",
                        silent->server().ToString(), Server()));
}

TEST_F(SystemNameLookup, AStoppedResolverIsNotAMissingName) {
  server->SetMode(DnsServer::Mode::kClosed);
  const NameAnswer stopped = One("a.test");
  EXPECT_EQ(stopped.problem, LookupProblem::kCouldNotAsk);
  EXPECT_EQ(stopped.detail, fmt::format("name server {} cannot be reached", Server()));
  server->SetMode(DnsServer::Mode::kAnswers);
  EXPECT_THAT(One("a.test").addresses, SizeIs(2));
}

TEST_F(SystemNameLookup, TheHostsFileGoesFirstAndIsReadAgain) {
  Write("hosts", "198.18.9.9 db.test Web.corp\n");
  EXPECT_THAT(Text(One("DB.test.")), ElementsAre("198.18.9.9"));
  EXPECT_THAT(Text(One("web.CORP")), ElementsAre("198.18.9.9"));
  EXPECT_EQ(server->questions(), 0u);
  Write("hosts", "198.18.9.8 db.test\n198.18.9.7 db.test\n");
  EXPECT_THAT(Text(One("db.test")), ElementsAre("198.18.9.7", "198.18.9.8"));
}

TEST_F(SystemNameLookup, SearchesDomainsAndNoticesANewConfiguration) {
  Write("resolv.conf", "search nx.test corp.test\n");
  EXPECT_THAT(One("db").addresses, SizeIs(2));
  EXPECT_EQ(server->AskedFor("db.nx.test"), 2u);
  EXPECT_EQ(server->AskedFor("db.corp.test"), 2u);
  EXPECT_EQ(server->AskedFor("db"), 0u);
  Write("resolv.conf", "search other.test\noptions no-aaaa\n");
  EXPECT_THAT(One("db").addresses, SizeIs(1));
  EXPECT_EQ(server->AskedFor("db.other.test"), 1u);
  const NameAnswer gone = One("db.");
  EXPECT_EQ(gone.problem, LookupProblem::kNoSuchName);
}

TEST_F(SystemNameLookup, FamiliesAreAskedOneByOneWhereThatIsWanted) {
  Write("resolv.conf", "options single-request\n");
  EXPECT_THAT(One("a.test").addresses, SizeIs(2));
  EXPECT_EQ(One("a.nx.test").problem, LookupProblem::kNoSuchName);
  EXPECT_EQ(server->AskedFor("a.nx.test"), 1u);
}

TEST_F(SystemNameLookup, LocalhostIsThisHost) {
  Write("hosts", "");
  EXPECT_THAT(Text(One("localhost")), ElementsAre("127.0.0.1", "::1"));
  EXPECT_THAT(Text(One("a.LOCALHOST.")), ElementsAre("127.0.0.1", "::1"));
  EXPECT_EQ(server->questions(), 0u);
}

TEST_F(SystemNameLookup, OtherSourcesAreAskedForWhatNobodyKnows) {
  Write("nsswitch.conf", "hosts: files sss dns mdns4\n");
  std::atomic<int> asked{0};
  options.ask_system = [&](const std::string& name) {
    ++asked;
    if (name == "printer.nx.test") return NameAnswer{{IpAddress::V4(0xc6120909)}, {}, {}};
    if (name == "down.nx.test") {
      return NameAnswer{{}, LookupProblem::kCouldNotAsk, "Temporary failure in name resolution"};
    }
    return NameAnswer{{}, LookupProblem::kNoSuchName, {}};
  };
  EXPECT_THAT(Text(One("printer.nx.test")), ElementsAre("198.18.9.9"));
  EXPECT_EQ(One("gone.nx.test").problem, LookupProblem::kNoSuchName);
  EXPECT_EQ(asked, 2);
  EXPECT_THAT(One("known.test").addresses, SizeIs(2));
  EXPECT_EQ(asked, 2);
  // Whether sssd knows it nobody can say.
  const NameAnswer open = One("down.nx.test");
  EXPECT_EQ(open.problem, LookupProblem::kCouldNotAsk);
  EXPECT_EQ(open.detail, "sss, mdns4: Temporary failure in name resolution");
  // Nor what the name server would have said, had it answered.
  EXPECT_EQ(One("servfail.test").problem, LookupProblem::kCouldNotAsk);
}

TEST_F(SystemNameLookup, NobodyWaitsForASourceThatHangs) {
  Write("nsswitch.conf", "hosts: files dns sss\n");
  std::promise<void> called, end, ended;
  options.ask_system = [&](const std::string&) {
    called.set_value();
    end.get_future().wait();
    ended.set_value();
    return NameAnswer{{}, LookupProblem::kNoSuchName, {}};
  };
  auto request = Lookup().Start({"gone.nx.test"}, nullptr,
                                [](std::vector<NameAnswer>) { ADD_FAILURE() << "cancelled"; });
  called.get_future().wait();
  request = nullptr;
  lookup = nullptr;  // returns although the source does not
  end.set_value();
  ended.get_future().wait();
}

TEST_F(SystemNameLookup, WithoutNameServersOnNsswitchOnlyTheFilesCount) {
  Write("nsswitch.conf", "hosts: files\n");
  Write("hosts", "198.18.9.9 db.test\n");
  EXPECT_THAT(Text(One("db.test")), ElementsAre("198.18.9.9"));
  EXPECT_EQ(One("a.test").problem, LookupProblem::kNoSuchName);
  EXPECT_EQ(server->questions(), 0u);
}

TEST_F(SystemNameLookup, NameServersGoFirstWhereNsswitchSaysSo) {
  Write("nsswitch.conf", "hosts: dns files\n");
  Write("hosts", "198.18.9.9 v4.test only.nx.test\n");
  EXPECT_NE(Text(One("v4.test")), std::vector<std::string>{"198.18.9.9"});
  EXPECT_THAT(Text(One("only.nx.test")), ElementsAre("198.18.9.9"));
}

TEST_F(SystemNameLookup, ActionsOfNsswitchEndTheSearchAsTheySay) {
  Write("hosts", "198.18.9.9 only.nx.test servfail.test v4.test\n");
  Write("nsswitch.conf", "hosts: dns [NOTFOUND=return] files\n");
  EXPECT_EQ(One("only.nx.test").problem, LookupProblem::kNoSuchName);
  EXPECT_THAT(Text(One("servfail.test")), ElementsAre("198.18.9.9")) << "nobody could say";
}

TEST_F(SystemNameLookup, NobodyIsAskedBehindFilesThatEndTheSearch) {
  Write("hosts", "198.18.9.9 db.test\n");
  Write("nsswitch.conf", "hosts: files [NOTFOUND=return] dns sss\n");
  options.ask_system = [](const std::string& name) {
    ADD_FAILURE() << name;
    return NameAnswer{{}, LookupProblem::kNoSuchName, {}};
  };
  EXPECT_THAT(Text(One("db.test")), ElementsAre("198.18.9.9"));
  EXPECT_EQ(One("a.test").problem, LookupProblem::kNoSuchName);
  EXPECT_EQ(server->questions(), 0u);
}

TEST_F(SystemNameLookup, ASourceThatMayEndTheSearchIsAskedInsteadOfNameServers) {
  Write("nsswitch.conf", "hosts: files mdns4_minimal [NOTFOUND=return] dns\n");
  options.ask_system = [](const std::string& name) {
    if (name == "printer.local") return NameAnswer{{IpAddress::V4(0xc6120909)}, {}, {}};
    return NameAnswer{{}, LookupProblem::kNoSuchName, {}};
  };
  EXPECT_THAT(Text(One("printer.local")), ElementsAre("198.18.9.9"));
  EXPECT_EQ(One("gone.local").problem, LookupProblem::kNoSuchName);
  EXPECT_EQ(server->questions(), 0u);
  EXPECT_FALSE(One("v4.test").addresses.empty());
  EXPECT_GT(server->questions(), 0u);
}

TEST_F(SystemNameLookup, ResolveDecidesOnlyWhileItRuns) {
  options.resolve_socket = Write("resolve.socket", "");
  Write("nsswitch.conf", "hosts: resolve [!UNAVAIL=return] files dns\n");
  options.ask_system = [](const std::string&) {
    return NameAnswer{{IpAddress::V4(0xc6120909)}, {}, {}};
  };
  EXPECT_THAT(Text(One("v4.test")), ElementsAre("198.18.9.9"));
  EXPECT_EQ(server->questions(), 0u);
  options.resolve_socket += ".gone";
  lookup = nullptr;
  EXPECT_THAT(Text(One("v4.test")), testing::Not(ElementsAre("198.18.9.9")));
}

TEST_F(SystemNameLookup, ManyNamesKeepTheirOrder) {
  std::vector<std::string> names;
  for (int i = 0; i < 5'000; ++i) {
    names.push_back(i % 7 == 0   ? fmt::format("h{}.nx.test", i)
                    : i % 5 == 0 ? fmt::format("h{}.ms3.test", i)
                                 : fmt::format("ip-127-0-{}-{}.test", i / 256, i % 256));
  }
  std::vector<size_t> progress;
  const auto answers = LookUp(Lookup(), names, [&](size_t done) { progress.push_back(done); });
  ASSERT_TRUE(answers.ok());
  ASSERT_EQ(answers->size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    const NameAnswer& answer = (*answers)[i];
    if (i % 7 == 0) {
      EXPECT_EQ(answer.problem, LookupProblem::kNoSuchName) << names[i];
    } else if (i % 5 == 0) {
      EXPECT_THAT(answer.addresses, SizeIs(2)) << names[i];
    } else {
      EXPECT_THAT(Text(answer), ElementsAre(fmt::format("127.0.{}.{}", i / 256, i % 256)));
    }
  }
  EXPECT_FALSE(progress.empty());
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
}

TEST_F(SystemNameLookup, ReportsProgressWhileSomeNamesAreSlow) {
  std::promise<void> reached;
  size_t last = 0;
  const auto request = Lookup().Start(
      {"a.test", "silent.test", "b.test", "gone.nx.test", "127.0.0.1"},
      [&](size_t done) {
        EXPECT_GT(done, last);
        last = done;
        if (done == 4) reached.set_value();
      },
      [](std::vector<NameAnswer>) { ADD_FAILURE() << "one is not answered"; });
  reached.get_future().wait();
}

}  // namespace
}  // namespace portolan
