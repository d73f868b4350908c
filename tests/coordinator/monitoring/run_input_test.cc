#include "coordinator/monitoring/run_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/monitor/monitor_file.h"

namespace portolan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

IpAddress A(const char* text) { return *IpAddress::Parse(text); }

NameAnswer AnswerOf(const std::string& name) {
  if (name == "www.example") return {{A("10.0.0.7"), A("2001:db8::7")}, {}, ""};
  if (name == "api.example") return {{A("10.0.0.7")}, {}, ""};
  if (name == "slow.example") return {{}, LookupProblem::kCouldNotAsk, "no answer"};
  return {{}, LookupProblem::kNoSuchName, ""};
}

RunInput Input(const MonitorSpec& spec) {
  const auto targets = SpecTargets::Read(spec);
  EXPECT_TRUE(targets.ok()) << targets.status();
  std::vector<NameAnswer> answers;
  for (const std::string& name : (*targets)->names()) answers.push_back(AnswerOf(name));
  return MakeInput(spec, *targets, std::move(answers));
}

MonitorSpec Spec() {
  MonitorSpec spec;
  spec.name = "web";
  spec.targets = {"10.0.0.0/30", "www.example", "api.example:8443", "10.0.0.9:22", "gone.example"};
  spec.exclude = {"10.0.0.3"};
  spec.ports = "80,443,9000";
  spec.exclude_ports = "9000";
  spec.vantages = {{"in", VantageRole::kInside}, {"out", VantageRole::kOutside}};
  spec.schedule.every = std::chrono::hours(1);
  return spec;
}

RunSpace SpaceOf(const RunInput& input) {
  PlanContext context;
  context.scope = std::make_shared<const Scope>(
      Scope::Create({*ParseScopeRule("10.0.0.0/8"), *ParseScopeRule("2001:db8::/32")}, {}));
  const auto spec = PlanScan(RunScan(input, 3, 1), context);
  EXPECT_TRUE(spec.ok()) << spec.status();
  return RunSpace(input, (*spec)->space->blocks());
}

TEST(RunInput, NamesBecomeTheirAddresses) {
  const RunInput input = Input(Spec());
  EXPECT_THAT(TargetsOf(input), UnorderedElementsAre("10.0.0.0/30", "10.0.0.7", "2001:db8::7",
                                                     "10.0.0.7:8443", "10.0.0.9:22"));
  EXPECT_THAT(UnresolvedOf(input), ElementsAre("gone.example"));
  const NameTroubles troubles = TroublesOf(input);
  ASSERT_EQ(troubles.size(), 1u);
  EXPECT_EQ(troubles.at("gone.example").problem, NameProblem::kNoSuchName);
  const auto back = RunInput::Decode(input.Encode(), {});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->names, input.names);
  EXPECT_EQ(back->spec, input.spec);
  EXPECT_EQ(TargetsOf(*back), TargetsOf(input));
  const std::string bytes = input.Encode();
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(RunInput::Decode(std::string_view(bytes).substr(0, n), {}).ok());
  }
}

// Results of a monitor's scans show every name of an address, as those of a scan by hand do.
TEST(RunInput, ItsScansKnowTheNamesThatLedToTheirAddresses) {
  const auto text = [](const std::vector<ResolvedName>& names) {
    std::vector<std::string> out;
    for (const ResolvedName& n : names) {
      std::string line = n.name;
      for (const IpAddress& a : n.addresses) line += " " + a.ToString();
      out.push_back(line);
    }
    return out;
  };
  MonitorSpec monitor = Spec();
  monitor.targets.push_back("www.example:22");
  const RunInput input = Input(monitor);
  const std::vector<std::string> both = {"api.example 10.0.0.7",
                                         "www.example 10.0.0.7 2001:db8::7"};
  EXPECT_THAT(text(RunScan(input, 1, 1).looked_up), testing::UnorderedElementsAreArray(both));
  PlanContext context;
  context.scope = std::make_shared<const Scope>(
      Scope::Create({*ParseScopeRule("10.0.0.0/8"), *ParseScopeRule("2001:db8::/32")}, {}));
  const auto spec = PlanScan(RunScan(input, 3, 1), context);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(text((*spec)->names), testing::UnorderedElementsAreArray(both));
  EXPECT_THAT(
      text(PortsScan(input, "p", {{A("10.0.0.7"), 80}, {A("10.0.0.1"), 80}}, {"in"}).looked_up),
      ElementsAre("api.example 10.0.0.7", "www.example 10.0.0.7"));
  EXPECT_THAT(PortsScan(input, "p", {{A("10.0.0.1"), 80}}, {"in"}).looked_up, IsEmpty());
}

// What a released program kept of a run that was under way when it was replaced.
TEST(RunInput, ReadsWhatAnOlderVersionKept) {
  ByteWriter out;
  out.Byte(1);
  out.String(MonitorYaml(Spec()));
  out.Varint(2);
  out.String("WWW.example");
  out.Varint(1);
  out.String("10.0.0.7");
  out.String("gone.example");
  out.Varint(0);
  const auto input = RunInput::Decode(out.Take(), {});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_THAT(input->names.at("www.example").addresses, ElementsAre(A("10.0.0.7")));
  EXPECT_EQ(input->names.at("gone.example").problem, NameProblem::kCouldNotAsk)
      << "why was not kept";
}

