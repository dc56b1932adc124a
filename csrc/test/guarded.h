// Arrays that notice when something near them is read or written.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

// Where an array lies: up against the end of what may be read, up against its start, or aligned to no more than its
// element.
enum class Spot { end, start, loose };

// Pages that cannot be touched lie on both sides, and every byte between them and the array is a guard.
template <typename Real>
class Guarded {
 public:
  Guarded() = default;  // a null pointer
  // Filled with NaN: what is not written, or read before it is, shows.
  Guarded(std::size_t count, Spot spot) : count_(count) {
    const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE)), bytes = count * sizeof(Real);
    inside_ = (bytes + 2 * kMargin + page - 1) / page * page;
    size_ = inside_ + 2 * page;
    void* const all = mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) std::abort();
    begin_ = static_cast<unsigned char*>(all);
    first_ = begin_ + page;
    if (mprotect(first_, inside_, PROT_READ | PROT_WRITE) != 0) std::abort();
    std::memset(first_, kGuard, inside_);
    std::size_t offset = 0;
    if (spot == Spot::end) offset = inside_ - bytes;
    if (spot == Spot::loose) offset = kMargin + sizeof(Real);
    data_ = reinterpret_cast<Real*>(first_ + offset);
    for (std::size_t k = 0; k < count; ++k) data_[k] = std::numeric_limits<Real>::quiet_NaN();
  }
  Guarded(const std::vector<Real>& values, Spot spot) : Guarded(values.size(), spot) {
    if (count_) std::memcpy(data_, values.data(), count_ * sizeof(Real));
    lock();
  }
  Guarded(Guarded&& other) noexcept { *this = std::move(other); }
  Guarded& operator=(Guarded&& other) noexcept {
    std::swap(begin_, other.begin_);
    std::swap(first_, other.first_);
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    std::swap(inside_, other.inside_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Guarded() {
    if (begin_) munmap(begin_, size_);
  }

  Real* data() const { return data_; }
  std::size_t size() const { return count_; }
  // From here on, writing to it ends the program.
  void lock() const {
    if (begin_ && mprotect(first_, inside_, PROT_READ) != 0) std::abort();
  }
  bool guards_hold() const {
    const unsigned char* const low = reinterpret_cast<const unsigned char*>(data_);
    const unsigned char* const high = reinterpret_cast<const unsigned char*>(data_ + count_);
    for (const unsigned char* at = first_; at < first_ + inside_; ++at) {
      if ((at < low || at >= high) && *at != kGuard) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kMargin = 128;
  static constexpr unsigned char kGuard = 0xA5;
  unsigned char *begin_ = nullptr, *first_ = nullptr;
  Real* data_ = nullptr;
  std::size_t count_ = 0, inside_ = 0, size_ = 0;
};
