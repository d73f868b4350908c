#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/duration_text.h"
#include "common/base/status.h"

namespace portolan {

// The whole of a file of at most `limit` bytes. NotFound, Unavailable, InvalidArgument: with the
// path and why.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path, size_t limit);

// Reads values out of a YAML file strictly: what is not understood is InvalidArgument with file,
// line, value and remedy. yaml-cpp throws (YAML::Exception) on what it cannot represent; the caller
// of all this catches.
class YamlFields {
 public:
  // `path`: for messages and relative paths. Must outlive it.
  explicit YamlFields(const std::string& path) : path_(path) {}

  template <typename... Args>
  absl::Status Bad(const YAML::Mark& mark, fmt::format_string<Args...> format,
                   Args&&... args) const {
    const std::string why = fmt::format(format, std::forward<Args>(args)...);
    if (mark.is_null()) return InvalidArgument("{}: {}", path_, why);
    return InvalidArgument("{}:{}: {}", path_, mark.line + 1, why);
  }

 protected:
  using Field = std::function<absl::Status(const YAML::Node&)>;

  // Each key once, none that is not in `fields`, all of `required`.
  absl::Status Map(const YAML::Node& node, std::string_view what,
                   const std::map<std::string, Field>& fields,
                   const std::vector<std::string>& required) const;
  absl::StatusOr<std::string> Scalar(const YAML::Node& node, std::string_view what) const;
  // At least one.
  absl::StatusOr<std::vector<std::pair<std::string, YAML::Mark>>> List(const YAML::Node& node,
                                                                       std::string_view what) const;
  // `range`: the limits in words.
  absl::StatusOr<Duration> Time(const YAML::Node& node, std::string_view what, Duration least,
                                Duration most, std::string_view range) const;
  // The whole of the file that is named, without the line's end.
  absl::StatusOr<std::string> Secret(const YAML::Node& node, std::string_view what) const;
  // From the file's own folder.
  std::string Resolve(const std::string& name) const;

 private:
  const std::string& path_;
};

}  // namespace portolan
