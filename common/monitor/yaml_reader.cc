// The one file that sees yaml-cpp, and where its exceptions end.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "common/base/status.h"
#include "common/monitor/yaml_node.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

using literal::Printable;

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxDocuments = 1000;
constexpr size_t kMaxKeys = 1000;  // of one map: looking for repeated ones is quadratic

// How many bytes the UTF-8 character at the start of `text` has; 0: it is none that YAML allows.
// A control character would end yaml-cpp's input silently (0x04) or spoil a terminal.
size_t CharacterSize(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char c = byte(0);
  if (c < 0x80) return c >= 0x20 && c != 0x7F ? 1 : (c == '\n' || c == '\t' || c == '\r') ? 1 : 0;
  const size_t size = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
  if (c < 0xC2 || c > 0xF4 || text.size() < size) return 0;
  uint32_t value = c & (0xFFu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[size] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return 0;
  // C1 controls, line breaks of other standards, and a byte order mark in the middle.
  if (value < 0xA0 || value == 0x2028 || value == 0x2029 || value == 0xFEFF || value >= 0xFFFE)
    return value >= 0x10000 ? size : 0;
  return size;
}

std::optional<MonitorProblem> CheckCharacters(std::string_view text) {
  MonitorProblem p{1, 1, "", ""};
  for (size_t i = 0; i < text.size();) {
    const size_t size = CharacterSize(text.substr(i));
    if (size == 0) {
      p.message = fmt::format("byte 0x{:02x} is not text; write UTF-8 without control characters",
                              static_cast<unsigned char>(text[i]));
      return p;
    }
    ++p.column;
    if (text[i] == '\n') {
      ++p.line;
      p.column = 1;
    }
    i += size;
  }
  return std::nullopt;
}

// Makes a tree of one document's events. After the first problem it takes no more: yaml-cpp cannot
// be stopped but by an exception, and the text is bounded.
class TreeBuilder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (!Accepts(mark, "", anchor)) return;
    Attach(At(mark, YamlNode()));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { Fail(mark, kNoAnchors); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (!Accepts(mark, tag, anchor)) return;
    YamlNode node = YamlNode::Quoted(value);
    node.plain = tag == "?";
    Attach(At(mark, std::move(node)));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::List());
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Map());
  }
  void OnMapEnd() override { Close(); }

  bool failed() const { return problem_.has_value(); }
  const MonitorProblem& problem() const { return *problem_; }
  YamlNode Take() { return std::move(root_); }

  static constexpr std::string_view kNoAnchors =
      "anchors (&) and aliases (*) are not taken; write the value out, or put a text that begins "
      "with & or * in quotes";

 private:
  static YamlNode At(const YAML::Mark& mark, YamlNode node) {
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }
  void Fail(const YAML::Mark& mark, std::string_view message) {
    if (!failed()) problem_ = {mark.line + 1, mark.column + 1, "", std::string(message)};
  }
  bool Accepts(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (failed()) return false;
    if (anchor != 0) {
      Fail(mark, kNoAnchors);
    } else if (!tag.empty() && tag != "?" && tag != "!") {
      Fail(mark, fmt::format("tag \"{}\" is not taken; remove it", Printable(tag)));
    }
    return !failed();
  }
  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode node) {
    if (!Accepts(mark, tag, anchor)) return;
    if (open_.size() >= kMaxDepth)
      return Fail(mark, fmt::format("more than {} levels; a monitor has six", kMaxDepth));
    if (!open_.empty() && open_.back().is_map() && !HasOpenKey())
      return Fail(mark, "a key is one word; write a list or a block after its colon");
    open_.push_back(At(mark, std::move(node)));
  }
  void Close() {
    if (failed()) return;
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    Attach(std::move(node));
  }
  bool HasOpenKey() const { return open_.back().keys.size() > open_.back().values.size(); }
  void Attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& parent = open_.back();
    if (parent.is_list() || HasOpenKey()) {
      parent.values.push_back(std::move(node));
      return;
    }
    const YAML::Mark mark = [&] {
      YAML::Mark m;
      m.line = node.line - 1;
      m.column = node.column - 1;
      return m;
    }();
    if (!node.is_scalar()) return Fail(mark, "a key is missing before the colon; write its name");
    if (const YamlNode* other = parent.Find(node.text)) {
      return Fail(mark, fmt::format("key \"{}\" is there twice, first in line {}; remove one",
                                    Printable(node.text), other->line));
    }
    if (parent.keys.size() >= kMaxKeys)
      return Fail(mark, fmt::format("more than {} keys in one block", kMaxKeys));
    parent.keys.push_back({std::move(node.text), node.line, node.column});
  }

  YamlNode root_;
  std::vector<YamlNode> open_;
  std::optional<MonitorProblem> problem_;
};

// What to do about what yaml-cpp says, where people ask.
std::string_view Remedy(std::string_view message) {
  const auto says = [&](std::string_view word) { return message.find(word) != message.npos; };
  if (says("alias") || says("anchor")) return TreeBuilder::kNoAnchors;
  if (says("bad file")) return "it nests too deeply; a monitor has six levels";
  if (says("tab")) return "indent with blanks";
  if (says("unknown token")) return "put a text that begins with @, ` or % in quotes";
  if (says("map")) return "check the indentation, and that each key ends with a colon and a blank";
  return "check the indentation, brackets and quotes of this line and the one before";
}

}  // namespace

std::vector<YamlNode> ReadYaml(std::string_view text, std::vector<MonitorProblem>* problems) {
  std::vector<YamlNode> out;
  if (text.size() > kMaxBytes) {
    problems->push_back(
        {0, 0, "",
         fmt::format("{} bytes are more than 1 MiB; split it into several files", text.size())});
    return out;
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark
  if (auto bad = CheckCharacters(text)) {
    problems->push_back(*std::move(bad));
    return out;
  }
  try {
    // Without an end mark yaml-cpp takes a text whose closing quote is missing to the end of the
    // file, and everything that follows with it.
    std::istringstream in(std::string(text) + "\n...\n");
    YAML::Parser parser(in);
    for (size_t documents = 0; parser; ++documents) {
      TreeBuilder builder;
      if (!parser.HandleNextDocument(builder)) break;
      if (builder.failed()) {
        problems->push_back(builder.problem());
        break;
      }
      if (documents >= kMaxDocuments) {
        problems->push_back(
            {0, 0, "", fmt::format("more than {} documents; split the file", kMaxDocuments)});
        break;
      }
      YamlNode root = builder.Take();
      if (root.kind != YamlNode::Kind::kNull) out.push_back(std::move(root));
    }
  } catch (const YAML::Exception& e) {
    problems->push_back({std::max(e.mark.line + 1, 0), std::max(e.mark.column + 1, 0), "",
                         fmt::format("YAML: {}; {}", Printable(e.msg), Remedy(e.msg))});
  } catch (const std::exception& e) {
    problems->push_back({0, 0, "", fmt::format("YAML cannot be read: {}", Printable(e.what()))});
  }
  return out;
}

}  // namespace portolan
