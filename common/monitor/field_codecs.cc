#include "common/monitor/field_codecs.h"

#include <charconv>
#include <cmath>

#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/monitor/date_text.h"
#include "common/net/literal.h"
#include "common/net/port_set.h"

namespace portolan {
namespace {

using literal::Printable;

constexpr size_t kMaxPortsBytes = 64u << 10;
constexpr size_t kMaxLabels = 32;
constexpr const char* kNamePattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
constexpr const char* kLabelPattern = "^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$";

YamlNode TypeSchema(std::string_view type) {
  YamlNode out = YamlNode::Map();
  out.Add("type", YamlNode::Quoted(type));
  return out;
}

YamlNode Number(double value) {
  // Without an exponent where it can be: other programs read 1e5 as text.
  if (value == std::floor(value) && std::fabs(value) < 1e15)
    return YamlNode::Plain(fmt::format("{}", static_cast<int64_t>(value)));
  return YamlNode::Plain(fmt::format("{}", value));
}

bool ReadScalar(const YamlNode& node, SpecReader* reader) {
  if (node.is_scalar()) return true;
  return reader->Fail(node, fmt::format("this is {}; write one value", node.KindName()));
}

bool ReadText(const YamlNode& node, size_t max, bool numbers, SpecReader* reader) {
  if (!ReadScalar(node, reader)) return false;
  const std::string& text = node.text;
  if (!numbers && node.ReadsAsOtherThanText()) {
    return reader->Fail(node, fmt::format("YAML reads {} as a number or a truth value; write it in "
                                          "quotes: \"{}\"",
                                          Printable(text), Printable(text)));
  }
  if (text.empty())
    return reader->Fail(node, "the text \"\" is empty; write one, or remove the line");
  if (text.size() > max) {
    return reader->Fail(node, fmt::format("text \"{}\" has {} bytes; write at most {}",
                                          Printable(text), text.size(), max));
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return reader->Fail(node,
                          fmt::format("text \"{}\" holds a line break or a control character; "
                                      "write one line (>- folds several lines into one)",
                                      Printable(text)));
    }
  }
  return true;
}

bool IsLower(char c) { return (c >= 'a' && c <= 'z') || literal::IsDigit(c); }
bool IsAlnum(char c) { return IsLower(c) || (c >= 'A' && c <= 'Z'); }

bool IsLabelText(std::string_view text) {
  if (text.empty() || text.size() > 63 || !IsAlnum(text.front()) || !IsAlnum(text.back()))
    return false;
  for (const char c : text) {
    if (!IsAlnum(c) && c != '.' && c != '_' && c != '/' && c != '-') return false;
  }
  return true;
}

YamlNode WriteText(const std::string& text) { return YamlNode::Quoted(text); }

}  // namespace

FieldCodec<std::string> TextCodec(size_t max) {
  return {[=] {
            return TypeSchema("string")
                .Add("minLength", YamlNode::Plain("1"))
                .Add("maxLength", YamlNode::Plain(std::to_string(max)));
          },
          WriteText,
          [=](const YamlNode& node, std::string* out, SpecReader* reader) {
            if (!ReadText(node, max, false, reader)) return false;
            *out = node.text;
            return true;
          }};
}

FieldCodec<std::string> NameCodec(size_t max) {
  return {[=] {
            return TypeSchema("string")
                .Add("pattern", YamlNode::Quoted(kNamePattern))
                .Add("maxLength", YamlNode::Plain(std::to_string(max)));
          },
          WriteText,
          [=](const YamlNode& node, std::string* out, SpecReader* reader) {
            if (!ReadText(node, 4096, false, reader)) return false;
            const std::string& text = node.text;
            bool ok = text.size() <= max && text.front() != '-' && text.back() != '-';
            for (const char c : text) ok &= IsLower(c) || c == '-';
            if (!ok) {
              return reader->Fail(
                  node, fmt::format("name \"{}\": write at most {} lower-case letters, digits and "
                                    "dashes, beginning and ending with a letter or a digit",
                                    Printable(text), max));
            }
            *out = text;
            return true;
          }};
}

