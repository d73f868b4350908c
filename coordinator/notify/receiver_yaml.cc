#include "coordinator/notify/receiver_yaml.h"

#include <filesystem>
#include <fstream>
#include <set>

namespace portolan {
namespace {

constexpr size_t kMaxSecretFile = size_t{16} * 1024;

}  // namespace

absl::StatusOr<std::string> ReadWholeFile(const std::string& path, size_t limit) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return NotFound("{}: cannot be read; check that it is there and for this user", path);
  std::string text(limit + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad()) return Unavailable("{}: cannot be read", path);
  if (text.size() > limit) return InvalidArgument("{}: more than {} bytes", path, limit);
  return text;
}

absl::Status YamlFields::Map(const YAML::Node& node, std::string_view what,
                             const std::map<std::string, Field>& fields,
                             const std::vector<std::string>& required) const {
  if (!node.IsMap()) return Bad(node.Mark(), "{}: write it as keys and values", what);
  std::set<std::string> seen;
  for (const auto& item : node) {
    PORTOLAN_ASSIGN_OR_RETURN(const std::string key, Scalar(item.first, "a key"));
    const auto field = fields.find(key);
    if (field == fields.end()) {
      std::string known;
      for (const auto& [name, parse] : fields) known += (known.empty() ? "" : ", ") + name;
      return Bad(item.first.Mark(), "unknown key \"{}\": one of {}", key, known);
    }
    if (!seen.insert(key).second) {
      return Bad(item.first.Mark(), "key \"{}\" is given twice: remove one", key);
    }
    PORTOLAN_RETURN_IF_ERROR(field->second(item.second));
  }
  for (const std::string& key : required) {
    if (seen.count(key) == 0) {
      return Bad(node.Mark(), "{}: \"{}\" is missing: add it", what, key);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> YamlFields::Scalar(const YAML::Node& node,
                                               std::string_view what) const {
  if (!node.IsScalar()) return Bad(node.Mark(), "{}: write one value", what);
  return node.Scalar();
}

absl::StatusOr<std::vector<std::pair<std::string, YAML::Mark>>> YamlFields::List(
    const YAML::Node& node, std::string_view what) const {
  if (!node.IsSequence() || node.size() == 0) {
    return Bad(node.Mark(), "{}: write a list like [a, b]", what);
  }
  std::vector<std::pair<std::string, YAML::Mark>> values;
  for (const YAML::Node& item : node) {
    PORTOLAN_ASSIGN_OR_RETURN(std::string value, Scalar(item, what));
    values.emplace_back(std::move(value), item.Mark());
  }
  return values;
}

absl::StatusOr<Duration> YamlFields::Time(const YAML::Node& node, std::string_view what,
                                          Duration least, Duration most,
                                          std::string_view range) const {
  PORTOLAN_ASSIGN_OR_RETURN(const std::string text, Scalar(node, what));
  const absl::StatusOr<Duration> time = ParseDurationText(text);
  if (!time.ok()) {
    return Bad(node.Mark(), "{}: {}", what, Message(time.status()));
  }
  if (*time < least || *time > most) {
    return Bad(node.Mark(), "{} \"{}\": give {}", what, text, range);
  }
  return *time;
}

absl::StatusOr<std::string> YamlFields::Secret(const YAML::Node& node,
                                               std::string_view what) const {
  PORTOLAN_ASSIGN_OR_RETURN(const std::string name, Scalar(node, what));
  absl::StatusOr<std::string> text = ReadWholeFile(Resolve(name), kMaxSecretFile);
  if (!text.ok()) return Bad(node.Mark(), "{}: {}", what, Message(text.status()));
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->empty()) {
    return Bad(node.Mark(), "{}: {} is empty: write the secret into it", what, name);
  }
  return text;
}

std::string YamlFields::Resolve(const std::string& name) const {
  return (std::filesystem::path(path_).parent_path() / name).string();
}

}  // namespace portolan
