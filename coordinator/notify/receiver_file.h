#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "coordinator/notify/receiver.h"

// The file of webhook receivers, YAML; docs/webhooks.md is its description.
namespace portolan {

// Reads the secrets that it names as well; a relative path is taken from the file's own folder.
// InvalidArgument: file, line, value and remedy, in one line.
absl::StatusOr<WebhookConfig> LoadWebhookFile(const std::string& path);

// The same for text that is at hand; `path` is for messages and relative paths.
absl::StatusOr<WebhookConfig> ParseWebhookFile(std::string_view text, const std::string& path);

}  // namespace portolan
