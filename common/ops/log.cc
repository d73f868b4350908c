#include "common/ops/log.h"

#include <grpc/support/log.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/ops/log_format.h"

namespace portolan {
namespace {

std::atomic<bool> json{false};
std::atomic<LogLevel> threshold{LogLevel::kWarning};

// Whole lines, whichever threads write them.
spdlog::logger& Sink() {
  static spdlog::logger* const logger = [] {
    auto* l = new spdlog::logger("portolan", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    l->set_pattern("%v");
    l->set_level(spdlog::level::trace);
    l->flush_on(spdlog::level::trace);
    return l;
  }();
  return *logger;
}

// gRPC's own lines are about its insides (every failed connection attempt is an "error"); what
// matters of them arrives as a Status.
void LogOfGrpc(gpr_log_func_args* args) {
  Log(LogLevel::kDebug, "grpc",
      {{"message", args->message}, {"file", args->file}, {"line", std::to_string(args->line)}});
}

}  // namespace

absl::Status InitLogging(const LogOptions& options) {
  if (options.format != "text" && options.format != "json") {
    return InvalidArgument("log format \"{}\": unknown; give text or json", options.format);
  }
  bool known = false;
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (options.level != LogLevelName(level)) continue;
    threshold = level;
    known = true;
  }
  if (!known)
    return InvalidArgument("log level \"{}\": unknown; give debug, info, warning or error",
                           options.level);
  json = options.format == "json";
  gpr_set_log_function(LogOfGrpc);
  return absl::OkStatus();
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < threshold.load(std::memory_order_relaxed)) return;
  const WallTime now = SystemClock().Wall();
  Sink().log(spdlog::level::info, json ? FormatLogJson(now, level, event, fields)
                                       : FormatLogText(now, level, event, fields));
}

}  // namespace portolan
