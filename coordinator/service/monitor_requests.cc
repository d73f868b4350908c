// What operators ask of MonitorService, of which nothing is trusted.
#include <algorithm>

#include "common/base/status.h"
#include "common/monitor/listed_targets.h"
#include "common/net/target_parser.h"
#include "common/rpc/convert.h"
#include "coordinator/control/scan_request.h"
#include "coordinator/service/monitor_convert.h"

namespace portolan {
namespace {

constexpr int kMaxDocuments = 1'000;
constexpr size_t kMaxDocument = 1 << 20, kMaxAllDocuments = 48 << 20, kMaxSource = 1'024;
constexpr size_t kMaxMonitorName = 40, kMaxReceiverName = 100;
constexpr int kMaxTargets = 1'000, kMaxClasses = 20;
constexpr size_t kMaxTarget = 1'024, kMaxPorts = 65'536, kMaxExposurePageToken = 4'096;
constexpr uint32_t kDefaultPage = 500, kMaxPage = 2'000;
constexpr uint32_t kDefaultFindings = 2'000, kMaxFindings = 10'000;

absl::StatusOr<size_t> SizeOf(std::string_view field, uint32_t asked, uint32_t otherwise,
                              uint32_t most) {
  if (asked > most)
    return InvalidArgument("{} {}: give 1 to {}, or 0 for {}", field, asked, most, otherwise);
  return asked == 0 ? otherwise : asked;
}

absl::StatusOr<ExposureClass> ClassOf(const std::string& name) {
  std::string known;
  for (int i = 1; i <= static_cast<int>(ExposureClass::kNotComparable); ++i) {
    const auto c = static_cast<ExposureClass>(i);
    if (ExposureClassName(c) == name) return c;
    known += (known.empty() ? "" : ", ") + std::string(ExposureClassName(c));
  }
  return InvalidArgument("classes \"{}\": no such class; write one of {}", name.substr(0, 40),
                         known);
}

absl::StatusOr<std::optional<Expected>> ExpectedOf(const std::string& word) {
  if (word.empty()) return std::nullopt;
  if (word == "yes") return Expected::kYes;
  if (word == "no") return Expected::kNo;
  if (word == "unspecified") return Expected::kUnspecified;
  if (word == "unknown") return Expected::kUnknown;
  return InvalidArgument("expected \"{}\": write yes, no, unknown or unspecified, or leave it out",
                         word.substr(0, 40));
}

}  // namespace

absl::Status CheckMonitorName(std::string_view field, std::string_view name, bool required) {
  if (name.empty() && !required) return absl::OkStatus();
  if (name.empty()) return InvalidArgument("{}: empty; give a monitor's name", field);
  const bool fits =
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
  if (name.size() <= kMaxMonitorName && fits) return absl::OkStatus();
  return InvalidArgument(
      "{} \"{}\": no monitor has such a name: they are 1 to {} lower-case letters, digits and "
      "dashes",
      field, name.substr(0, kMaxMonitorName), kMaxMonitorName);
}

absl::Status CheckVantageFilter(std::string_view vantage) {
  return vantage.empty() ? absl::OkStatus() : CheckName("vantage", vantage, kMaxVantageName);
}

absl::Status CheckReceiverName(std::string_view receiver, bool required) {
  if (receiver.empty() && !required) return absl::OkStatus();
  return CheckName("receiver", receiver, kMaxReceiverName);
}

absl::StatusOr<std::vector<MonitorDocument>> FromProto(const v1::ApplyMonitorsRequest& request) {
  if (request.documents_size() > kMaxDocuments) {
    return InvalidArgument("documents: {} of them; at most {}: apply them in parts",
                           request.documents_size(), kMaxDocuments);
  }
  std::vector<MonitorDocument> out;
  size_t bytes = 0;
  for (const v1::MonitorDocument& d : request.documents()) {
    if (d.source().size() > kMaxSource) {
      return InvalidArgument("documents[{}].source: {} bytes; at most {}", out.size(),
                             d.source().size(), kMaxSource);
    }
    if (d.yaml().size() > kMaxDocument) {
      return InvalidArgument("{}: {} bytes; a file has at most {}: split it", d.source(),
                             d.yaml().size(), kMaxDocument);
    }
    MonitorDocument document{d.source(), d.yaml()};
    bytes += d.yaml().size();
    for (const v1::MonitorDocument::TargetFile& file : d.target_files()) {
      if (file.path().empty() || file.path().size() > kMaxSource) {
        return InvalidArgument(
            "{}: target_files.path has {} bytes; write 1 to {}, as in targetsFrom", d.source(),
            file.path().size(), kMaxSource);
      }
      if (file.text().size() > ListedTargets::kMaxBytes) {
        return InvalidArgument(
            "{}: {}: {} bytes; a list of targets has at most {}: write networks "
            "or ranges, or divide the monitor",
            d.source(), file.path(), file.text().size(), ListedTargets::kMaxBytes);
      }
      if (!document.target_files.emplace(file.path(), file.text()).second) {
        return InvalidArgument("{}: target_files: \"{}\" is there twice; send each file once",
                               d.source(), file.path());
      }
      bytes += file.text().size();
    }
    if (bytes > kMaxAllDocuments) {
      return InvalidArgument(
          "documents: more than {} MiB with their files in all: apply them in parts",
          kMaxAllDocuments >> 20);
    }
    out.push_back(std::move(document));
  }
  return out;
}

absl::StatusOr<ExposureQuery> FromProto(const v1::ListExposureRequest& request) {
  ExposureQuery query;
  PORTOLAN_RETURN_IF_ERROR(CheckMonitorName("monitor", request.monitor(), false));
  query.monitor = request.monitor();
  if (request.targets_size() > kMaxTargets) {
    return InvalidArgument("targets: {} of them; at most {}: write networks or ranges",
                           request.targets_size(), kMaxTargets);
  }
  for (const std::string& t : request.targets()) {
    if (t.empty() || t.size() > kMaxTarget) {
      return InvalidArgument("targets: one has {} characters; write 1 to {}", t.size(), kMaxTarget);
    }
    query.targets.push_back(t);
  }
  if (request.ports().size() > kMaxPorts) {
    return InvalidArgument("ports: {} characters; at most {}: write ranges", request.ports().size(),
                           kMaxPorts);
  }
  if (!request.ports().empty())
    PORTOLAN_RETURN_IF_ERROR(Annotate(ParsePorts(request.ports()).status(), "ports"));
  query.ports = request.ports();
  if (request.classes_size() > kMaxClasses)
    return InvalidArgument("classes: {} of them; name each once", request.classes_size());
  for (const std::string& name : request.classes()) {
    PORTOLAN_ASSIGN_OR_RETURN(const ExposureClass c, ClassOf(name));
    query.classes.push_back(c);
  }
  PORTOLAN_ASSIGN_OR_RETURN(query.expected, ExpectedOf(request.expected()));
  PORTOLAN_ASSIGN_OR_RETURN(query.limit,
                            SizeOf("page_size", request.page_size(), kDefaultPage, kMaxPage));
  if (request.page_token().size() > kMaxExposurePageToken)
    return InvalidArgument("page_token: not one of ListExposure");
  query.page_token = request.page_token();
  return query;
}

absl::StatusOr<EventQuery> FromProto(const v1::ListEventsRequest& request) {
  EventQuery query;
  PORTOLAN_RETURN_IF_ERROR(CheckMonitorName("monitor", request.monitor(), false));
  PORTOLAN_RETURN_IF_ERROR(CheckVantageFilter(request.vantage()));
  query.monitor = request.monitor();
  query.vantage = request.vantage();
  query.after = request.after();
  PORTOLAN_ASSIGN_OR_RETURN(query.since, TimeFromProto("since_unix_us", request.since_unix_us()));
  PORTOLAN_ASSIGN_OR_RETURN(query.limit,
                            SizeOf("page_size", request.page_size(), kDefaultPage, kMaxPage));
  query.newest_first = request.newest_first();
  return query;
}

absl::StatusOr<FindingQuery> FromProto(const v1::ListFindingsRequest& request) {
  FindingQuery query;
  PORTOLAN_RETURN_IF_ERROR(CheckMonitorName("monitor", request.monitor(), false));
  query.monitor = request.monitor();
  if (!request.min_severity().empty()) {
    query.min_severity = ParseSeverity(request.min_severity());
    if (!query.min_severity) {
      return InvalidArgument(
          "min_severity \"{}\": write info, low, medium, high or critical, or leave it out",
          request.min_severity().substr(0, 40));
    }
  }
  query.resolved = request.resolved();
  PORTOLAN_ASSIGN_OR_RETURN(query.limit,
                            SizeOf("limit", request.limit(), kDefaultFindings, kMaxFindings));
  return query;
}

}  // namespace portolan
