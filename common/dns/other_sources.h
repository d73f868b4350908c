#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/net/name_lookup.h"

namespace portolan {

// Asks the sources that only the system's resolver can ask: one blocking call per name, on threads
// that start when they are wanted. A call cannot be cancelled, so nobody waits for it: the threads
// share what they need, and end alone after this is gone. Owned by one thread.
class OtherSources {
 public:
  using AskSystem = std::function<NameAnswer(const std::string& name)>;
  using Done = std::function<void(NameAnswer answer)>;

  OtherSources(size_t max_threads, AskSystem ask);
  // Afterwards no `done` is called any more.
  ~OtherSources();
  OtherSources(const OtherSources&) = delete;
  OtherSources& operator=(const OtherSources&) = delete;

  // Calls `done` on one of the threads. To be called only while fewer than `max_threads` names are
  // under way: there is no queue.
  void Ask(std::string name, Done done);

 private:
  struct Shared;
  static void Loop(const std::shared_ptr<Shared>& shared);
  const std::shared_ptr<Shared> shared_;
};

}  // namespace portolan
