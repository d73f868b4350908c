#pragma once

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/counted.h"
#include "common/monitor/yaml_node.h"

// What the table of a monitor's fields is made of: how one kind of value is read from a YAML tree,
// written to one and described to editors. Inner header of common/monitor.
namespace portolan {

// Collects what is wrong while a tree is read, with its path.
class SpecReader {
 public:
  explicit SpecReader(std::vector<MonitorProblem>* problems) : problems_(problems) {}
  // Always false.
  bool Fail(int line, int column, std::string message) {
    if (problems_->size() < kMaxProblems)
      problems_->push_back({line, column, path_, std::move(message)});
    return false;
  }
  bool Fail(const YamlNode& at, std::string message) {
    return Fail(at.line, at.column, std::move(message));
  }
  template <typename F>
  bool Within(std::string_view step, F f) {
    const size_t size = path_.size();
    if (size > 0 && step[0] != '[') path_ += '.';
    path_ += step;
    const bool ok = f();
    path_.resize(size);
    return ok;
  }
  static constexpr size_t kMaxProblems = 100;

 private:
  std::vector<MonitorProblem>* problems_;
  std::string path_;
};

// One kind of value. `read` leaves *V alone when it fails.
template <typename V>
struct FieldCodec {
  std::function<YamlNode()> schema;  // JSON schema
  std::function<YamlNode(const V&)> write;
  std::function<bool(const YamlNode&, V*, SpecReader*)> read;
};

// One key of an object of type S.
template <typename S>
struct SpecField {
  std::string key;
  std::string doc;  // for editors and docs/monitors.md
  bool required = false;
  std::function<YamlNode()> schema;
  std::function<std::optional<YamlNode>(const S&)> write;  // nullopt: it is the default
  std::function<bool(const YamlNode&, S*, SpecReader*)> read;
};

template <typename S>
struct SpecTable {
  std::string what;  // "a vantage", for messages
  std::vector<SpecField<S>> fields;
  YamlNode more_schema = YamlNode::Map();  // rules over several fields, for editors
};

// The nearest of `known` to a key that is not, or "".
std::string_view NearestKey(std::string_view key, const std::vector<std::string_view>& known);
// "unknown key "taget" in spec; did you mean "targets"?"
std::string UnknownKey(std::string_view key, std::string_view what,
                       const std::vector<std::string_view>& known);

template <typename S>
bool ReadTable(const SpecTable<S>& table, const YamlNode& node, S* out, SpecReader* reader) {
  if (!node.is_map()) {
    return reader->Fail(node, fmt::format("{} is {}; write a block of keys, beginning with {}",
                                          table.what, node.KindName(), table.fields[0].key));
  }
  bool ok = true;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const YamlNode::Key& key = node.keys[i];
    const SpecField<S>* field = nullptr;
    for (const SpecField<S>& f : table.fields) {
      if (f.key == key.text) field = &f;
    }
    if (field == nullptr) {
      std::vector<std::string_view> known;
      for (const SpecField<S>& f : table.fields) known.push_back(f.key);
      ok = reader->Fail(key.line, key.column, UnknownKey(key.text, table.what, known));
      continue;
    }
    ok &= reader->Within(field->key, [&] {
      if (node.values[i].kind == YamlNode::Kind::kNull) {
        return reader->Fail(
            key.line, key.column,
            fmt::format("\"{}\" has no value; give one, or remove the line", key.text));
      }
      return field->read(node.values[i], out, reader);
    });
  }
  for (const SpecField<S>& field : table.fields) {
    if (field.required && node.Find(field.key) == nullptr) {
      ok = reader->Fail(
          node, fmt::format("{} has no \"{}\"; add it: {}", table.what, field.key, field.doc));
    }
  }
  return ok;
}

template <typename S>
YamlNode WriteTable(const SpecTable<S>& table, const S& value) {
  YamlNode out = YamlNode::Map();
  for (const SpecField<S>& field : table.fields) {
    if (std::optional<YamlNode> node = field.write(value)) out.Add(field.key, *std::move(node));
  }
  return out;
}

