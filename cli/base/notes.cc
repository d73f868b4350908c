#include "cli/base/notes.h"

#include <algorithm>

#include "cli/render/text.h"

namespace portolan {
namespace {

constexpr Duration kStepNoteEvery = std::chrono::seconds(10);

// Notes quote what others sent: line breaks stay (they lay out longer messages), everything else
// unsafe is escaped.
std::string Safe(std::string_view text) {
  std::string out;
  while (true) {
    const size_t end = text.find('\n');
    out += Printable(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace

void Notes::Note(std::string_view text) { Print("portolan: " + Safe(text) + "\n"); }

void Notes::Print(std::string_view text) {
  ClearProgress();
  write_(text);
}

void Notes::ShowProgress(const Progress& progress) {
  if (!terminal_.is_terminal || !limit_.Due(clock_.Now())) return;
  // The last column stays free: some terminals wrap when it is filled.
  const size_t columns = std::max<size_t>(terminal_.columns(), 20) - 1;
  Draw(ProgressLine(progress, columns));
}

void Notes::ShowStep(const std::string& text) {
  const Time now = clock_.Now();
  if (!terminal_.is_terminal) {
    const bool first = next_step_note_ == Time();
    if (!first && now < next_step_note_) return;
    next_step_note_ = now + kStepNoteEvery;
    if (!first) Note(text);
    return;
  }
  if (!limit_.Due(now)) return;
  const size_t columns = std::max<size_t>(terminal_.columns(), 20) - 1;
  Draw(Printable(text).substr(0, columns));
}

void Notes::Draw(const std::string& line) {
  write_("\r" + line + "\x1b[K");
  drawn_ = true;
}

void Notes::ClearProgress() {
  if (drawn_) write_("\r\x1b[K");
  drawn_ = false;
}

}  // namespace portolan
