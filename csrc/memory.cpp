#include "memory.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <new>

namespace fastgan {
namespace {

constexpr std::size_t kMostBytes = std::size_t(512) << 20;  // kept in all; beyond it the oldest go back to the system

// What was given back, oldest first. Whoever finds it locked does without: the lock of a forked process may belong to a
// thread that stayed behind.
std::mutex guard;
std::array<Memory, 16> blocks;
std::size_t count = 0;

std::size_t kept() {
  std::size_t all = 0;
  for (std::size_t k = 0; k < count; ++k) all += blocks[k].bytes;
  return all;
}

Memory remove(std::size_t k) {
  const Memory block = blocks[k];
  std::move(blocks.begin() + k + 1, blocks.begin() + count, blocks.begin() + k);
  --count;
  return block;
}

// Where the smallest kept block lies that holds so many bytes and wastes little; count where there is none.
std::size_t find(std::size_t bytes) {
  std::size_t best = count;
  for (std::size_t k = 0; k < count; ++k) {
    const bool fits = blocks[k].bytes >= bytes && blocks[k].bytes - bytes <= bytes / 4;
    if (fits && (best == count || blocks[k].bytes <= blocks[best].bytes)) best = k;
  }
  return best;
}

}  // namespace

Memory take_memory(std::size_t bytes) {
  if (const std::unique_lock<std::mutex> lock(guard, std::try_to_lock); lock) {
    if (const std::size_t best = find(bytes); best < count) return remove(best);
  }
  const std::size_t rounded = (bytes + 4095) / 4096 * 4096;
  void* const at = std::aligned_alloc(64, rounded);
  if (at == nullptr) throw std::bad_alloc();
  return {at, rounded};
}

void give_memory(Memory memory) noexcept {
  const std::unique_lock<std::mutex> lock(guard, std::try_to_lock);
  if (!lock || memory.bytes > kMostBytes) {
    std::free(memory.at);
    return;
  }
  while (count == blocks.size() || kept() + memory.bytes > kMostBytes) std::free(remove(0).at);
  blocks[count++] = memory;
}

std::size_t forget_memory() noexcept {
  const std::unique_lock<std::mutex> lock(guard, std::try_to_lock);
  if (!lock) return 0;
  const std::size_t all = kept();
  while (count > 0) std::free(remove(0).at);
  return all;
}

}  // namespace fastgan
