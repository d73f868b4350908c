// Holds deploy/monitors/monitor.schema.json to the code, and documents to the schema: what the
// parser takes the schema takes, and what a schema can know to be wrong it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "common/monitor/monitor_file.h"
#include "tests/common/monitor/random_spec.h"

namespace portolan {
namespace {

using nlohmann::json;

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

json ToJson(const YamlNode& node) {
  if (node.is_map()) {
    json out = json::object();
    for (size_t i = 0; i < node.keys.size(); ++i) out[node.keys[i].text] = ToJson(node.values[i]);
    return out;
  }
  if (node.is_list()) {
    json out = json::array();
    for (const YamlNode& v : node.values) out.push_back(ToJson(v));
    return out;
  }
  if (!node.is_scalar()) return nullptr;
  if (node.ReadsAsOtherThanText()) return json::parse(node.text, nullptr, false);
  return node.text;
}

bool HasType(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  return type == "number" && value.is_number();
}

// The part of JSON schema that ours uses. Returns why `value` breaks it, or "".
std::string Breaks(const json& schema, const json& value, const std::string& path) {
  static const std::set<std::string> kKnown = {"$schema",
                                               "title",
                                               "description",
                                               "type",
                                               "properties",
                                               "required",
                                               "additionalProperties",
                                               "enum",
                                               "pattern",
                                               "items",
                                               "minItems",
                                               "maxItems",
                                               "minimum",
                                               "maximum",
                                               "minLength",
                                               "maxLength",
                                               "oneOf",
                                               "anyOf",
                                               "propertyNames",
                                               "maxProperties"};
  for (const auto& [key, unused] : schema.items()) {
    if (kKnown.count(key) == 0) return path + ": schema word " + key + " is not known to this test";
  }
  if (schema.contains("type")) {
    const json types = schema["type"].is_array() ? schema["type"] : json::array({schema["type"]});
    bool ok = false;
    for (const json& t : types) ok |= HasType(value, t);
    if (!ok) return path + ": is no " + types.dump();
  }
  if (schema.contains("enum") &&
      std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
    return path + ": is none of " + schema["enum"].dump();
  if (value.is_string()) {
    const std::string text = value;
    if (schema.contains("pattern") &&
        !testing::Matches(testing::ContainsRegex(schema["pattern"].get<std::string>()))(text))
      return path + ": does not match " + schema["pattern"].dump();
    if (text.size() < schema.value("minLength", 0u)) return path + ": too short";
    if (text.size() > schema.value("maxLength", 1u << 30)) return path + ": too long";
  }
  if (value.is_number()) {
    if (value < schema.value("minimum", json(-1e300))) return path + ": too small";
    if (value > schema.value("maximum", json(1e300))) return path + ": too large";
  }
  if (value.is_array()) {
    if (value.size() < schema.value("minItems", 0u)) return path + ": too few";
    if (value.size() > schema.value("maxItems", 1u << 30)) return path + ": too many";
    for (size_t i = 0; i < value.size(); ++i) {
      if (auto why = Breaks(schema["items"], value[i], path + "[]"); !why.empty()) return why;
    }
  }
  if (value.is_object()) {
    for (const json& key : schema.value("required", json::array())) {
      if (!value.contains(key)) return path + ": lacks " + key.dump();
    }
    if (value.size() > schema.value("maxProperties", 1u << 30)) return path + ": too many keys";
    for (const auto& [key, member] : value.items()) {
      const json properties = schema.value("properties", json::object());
      if (schema.contains("propertyNames")) {
        if (auto why = Breaks(schema["propertyNames"], key, path); !why.empty()) return why;
      }
      const json more = schema.value("additionalProperties", json(true));
      if (!properties.contains(key) && more == false) return path + ": unknown key " + key;
      const json& of = properties.contains(key) ? properties[key] : more;
      if (!of.is_object()) continue;
      if (auto why = Breaks(of, member, path + "." + key); !why.empty()) return why;
    }
  }
  if (schema.contains("oneOf")) {
    int fits = 0;
    for (const json& s : schema["oneOf"]) fits += Breaks(s, value, path).empty() ? 1 : 0;
    if (fits != 1) return path + ": fits " + std::to_string(fits) + " of oneOf";
  }
  if (schema.contains("anyOf")) {
    const bool fits = std::any_of(schema["anyOf"].begin(), schema["anyOf"].end(),
                                  [&](const json& s) { return Breaks(s, value, path).empty(); });
    if (!fits) return path + ": fits none of anyOf";
  }
  return "";
}

std::string BreaksSchema(const std::string& yaml) {
  static const json schema = json::parse(MonitorJsonSchema());
  std::vector<MonitorProblem> problems;
  for (const YamlNode& doc : ReadYaml(yaml, &problems)) {
    if (auto why = Breaks(schema, ToJson(doc), ""); !why.empty()) return why;
  }
  return problems.empty() ? "" : problems[0].message;
}

TEST(MonitorSchema, FileIsWhatTheCodeGenerates) {
  EXPECT_EQ(ReadFile(PORTOLAN_SOURCE_DIR "/deploy/monitors/monitor.schema.json"),
            MonitorJsonSchema())
      << "build write_monitor_schema and write its output there";
}

TEST(MonitorSchema, TakesTheExamplesAndWhateverTheParserTakes) {
  size_t examples = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(PORTOLAN_SOURCE_DIR "/deploy/monitors")) {
    if (entry.path().extension() != ".yaml") continue;
    ++examples;
    EXPECT_EQ(BreaksSchema(ReadFile(entry.path())), "") << entry.path();
  }
  EXPECT_GE(examples, 3u);
  RandomSpec specs(4);
  for (int i = 0; i < 300; ++i) {
    const std::string yaml = MonitorYaml(specs.Next());
    ASSERT_EQ(BreaksSchema(yaml), "") << yaml;
  }
}

TEST(MonitorSchema, RefusesWhatTheParserRefuses) {
  const std::string good =
      "apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: web}\nspec:\n"
      "  targets: [192.0.2.0/24]\n  vantages: [{name: office, role: inside}]\n";
  const std::string schedule = "  schedule: {every: 1h}\n";
  ASSERT_EQ(BreaksSchema(good + schedule), "");
  const auto with = [&](const std::string& targets) {
    std::string yaml = good + schedule;
    const std::string old = "  targets: [192.0.2.0/24]\n";
    return yaml.replace(yaml.find(old), old.size(), targets);
  };
  ASSERT_EQ(BreaksSchema(with("  targetsFrom: {file: hosts.txt}\n")), "");
  EXPECT_TRUE(ParseMonitors(with("  targetsFrom: {file: hosts.txt}\n")).problems.empty());
  for (const std::string& bad :
       {good, good + "  schedule: {}\n", good + "  schedule: {every: 1h, cron: '@daily'}\n",
        good + "  schedule: {every: 10}\n", good + "  schedule: {evry: 1h}\n",
        good + schedule + "  overlap: wait\n", good + schedule + "  ports: []\n",
        good + schedule + "  paused: 1\n", good + schedule + "  rate: {timing: 6}\n",
        good + schedule + "  rate: {maxRate: -1}\n", good + schedule + "  profiles: [none]\n",
        good + schedule + "  expectations: [{name: r}]\n", good + schedule + "  webhooks: [Chat]\n",
        good + schedule + "  foo: bar\n", with(""), with("  targetsFrom: {}\n"),
        with("  targetsFrom: hosts.txt\n")}) {
    EXPECT_NE(BreaksSchema(bad), "") << bad;
    EXPECT_FALSE(ParseMonitors(bad).problems.empty()) << bad;
  }
}

}  // namespace
}  // namespace portolan
