// Results for programs: JSON lines and CSV.
#include <fmt/format.h>

#include "cli/render/result_renderer.h"
#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

class JsonRenderer : public ResultRenderer {
 public:
  JsonRenderer(std::string scan_id, Output& out) : scan_id_(JsonString(scan_id)), out_(out) {}

  absl::Status Add(const ResultRow& row) override {
    JsonObject o;
    o.Text("type", "observation")
        .Raw("scan_id", scan_id_)
        .Text("vantage", row.vantage)
        .Text("ip", row.ip.ToString());
    AddNames(AllNames(row), o);
    o.Uint("port", row.port)
        .Text("protocol", "tcp")
        .Text("state", StateName(row.state))
        .Text("reason", row.reason);
    if (row.rtt_us) {
      o.Number("rtt_ms", *row.rtt_us / 1e3);
    } else {
      o.Null("rtt_ms");
    }
    o.TimeOrNull("timestamp", row.when)
        .TextOrNull("service", ServiceName(row.port))
        .Text("agent", row.agent);
    o.TextOrNull("source_ip", row.source ? row.source->ToString() : "");
    if (row.host_finding) o.Text("host_finding", HostFindingName(*row.host_finding));
    if (row.time_of_receipt) o.Bool("time_of_receipt", true);
    return out_.Write(o.Done() + "\n");
  }
  absl::Status Finish(const ScanRecordEnd& end) override {
    for (const HostRow& host : end.hosts)
      PORTOLAN_RETURN_IF_ERROR(out_.Write(HostJson(host, scan_id_) + "\n"));
    return out_.Write(SummaryJson(end) + "\n");
  }

 private:
  const std::string scan_id_;  // as JSON
  Output& out_;
};

std::string CsvField(std::string_view raw) {
  std::string text = Printable(raw);
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

class CsvRenderer : public ResultRenderer {
 public:
  CsvRenderer(std::string scan_id, Output& out) : scan_id_(CsvField(scan_id)), out_(out) {}

  absl::Status Add(const ResultRow& row) override {
    PORTOLAN_RETURN_IF_ERROR(Header());
    return out_.Write(fmt::format(
        "{},{},{},{},{},tcp,{},{},{},{},{},{},{},{},{}\n", scan_id_, CsvField(row.vantage),
        row.ip.ToString(), CsvField(AllNames(row)), row.port, StateName(row.state),
        CsvField(row.reason), row.rtt_us ? fmt::format("{}", *row.rtt_us / 1e3) : "",
        row.when == WallTime() ? "" : Rfc3339(row.when), ServiceName(row.port), CsvField(row.agent),
        row.source ? row.source->ToString() : "",
        row.host_finding ? HostFindingName(*row.host_finding) : "",
        row.time_of_receipt ? "true" : ""));
  }
  absl::Status Finish(const ScanRecordEnd&) override { return Header(); }

 private:
  absl::Status Header() {
    if (std::exchange(has_header_, true)) return absl::OkStatus();
    return out_.Write(
        "scan_id,vantage,ip,name,port,protocol,state,reason,rtt_ms,timestamp,service,agent,source_"
        "ip,host_finding,time_of_receipt\n");
  }

  const std::string scan_id_;
  Output& out_;
  bool has_header_ = false;
};

}  // namespace

std::unique_ptr<ResultRenderer> MakeJsonRenderer(std::string scan_id, Output& out) {
  return std::make_unique<JsonRenderer>(std::move(scan_id), out);
}
std::unique_ptr<ResultRenderer> MakeCsvRenderer(std::string scan_id, Output& out) {
  return std::make_unique<CsvRenderer>(std::move(scan_id), out);
}

}  // namespace portolan
