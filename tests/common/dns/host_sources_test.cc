#include "common/dns/host_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Nsswitch, KnowsWhoIsAsked) {
  const HostSources debian = ParseNsswitch(
      "passwd: files sss\n"
      "hosts:  files mdns4_minimal [NOTFOUND=return] dns myhostname # and no more\n");
  EXPECT_TRUE(debian.files && debian.dns && !debian.dns_first);
  EXPECT_THAT(debian.other, ElementsAre("mdns4_minimal", "myhostname"));
  const HostSources fedora =
      ParseNsswitch("hosts:files myhostname resolve [!UNAVAIL=return] dns\n");
  EXPECT_THAT(fedora.other, ElementsAre("myhostname", "resolve"));
  EXPECT_TRUE(ParseNsswitch("hosts: dns files").dns_first);
  EXPECT_FALSE(ParseNsswitch("hosts: files").dns);
  EXPECT_FALSE(ParseNsswitch("hosts: dns").files);
  EXPECT_TRUE(ParseNsswitch("# hosts: none\n  hosts: files[notfound=continue]dns").dns);
  const HostSources none = ParseNsswitch("passwd: files\n");
  EXPECT_TRUE(none.files && none.dns);
  EXPECT_THAT(none.other, IsEmpty());
  EXPECT_THAT(ParseNsswitch("hosts: files [ NOTFOUND = continue ] dns").other, IsEmpty());
}

TEST(Nsswitch, OtherSourcesAreAskedOnlyForWhatTheyMayKnow) {
  HostSources sources;
  sources.other = {"mdns4_minimal", "mymachines", "myhostname", "sss"};
  EXPECT_THAT(SourcesThatMayKnow(sources, "printer.local.", "here"),
              ElementsAre("mdns4_minimal", "sss"));
  EXPECT_THAT(SourcesThatMayKnow(sources, "box", "here"), ElementsAre("mymachines", "sss"));
  EXPECT_THAT(SourcesThatMayKnow(sources, "HERE", "here"),
              ElementsAre("mymachines", "myhostname", "sss"));
  EXPECT_THAT(SourcesThatMayKnow(sources, "www.test", "here"), ElementsAre("sss"));
}

TEST(Nsswitch, WhatIsNotInTheFilesIsLookedForNoFurtherWhereTheLineSaysSo) {
  for (const char* line :
       {"hosts: files [NOTFOUND=return] dns sss", "hosts: files[notfound=RETURN]dns",
        "hosts: files [ NOTFOUND = return ] dns", "hosts: files [!UNAVAIL=return] dns",
        "hosts: files [!SUCCESS=return] dns",
        "hosts: files [SUCCESS=return NOTFOUND=return] dns sss"}) {
    const HostSources sources = ParseNsswitch(line);
    EXPECT_TRUE(sources.files) << line;
    EXPECT_FALSE(sources.dns) << line;
    EXPECT_THAT(sources.other, IsEmpty()) << line;
  }
  for (const char* line :
       {"hosts: files [NOTFOUND=continue] dns", "hosts: files [UNAVAIL=return] dns",
        "hosts: files dns [NOTFOUND=return]",
        "hosts: files [NOTFOUND=return NOTFOUND=continue] dns"}) {
    EXPECT_TRUE(ParseNsswitch(line).dns) << line;
  }
}

TEST(Nsswitch, NameServersEndTheSearchWhereTheLineSaysSo) {
  const auto ends = [](const char* line, LookupProblem problem) {
    return EndsSearch(ParseNsswitch(line), problem);
  };
  for (const LookupProblem denial : {LookupProblem::kNoSuchName, LookupProblem::kNoAddress}) {
    EXPECT_FALSE(ends("hosts: dns files", denial));
    EXPECT_TRUE(ends("hosts: dns [NOTFOUND=return] files", denial));
    EXPECT_TRUE(ends("hosts: dns [!UNAVAIL=return] files", denial));
    EXPECT_FALSE(ends("hosts: dns [TRYAGAIN=return UNAVAIL=return] files", denial));
  }
  EXPECT_FALSE(ends("hosts: dns [NOTFOUND=return] files", LookupProblem::kCouldNotAsk));
  EXPECT_FALSE(ends("hosts: dns [!UNAVAIL=return] files", LookupProblem::kCouldNotAsk));
  EXPECT_TRUE(ends("hosts: dns [!SUCCESS=return] files", LookupProblem::kCouldNotAsk));
  const HostSources both = ParseNsswitch("hosts: sss dns [NOTFOUND=return] ldap");
  EXPECT_THAT(SourcesThatMayKnow(both, "a.test", ""), ElementsAre("sss", "ldap"));
  EXPECT_THAT(SourcesThatMayKnow(both, "a.test", "", true), ElementsAre("sss"));
}

TEST(Nsswitch, ASourceBeforeTheNameServersThatMayEndTheSearchIsForTheSystemToAsk) {
  const HostSources debian = ParseNsswitch("hosts: files mdns4_minimal [NOTFOUND=return] dns");
  EXPECT_TRUE(SystemDecides(debian, "printer.local", "here"));
  EXPECT_FALSE(SystemDecides(debian, "www.test", "here"));
  EXPECT_FALSE(debian.deciding_first);
  const HostSources arch =
      ParseNsswitch("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns");
  EXPECT_THAT(arch.deciding, ElementsAre("resolve"));
  EXPECT_TRUE(arch.deciding_first);
  EXPECT_TRUE(SystemDecides(arch, "www.test", "here"));
  for (const char* line :
       {"hosts: files dns", "hosts: files sss dns", "hosts: files dns sss [NOTFOUND=return]",
        "hosts: files sss [SUCCESS=return] dns"}) {
    EXPECT_FALSE(SystemDecides(ParseNsswitch(line), "www.test", "here")) << line;
  }
}

TEST(Nsswitch, AnyTextIsRead) {
  const std::vector<std::string> words = {
      "hosts:", "files", "dns", "sss",      "[",      "]",       "!",    "=",
      " ",      "\n",    "#",   "NOTFOUND", "return", "UNAVAIL", "\xff", std::string(1, '\0')};
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = "hosts: ";
    for (auto n = random() % 12; n > 0; --n) text += words[random() % words.size()];
    const HostSources sources = ParseNsswitch(text);
    EXPECT_LE(sources.others_before_dns, sources.other.size()) << text;
    EXPECT_LE(sources.deciding.size(), sources.other.size()) << text;
    EXPECT_FALSE(sources.dns_first && !(sources.dns && sources.files)) << text;
  }
}

TEST(Nsswitch, WhatIsNotALineOfSourcesIsIgnored) {
  for (const char* line : {"hosts: [", "hosts: ]", "hosts: [NOTFOUND=return]", "hosts: [=!=",
                           "hosts:", "hosts: files [NOTFOUND] [=return] [!] [NOSUCH=return] dns",
                           "hosts: files [NOTFOUND=] dns"}) {
    const HostSources sources = ParseNsswitch(line);
    EXPECT_THAT(sources.other, IsEmpty()) << line;
    EXPECT_EQ(sources.dns, std::string_view(line).ends_with("dns")) << line;
  }
}

}  // namespace
}  // namespace portolan