TEST(RunInput, AnExclusionWithoutAddressStopsTheRun) {
  MonitorSpec spec = Spec();
  spec.exclude.push_back("never.example");
  const absl::Status gone = CheckExclusions(Input(spec));
  EXPECT_EQ(gone.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(gone)), HasSubstr("no such name"));
  spec.exclude.back() = "slow.example";
  EXPECT_THAT(std::string(Message(CheckExclusions(Input(spec)))),
              AllOf(HasSubstr("could not ask: no answer"), HasSubstr("see to the name servers")));
  EXPECT_TRUE(TroublesOf(Input(spec)).at("slow.example").excludes);
  spec.exclude.back() = "www.example";
  const RunInput input = Input(spec);
  EXPECT_TRUE(CheckExclusions(input).ok());
  EXPECT_THAT(RunScan(input, 1, 1).exclude, ElementsAre("10.0.0.3", "10.0.0.7", "2001:db8::7"));
}

TEST(RunInput, SpellingsOfANameAreOne) {
  MonitorSpec spec = Spec();
  spec.targets = {"www.example", "WWW.Example.", "wWw.eXample:80"};
  const RunInput input = Input(spec);
  EXPECT_THAT(input.targets->names(), ElementsAre("www.example"));
  EXPECT_EQ(input.names.size(), 1u);
}

TEST(RunInput, AnAddressOutOfScopeIsNotAProblemOfTheName) {
  RunInput input = Input(Spec());
  DropAddresses(input, [](const IpAddress& a) {
    return a.is_v6() ? absl::OkStatus() : PermissionDenied("out of scope");
  });
  EXPECT_THAT(input.names.at("www.example").addresses, ElementsAre(A("2001:db8::7")));
  EXPECT_EQ(input.names.at("api.example").problem, NameProblem::kOutOfScope);
  EXPECT_EQ(input.names.at("api.example").detail, "10.0.0.7");
  EXPECT_EQ(input.names.at("gone.example").problem, NameProblem::kNoSuchName);
}

TEST(RunInput, AListIsKeptByItsDigest) {
  MonitorSpec spec = Spec();
  spec.targets.clear();
  spec.targets_file = "hosts.txt";
  spec.listed = *ListedTargets::Read("hosts.txt", "10.0.0.1-10.0.0.9\nwww.example\n10.0.0.1:22");
  const RunInput input = Input(spec);
  EXPECT_THAT(TargetsOf(input),
              UnorderedElementsAre("10.0.0.1-10.0.0.9", "10.0.0.1:22", "10.0.0.7", "2001:db8::7"));
  const auto back = RunInput::Decode(input.Encode(), spec.listed);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->spec, spec);
  EXPECT_EQ(RunInput::Decode(input.Encode(), ListedTargets::Stored("10.0.0.1")).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(RunSpace, TellsPositionsInSubjects) {
  const RunInput input = Input(Spec());
  const RunSpace space = SpaceOf(input);
  const auto at = [&](const char* address, uint16_t port) {
    std::vector<std::string> out;
    for (const Subject& s : space.SubjectsAt(A(address), port)) {
      EXPECT_TRUE(space.covered().Contains(s)) << s.ToString();
      out.push_back(s.ToString());
    }
    return out;
  };
  EXPECT_THAT(at("10.0.0.1", 80), ElementsAre("10.0.0.1:80"));
  EXPECT_THAT(at("10.0.0.7", 80), ElementsAre("www.example:80"));
  EXPECT_THAT(at("10.0.0.7", 8443), ElementsAre("api.example:8443"));
  EXPECT_THAT(at("2001:db8::7", 443), ElementsAre("www.example:443"));
  EXPECT_THAT(at("10.0.0.9", 22), ElementsAre("10.0.0.9:22"));
  EXPECT_THAT(at("10.0.0.9", 80), IsEmpty());
  EXPECT_THAT(at("10.0.0.8", 80), IsEmpty());
  const Coverage& covered = space.covered();
  const auto name = [](const char* text, uint16_t port) {
    return Subject{TargetKey::OfName(text), port};
  };
  EXPECT_FALSE(covered.Contains({TargetKey::Of(A("10.0.0.3")), 80})) << "excluded";
  EXPECT_FALSE(covered.Contains({TargetKey::Of(A("10.0.0.7")), 80})) << "evidence of a name";
  EXPECT_FALSE(covered.Contains(name("www.example", 9000))) << "an excluded port";
  EXPECT_FALSE(covered.Contains(name("api.example", 80))) << "it has a port of its own";
  EXPECT_TRUE(covered.Contains(name("gone.example", 443))) << "it keeps its ports";
  EXPECT_THAT(space.AddressesOf(TargetKey::OfName("www.example")),
              ElementsAre(A("10.0.0.7"), A("2001:db8::7")));
}

}  // namespace
}  // namespace portolan
