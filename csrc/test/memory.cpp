// The memory that is lent: what is taken is aligned, whole and nobody else's, by one thread and by many, and in a
// forked process; what is given back is found again, and no more than a bound is kept.
#include "../memory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

using fastgan::Memory;

namespace {

constexpr std::size_t kLarge = std::size_t(1) << 20;

bool good = true;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "FAILED: %s\n", what);
  good = false;
}

void check_reuse() {
  const Memory first = fastgan::take_memory(kLarge);
  expect(reinterpret_cast<std::uintptr_t>(first.at) % 64 == 0, "memory begins at a multiple of 64");
  expect(first.bytes >= kLarge, "memory is as large as was asked for");
  fastgan::give_memory(first);
  const Memory again = fastgan::take_memory(kLarge - kLarge / 8);
  expect(again.at == first.at, "what was given back serves the next that is a little smaller");
  const Memory other = fastgan::take_memory(kLarge);
  expect(other.at != again.at, "memory that is taken is not given twice");
  fastgan::give_memory(again);
  const Memory small = fastgan::take_memory(kLarge / 2);
  expect(small.at != again.at, "memory twice as large as needed is not spent");
  fastgan::give_memory(other);
  fastgan::give_memory(small);
  expect(fastgan::forget_memory() == again.bytes + other.bytes + small.bytes, "all that was kept is freed");
  expect(fastgan::forget_memory() == 0, "and freed once");
}

void check_bounds() {
  std::vector<Memory> taken;
  for (int k = 0; k < 40; ++k) taken.push_back(fastgan::take_memory(kLarge));
  for (const Memory& memory : taken) fastgan::give_memory(memory);
  expect(fastgan::forget_memory() <= 16 * (kLarge + 4096), "no more than sixteen pieces are kept");
  for (int k = 0; k < 3; ++k) taken[k] = fastgan::take_memory(200 * kLarge);
  for (int k = 0; k < 3; ++k) fastgan::give_memory(taken[k]);
  expect(fastgan::forget_memory() <= 512 * kLarge, "no more than 512 MB are kept");
}

// Each writes its own number into what it takes and finds it there until it gives it back.
void borrow(unsigned seed, int rounds) {
  std::mt19937 random(seed);
  for (int k = 0; k < rounds; ++k) {
    const Memory memory = fastgan::take_memory(kLarge + random() % (kLarge / 4));
    auto* const numbers = static_cast<std::uint32_t*>(memory.at);
    for (std::size_t at = 0; at < memory.bytes / 4; at += 1024) numbers[at] = seed;
    std::this_thread::yield();
    for (std::size_t at = 0; at < memory.bytes / 4; at += 1024) {
      if (numbers[at] != seed) {
        std::fprintf(stderr, "FAILED: two threads have the same memory\n");
        std::_Exit(1);
      }
    }
    fastgan::give_memory(memory);
  }
}

// Nothing but taking and giving, so that threads often find each other at it: for the thread sanitizer.
void jostle() {
  for (int k = 0; k < 5000; ++k) fastgan::give_memory(fastgan::take_memory(4096));
}

void check_threads() {
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 8; ++seed) threads.emplace_back(borrow, seed, 50);
  for (int k = 0; k < 4; ++k) threads.emplace_back(jostle);
  for (std::thread& thread : threads) thread.join();
}

void check_fork() {
  fastgan::give_memory(fastgan::take_memory(kLarge));
  const pid_t child = fork();
  if (child == 0) {
    borrow(9, 5);
    fastgan::forget_memory();
    std::_Exit(0);
  }
  int status = 1;
  expect(waitpid(child, &status, 0) == child && status == 0, "a forked process takes and gives");
  fastgan::forget_memory();
}

}  // namespace

int main() {
  check_reuse();
  check_bounds();
  check_fork();
  check_threads();
  fastgan::forget_memory();
  std::puts(good ? "memory that is lent: passed" : "memory that is lent: FAILED");
  return good ? 0 : 1;
}
