#include "common/dns/other_sources.h"

#include <pthread.h>

#include <deque>
#include <system_error>
#include <thread>
#include <utility>

#include "common/base/mutex.h"

namespace portolan {

struct OtherSources::Shared {
  Shared(size_t max, AskSystem function) : max_threads(max), ask(std::move(function)) {}

  const size_t max_threads;
  const AskSystem ask;
  Mutex mu;
  CondVar wake;
  std::deque<std::pair<std::string, Done>> queue GUARDED_BY(mu);
  size_t threads GUARDED_BY(mu) = 0;
  size_t idle GUARDED_BY(mu) = 0;
  bool closed GUARDED_BY(mu) = false;
};

OtherSources::OtherSources(size_t max_threads, AskSystem ask)
    : shared_(std::make_shared<Shared>(max_threads, std::move(ask))) {}

OtherSources::~OtherSources() {
  MutexLock lock(shared_->mu);  // a `done` that runs now has returned
  shared_->closed = true;
  shared_->wake.NotifyAll();
}

void OtherSources::Ask(std::string name, Done done) {
  MutexLock lock(shared_->mu);
  shared_->queue.emplace_back(std::move(name), std::move(done));
  if (shared_->idle >= shared_->queue.size() || shared_->threads >= shared_->max_threads) {
    shared_->wake.NotifyOne();
    return;
  }
  try {
    std::thread thread([shared = shared_] { Loop(shared); });
    pthread_setname_np(thread.native_handle(), "names-other");
    thread.detach();
    ++shared_->threads;
  } catch (const std::system_error& error) {
    // No thread to be had. With at least one, the name waits for it; else it has no answer.
    if (shared_->threads > 0) return;
    const Done to_tell = std::move(shared_->queue.back().second);
    shared_->queue.pop_back();
    to_tell({{}, LookupProblem::kCouldNotAsk, error.what()});
  }
}

void OtherSources::Loop(const std::shared_ptr<Shared>& shared) {
  shared->mu.Lock();
  while (!shared->closed) {
    if (shared->queue.empty()) {
      ++shared->idle;
      shared->wake.Wait(shared->mu);
      --shared->idle;
      continue;
    }
    auto [name, done] = std::move(shared->queue.front());
    shared->queue.pop_front();
    shared->mu.Unlock();
    NameAnswer answer = shared->ask(name);
    shared->mu.Lock();
    if (!shared->closed) done(std::move(answer));  // posts, and returns
  }
  shared->mu.Unlock();
}

}  // namespace portolan
