#include <fmt/format.h>

#include <array>

#include "common/monitor/yaml_node.h"

namespace portolan {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigits = "0123456789";

// Needs no quotes for any YAML reader, old ones included, which know more words and take dates.
bool IsSafePlain(std::string_view text) {
  if (text.empty() || text.size() > 60) return false;
  const bool letter = kLetters.find(text[0]) != kLetters.npos;
  if (!letter && kDigits.find(text[0]) == kDigits.npos) return false;
  for (const char c : text) {
    const bool fine = kLetters.find(c) != kLetters.npos || kDigits.find(c) != kDigits.npos ||
                      c == '.' || c == '/' || c == '-' || (c == '_' && letter);
    if (!fine) return false;
  }
  if (text.size() >= 8 && text[4] == '-') return false;
  constexpr std::array<std::string_view, 6> kOldWords = {"y", "n", "yes", "no", "on", "off"};
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  for (const std::string_view word : kOldWords) {
    if (lower == word) return false;
  }
  return !YamlNode::Plain(text).ReadsAsOtherThanText();
}

// In double quotes, as JSON and YAML both read it.
std::string InQuotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string ScalarText(const YamlNode& n) {
  if (n.kind == YamlNode::Kind::kNull) return "null";
  return n.plain || IsSafePlain(n.text) ? n.text : InQuotes(n.text);
}

std::string KeyText(std::string_view key) {
  return IsSafePlain(key) ? std::string(key) : InQuotes(key);
}

bool IsInline(const YamlNode& n) { return n.values.empty(); }

std::string InlineText(const YamlNode& n) {
  return n.is_map() ? "{}" : n.is_list() ? "[]" : ScalarText(n);
}

// Everything of `n` at `indent`. The first line has its indentation already where `begun`.
void Write(const YamlNode& n, size_t indent, bool begun, std::string* out) {
  for (size_t i = 0; i < n.values.size(); ++i) {
    const YamlNode& value = n.values[i];
    if (i > 0 || !begun) out->append(indent, ' ');
    if (n.is_list()) {
      *out += "- ";
      if (IsInline(value)) {
        *out += InlineText(value) + '\n';
      } else {
        Write(value, indent + 2, true, out);
      }
      continue;
    }
    *out += KeyText(n.keys[i].text) + ':';
    if (IsInline(value)) {
      *out += ' ' + InlineText(value) + '\n';
    } else {
      *out += '\n';
      Write(value, indent + 2, false, out);
    }
  }
}

void WriteJsonAt(const YamlNode& n, size_t indent, std::string* out) {
  if (n.kind == YamlNode::Kind::kNull) {
    *out += "null";
  } else if (n.is_scalar()) {
    *out += n.plain ? n.text : InQuotes(n.text);
  } else if (n.values.empty()) {
    *out += InlineText(n);
  } else {
    bool short_list = n.is_list();
    for (const YamlNode& v : n.values) short_list &= v.is_scalar() && v.text.size() < 30;
    short_list &= n.values.size() < 24;
    *out += n.is_map() ? '{' : '[';
    for (size_t i = 0; i < n.values.size(); ++i) {
      if (!short_list) {
        *out += '\n';
        out->append(indent + 2, ' ');
      } else if (i > 0) {
        *out += ' ';
      }
      if (n.is_map()) *out += InQuotes(n.keys[i].text) + ": ";
      WriteJsonAt(n.values[i], indent + 2, out);
      if (i + 1 < n.values.size()) *out += ',';
    }
    if (!short_list) {
      *out += '\n';
      out->append(indent, ' ');
    }
    *out += n.is_map() ? '}' : ']';
  }
}

}  // namespace

std::string WriteYaml(const YamlNode& node) {
  std::string out;
  if (IsInline(node)) return InlineText(node) + '\n';
  Write(node, 0, false, &out);
  return out;
}

std::string WriteJson(const YamlNode& node) {
  std::string out;
  WriteJsonAt(node, 0, &out);
  return out + '\n';
}

}  // namespace portolan