FieldCodec<std::string> CheckedCodec(size_t max,
                                     std::function<absl::Status(const std::string&)> check,
                                     bool numbers) {
  FieldCodec<std::string> out = TextCodec(max);
  out.read = [=](const YamlNode& node, std::string* value, SpecReader* reader) {
    if (!ReadText(node, max, numbers, reader)) return false;
    const absl::Status status = check(node.text);
    if (!status.ok()) return reader->Fail(node, std::string(Message(status)));
    *value = node.text;
    return true;
  };
  return out;
}

FieldCodec<std::string> PortsCodec() {
  const FieldCodec<std::string> one = CheckedCodec(
      kMaxPortsBytes, [](const std::string& text) { return ParsePorts(text).status(); }, true);
  return {
      [] {
        YamlNode item = YamlNode::Map();
        item.Add("type", YamlNode::List({YamlNode::Quoted("string"), YamlNode::Quoted("integer")}));
        YamlNode out = YamlNode::Map();
        out.Add("type", YamlNode::List({YamlNode::Quoted("string"), YamlNode::Quoted("integer"),
                                        YamlNode::Quoted("array")}));
        out.Add("minLength", YamlNode::Plain("1"));
        out.Add("minItems", YamlNode::Plain("1"));
        return out.Add("items", std::move(item));
      },
      WriteText,
      [one](const YamlNode& node, std::string* out, SpecReader* reader) {
        if (!node.is_list()) return one.read(node, out, reader);
        if (node.values.empty())
          return reader->Fail(node,
                              "the list [] is empty; write ports, as in [22, 443, 8000-8100]");
        std::string joined;
        for (const YamlNode& value : node.values) {
          std::string item;
          if (!one.read(value, &item, reader)) return false;
          if (!joined.empty()) joined += ',';
          joined += item;
          if (joined.size() > kMaxPortsBytes)
            return reader->Fail(value, "too long; write ranges of ports");
        }
        *out = std::move(joined);
        return true;
      }};
}

FieldCodec<std::map<std::string, std::string>> LabelsCodec() {
  using Labels = std::map<std::string, std::string>;
  return {
      [] {
        YamlNode names = YamlNode::Map();
        names.Add("pattern", YamlNode::Quoted(kLabelPattern))
            .Add("maxLength", YamlNode::Plain("63"));
        YamlNode values = TypeSchema("string");
        values.Add("minLength", YamlNode::Plain("1")).Add("maxLength", YamlNode::Plain("200"));
        return TypeSchema("object")
            .Add("maxProperties", YamlNode::Plain(std::to_string(kMaxLabels)))
            .Add("propertyNames", std::move(names))
            .Add("additionalProperties", std::move(values));
      },
      [](const Labels& labels) {
        YamlNode out = YamlNode::Map();
        for (const auto& [key, value] : labels) out.Add(key, YamlNode::Quoted(value));
        return out;
      },
      [](const YamlNode& node, Labels* out, SpecReader* reader) {
        if (!node.is_map()) {
          return reader->Fail(node, fmt::format("labels are {}; write one a line, as in team: web",
                                                node.KindName()));
        }
        if (node.keys.size() > kMaxLabels)
          return reader->Fail(
              node, fmt::format("{} labels; write at most {}", node.keys.size(), kMaxLabels));
        Labels labels;
        bool ok = true;
        for (size_t i = 0; i < node.keys.size(); ++i) {
          const YamlNode::Key& key = node.keys[i];
          if (!IsLabelText(key.text)) {
            ok = reader->Fail(key.line, key.column,
                              fmt::format("label \"{}\": a name is at most 63 letters, digits and "
                                          "._/-, beginning and ending with a letter or digit",
                                          Printable(key.text)));
            continue;
          }
          if (!ReadText(node.values[i], 200, false, reader)) {
            ok = false;
            continue;
          }
          labels[key.text] = node.values[i].text;
        }
        if (ok) *out = std::move(labels);
        return ok;
      }};
}

FieldCodec<Duration> DurationCodec(Duration min, Duration max) {
  return {[] {
            return TypeSchema("string").Add(
                "pattern", YamlNode::Quoted("^(0|([0-9]+([.][0-9]+)?(ms|s|m|h|d|w))+)$"));
          },
          [](const Duration& d) { return YamlNode::Quoted(DurationText(d)); },
          [=](const YamlNode& node, Duration* out, SpecReader* reader) {
            if (!ReadText(node, 64, true, reader)) return false;
            const auto value = ParseDurationText(node.text);
            if (!value.ok()) return reader->Fail(node, std::string(Message(value.status())));
            if (*value < min || *value > max) {
              return reader->Fail(node,
                                  fmt::format("{} is not between {} and {}", Printable(node.text),
                                              DurationText(min), DurationText(max)));
            }
            *out = *value;
            return true;
          }};
}

