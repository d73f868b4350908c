#include "cli/base/argv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const OptionNames kNames{.with_value = {"-p", "--ports", "--targets-from", "--exclude"},
                         .flags = {"-h", "--help", "--json"}};

std::vector<std::string> Normal(const std::vector<std::string>& args) {
  auto out = NormalizeArgv(args, kNames);
  EXPECT_TRUE(out.ok()) << out.status();
  return out.value_or(std::vector<std::string>{});
}

std::string Error(const std::vector<std::string>& args) {
  const auto out = NormalizeArgv(args, kNames);
  EXPECT_EQ(out.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(out.status().message());
}

TEST(Argv, ValuesMayBeginWithADash) {
  EXPECT_THAT(Normal({"scan", "h", "-p", "-"}), ElementsAre("scan", "h", "-p-"));
  EXPECT_THAT(Normal({"scan", "h", "-p", "-100"}), ElementsAre("scan", "h", "-p-100"));
  EXPECT_THAT(Normal({"scan", "h", "-p-"}), ElementsAre("scan", "h", "-p-"));
  EXPECT_THAT(Normal({"scan", "h", "-p80"}), ElementsAre("scan", "h", "-p80"));
  EXPECT_THAT(Normal({"scan", "--ports", "-100", "h"}), ElementsAre("scan", "--ports=-100", "h"));
  EXPECT_THAT(Normal({"scan", "--ports=1-"}), ElementsAre("scan", "--ports=1-"));
}

TEST(Argv, UnderstandsTargetFilesInAllSpellings) {
  for (const auto& args : std::vector<std::vector<std::string>>{
           {"-iL", "f"}, {"-iLf"}, {"-iL=f"}, {"--targets-from", "f"}, {"--targets-from=f"}}) {
    EXPECT_THAT(Normal(args), ElementsAre("--targets-from=f"));
  }
  EXPECT_THAT(Normal({"-iL", "-"}), ElementsAre("--targets-from=-"));
}

TEST(Argv, RefusesUnknownSingleDashWordsInsteadOfScanningTheNextWord) {
  EXPECT_THAT(Error({"scan", "-oX", "out.xml", "10.0.0.1"}), HasSubstr("--json or --csv"));
  EXPECT_THAT(Error({"scan", "-sS", "h"}), HasSubstr("leave it out"));
  EXPECT_THAT(Error({"scan", "-T4", "h"}), HasSubstr("--max-rate"));
  EXPECT_THAT(Error({"scan", "-Pn", "h"}), HasSubstr("pinged"));
  EXPECT_THAT(Error({"scan", "-100"}), HasSubstr("-p -100"));
  EXPECT_THAT(Error({"scan", "-q"}), HasSubstr("unknown option -q"));
  EXPECT_THAT(Error({"scan", "-json"}), HasSubstr("two dashes"));
  EXPECT_THAT(Error({"scan", "-"}), HasSubstr("-iL -"));
}

TEST(Argv, RefusesMissingEmptyAndUnwantedValues) {
  EXPECT_THAT(Error({"-p"}), HasSubstr("needs a value"));
  EXPECT_THAT(Error({"--ports"}), HasSubstr("needs a value"));
  EXPECT_THAT(Error({"--ports="}), HasSubstr("empty"));
  EXPECT_THAT(Error({"-p", ""}), HasSubstr("empty"));
  EXPECT_THAT(Error({"-iL"}), HasSubstr("needs a value"));
  EXPECT_THAT(Error({"--json=yes"}), HasSubstr("takes no value"));
  EXPECT_THAT(Error({"--jsn"}), HasSubstr("unknown option --jsn"));
  EXPECT_THAT(Error({"scan", ""}), HasSubstr("empty"));
}

TEST(Argv, AfterTwoDashesEverythingIsATarget) {
  EXPECT_THAT(Normal({"--json", "--", "-p", "-oX"}), ElementsAre("--json", "--", "-p", "-oX"));
  // But not where it is a value.
  EXPECT_THAT(Normal({"-p", "--", "x"}), ElementsAre("-p--", "x"));
}

}  // namespace
}  // namespace portolan
