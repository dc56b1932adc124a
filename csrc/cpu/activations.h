// Sigmoid and tanh of several vectors at once, without branches. Several, because each is a long chain of operations
// that wait for each other: side by side they keep the processor busy.
//
// exp(x) = s + s (e^r - 1) with s = 2^n, n = round(x / ln 2), |r| <= ln(2) / 2, and e^r - 1 = r Q(r) with Q a minimax
// polynomial: its error is below 2.4e-8 of e^r - 1 in float and 3e-17 in double. sigmoid(x) = 1 / (1 + exp(-x)), and
// tanh(x) = m / (m + 2) with m = exp(2x) - 1 = s (e^r - 1) + (s - 1), which loses nothing near zero.
// Error, checked by the tests: at most 3 units in the last place of the result, for sigmoid where that is above 1e-37
// (float) or 1e-307 (double); below its limit sigmoid stays within 1e-37 or 1e-307 of the truth. NaN gives NaN.
#pragma once

#include "simd.h"

namespace fastgan {
namespace FASTGAN_SET {

template <typename Real>
struct Constants;

template <>
struct Constants<float> {
  static constexpr float log2e = 1.44269504088896341f;
  static constexpr float ln2_high = 0.693359375f;  // few bits: n * ln2_high is exact
  static constexpr float ln2_low = -2.12194440054690583e-4f;
  static constexpr float shift = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded value in the lowest bits
  static constexpr int mantissa = 23;
  static constexpr std::uint32_t exponent_of_one = 127;
  static constexpr float lowest = -87.0f, highest = 88.0f;  // 2^n stays a normal number between them
  static constexpr int terms = 6;
  static constexpr float polynomial[terms] = {0.00138888730013f, 0.00836906856316f, 0.0416671362056f,
                                              0.166665062196f,   0.499999981249f,   1.0f};
};

template <>
struct Constants<double> {
  static constexpr double log2e = 1.44269504088896340736;
  static constexpr double ln2_high = 6.93147180369123816490e-1;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double shift = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int mantissa = 52;
  static constexpr std::uint64_t exponent_of_one = 1023;
  static constexpr double lowest = -708.0, highest = 709.0;
  static constexpr int terms = 11;
  static constexpr double polynomial[terms] = {2.51614595532969598297e-8,
                                               2.76282884842265291848e-7,
                                               0.0000027557116549717951569,
                                               0.0000248014996095853338413,
                                               0.000198412699872977676155,
                                               0.00138888889362953518376,
                                               0.00833333333329308254428,
                                               0.0416666666665620742377,
                                               0.166666666666666964788,
                                               0.500000000000000645789,
                                               1.0};
};

// Within what a value is held, sigmoid's and tanh's. The compiler is not to know them: of a comparison with a known
// number it makes three instructions instead of one.
template <typename Real>
struct Limits {
  Vec<Real> low[2], high[2];

  FASTGAN_INLINE Limits() {
    using K = Constants<Real>;
    low[0] = constant(-K::highest);
    high[0] = constant(-K::lowest);
    low[1] = constant(K::lowest / 2);
    high[1] = constant(K::highest / 2);
    __asm__("" : "+m"(low), "+m"(high));
  }
};

// The factor of x in the exponent, to some power: it is a power of two or its negative, so it costs nothing.
template <typename Real>
constexpr Real scaled(Real value, int factor, int power) {
  for (; power > 0; --power) value *= Real(factor);
  return value;
}

// x[j] becomes tanh(x[j]) where bit j of `tanhs` is set, else sigmoid(x[j]).
template <int count, unsigned tanhs, typename Real>
FASTGAN_INLINE void activate(Vec<Real>* x, const Limits<Real>& limits) {
  using K = Constants<Real>;
  using BitVec = typename Set<Real>::BitVec;
  const auto factor = [](int j) constexpr { return (tanhs >> j & 1) ? 2 : -1; };
  Vec<Real> shifted[count], rest[count], scale[count];
  FASTGAN_UNROLL
  for (int j = 0; j < count; ++j) {
    const Vec<Real> low = limits.low[tanhs >> j & 1], high = limits.high[tanhs >> j & 1];
    x[j] = low > x[j] ? low : x[j];  // written so that NaN passes
    x[j] = high < x[j] ? high : x[j];
  }
  FASTGAN_UNROLL
  for (int j = 0; j < count; ++j) shifted[j] = x[j] * scaled(K::log2e, factor(j), 1) + K::shift;
  FASTGAN_UNROLL
  for (int j = 0; j < count; ++j) {
    const Vec<Real> n = shifted[j] - K::shift;
    x[j] = (x[j] - n * (K::ln2_high / factor(j))) - n * (K::ln2_low / factor(j));  // r over the factor
  }
  FASTGAN_UNROLL
  for (int j = 0; j < count; ++j) {
    rest[j] = x[j] * scaled(K::polynomial[0], factor(j), K::terms) + scaled(K::polynomial[1], factor(j), K::terms - 1);
  }
  FASTGAN_UNROLL
  for (int k = 2; k < K::terms; ++k) {
    FASTGAN_UNROLL
    for (int j = 0; j < count; ++j) rest[j] = rest[j] * x[j] + scaled(K::polynomial[k], factor(j), K::terms - k);
  }
  FASTGAN_UNROLL
  for (int j = 0; j < count; ++j) {
    scale[j] = (Vec<Real>)(((BitVec)shifted[j] + K::exponent_of_one) << K::mantissa);
    rest[j] *= x[j];
  }
  FASTGAN_UNROLL
  for (int j = 0; j < count; ++j) {
    if (tanhs >> j & 1) {
      const Vec<Real> m = scale[j] * rest[j] + (scale[j] - Real(1));
      x[j] = m / (m + Real(2));
    } else {
      x[j] = Real(1) / ((scale[j] * rest[j] + scale[j]) + Real(1));
    }
  }
}

template <typename Real>
FASTGAN_INLINE Vec<Real> tanh_of(Vec<Real> x, const Limits<Real>& limits) {
  activate<1, 1>(&x, limits);
  return x;
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