FieldCodec<WallTime> DateCodec() {
  return {[] {
            return TypeSchema("string").Add(
                "pattern",
                YamlNode::Quoted("^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$"));
          },
          [](const WallTime& t) { return YamlNode::Quoted(DateText(t)); },
          [](const YamlNode& node, WallTime* out, SpecReader* reader) {
            if (!ReadText(node, 64, false, reader)) return false;
            const auto value = ParseDateText(node.text);
            if (!value.ok()) return reader->Fail(node, std::string(Message(value.status())));
            *out = *value;
            return true;
          }};
}

FieldCodec<bool> BoolCodec() {
  return {[] { return TypeSchema("boolean"); },
          [](const bool& b) { return YamlNode::Plain(b ? "true" : "false"); },
          [](const YamlNode& node, bool* out, SpecReader* reader) {
            if (!ReadScalar(node, reader)) return false;
            if (!node.plain || (node.text != "true" && node.text != "false")) {
              return reader->Fail(node,
                                  fmt::format("\"{}\" is not true or false; write one of them, "
                                              "without quotes",
                                              Printable(node.text)));
            }
            *out = node.text == "true";
            return true;
          }};
}

FieldCodec<uint32_t> CountCodec(uint32_t min, uint32_t max) {
  return {[=] {
            return TypeSchema("integer")
                .Add("minimum", YamlNode::Plain(std::to_string(min)))
                .Add("maximum", YamlNode::Plain(std::to_string(max)));
          },
          [](const uint32_t& n) { return YamlNode::Plain(std::to_string(n)); },
          [=](const YamlNode& node, uint32_t* out, SpecReader* reader) {
            if (!ReadScalar(node, reader)) return false;
            uint32_t value;
            if (!node.plain || !literal::ParseNumber(node.text, max, &value) || value < min) {
              return reader->Fail(node, fmt::format("\"{}\" is not a number from {} to {}",
                                                    Printable(node.text), min, max));
            }
            *out = value;
            return true;
          }};
}

FieldCodec<double> RateCodec(double max) {
  return {[=] {
            return TypeSchema("number")
                .Add("minimum", YamlNode::Plain("0"))
                .Add("maximum", Number(max));
          },
          [](const double& n) { return Number(n); },
          [=](const YamlNode& node, double* out, SpecReader* reader) {
            if (!ReadScalar(node, reader)) return false;
            const std::string& text = node.text;
            double value = 0;
            const auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), value);
            if (!node.plain || error != std::errc() || end != text.data() + text.size() ||
                !(value >= 0 && value <= max)) {
              return reader->Fail(node, fmt::format("\"{}\" is not a number from 0 to {}, such as "
                                                    "2000 probes a second",
                                                    Printable(text), Number(max).text));
            }
            *out = value == 0 ? 0 : value;  // no minus zero
            return true;
          }};
}

FieldCodec<std::string> ChoiceCodec(std::vector<std::string> words) {
  return {[words] {
            YamlNode choices = YamlNode::List();
            for (const std::string& w : words) choices.values.push_back(YamlNode::Quoted(w));
            return TypeSchema("string").Add("enum", std::move(choices));
          },
          WriteText,
          [words](const YamlNode& node, std::string* out, SpecReader* reader) {
            if (!ReadScalar(node, reader)) return false;
            std::vector<std::string_view> known;
            for (const std::string& w : words) {
              if (w == node.text) {
                *out = w;
                return true;
              }
              known.push_back(w);
            }
            const std::string_view nearest = NearestKey(node.text, known);
            std::string remedy = fmt::format("write {}{}", words.size() > 1 ? "one of " : "",
                                             fmt::join(words, ", "));
            if (words.size() > 1 && !nearest.empty())
              remedy = fmt::format("did you mean \"{}\"? It is one of {}", nearest,
                                   fmt::join(words, ", "));
            return reader->Fail(
                node, fmt::format("\"{}\" is not taken here; {}", Printable(node.text), remedy));
          }};
}

}  // namespace portolan
