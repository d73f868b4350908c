#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/base/time.h"
#include "common/monitor/spec_field.h"

// The kinds of values that a monitor's fields have. Inner header of common/monitor.
namespace portolan {

// One line of text, at most `max` bytes, not empty.
FieldCodec<std::string> TextCodec(size_t max);
// Lower-case letters, digits and dashes, at most `max`, beginning and ending with a letter or
// digit.
FieldCodec<std::string> NameCodec(size_t max);
// A text that `check` accepts. `numbers`: plain numbers are text here (ports).
FieldCodec<std::string> CheckedCodec(size_t max,
                                     std::function<absl::Status(const std::string&)> check,
                                     bool numbers = false);
// Ports, as text or as a list that is joined by commas.
FieldCodec<std::string> PortsCodec();
FieldCodec<std::map<std::string, std::string>> LabelsCodec();
FieldCodec<Duration> DurationCodec(Duration min, Duration max);
FieldCodec<WallTime> DateCodec();
FieldCodec<bool> BoolCodec();
FieldCodec<uint32_t> CountCodec(uint32_t min, uint32_t max);
FieldCodec<double> RateCodec(double max);
// One of `words`.
FieldCodec<std::string> ChoiceCodec(std::vector<std::string> words);

// An enum whose values are 1, 2, ... in the order of `words`.
template <typename E>
FieldCodec<E> EnumCodec(std::vector<std::string> words) {
  const FieldCodec<std::string> text = ChoiceCodec(words);
  return {text.schema,
          [words](const E& e) { return YamlNode::Quoted(words[static_cast<size_t>(e) - 1]); },
          [words, text](const YamlNode& node, E* out, SpecReader* reader) {
            std::string word;
            if (!text.read(node, &word, reader)) return false;
            for (size_t i = 0; i < words.size(); ++i) {
              if (words[i] == word) *out = static_cast<E>(i + 1);
            }
            return true;
          }};
}

// A text that says what it is and nothing else: apiVersion, kind.
template <typename S>
SpecField<S> ConstantOf(std::string key, std::string value, std::string doc) {
  const FieldCodec<std::string> text = ChoiceCodec({value});
  return {std::move(key),
          std::move(doc),
          true,
          text.schema,
          [value](const S&) -> std::optional<YamlNode> { return YamlNode::Quoted(value); },
          [text](const YamlNode& node, S*, SpecReader* reader) {
            std::string ignored;  // it can be only the one word
            return text.read(node, &ignored, reader);
          }};
}

}  // namespace portolan
