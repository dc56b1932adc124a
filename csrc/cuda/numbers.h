// The kinds of numbers in tensors: how one becomes float and back, and how a warp multiplies them. The bits of a weight
// are held in the form that `hold` gives them; kReads is how many reads of 16 bytes are under way at once: more would
// not fit beside the weights.
#pragma once

#include "device.h"

namespace fastgan::cuda {

struct Bfloat16 {
  using Stored = std::uint16_t;
  static constexpr bool kRough = true;  // eleven bits of a gate are more than are kept
  static constexpr int kReads = 8;
  static constexpr bool kEarly = true;
  static FASTGAN_DEVICE float widen(Stored bits) { return float_of(std::uint32_t(bits) << 16); }
  static FASTGAN_DEVICE Stored round(float x) {
    const std::uint32_t bits = bits_of(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return std::uint16_t((bits >> 16) | 0x40);  // NaN stays NaN
    return std::uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);                 // to nearest, ties to even
  }
  static FASTGAN_DEVICE std::uint32_t two(float first, float second) { return two_bfloat16(first, second); }
  static FASTGAN_DEVICE std::uint32_t hold(std::uint32_t two) { return two; }
  static FASTGAN_DEVICE void multiply(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                      std::uint32_t b1) {
    multiply_bfloat16(sum, a, b0, b1);
  }
  static FASTGAN_DEVICE void multiply_group(float (&sum)[16][4], const Vector& a, std::uint64_t columns) {
    multiply_group_bfloat16(sum, a, columns);
  }
};

struct Float16 {
  using Stored = std::uint16_t;
  static constexpr bool kRough = false;
  static constexpr int kReads = 8;
  static constexpr bool kEarly = true;
  static FASTGAN_DEVICE float widen(Stored bits) { return float_of_half(bits); }
  static FASTGAN_DEVICE Stored round(float x) { return half_of(x); }
  static FASTGAN_DEVICE std::uint32_t two(float first, float second) { return two_float16(first, second); }
  static FASTGAN_DEVICE std::uint32_t hold(std::uint32_t two) { return two; }
  static FASTGAN_DEVICE void multiply(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                      std::uint32_t b1) {
    multiply_float16(sum, a, b0, b1);
  }
  static FASTGAN_DEVICE void multiply_group(float (&sum)[16][4], const Vector& a, std::uint64_t columns) {
    multiply_group_float16(sum, a, columns);
  }
};

struct Float32 {
  using Stored = float;
  static FASTGAN_DEVICE float widen(Stored x) { return x; }
  static FASTGAN_DEVICE Stored round(float x) { return x; }
};

struct Tf32 : Float32 {
  static constexpr int kReads = 4;
  static constexpr bool kEarly = true;
  static FASTGAN_DEVICE std::uint32_t hold(std::uint32_t bits) { return tf32_of(float_of(bits)); }
  static FASTGAN_DEVICE void multiply(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                      std::uint32_t b1) {
    multiply_tf32(sum, a, hold(b0), hold(b1));
  }
};

// a b = ah bh + ah bl + al bh, where al and bl are what the first 11 bits leave; al bl is below float's own rounding.
struct ThreeTf32 : Float32 {
  static constexpr int kReads = 2;
  static constexpr bool kEarly = false;
  static FASTGAN_DEVICE std::uint32_t hold(std::uint32_t bits) { return bits; }
  static FASTGAN_DEVICE void split(std::uint32_t bits, std::uint32_t& high, std::uint32_t& low) {
    high = tf32_of(float_of(bits));
    low = tf32_of(float_of(bits) - float_of(high));
  }
  static FASTGAN_DEVICE void multiply(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                      std::uint32_t b1) {
    std::uint32_t high[4], low[4], high0, high1, low0, low1;
    for (int k = 0; k < 4; ++k) split(a[k], high[k], low[k]);
    split(b0, high0, low0);
    split(b1, high1, low1);
    multiply_tf32(sum, low, high0, high1);
    multiply_tf32(sum, high, low0, low1);
    multiply_tf32(sum, high, high0, high1);
  }
};

FASTGAN_DEVICE float sigmoid(float x) { return quotient(1.f, 1.f + exponential(-x)); }

FASTGAN_DEVICE float tangent(float x) {  // hyperbolic
  const float size = x < 0 ? -x : x;
  const float shrunk = exponential(-2 * size), square = x * x;
  // Near zero 1 - exp would cancel; the series to x^9 is off by at most 1e-8 there.
  const float series =
      size * (1 + square * (-1.f / 3 + square * (2.f / 15 + square * (-17.f / 315 + square * (62.f / 2835)))));
  const float value = size < 0.25f ? series : quotient(1 - shrunk, 1 + shrunk);
  return x < 0 ? -value : value;
}

}  // namespace fastgan::cuda
