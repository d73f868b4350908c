#include "coordinator/control/scan_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/base/status.h"
#include "common/scan/host_finding.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

NameAnswer Answer(const std::string& name) {
  NameAnswer answer;
  if (name == "inside.example") {
    answer.addresses = {*IpAddress::Parse("10.0.0.1"), *IpAddress::Parse("2001:db8::1")};
  } else if (name == "outside.example") {
    answer.addresses = {*IpAddress::Parse("8.8.8.8"), *IpAddress::Parse("10.0.0.2")};
  } else {
    answer.problem =
        name == "down.example" ? LookupProblem::kCouldNotAsk : LookupProblem::kNoSuchName;
  }
  return answer;
}

absl::StatusOr<std::shared_ptr<const ScanSpec>> Planned(const ScanRequest& request,
                                                        const PlanContext& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const PreparedScan prepared, PreparedScan::Prepare(request));
  std::vector<NameAnswer> answers;
  for (const std::string& name : prepared.names()) answers.push_back(Answer(name));
  return prepared.Plan(answers, context);
}

class PlanTest : public ::testing::Test {
 protected:
  PlanTest() {
    context_.scope = scope_;
    request_.targets = {"10.0.0.0/24"};
    request_.ports = "80,443";
  }
  std::string Refused(absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
    const auto spec = Planned(request_, context_);
    EXPECT_EQ(spec.status().code(), code) << spec.status();
    return std::string(spec.status().message());
  }
  std::shared_ptr<const Scope> scope_ = std::make_shared<const Scope>(Scope::Default());
  PlanContext context_;
  ScanRequest request_;
};

TEST_F(PlanTest, FillsInDefaults) {
  context_.random_seed = 77;
  context_.retention = std::chrono::hours(5);
  const auto spec = Planned(request_, context_);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ((*spec)->space->size(), 512u);
  EXPECT_EQ((*spec)->space->seed(), 77u);
  EXPECT_EQ((*spec)->max_attempts, 5u);
  EXPECT_EQ((*spec)->lane_timeout, std::chrono::minutes(10));
  EXPECT_EQ((*spec)->retention, std::chrono::hours(5));
  EXPECT_EQ((*spec)->target_texts, request_.targets);
}

TEST_F(PlanTest, KeepsWhatIsGiven) {
  request_.seed = 5;
  request_.retention_s = 60;
  request_.max_attempts = 2;
  request_.lane_timeout_s = 30;
  request_.vantages = {"dmz", "lab"};
  request_.mode = ScanMode::kEachVantage;
  const auto spec = Planned(request_, context_);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ((*spec)->space->seed(), 5u);
  EXPECT_EQ((*spec)->retention, std::chrono::seconds(60));
  EXPECT_EQ((*spec)->vantages, (std::vector<std::string>{"dmz", "lab"}));
}

TEST_F(PlanTest, ExclusionsWin) {
  request_.exclude = {"10.0.0.128/25", "10.0.0.1:80", "inside.example"};
  request_.exclude_ports = "443";
  request_.targets.push_back("inside.example:22");
  const auto spec = Planned(request_, context_);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ((*spec)->space->size(), 127u);  // .0 to .127 on port 80, without .1
  EXPECT_FALSE((*spec)->space->IndexOf(*IpAddress::Parse("10.0.0.1"), 22).has_value());
  EXPECT_FALSE((*spec)->space->IndexOf(*IpAddress::Parse("10.0.0.2"), 443).has_value());
}

TEST_F(PlanTest, AllBadTargetsAndExclusionsAreToldAtOnce) {
  request_.targets = {"10.0.0.1", "10.0.0.999", "inside.example", "x..y"};
  request_.exclude = {"10.0.0.0/33"};
  const auto spec = Planned(request_, context_);
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
  const auto problems = ProblemsOf(spec.status());
  ASSERT_TRUE(problems.has_value());
  ASSERT_EQ(problems->first().size(), 3u);
  EXPECT_EQ(problems->first()[0].expression, 1u);
  EXPECT_EQ(problems->first()[1].expression, 3u);
  EXPECT_TRUE(problems->first()[2].exclude);
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr("spec.exclude[0] \"10.0.0.0/33\""));
}

