#include "team.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#  include <pthread.h>
#  include <unistd.h>
#endif

namespace fastgan {
namespace {

using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
using Number = int (*)();

Parallel parallel = nullptr;
Number thread_num = nullptr, num_threads = nullptr;
std::atomic<bool> forked{false};

struct Task {
  void (*work)(void*, int);
  void* argument;
  int members;
  std::atomic<bool> complete;
};

void run_member(void* at) {
  Task* const task = static_cast<Task*>(at);
  if (num_threads() != task->members) {
    task->complete = false;
    return;
  }
  task->work(task->argument, thread_num());
}

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

bool run_team(int members, void (*work)(void*, int), void* argument) {
  if (members == 1) {
    work(argument, 0);
    return true;
  }
  if (parallel) {
    Task task{work, argument, members, {true}};
    parallel(run_member, &task, static_cast<unsigned>(members), 0);
    return task.complete;
  }
  std::vector<std::thread> others;
  for (int member = 1; member < members; ++member) others.emplace_back(work, argument, member);
  work(argument, 0);
  for (std::thread& other : others) other.join();
  return true;
}

bool teams_work() { return !forked || !parallel; }

void use_openmp(void* parallel_at, void* thread_num_at, void* num_threads_at) {
  parallel = reinterpret_cast<Parallel>(parallel_at);
  thread_num = reinterpret_cast<Number>(thread_num_at);
  num_threads = reinterpret_cast<Number>(num_threads_at);
#if defined(__unix__) || defined(__APPLE__)
  static const int once = pthread_atfork(nullptr, nullptr, [] { forked = true; });  // its threads stay behind
  (void)once;
#endif
}

unsigned Barrier::arrive() {
  if (members_ == 1) return 0;
  const unsigned round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
  }
  return round;
}

void Barrier::wait(unsigned round) const {
  if (members_ == 1) return;
  for (int looks = 0; round_.load(std::memory_order_acquire) == round; ++looks) {
    if (looks < 128) {
      relax();
    } else {
      std::this_thread::yield();
    }
  }
}

void* workspace(std::size_t bytes) {
  struct Free {
    void operator()(void* at) const { std::free(at); }
  };
  thread_local std::unique_ptr<void, Free> memory;
  thread_local std::size_t size = 0;
  if (bytes > size) {
    memory.reset();
    size = 0;
    const std::size_t rounded = (bytes + 4095) / 4096 * 4096;
    memory.reset(std::aligned_alloc(64, rounded));
    if (!memory) throw std::bad_alloc();
    size = rounded;
  }
  return memory.get();
}

}  // namespace fastgan
