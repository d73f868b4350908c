// Results for people: grouped by address, a line a port.
#include <fmt/format.h>

#include <algorithm>

#include "cli/render/result_renderer.h"
#include "cli/render/style.h"
#include "cli/render/text.h"
#include "common/base/status.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

constexpr size_t kPortWidth = 9;  // "65535/tcp"

std::string Heading(const IpAddress& ip, std::string_view names) {
  return names.empty() ? ip.ToString() : fmt::format("{} ({})", ip.ToString(), NamesText(names));
}

void TrimRight(std::string& line) { line.erase(line.find_last_not_of(' ') + 1); }

// `any`: something was written before.
absl::Status WriteHosts(const ScanRecordEnd& end, const TableOptions& options, bool& any,
                        Output& out) {
  for (const HostRow& host : end.hosts) {
    std::string text = HostLine(host, options.show_vantage || end.lanes.size() > 1);
    if (options.color) {
      const size_t address = text.find("  ");
      text = Paint(true, Ink::kBold, text.substr(0, address)) + text.substr(address);
    }
    if (&host == &end.hosts.front() && any) text.insert(0, "\n");
    PORTOLAN_RETURN_IF_ERROR(out.Write(text + "\n"));
    any = true;
  }
  return absl::OkStatus();
}

class TableRenderer : public ResultRenderer {
 public:
  TableRenderer(const TableOptions& options, Output& out) : options_(options), out_(out) {}

  absl::Status Add(const ResultRow& row) override {
    if (widths_known_) return Write(row);
    held_.push_back(row);
    return held_.size() < options_.width_sample ? absl::OkStatus() : Flush();
  }

  absl::Status Finish(const ScanRecordEnd& end) override {
    PORTOLAN_RETURN_IF_ERROR(Flush());
    PORTOLAN_RETURN_IF_ERROR(WriteHosts(end, options_, any_, out_));
    return out_.Write((any_ ? "\n" : "") + SummaryText(end));
  }

 private:
  absl::Status Flush() {
    if (!widths_known_ && !held_.empty()) {
      for (const ResultRow& row : held_) {
        state_ = std::max(state_, StateName(row.state).size());
        service_ = std::max(service_, ServiceName(row.port).size());
        reason_ = std::max(reason_, DisplayWidth(Printable(row.reason)));
        vantage_ = std::max(vantage_, DisplayWidth(Printable(row.vantage)));
      }
      const std::string header =
          Line("PORT", "STATE", kServiceTitle, "REASON", "RTT", "VANTAGE", State::kNotProbed, true);
      PORTOLAN_RETURN_IF_ERROR(out_.Write(header));
    }
    widths_known_ = true;
    for (const ResultRow& row : held_) PORTOLAN_RETURN_IF_ERROR(Write(row));
    held_.clear();
    return absl::OkStatus();
  }

  absl::Status Write(const ResultRow& row) {
    any_ = true;
    std::string text;
    if (current_ != row.ip) {
      current_ = row.ip;
      text = Paint(options_.color, Ink::kBold, Heading(row.ip, AllNames(row))) + "\n";
    }
    text += Line(fmt::format("{}/tcp", row.port), StateName(row.state), ServiceName(row.port),
                 Printable(row.reason), row.rtt_us ? HumanRtt(*row.rtt_us) : "",
                 Printable(row.vantage), row.state, false);
    return out_.Write(text);
  }

  std::string Line(std::string_view port, std::string_view state, std::string_view service,
                   std::string_view reason, std::string_view rtt, std::string_view vantage,
                   State paint, bool header) const {
    std::string line = fmt::format("  {}  ", PadRight(port, kPortWidth));
    line += header ? PadRight(state, state_)
                   : PaintState(options_.color, paint, PadRight(state, state_));
    line += fmt::format("  {}  {}  {}", PadRight(service, service_), PadRight(reason, reason_),
                        PadLeft(rtt, 8));
    if (options_.show_vantage) line += fmt::format("  {}", PadRight(vantage, vantage_));
    TrimRight(line);
    return (header ? Paint(options_.color, Ink::kBold, line) : line) + "\n";
  }

