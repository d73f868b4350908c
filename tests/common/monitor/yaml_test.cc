#include <gtest/gtest.h>

#include <random>

#include "common/monitor/yaml_node.h"

namespace portolan {
namespace {

std::string FirstProblem(std::string_view text) {
  std::vector<MonitorProblem> problems;
  ReadYaml(text, &problems);
  if (problems.empty()) return "";
  return std::to_string(problems[0].line) + ":" + std::to_string(problems[0].column) + ": " +
         problems[0].message;
}

void ExpectProblem(std::string_view text, std::string_view start, std::string_view part = "") {
  const std::string problem = FirstProblem(text);
  EXPECT_TRUE(problem.starts_with(start)) << problem;
  EXPECT_NE(problem.find(part), problem.npos) << problem;
}

TEST(ReadYaml, TreeWithPlaces) {
  std::vector<MonitorProblem> problems;
  const auto docs = ReadYaml("a: 1\nb:\n  - x\n  - \"1\"\n---\n---\nc: {d: ~}\n", &problems);
  ASSERT_TRUE(problems.empty());
  ASSERT_EQ(docs.size(), 2u);  // the empty one is left out
  const YamlNode* b = docs[0].Find("b");
  ASSERT_NE(b, nullptr);
  ASSERT_EQ(b->values.size(), 2u);
  EXPECT_EQ(b->values[1].line, 4);
  EXPECT_EQ(b->values[1].column, 5);
  EXPECT_FALSE(b->values[1].plain);
  EXPECT_TRUE(docs[0].Find("a")->ReadsAsOtherThanText());
  EXPECT_EQ(docs[1].Find("c")->Find("d")->kind, YamlNode::Kind::kNull);
  EXPECT_TRUE(ReadYaml("", &problems).empty());
  EXPECT_TRUE(ReadYaml("# only a comment\n", &problems).empty());
  EXPECT_EQ(ReadYaml("\xEF\xBB\xBF"
                     "a: b\r\nc: d\r\n",
                     &problems)
                .size(),
            1u);
  EXPECT_EQ(ReadYaml("a: |\n  b\n...\n", &problems).size(), 1u);
  EXPECT_EQ(ReadYaml("---\n...\n---\na: b", &problems).size(), 1u);
  EXPECT_TRUE(problems.empty());
}

TEST(ReadYaml, RefusesHostileInput) {
  ExpectProblem("a: &x 1\n", "1:", "anchors");
  ExpectProblem("a: *x\n", "1:", "aliases");
  ExpectProblem("a: &x [1]\nb: [*x, *x]\n", "1:", "anchors");
  ExpectProblem("cron: */5 * * * *\n", "1:", "in quotes");
  ExpectProblem("cron: @daily\n", "1:7", "in quotes");
  ExpectProblem("a: !!python/object x\n", "1:", "tag");
  ExpectProblem("a: 1\na: 2\n", "2:1", "there twice, first in line 1");
  ExpectProblem("? [a]\n: b\n", "1:3", "a key is one word");
  ExpectProblem("~: b\n", "1:", "key is missing");
  ExpectProblem("a:\n\t- b\n", "2:", "");
  ExpectProblem("a: [1\n", "", "YAML");
  ExpectProblem("a: \"x\n", "", "YAML");
  ExpectProblem("a: \"x\nb: y\n", "", "YAML");
  ExpectProblem("a: 'x\nb: y", "", "YAML");
  ExpectProblem(std::string_view("a: b\n\0c: d\n", 11), "2:1", "byte 0x00");
  ExpectProblem("a: \x04\nb: c\n", "1:4", "byte 0x04");
  ExpectProblem("a: \xC0\x80\n", "1:4", "byte 0xc0");
  ExpectProblem("a: \xED\xA0\x80\n", "1:4", "byte 0xed");
  ExpectProblem(
      "\xFF\xFE"
      "a",
      "1:1", "byte 0xff");
  ExpectProblem("a: \xE2\x80\xA8\n", "1:4", "byte 0xe2");
  ExpectProblem(std::string(1'048'577, ' '), "0:0", "more than 1 MiB");
  ExpectProblem(std::string(40, '[') + std::string(40, ']'), "1:17", "levels");
  std::string deep;
  for (int i = 0; i < 700; ++i) deep += std::string(i, ' ') + "a:\n";
  EXPECT_NE(FirstProblem(deep), "");
  for (const char* piece : {"[", "{", "- ", "? ", "[{", "a: [", "!", "\"", "- - "}) {
    std::string text;
    while (text.size() < 500'000) text += piece;
    EXPECT_NE(FirstProblem(text), "") << piece;
  }
  std::string documents;
  for (int i = 0; i < 1100; ++i) documents += "---\na\n";
  ExpectProblem(documents, "0:0", "documents");
}

YamlNode RandomTree(std::mt19937_64* rng, int depth) {
  static const std::vector<std::string> kTexts = {"a",
                                                  "true",
                                                  "null",
                                                  "~",
                                                  "",
                                                  "1",
                                                  "1e5",
                                                  "0x1F",
                                                  "-",
                                                  "- a",
                                                  "a: b",
                                                  "#x",
                                                  "x #y",
                                                  " x ",
                                                  "\"",
                                                  "'",
                                                  "\\",
                                                  "*x",
                                                  "&x",
                                                  "!x",
                                                  "@daily",
                                                  "%a",
                                                  "`",
                                                  "|",
                                                  ">",
                                                  "{",
                                                  "[",
                                                  "a\nb",
                                                  "\t",
                                                  "yes",
                                                  "2026-12-31",
                                                  "12:30:00",
                                                  "192.0.2.0/24",
                                                  "2001:db8::1",
                                                  "\xC3\xA4\xF0\x9F\x98\x80",
                                                  "=",
                                                  "<<",
                                                  "1_000",
                                                  ".inf",
                                                  "---",
                                                  "...",
                                                  "?",
                                                  ":",
                                                  ",",
                                                  "a,b",
                                                  "\x7F",
                                                  "\x01",
                                                  "o"};
  YamlNode out;
  const auto text = [&] { return kTexts[(*rng)() % kTexts.size()]; };
  switch (depth == 0 ? 0 : (*rng)() % 4) {
    case 0:
      return YamlNode::Quoted(text());
    case 1:
      return (*rng)() % 2 ? YamlNode::Plain("17") : YamlNode::Plain("false");
    case 2:
      out = YamlNode::List();
      for (size_t i = (*rng)() % 4; i > 0; --i) out.values.push_back(RandomTree(rng, depth - 1));
      return out;
    default:
      out = YamlNode::Map();
      for (size_t i = (*rng)() % 4; i > 0; --i) {
        const std::string key = text();
        if (out.Find(key) == nullptr) out.Add(key, RandomTree(rng, depth - 1));
      }
      return out;
  }
}

bool Same(const YamlNode& a, const YamlNode& b) {
  if (a.kind != b.kind || a.text != b.text || a.values.size() != b.values.size()) return false;
  if (a.is_scalar() && a.ReadsAsOtherThanText() != b.ReadsAsOtherThanText()) return false;
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (a.is_map() && a.keys[i].text != b.keys[i].text) return false;
    if (!Same(a.values[i], b.values[i])) return false;
  }
  return true;
}

TEST(WriteYaml, ReadsBackAsTheSameTree) {
  std::mt19937_64 rng(11);
  for (int i = 0; i < 3000; ++i) {
    const YamlNode tree = RandomTree(&rng, 4);
    const std::string text = WriteYaml(tree);
    std::vector<MonitorProblem> problems;
    const auto docs = ReadYaml(text, &problems);
    ASSERT_TRUE(problems.empty()) << problems[0].message << "\n" << text;
    ASSERT_EQ(docs.size(), 1u) << text;
    ASSERT_TRUE(Same(tree, docs[0])) << text << "---\n" << WriteYaml(docs[0]);
  }
}

}  // namespace
}  // namespace portolan
