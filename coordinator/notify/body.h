#pragma once

#include <string>
#include <string_view>

#include "coordinator/notify/notification.h"
#include "coordinator/notify/receiver.h"

// What is sent: JSON, always well-formed UTF-8 whatever the notification holds. See
// docs/webhooks.md, which is the specification of the first.
namespace portolan {

// The version in the portolan format. Fields may be added under the same number.
inline constexpr int kWebhookBodyVersion = 1;

// `link`: see WebhookConfig.
std::string RenderWebhookBody(WebhookFormat format, const Notification& notification,
                              std::string_view link);

// The placeholders of `link` replaced. "" for "".
std::string RenderWebhookLink(std::string_view link, const Notification& notification);

// One line: the notification's text, or what can be said from its fields.
std::string WebhookSummary(const Notification& notification);

}  // namespace portolan
