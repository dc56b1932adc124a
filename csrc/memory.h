// Large memory for what a training step keeps between its two passes. It is given back when the step is over and taken
// again by the next, so that the system does not have to find and clear the same pages at every step.
#pragma once

#include <cstddef>

namespace fastgan {

struct Memory {
  void* at;  // 64-byte aligned, not cleared
  std::size_t bytes;
};

// At least so many bytes; any thread may take, and any may give back.
Memory take_memory(std::size_t bytes);
void give_memory(Memory memory) noexcept;

// Frees what was given back and not taken again; gives how many bytes that was.
std::size_t forget_memory() noexcept;

}  // namespace fastgan
