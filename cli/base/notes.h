#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/render/progress.h"
#include "common/base/clock.h"

namespace portolan {

// What the program says beside its results, on stderr: notes, and on a terminal one live progress
// line below them. One thread.
class Notes {
 public:
  struct Terminal {
    bool is_terminal = false;
    std::function<size_t()> columns = [] { return size_t{80}; };
  };
  Notes(std::function<void(std::string_view)> write, Terminal terminal, const Clock& clock)
      : write_(std::move(write)), terminal_(std::move(terminal)), clock_(clock) {}
  ~Notes() { ClearProgress(); }

  // "portolan: TEXT", above the progress line.
  void Note(std::string_view text);
  // Lines as they are.
  void Print(std::string_view text);
  // Draws the line; on a terminal only and at most 4 times a second.
  void ShowProgress(const Progress& progress);
  // The same line for what comes before a scan, such as "looking up names 3,000 of 20,000". Without
  // a terminal a note every 10 s, once it has taken that long.
  void ShowStep(const std::string& text);
  void ClearProgress();

 private:
  void Draw(const std::string& line);

  const std::function<void(std::string_view)> write_;
  const Terminal terminal_;
  const Clock& clock_;
  DrawLimit limit_;
  bool drawn_ = false;
  Time next_step_note_{};  // without a terminal; epoch: no step was shown yet
};

}  // namespace portolan
