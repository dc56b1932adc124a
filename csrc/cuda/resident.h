// Part of a weight in a warp's registers, and its products with columns that come by.
#pragma once

#include "numbers.h"
#include "place.h"

namespace fastgan::cuda {

// A span of so many tiles. A thread holds rows lane / 4 and lane / 4 + 8 of each, of every 64 bytes the 16 that begin
// at 16 (lane % 4); of a column it reads the same. Which terms an instruction adds up together does not matter, as long
// as both sides agree, so 16 bytes of each are the operands of two instructions, in whole reads.
template <typename Number, int kTiles>
class Resident {
 public:
  // `source(row, byte)` gives 16 bytes of a row of `bytes` bytes; this is the span of that number.
  template <typename Source>
  FASTGAN_DEVICE Resident(const Source& source, int span, int bytes) : begin_(span * 64 * kChunks), bytes_(bytes) {
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < kTiles * kChunks; ++k) {
      const int tile = k / kChunks, c = k % kChunks, row = kRows * tile + lane() / 4, at = place(c);
      const Vector upper = at < bytes ? source(row, at) : Vector{0, 0, 0, 0};
      const Vector lower = at < bytes ? source(row + 8, at) : Vector{0, 0, 0, 0};
      const std::uint32_t parts[8] = {upper.x, lower.x, upper.y, lower.y, upper.z, lower.z, upper.w, lower.w};
      FASTGAN_UNROLL_ALL
      for (int i = 0; i < 8; ++i) weight_[tile][c][i / 4][i % 4] = Number::hold(parts[i]);
    }
  }

  // Products with kColumns columns; this thread reads the one of number lane / 4 from `column`, null for zeros. Of each
  // tile it gets the sums of its two rows with columns 2 (lane % 4) and 2 (lane % 4) + 1.
  FASTGAN_DEVICE void times(const char* column, float (&sum)[kTiles][4]) const {
    float other[kTiles][4] = {};  // shorter chains of instructions that wait for each other
    FASTGAN_UNROLL_ALL
    for (int first = 0; first < kChunks; first += kReads) {
      Vector read[kReads];
      FASTGAN_UNROLL_ALL
      for (int c = 0; c < kReads; ++c) {
        const int at = place(first + c);
        read[c] = column != nullptr && at < bytes_ ? read_fresh(column + at) : Vector{0, 0, 0, 0};
      }
      FASTGAN_UNROLL_ALL
      for (int c = 0; c < kReads; ++c) {
        if (begin_ + 64 * (first + c) >= bytes_) continue;
        FASTGAN_UNROLL_ALL
        for (int tile = 0; tile < kTiles; ++tile) {
          Number::multiply(sum[tile], weight_[tile][first + c][0], read[c].x, read[c].y);
          Number::multiply(other[tile], weight_[tile][first + c][1], read[c].z, read[c].w);
        }
      }
    }
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < 4 * kTiles; ++k) sum[k / 4][k % 4] += other[k / 4][k % 4];
  }

 private:
  static constexpr int kChunks = kHeld / kTiles / 64;
  static constexpr int kReads = Number::kReads < kChunks ? Number::kReads : kChunks;

  FASTGAN_DEVICE int place(int chunk) const { return begin_ + 64 * chunk + 16 * (lane() % 4); }

  int begin_, bytes_;
  std::uint32_t weight_[kTiles][kChunks][2][4];
};

// Sums of products in shared memory, where the threads that go on with them find them.
class Partials {
 public:
  FASTGAN_DEVICE Partials(const Plan& plan, float* memory) : plan_(plan), memory_(memory) {}

  // This warp's of columns 8 n to 8 n + 7, as `Resident::times` leaves them.
  template <int kTiles>
  FASTGAN_DEVICE void store(int n, const float (&sum)[kTiles][4]) const {
    FASTGAN_UNROLL_ALL
    for (int tile = 0; tile < kTiles; ++tile) {
      const int column = (warp() * kTiles + tile) * plan_.columns + kColumns * n + 2 * (lane() % 4);
      float* at = memory_ + column * kStride + lane() / 4;
      at[0] = sum[tile][0];
      at[kStride] = sum[tile][1];
      at[8] = sum[tile][2];
      at[kStride + 8] = sum[tile][3];
    }
  }

  // Of a row of the block and a column, over the spans of a segment, always in this order.
  template <int kTiles>
  FASTGAN_DEVICE float total(unsigned row, int column, int segment) const {
    const int tile = row / kRows, warp = (tile / kTiles * plan_.segments + segment) * plan_.spans;
    const float* at = memory_ + ((warp * kTiles + tile % kTiles) * plan_.columns + column) * kStride + row % kRows;
    float sum = 0;
    for (int span = 0; span < plan_.spans; ++span) sum += at[span * kTiles * plan_.columns * kStride];
    return sum;
  }

 private:
  const Plan& plan_;
  float* memory_;
};

}  // namespace fastgan::cuda
