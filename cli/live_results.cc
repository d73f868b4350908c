#include "cli/live_results.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/convert.h"
#include "cli/render/text.h"
#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

// A scan that is over by then shows its table and nothing before it.
constexpr Duration kFirstLook = std::chrono::milliseconds(700);
constexpr Duration kLookEvery = std::chrono::milliseconds(700);
// Looking reads all open ports that there are: at most a fifth of the time goes there.
constexpr int kRest = 4;

}  // namespace

LiveResults::LiveResults(Context& context, Session& session, std::string scan_id,
                         const PrintFlags& flags)
    : context_(context), session_(session), wanted_(ShowsOpen(flags)) {
  const bool record = (flags.json || flags.csv) && flags.output.empty();
  if (record) {
    renderer_ = flags.json ? MakeJsonRenderer(scan_id, *context.env.out)
                           : MakeCsvRenderer(scan_id, *context.env.out);
  }
  request_.set_scan_id(std::move(scan_id));
  request_.add_states(v1::PORT_STATE_OPEN);
  // Programs get everything, as at the end; people nothing of hosts that answer everywhere.
  request_.set_without_everywhere_open(!record);
}

absl::Status LiveResults::Update(const v1::Scan& now) {
  if (!wanted_ || full_) return absl::OkStatus();
  const Time begin = context_.env.clock->Now();
  if (!begun_) next_ = begin + kFirstLook;
  begun_ = true;
  if (begin < next_ || IsFinished(now.state()) || now.ledger().open() <= shown_.size())
    return absl::OkStatus();
  absl::Status written;
  const absl::Status looked = session_.client->Observations(
      request_, [&](const v1::ListObservationsResponse& page) -> absl::Status {
        for (const v1::Observation& o : page.observations()) {
          PORTOLAN_ASSIGN_OR_RETURN(const ResultRow row, ToRow(o, pool_));
          written = Show(row);
          PORTOLAN_RETURN_IF_ERROR(written);
        }
        return absl::OkStatus();
      });
  PORTOLAN_RETURN_IF_ERROR(written);
  if (renderer_ != nullptr) PORTOLAN_RETURN_IF_ERROR(context_.env.out->Flush());
  const Time end = context_.env.clock->Now();
  next_ = end + std::max<Duration>(kLookEvery, (end - begin) * kRest);
  if (!looked.ok()) full_ = true;  // it is only a view; the end says what is wrong
  return absl::OkStatus();
}

bool LiveResults::Contains(const ResultRow& row) const {
  return renderer_ != nullptr && row.state == State::kOpen && shown_.count({row.ip, row.port}) > 0;
}

absl::Status LiveResults::Show(const ResultRow& row) {
  if (full_) return absl::OkStatus();
  if (!shown_.insert({row.ip, row.port}).second) return absl::OkStatus();
  if (renderer_ == nullptr) return ShowLine(row);
  full_ = shown_.size() >= kMostRows;
  return renderer_->Add(row);
}

absl::Status LiveResults::ShowLine(const ResultRow& row) {
  Notes& notes = *context_.env.notes;
  const size_t of_address = ++lines_of_[row.ip];
  if (of_address <= kMostOfAddress) {
    const std::string service = ServiceByNumber(row.port);
    notes.Print(fmt::format("open  {}{}{}\n", FormatEndpoint(row.ip, row.port),
                            service.empty() ? "" : "  " + service,
                            row.name.empty() ? "" : "  (" + Printable(row.name) + ")"));
  } else if (of_address == kMostOfAddress + 1) {
    notes.Print(fmt::format("open  {}  more than {} ports: the rest at the end\n",
                            row.ip.ToString(), kMostOfAddress));
  }
  full_ = shown_.size() >= kMostLines;
  if (full_) {
    notes.Note(Counted(kMostLines, "open port", "open ports") +
               " so far; the rest is shown at the end only");
  }
  return absl::OkStatus();
}

}  // namespace portolan
