#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace portolan {

// Targets that a monitor takes from a file: its text, in the syntax of lists (common/net/
// list_text.h). Copies share it. Value type; immutable.
class ListedTargets {
 public:
  static constexpr size_t kMaxBytes = 32u << 20;
  static constexpr size_t kMaxEntries = 1'000'000;

  ListedTargets() = default;  // none
  // Checks every entry and looks up no name. InvalidArgument: all that is wrong, at most 100
  // entries, "FILE:LINE:COLUMN: ..." one a line; an empty list, too, or one with too many entries.
  // Takes time in proportion to the text.
  static absl::StatusOr<ListedTargets> Read(std::string_view file, std::string text);
  // What Read accepted before.
  static ListedTargets Stored(std::string text);

  bool empty() const { return content_ == nullptr; }
  const std::string& text() const;
  // 32 hexadecimal digits that equal lists share; empty for none. Not cryptographic.
  const std::string& digest() const;
  // Lines of this list that `before` does not have, and the reverse: "+
  // spec.targetsFrom: 10.0.0.9",
  // "- ...", at most `most` of each, then how many more. Empty: they have the same lines.
  std::vector<std::string> DiffFrom(const ListedTargets& before, size_t most) const;

  // Compares the texts.
  friend bool operator==(const ListedTargets& a, const ListedTargets& b) {
    return a.content_ == b.content_ || a.text() == b.text();
  }

 private:
  struct Content {
    std::string text, digest;
  };
  std::shared_ptr<const Content> content_;
};

}  // namespace portolan
