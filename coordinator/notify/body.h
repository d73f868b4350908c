#pragma once

#include <string>
#include <string_view>

#include "coordinator/notify/notification.h"
#include "coordinator/notify/notification_group.h"
#include "coordinator/notify/receiver.h"

// What is sent: JSON, always well-formed UTF-8 whatever the notification holds. See
// docs/webhooks.md, which is the specification of the portolan format.
namespace portolan {

// The version in the portolan format. Fields may be added under the same number.
inline constexpr int kWebhookBodyVersion = 1;

// `link`: see WebhookConfig.
std::string RenderWebhookBody(WebhookFormat format, const Notification& notification,
                              std::string_view link);

// How many notifications a group's message shows in full. Alertmanager's holds all of them: each is
// an alert of its own, that fires and is resolved by itself.
inline constexpr size_t kShownOfGroup = 10;
std::string RenderWebhookBody(WebhookFormat format, const NotificationGroup& group,
                              std::string_view link);

// What `receiver` is sent. One that groups gets nothing but groups.
std::string RenderWebhookMessage(const WebhookReceiver& receiver, const WebhookMessage& message,
                                 std::string_view link);

// The placeholders of `link` replaced. "" for "".
std::string RenderWebhookLink(std::string_view link, const Notification& notification);

// One line: the notification's text, or what can be said from its fields.
std::string WebhookSummary(const Notification& notification);
// "200 notifications (monitor edge): 200 events". Of a single one: its own.
std::string WebhookSummary(const NotificationGroup& group);
// The command line that shows what a group is about: events, or findings where it holds no event.
// "" for tests.
std::string WebhookCommand(const NotificationGroup& group);

}  // namespace portolan