template <typename S>
YamlNode TableSchema(const SpecTable<S>& table) {
  YamlNode out = YamlNode::Map();
  out.Add("type", YamlNode::Quoted("object"));
  out.Add("additionalProperties", YamlNode::Plain("false"));
  YamlNode required = YamlNode::List(), properties = YamlNode::Map();
  for (const SpecField<S>& field : table.fields) {
    if (field.required) required.values.push_back(YamlNode::Quoted(field.key));
    YamlNode property = YamlNode::Map();
    property.Add("description", YamlNode::Quoted(field.doc));
    YamlNode schema = field.schema();
    for (size_t i = 0; i < schema.keys.size(); ++i)
      property.Add(schema.keys[i].text, std::move(schema.values[i]));
    properties.Add(field.key, std::move(property));
  }
  if (!required.values.empty()) out.Add("required", std::move(required));
  out.Add("properties", std::move(properties));
  for (size_t i = 0; i < table.more_schema.keys.size(); ++i)
    out.Add(table.more_schema.keys[i].text, table.more_schema.values[i]);
  return out;
}

template <typename S>
FieldCodec<S> ObjectOf(const SpecTable<S>& table) {  // lives as long as the program
  return {[&table] { return TableSchema(table); },
          [&table](const S& value) { return WriteTable(table, value); },
          [&table](const YamlNode& node, S* out, SpecReader* reader) {
            S value;
            if (!ReadTable(table, node, &value, reader)) return false;
            *out = std::move(value);
            return true;
          }};
}

template <typename V>
FieldCodec<std::optional<V>> OptionalOf(FieldCodec<V> of) {
  return {of.schema, [of](const std::optional<V>& value) { return of.write(*value); },
          [of](const YamlNode& node, std::optional<V>* out, SpecReader* reader) {
            V value{};
            if (!of.read(node, &value, reader)) return false;
            *out = std::move(value);
            return true;
          }};
}

template <typename V>
FieldCodec<std::vector<V>> ListOf(FieldCodec<V> of, size_t min, size_t max) {
  return {[=] {
            YamlNode out = YamlNode::Map();
            out.Add("type", YamlNode::Quoted("array"));
            if (min > 0) out.Add("minItems", YamlNode::Plain(std::to_string(min)));
            out.Add("maxItems", YamlNode::Plain(std::to_string(max)));
            return out.Add("items", of.schema());
          },
          [=](const std::vector<V>& values) {
            YamlNode out = YamlNode::List();
            for (const V& v : values) out.values.push_back(of.write(v));
            return out;
          },
          [=](const YamlNode& node, std::vector<V>* out, SpecReader* reader) {
            if (!node.is_list()) {
              return reader->Fail(node, fmt::format("this is {}; write a list: one entry a line, "
                                                    "each after a dash",
                                                    node.KindName()));
            }
            if (node.values.size() < min || node.values.size() > max) {
              return reader->Fail(
                  node, fmt::format("a list of {}; write {} to {}",
                                    Counted(node.values.size(), "entry", "entries"), min, max));
            }
            std::vector<V> values(node.values.size());
            bool ok = true;
            for (size_t i = 0; i < values.size(); ++i) {
              ok &= reader->Within(fmt::format("[{}]", i),
                                   [&] { return of.read(node.values[i], &values[i], reader); });
            }
            if (ok) *out = std::move(values);
            return ok;
          }};
}

// A field that is left out when it has the value that a new S has.
template <typename S, typename V>
SpecField<S> FieldOf(std::string key, V S::*member, FieldCodec<V> codec, std::string doc) {
  return {std::move(key),
          std::move(doc),
          false,
          codec.schema,
          [=](const S& s) -> std::optional<YamlNode> {
            static const S kNew{};
            if (s.*member == kNew.*member) return std::nullopt;
            return codec.write(s.*member);
          },
          [=](const YamlNode& node, S* s, SpecReader* reader) {
            return codec.read(node, &(s->*member), reader);
          }};
}

// One that must be there, and is always written.
template <typename S, typename V>
SpecField<S> RequiredOf(std::string key, V S::*member, FieldCodec<V> codec, std::string doc) {
  SpecField<S> out = FieldOf(std::move(key), member, codec, std::move(doc));
  out.required = true;
  out.write = [=](const S& s) -> std::optional<YamlNode> { return codec.write(s.*member); };
  return out;
}

// Fields of S under a key of their own.
template <typename S>
SpecField<S> GroupOf(std::string key, const SpecTable<S>& table, std::string doc) {
  return {std::move(key),
          std::move(doc),
          true,
          [&table] { return TableSchema(table); },
          [&table](const S& s) -> std::optional<YamlNode> { return WriteTable(table, s); },
          [&table](const YamlNode& node, S* s, SpecReader* reader) {
            return ReadTable(table, node, s, reader);
          }};
}

}  // namespace portolan