  const TableOptions options_;
  Output& out_;
  std::vector<ResultRow> held_;
  bool widths_known_ = false, any_ = false;
  size_t state_ = 5, service_ = kServiceTitle.size(), reason_ = 7, vantage_ = 7;
  std::optional<IpAddress> current_;
};

bool IsObserved(const std::optional<VantageCell>& cell) {
  return cell && cell->state != State::kNotProbed;
}

std::string CellText(const std::optional<VantageCell>& cell) {
  if (!cell) return "-";
  std::string text(StateName(cell->state));
  if (cell->state != State::kOpen || cell->reason != "syn-ack")
    text += fmt::format(" ({})", Printable(cell->reason));
  if (cell->rtt_us) text += " " + HumanRtt(*cell->rtt_us);
  return text;
}

}  // namespace

std::unique_ptr<ResultRenderer> MakeTableRenderer(const TableOptions& options, Output& out) {
  return std::make_unique<TableRenderer>(options, out);
}

bool PortRow::Differs() const {
  const VantageCell* first = nullptr;
  for (const auto& cell : cells) {
    if (!IsObserved(cell)) continue;
    if (first == nullptr) first = &*cell;
    if (first->state != cell->state) return true;
  }
  return false;
}

VantageTable::VantageTable(std::vector<std::string> vantages, const TableOptions& options,
                           Output& out)
    : vantages_(std::move(vantages)), options_(options), out_(out) {
  for (const std::string& v : vantages_) widths_.push_back(DisplayWidth(Printable(v)));
}

absl::Status VantageTable::Add(PortRow row) {
  if (widths_known_) return Write(row);
  held_.push_back(std::move(row));
  return held_.size() < options_.width_sample ? absl::OkStatus() : Flush();
}

absl::Status VantageTable::Flush() {
  if (!widths_known_ && !held_.empty()) {
    for (const PortRow& row : held_) {
      service_width_ = std::max(service_width_, ServiceName(row.port).size());
      for (size_t i = 0; i < row.cells.size(); ++i) {
        widths_[i] = std::max(widths_[i], DisplayWidth(CellText(row.cells[i])));
      }
    }
    std::string line = fmt::format("  {}  {}", PadRight("PORT", kPortWidth),
                                   PadRight(kServiceTitle, service_width_));
    for (size_t i = 0; i < vantages_.size(); ++i)
      line += "  " + PadRight(Printable(vantages_[i]), widths_[i]);
    TrimRight(line);
    PORTOLAN_RETURN_IF_ERROR(out_.Write(Paint(options_.color, Ink::kBold, line) + "\n"));
  }
  widths_known_ = true;
  for (const PortRow& row : held_) PORTOLAN_RETURN_IF_ERROR(Write(row));
  held_.clear();
  return absl::OkStatus();
}

absl::Status VantageTable::Write(const PortRow& row) {
  const bool differs = row.Differs();
  any_ = true;
  any_differs_ |= differs;
  std::string text;
  if (current_ != row.ip) {
    current_ = row.ip;
    text = Paint(options_.color, Ink::kBold, Heading(row.ip, AllNames(row))) + "\n";
  }
  std::string line = differs ? Paint(options_.color, Ink::kRed, "*") + " " : "  ";
  line += fmt::format("{}  {}", PadRight(fmt::format("{}/tcp", row.port), kPortWidth),
                      PadRight(ServiceName(row.port), service_width_));
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const auto& cell = row.cells[i];
    any_unknown_ |= !cell;
    line += "  " + PaintState(options_.color && differs, cell ? cell->state : State::kNotProbed,
                              PadRight(CellText(cell), i + 1 < row.cells.size() ? widths_[i] : 0));
  }
  return out_.Write(text + line + "\n");
}

absl::Status VantageTable::Finish(const ScanRecordEnd& end) {
  PORTOLAN_RETURN_IF_ERROR(Flush());
  PORTOLAN_RETURN_IF_ERROR(WriteHosts(end, options_, any_, out_));
  std::string text = any_ ? "\n" : "";
  if (any_differs_) text += "* the vantages differ\n";
  if (any_unknown_) text += "- not observed from there\n";
  return out_.Write(text + SummaryText(end));
}

}  // namespace portolan