TEST_F(PlanTest, NamesThatLeadNowhereAreRefusedOrSkipped) {
  request_.targets = {"inside.example", "gone.example", "down.example", "GONE.example."};
  EXPECT_THAT(Refused(), HasSubstr("spec.targets[1] \"gone.example\": there is no such name"));
  request_.skip_unresolved = true;
  const auto spec = Planned(request_, context_);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ((*spec)->names_skipped, 2u);
  ASSERT_EQ((*spec)->skipped_names.size(), 2u);
  EXPECT_EQ((*spec)->skipped_names[0].name, "gone.example");
  EXPECT_EQ((*spec)->skipped_names[1].problem, LookupProblem::kCouldNotAsk);
  EXPECT_EQ((*spec)->names.size(), 1u);
  EXPECT_EQ((*spec)->space->address_count(), 2u);
  // What was to be left out would be probed.
  request_.exclude = {"gone.example"};
  EXPECT_THAT(Refused(), HasSubstr("spec.exclude[0] \"gone.example\""));
}

TEST_F(PlanTest, NothingLeftIsRefusedWithTheReason) {
  request_.skip_unresolved = true;
  request_.targets = {"gone.example"};
  EXPECT_THAT(Refused(), HasSubstr("gone.example"));
  request_.targets = {"down.example"};
  EXPECT_THAT(Refused(absl::StatusCode::kUnavailable), HasSubstr("nothing is known"));
}

TEST_F(PlanTest, ANameOfTargetsAndExclusionsIsLookedUpOnce) {
  request_.targets = {"inside.example", "10.0.0.0/30"};
  request_.exclude = {"INSIDE.example"};
  const auto prepared = PreparedScan::Prepare(request_);
  ASSERT_TRUE(prepared.ok());
  EXPECT_EQ(prepared->names(), std::vector<std::string>{"inside.example"});
  EXPECT_EQ((*Planned(request_, context_))->space->address_count(), 3u);
}

TEST_F(PlanTest, AnExcludedAddressNeedNotBeInScope) {
  request_.targets = {"outside.example"};
  request_.exclude = {"8.8.8.8"};
  EXPECT_TRUE(Planned(request_, context_).ok());
}

