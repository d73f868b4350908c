#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "coordinator/notify/notification.h"

// The parts that messages of single notifications and of groups are made of.
namespace portolan {

using Json = nlohmann::ordered_json;

// One line; bytes that are no UTF-8 are replaced.
std::string DumpJson(const Json& json);
// What the portolan format says of one notification.
Json PortolanJson(const Notification& notification, std::string_view link);
// An alert as Alertmanager takes it.
Json AlertJson(const Notification& notification, std::string_view link);

// Escaped, so that nothing in it calls people or becomes a link; at most 2,000 bytes of `text`.
std::string SlackText(std::string_view text);
// `value` becomes SlackText; an empty one is left out.
void AddSlackField(std::string_view title, std::string_view value, bool is_short, Json& fields);
std::string_view SlackColour(bool resolved, Severity severity);

}  // namespace portolan
