#include "common/scope/exclusion_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"

namespace portolan {
namespace {

std::vector<std::string> Texts(const std::vector<ScopeRule>& rules) {
  std::vector<std::string> out;
  for (const ScopeRule& rule : rules) {
    // Agents get the text, so it must mean the rule.
    const auto again = ParseScopeRule(rule.text);
    EXPECT_TRUE(again.ok()) << rule.text;
    EXPECT_EQ(again->addresses, rule.addresses) << rule.text;
    EXPECT_EQ(again->ports, rule.ports) << rule.text;
    out.push_back(rule.text);
  }
  return out;
}

TEST(ExclusionRequest, TakesScopeRulesAndWhateverTargetsTake) {
  const auto request = ExclusionRequest::Parse(
      {"10.0.0.1 22,80", "10.0.1.0/24", "10.0.2.1:443", "[2001:db8::1]:443", "10.0.3.1, 10.0.3.5",
       "10.0.4.1 - 10.0.4.9", "10.0.5.7/255.255.255.0", "* 25", "Host.example web.example:80"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT(Texts(request->rules()),
              testing::UnorderedElementsAre("10.0.0.1 22,80", "10.0.1.0/24", "* 25", "10.0.3.1",
                                            "10.0.3.5", "10.0.4.1-10.0.4.9", "10.0.5.0/24",
                                            "10.0.2.1 443", "2001:db8::1 443"));
  EXPECT_THAT(request->names(), testing::ElementsAre("Host.example", "web.example"));
}

TEST(ExclusionRequest, NamesMeanTheirAddressesInTheScanAndThoseOfNow) {
  const auto request = ExclusionRequest::Parse({"Host.example web.example:80"});
  ASSERT_TRUE(request.ok());
  const IpAddress a = *IpAddress::Parse("10.0.0.1"), b = *IpAddress::Parse("2001:db8::1");
  const std::vector<ResolvedName> known = {{"host.example.", {a, b}}};
  EXPECT_THAT(Texts(request->KnownNames(known)),
              testing::ElementsAre("10.0.0.1 # Host.example", "2001:db8::1 # Host.example"));
  const std::vector<NameAnswer> answers = {{{}, LookupProblem::kCouldNotAsk, ""},
                                           {{a}, std::nullopt, ""}};
  EXPECT_THAT(Texts(request->LookedUp(answers)), testing::ElementsAre("10.0.0.1 80 # web.example"));
  EXPECT_TRUE(request->Unknown(answers, known).empty());
  EXPECT_EQ(request->Unknown(answers, {}).total(), 1u);
}

TEST(ExclusionRequest, TellsAllThatIsWrong) {
  const auto request =
      ExclusionRequest::Parse({"10.0.0.1", "10.0.0.999", "x..y", "none", "10.0.0.1 22,x"});
  const auto problems = ProblemsOf(request.status());
  ASSERT_TRUE(problems.has_value()) << request.status();
  EXPECT_EQ(problems->total(), 4u);
  EXPECT_FALSE(ExclusionRequest::Parse({}).ok());
  EXPECT_FALSE(ExclusionRequest::Parse({" # nothing"}).ok());
}

}  // namespace
}  // namespace portolan
