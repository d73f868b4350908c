#include "common/monitor/yaml_node.h"

#include <charconv>

namespace portolan {

YamlNode YamlNode::Quoted(std::string_view text) {
  YamlNode n;
  n.kind = Kind::kScalar;
  n.text = text;
  return n;
}

YamlNode YamlNode::Plain(std::string_view text) {
  YamlNode n = Quoted(text);
  n.plain = true;
  return n;
}

YamlNode YamlNode::List(std::vector<YamlNode> values) {
  YamlNode n;
  n.kind = Kind::kList;
  n.values = std::move(values);
  return n;
}

YamlNode YamlNode::Map() {
  YamlNode n;
  n.kind = Kind::kMap;
  return n;
}

YamlNode& YamlNode::Add(std::string_view key, YamlNode value) {
  keys.push_back({std::string(key), 0, 0});
  values.push_back(std::move(value));
  return *this;
}

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].text == key) return &values[i];
  }
  return nullptr;
}

std::string_view YamlNode::KindName() const {
  switch (kind) {
    case Kind::kScalar:
      return "one value";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a block of keys";
    case Kind::kNull:
      break;
  }
  return "nothing";
}

bool YamlNode::ReadsAsOtherThanText() const {
  if (!is_scalar() || !plain) return false;
  for (const char* word : {"true", "True", "TRUE", "false", "False", "FALSE", "null", "Null",
                           "NULL", "~", "", ".inf", ".nan"}) {
    if (text == word) return true;
  }
  std::string_view rest = text;
  if (rest[0] == '+' || rest[0] == '-') rest.remove_prefix(1);
  if (rest == ".inf" || rest == ".Inf" || rest == ".INF") return true;
  if (rest.starts_with("0x") || rest.starts_with("0o")) {
    return rest.size() > 2 && rest.find_first_not_of("0123456789abcdefABCDEF", 2) == rest.npos;
  }
  if (rest.empty() || rest.find_first_not_of("0123456789.eE+-") != rest.npos) return false;
  double value;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  return end == rest.data() + rest.size() && error != std::errc::invalid_argument;
}

}  // namespace portolan
