// Part of a weight in a warp's registers, and its products with columns that come by.
#pragma once

#include "numbers.h"
#include "plan.h"

namespace fastgan::cuda {

FASTGAN_DEVICE int lane() { return thread() % 32; }
FASTGAN_DEVICE int warp() { return thread() / 32; }

// kRows rows by kSpan bytes. A thread holds rows lane / 4 and lane / 4 + 8, of every 64 bytes the 16 that begin at
// 16 (lane % 4); of a column it reads the same. Which terms an instruction adds up together does not matter, as long as
// both sides agree, so 16 bytes of each are two terms' worth of operands, in whole reads.
template <typename Number>
class Resident {
 public:
  // `source(row, byte)` gives 16 bytes of a row of `bytes` bytes; the span begins at `begin`.
  template <typename Source>
  FASTGAN_DEVICE Resident(const Source& source, int begin, int bytes) : begin_(begin), bytes_(bytes) {
    FASTGAN_UNROLL_ALL
    for (int c = 0; c < kChunks; ++c) {
      const int at = place(c);
      const Vector upper = at < bytes ? source(lane() / 4, at) : Vector{0, 0, 0, 0};
      const Vector lower = at < bytes ? source(lane() / 4 + 8, at) : Vector{0, 0, 0, 0};
      const std::uint32_t parts[8] = {upper.x, lower.x, upper.y, lower.y, upper.z, lower.z, upper.w, lower.w};
      FASTGAN_UNROLL_ALL
      for (int k = 0; k < 8; ++k) weight_[c][k / 4][k % 4] = Number::hold(parts[k]);
    }
  }

  // Products with kColumns columns; this thread reads the one of number lane / 4 from `column`, null for zeros. It gets
  // the sums of its two rows with columns 2 (lane % 4) and 2 (lane % 4) + 1.
  FASTGAN_DEVICE void times(const char* column, float (&sum)[4]) const {
    float other[4] = {0, 0, 0, 0};
    FASTGAN_UNROLL_ALL
    for (int first = 0; first < kChunks; first += Number::kReads) {
      Vector read[Number::kReads];
      FASTGAN_UNROLL_ALL
      for (int c = 0; c < Number::kReads; ++c) {
        const int at = place(first + c);
        read[c] = column != nullptr && at < bytes_ ? read_fresh(column + at) : Vector{0, 0, 0, 0};
      }
      FASTGAN_UNROLL_ALL
      for (int c = 0; c < Number::kReads; ++c) {
        if (begin_ + 64 * (first + c) >= bytes_) continue;
        Number::multiply(sum, weight_[first + c][0], read[c].x, read[c].y);
        Number::multiply(other, weight_[first + c][1], read[c].z, read[c].w);
      }
    }
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < 4; ++k) sum[k] += other[k];
  }

 private:
  static constexpr int kChunks = kSpan / 64;

  FASTGAN_DEVICE int place(int chunk) const { return begin_ + 64 * chunk + 16 * (lane() % 4); }

  int begin_, bytes_;
  std::uint32_t weight_[kChunks][2][4];
};

// Sums of products in shared memory, where the threads that go on with them find them.
class Partials {
 public:
  FASTGAN_DEVICE Partials(const Plan& plan, float* memory) : plan_(plan), memory_(memory) {}

  // This warp's of columns 8 n to 8 n + 7, as `Resident::times` leaves them.
  FASTGAN_DEVICE void store(int n, const float (&sum)[4]) const {
    float* at = memory_ + (warp() * plan_.columns + kColumns * n + 2 * (lane() % 4)) * kStride + lane() / 4;
    at[0] = sum[0];
    at[kStride] = sum[1];
    at[8] = sum[2];
    at[kStride + 8] = sum[3];
  }

  // Of a row of the block and a column, over the spans of a segment, always in this order.
  FASTGAN_DEVICE float total(int row, int column, int segment) const {
    const int first = (row / kRows * plan_.segments + segment) * plan_.spans;
    float sum = 0;
    for (int span = 0; span < plan_.spans; ++span)
      sum += memory_[((first + span) * plan_.columns + column) * kStride + row % kRows];
    return sum;
  }

 private:
  const Plan& plan_;
  float* memory_;
};

}  // namespace fastgan::cuda