TEST_F(PlanTest, ATargetOutOfScopeIsNamedWithItsRule) {
  request_.targets = {"8.8.8.8"};
  EXPECT_THAT(Refused(absl::StatusCode::kPermissionDenied), HasSubstr("8.8.8.8"));
  request_.targets = {"10.0.0.0/24", "outside.example"};
  const std::string message = Refused(absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(message, HasSubstr("outside.example"));
  EXPECT_THAT(message, HasSubstr("8.8.8.8"));
}

TEST_F(PlanTest, EachVantageWithoutVantagesTakesTheLiveOnes) {
  request_.mode = ScanMode::kEachVantage;
  EXPECT_THAT(Refused(absl::StatusCode::kFailedPrecondition), HasSubstr("no agent is connected"));
  context_.live_vantages = {"a", "b"};
  const auto spec = Planned(request_, context_);
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ((*spec)->vantages, context_.live_vantages);
}

TEST_F(PlanTest, RefusesWhatIsOutOfRange) {
  const ScanRequest good = request_;
  const auto with = [&](auto change) {
    request_ = good;
    change(request_);
    return Refused();
  };
  EXPECT_THAT(with([](ScanRequest& r) { r.name = std::string(201, 'x'); }), HasSubstr("spec.name"));
  EXPECT_THAT(with([](ScanRequest& r) { r.targets.clear(); }), HasSubstr("spec.targets"));
  EXPECT_THAT(with([](ScanRequest& r) { r.targets = {"# nothing"}; }),
              ::testing::Not(::testing::IsEmpty()));
  EXPECT_THAT(with([](ScanRequest& r) { r.targets = {"10.0.0.0/33"}; }), HasSubstr("10.0.0.0/33"));
  EXPECT_THAT(with([](ScanRequest& r) { r.targets = {"unknown.example"}; }),
              HasSubstr("unknown.example"));
  EXPECT_THAT(with([](ScanRequest& r) { r.targets = {std::string((32u << 20) + 1, ' ')}; }),
              HasSubstr("spec.targets"));
  EXPECT_THAT(with([](ScanRequest& r) { r.ports = "90-80"; }), HasSubstr("90-80"));
  EXPECT_THAT(with([](ScanRequest& r) { r.ports = ""; }), ::testing::Not(::testing::IsEmpty()));
  EXPECT_THAT(with([](ScanRequest& r) { r.exclude_ports = "x!"; }),
              HasSubstr("spec.exclude_ports"));
  EXPECT_THAT(with([](ScanRequest& r) { r.exclude = {"10.0.0.0/99"}; }), HasSubstr("spec.exclude"));
  EXPECT_THAT(with([](ScanRequest& r) { r.exclude = {"10.0.0.0/8"}; }),
              ::testing::Not(::testing::IsEmpty()));
  for (const double rate :
       {-1.0, 1e9, 0.001, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THAT(with([rate](ScanRequest& r) { r.max_rate = rate; }), HasSubstr("spec.max_rate"));
  }
  EXPECT_THAT(with([](ScanRequest& r) { r.max_attempts = 101; }), HasSubstr("spec.max_attempts"));
  EXPECT_THAT(with([](ScanRequest& r) { r.lane_timeout_s = 604'801; }),
              HasSubstr("spec.lane_timeout_s"));
  EXPECT_THAT(with([](ScanRequest& r) { r.retention_s = UINT64_MAX; }),
              HasSubstr("spec.retention_s"));
  EXPECT_THAT(with([](ScanRequest& r) { r.vantages = {"a b"}; }), HasSubstr("a b"));
  EXPECT_THAT(with([](ScanRequest& r) { r.vantages = {""}; }), HasSubstr("spec.vantages"));
  EXPECT_THAT(with([](ScanRequest& r) { r.vantages = {"a", "b", "a"}; }), HasSubstr("twice"));
  EXPECT_THAT(with([](ScanRequest& r) { r.vantages = {std::string(61, 'a')}; }),
              HasSubstr("spec.vantages"));
  EXPECT_THAT(with([](ScanRequest& r) { r.vantages.assign(1001, "a"); }),
              HasSubstr("spec.vantages"));
}

TEST_F(PlanTest, KeepsOnlyTheBeginningOfLongTargetLists) {
  request_.targets.clear();
  for (int i = 0; i < 250; ++i) request_.targets.push_back("10.0.0." + std::to_string(i));
  std::string long_one;
  for (int i = 0; i < 200; ++i) long_one += "10.1.0." + std::to_string(i) + " ";
  request_.targets.insert(request_.targets.begin(), long_one);
  const auto spec = Planned(request_, context_);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ((*spec)->target_texts.size(), 100u);
  EXPECT_LE((*spec)->target_texts[0].size(), 1003u);
  EXPECT_EQ((*spec)->space->address_count(), 450u);
}

TEST_F(PlanTest, PortsToConfirmWithAreHighOnesThatNothingForbids) {
  const auto ports = [&] {
    const auto spec = Planned(request_, context_);
    EXPECT_TRUE(spec.ok()) << spec.status();
    return (*spec)->confirm_ports;
  };
  const PortSet all = PortSet::Of({kConfirmPorts});
  request_.targets = {"10.0.0.0/24"};
  request_.ports = "1-100";
  EXPECT_EQ(ports(), all);
  // Others than the scan asks anyway, unless it asks nearly all.
  request_.ports = "1-100,50000-60000";
  EXPECT_EQ(ports(), all.Minus(PortSet::Of({{50000, 60000}})));
  request_.ports = "1-65535";
  EXPECT_EQ(ports(), all);
  // What the user excludes, on whichever address, is not probed.
  request_.exclude_ports = "49152-50000";
  request_.exclude = {"10.0.0.9:60000"};
  EXPECT_EQ(ports(), PortSet::Of({{50001, 59999}, {60001, 65535}}));
  request_.exclude_ports = "49152-65535";
  EXPECT_TRUE(ports().empty());
  request_.exclude_ports = "";
  request_.exclude = {};
  // Nor what the scope forbids.
  const auto rule = [](const char* text) { return *ParseScopeRule(text); };
  const Scope narrow = Scope::Create({rule("none"), rule("10.0.0.0/24 1-100")}, {});
  context_.scope = std::make_shared<const Scope>(narrow);
  request_.ports = "1-100";
  EXPECT_TRUE(ports().empty());
  const Scope part = Scope::Create({}, {rule("10.0.0.7 50000-55000")});
  context_.scope = std::make_shared<const Scope>(part);
  const PortSet some = ports();
  EXPECT_GE(some.size(), 4u);
  EXPECT_TRUE(some.Intersection(PortSet::Of({{50000, 55000}})).empty());
  EXPECT_EQ(some.Intersection(all), some);
}

}  // namespace
}  // namespace portolan
