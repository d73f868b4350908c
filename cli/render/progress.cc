#include "cli/render/progress.h"

#include <fmt/format.h>

#include "cli/render/text.h"

namespace portolan {

std::string Percent(uint64_t done, uint64_t planned) {
  if (planned == 0 || done >= planned) return "100%";
  const auto tenths = static_cast<uint64_t>(static_cast<unsigned __int128>(done) * 1000 / planned);
  return fmt::format("{}.{}%", tenths / 10, tenths % 10);
}

std::string ProgressLine(const Progress& p, size_t columns) {
  std::string line = fmt::format("{}  {}  {}  {} open  {}", Printable(p.scan_id),
                                 PadLeft(Percent(p.done, p.planned), 5), HumanRate(p.rate),
                                 Grouped(p.open), Counted(p.agents, "agent", "agents"));
  if (p.state != "running") line += "  " + p.state;
  if (p.eta_s > 0 && p.state == "running") line += "  ETA " + HumanDuration(p.eta_s);
  if (!p.status_message.empty()) line += "  " + Printable(p.status_message);
  return CutTo(line, columns);
}

}  // namespace portolan
