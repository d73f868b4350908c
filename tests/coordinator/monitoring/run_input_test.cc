#include "coordinator/monitoring/run_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

IpAddress A(const char* text) { return *IpAddress::Parse(text); }

absl::StatusOr<std::vector<IpAddress>> Resolve(const std::string& name) {
  if (name == "www.example")
    return std::vector<IpAddress>{A("2001:db8::7"), A("10.0.0.7"), A("10.0.0.7")};
  if (name == "api.example") return std::vector<IpAddress>{A("10.0.0.7")};
  return NotFound("no such name");
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
  const Scope scope =
      Scope::Create({*ParseScopeRule("10.0.0.0/8"), *ParseScopeRule("2001:db8::/32")}, {});
  context.scope = &scope;
  const auto spec = PlanScan(RunScan(input, 3, 1), context);
  EXPECT_TRUE(spec.ok()) << spec.status();
  return RunSpace(input, (*spec)->space->blocks());
}

TEST(RunInput, NamesBecomeTheirAddresses) {
  const auto input = ResolveInput(Spec(), Resolve);
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_THAT(TargetsOf(*input), ElementsAre("10.0.0.0/30", "10.0.0.7", "2001:db8::7",
                                             "10.0.0.7:8443", "10.0.0.9:22"));
  EXPECT_THAT(UnresolvedOf(*input), ElementsAre("gone.example"));
  const auto back = RunInput::Decode(input->Encode());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->names, input->names);
  EXPECT_EQ(back->spec, input->spec);
  const std::string bytes = input->Encode();
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(RunInput::Decode(std::string_view(bytes).substr(0, n)).ok());
  }
}

TEST(RunInput, AnExclusionWithoutAddressStopsTheRun) {
  MonitorSpec spec = Spec();
  spec.exclude.push_back("never.example");
  EXPECT_EQ(ResolveInput(spec, Resolve).status().code(), absl::StatusCode::kUnavailable);
  spec.exclude.back() = "www.example";
  const auto input = ResolveInput(spec, Resolve);
  ASSERT_TRUE(input.ok());
  EXPECT_THAT(RunScan(*input, 1, 1).exclude, ElementsAre("10.0.0.3", "10.0.0.7", "2001:db8::7"));
}

TEST(RunSpace, TellsPositionsInSubjects) {
  const RunInput input = *ResolveInput(Spec(), Resolve);
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
