#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portolan {

struct YamlKey {
  std::string text;
  int line = 0, column = 0;
};

// A YAML document as a tree of plain values; also what the JSON schema is made of.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  using Key = YamlKey;

  Kind kind = Kind::kNull;
  std::string text;              // of a scalar
  bool plain = false;            // a scalar without quotes: YAML reads it as a number where it can
  std::vector<YamlNode> values;  // of a list or a map
  std::vector<Key> keys;         // of a map, one a value
  int line = 0, column = 0;      // where it begins, from 1; 0: it was never read from a text

  static YamlNode Quoted(std::string_view text);
  static YamlNode Plain(std::string_view text);  // a number, true or false
  static YamlNode List(std::vector<YamlNode> values = {});
  static YamlNode Map();
  // To a map.
  YamlNode& Add(std::string_view key, YamlNode value);
  const YamlNode* Find(std::string_view key) const;  // nullptr: no map, or no such key

  bool is_map() const { return kind == Kind::kMap; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  std::string_view KindName() const;  // "a list", for messages
  // Whether YAML 1.2's core schema reads a plain scalar as null, a bool or a number.
  bool ReadsAsOtherThanText() const;
};

// What is wrong with a text, and where. Lines and columns from 1; 0: unknown.
struct MonitorProblem {
  int line = 0, column = 0;
  std::string path;     // "spec.schedule.every"; may be empty
  std::string message;  // printable, with the value and the remedy
};

// Reads all documents of `text`, of which nothing is trusted: at most 1 MiB, 16 levels, 1,000
// documents; UTF-8 without control characters; no anchors, aliases, tags of one's own or repeated
// keys. The first problem ends it; documents before it are returned. Empty documents are left out.
std::vector<YamlNode> ReadYaml(std::string_view text, std::vector<MonitorProblem>* problems);

// Block style, two spaces, keys in the order of the tree. Reads back as the same tree.
std::string WriteYaml(const YamlNode& node);
// The same tree as JSON: plain scalars as they are, everything else in quotes.
std::string WriteJson(const YamlNode& node);

}  // namespace portolan
