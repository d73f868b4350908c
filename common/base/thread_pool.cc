#include "common/base/thread_pool.h"

#include <pthread.h>

#include <utility>

namespace portolan {

ThreadPool::ThreadPool(std::string name, int threads, size_t limit)
    : name_(std::move(name)), limit_(limit) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this, i] { Loop(i); });
}

ThreadPool::~ThreadPool() { Stop(); }

bool ThreadPool::TryPost(Task task) {
  {
    MutexLock lock(mu_);
    if (stopping_ || queue_.size() >= limit_) return false;
    queue_.push_back(std::move(task));
    depth_.store(queue_.size(), std::memory_order_relaxed);
  }
  wake_.NotifyOne();
  return true;
}

void ThreadPool::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  for (std::thread& t : threads_) {
    if (t.joinable()) t.join();
  }
}

void ThreadPool::Loop(int number) {
  pthread_setname_np(pthread_self(), (name_.substr(0, 12) + std::to_string(number)).c_str());
  while (true) {
    Task task;
    {
      MutexLock lock(mu_);
      while (queue_.empty() && !stopping_) wake_.Wait(mu_);
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
      depth_.store(queue_.size(), std::memory_order_relaxed);
    }
    task();
  }
}

}  // namespace portolan
