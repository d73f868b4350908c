#include <array>

#include "common/base/nearest.h"
#include "common/monitor/monitor_fields.h"
#include "common/monitor/monitor_file.h"
#include "common/net/literal.h"

namespace portolan {

std::string_view NearestKey(std::string_view key, const std::vector<std::string_view>& known) {
  return Nearest(key, known);
}

std::string UnknownKey(std::string_view key, std::string_view what,
                       const std::vector<std::string_view>& known) {
  const std::string_view nearest = NearestKey(key, known);
  if (!nearest.empty()) {
    return fmt::format("unknown key \"{}\" in {}; did you mean \"{}\"?", literal::Printable(key),
                       what, nearest);
  }
  return fmt::format("unknown key \"{}\" in {}; the keys are {}", literal::Printable(key), what,
                     fmt::join(known, ", "));
}

std::string MonitorJsonSchema() {
  YamlNode out = YamlNode::Map();
  out.Add("$schema", YamlNode::Quoted("http://json-schema.org/draft-07/schema#"));
  out.Add("title", YamlNode::Quoted("Portolan monitor"));
  YamlNode body = TableSchema(MonitorTable());
  for (size_t i = 0; i < body.keys.size(); ++i)
    out.Add(body.keys[i].text, std::move(body.values[i]));
  return WriteJson(out);
}

}  // namespace portolan
