#include "cli/base/interrupts.h"

#include <vector>

namespace portolan {

void Interrupts::Deliver(int signal) {
  std::vector<std::function<void()>> stops;
  bool again = false;
  {
    MutexLock lock(mu_);
    again = signal_ != 0;
    if (!again) {
      signal_ = signal;
      for (auto& entry : stops_) stops.push_back(entry.second);
    }
  }
  if (again) {
    at_once_(signal);
    return;
  }
  changed_.NotifyAll();
  for (const auto& stop : stops) stop();
}

int Interrupts::signal() const {
  MutexLock lock(mu_);
  return signal_;
}

bool Interrupts::WaitFor(Duration duration) {
  MutexLock lock(mu_);
  while (signal_ == 0) {
    if (!changed_.WaitFor(mu_, duration)) break;
  }
  return signal_ != 0;
}

Interrupts::Guard::Guard(Interrupts& owner, std::function<void()> stop) : owner_(owner) {
  {
    MutexLock lock(owner_.mu_);
    if (owner_.signal_ == 0) {
      id_ = owner_.next_id_++;
      owner_.stops_.emplace(id_, std::move(stop));
      return;
    }
  }
  stop();
}

Interrupts::Guard::~Guard() {
  MutexLock lock(owner_.mu_);
  owner_.stops_.erase(id_);
}

}  // namespace portolan
