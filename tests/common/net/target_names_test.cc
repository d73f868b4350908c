// Names among targets, and what is wrong with lists.
#include <gtest/gtest.h>

#include "common/net/target_parser.h"
#include "tests/common/net/target_texts.h"

namespace portolan {
namespace {

TEST(ParseTargets, NamesAreCollectedOnceAndRecorded) {
  const Strings expressions = {"one.example two.example:80",
                               "ONE.example one.example. one.example:81"};
  const auto parsed = ParseTargets(expressions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->names(), (Strings{"one.example", "two.example"}));
  EXPECT_EQ(parsed->name_uses().size(), 5u);
  EXPECT_EQ(parsed->entry_count(), 5u);
  EXPECT_TRUE(parsed->has_entry_without_port());
  const auto list = ParseAndLookUp(expressions);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(Show(list), "198.18.0.1 198.18.0.1:81 198.18.0.2:80 [2001:db8::2]:80");
  ASSERT_EQ(list->names.size(), 2u);
  EXPECT_EQ(list->names[0].name, "one.example");
  EXPECT_EQ(list->names[1].addresses.size(), 2u);
}

TEST(ParseTargets, AllBadEntriesAreFoundAtOnceWithTheirPlace) {
  const auto parsed = ParseTargets({"10.0.0.1 10.0.0.256", "one.example", "# 10.0.0.256",
                                    "\n x..y:80\n  10.0.0.0/33", "\xe2\x80\x9cten\xe2\x80\x9d"});
  ASSERT_TRUE(parsed.ok());
  const auto& first = parsed->problems().first();
  EXPECT_EQ(parsed->problems().total(), 4u);
  ASSERT_EQ(first.size(), 4u);
  EXPECT_EQ(first[0].entry, "10.0.0.256");
  EXPECT_EQ(first[0].expression, 0u);
  EXPECT_EQ(first[0].place.column, 10u);
  EXPECT_FALSE(first[0].lookup.has_value());
  EXPECT_EQ(first[1].entry, "x..y:80");
  EXPECT_EQ(first[1].expression, 3u);
  EXPECT_EQ(first[1].place.line, 2u);
  EXPECT_EQ(first[1].place.column, 2u);
  EXPECT_EQ(first[2].place.line, 3u);
  EXPECT_EQ(first[2].place.column, 3u);
  EXPECT_TRUE(first[3].at_character);
  EXPECT_EQ(first[3].expression, 4u);
  EXPECT_EQ(first[3].place.column, 1u);
}

TEST(ParseTargets, AHundredBadEntriesAreKeptAndAllAreCounted) {
  const auto parsed = ParseTargets(Strings(250, "10.0.0.256 10.0.0.1"));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->problems().first().size(), 100u);
  EXPECT_EQ(parsed->problems().total(), 250u);
  const absl::Status status = parsed->problems().ToStatus("spec.targets");
  EXPECT_EQ(Message(status).substr(0, 78),
            "250 entries cannot be used: spec.targets[0] \"10.0.0.256\": octet 256 is above 2");
  EXPECT_NE(Message(status).find("; and 245 more"), std::string::npos);
  const auto carried = ProblemsOf(status);
  ASSERT_TRUE(carried.has_value());
  EXPECT_EQ(carried->total(), 250u);
  ASSERT_EQ(carried->first().size(), 100u);
  EXPECT_EQ(carried->first()[99].expression, 99u);
  EXPECT_EQ(carried->first()[99].problem, "octet 256 is above 255");
  EXPECT_FALSE(ProblemsOf(absl::OkStatus()).has_value());
  EXPECT_FALSE(ProblemsOf(InvalidArgument("other")).has_value());
}

TEST(ParseTargets, NamesWithoutAddressesAreProblemsThatSayWhatIsKnown) {
  EXPECT_EQ(Parse({"10.0.0.1", "typo.example"}),
            "error: target \"typo.example\": there is no such name; correct it, or write the "
            "address");
  EXPECT_EQ(Parse("none.example:22"),
            "error: target \"none.example:22\": the name exists but has no address; correct it, or "
            "write the address");
  const auto down = ParseAndLookUp({"down.example"});
  EXPECT_TRUE(absl::IsUnavailable(down.status()));
  EXPECT_EQ(Message(down.status()),
            "target \"down.example\": no name server could be asked (no answer from 198.18.0.53 "
            "within 5 s), so nothing is known about the name; try again, or write the address");
  // One that is wrong makes the request wrong.
  const auto both = ParseAndLookUp({"down.example", "typo.example"});
  EXPECT_TRUE(absl::IsInvalidArgument(both.status()));
  EXPECT_EQ(ProblemsOf(both.status())->first()[0].lookup, LookupProblem::kCouldNotAsk);
  EXPECT_EQ(ProblemsOf(both.status())->first()[1].lookup, LookupProblem::kNoSuchName);
}

TEST(ParseTargets, UnresolvedNamesCanBeSkipped) {
  const auto parsed =
      ParseTargets({"one.example", "typo.example TYPO.example:80", "down.example", "10.0.0.1"});
  ASSERT_TRUE(parsed.ok());
  const auto completed = parsed->Complete(Answers(parsed->names()), true);
  ASSERT_TRUE(completed.ok());
  EXPECT_TRUE(completed->problems.empty());
  EXPECT_EQ(Show(completed->targets), "10.0.0.1,198.18.0.1");
  ASSERT_EQ(completed->targets.names.size(), 1u);
  ASSERT_EQ(completed->skipped.size(), 2u);
  EXPECT_EQ(completed->skipped[0].name, "typo.example");
  EXPECT_EQ(completed->skipped[0].problem, LookupProblem::kNoSuchName);
  EXPECT_EQ(completed->skipped[1].name, "down.example");
  EXPECT_EQ(completed->skipped[1].problem, LookupProblem::kCouldNotAsk);
}

}  // namespace
}  // namespace portolan
