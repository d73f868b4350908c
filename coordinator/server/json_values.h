#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/base/time.h"
#include "common/net/ip_address.h"
#include "coordinator/notify/notification.h"

// How the HTTP API writes values; json_convert.h says it for people.
namespace portolan {

using Json = nlohmann::ordered_json;

inline std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

inline Json When(WallTime t) { return t == WallTime{} ? Json(nullptr) : Json(FormatRfc3339(t)); }
inline Json TextOrNull(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }
inline Json AddressOrNull(const IpAddress& address) {
  return address == IpAddress{} ? Json(nullptr) : Json(address.ToString());
}

}  // namespace portolan
