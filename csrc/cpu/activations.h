// Sigmoid and tanh of whole vectors, without branches.
//
// exp(x) = s + s (e^r - 1) with s = 2^n, n = round(x / ln 2), |r| <= ln(2) / 2, and e^r - 1 = r + r^2 P(r) with P a
// minimax polynomial: its error is below 2.7e-10 of e^r - 1 in float and 2.1e-17 in double. sigmoid(x) = 1 / (1 +
// exp(-x)), and tanh(x) = m / (m + 2) with m = exp(2x) - 1 = s (e^r - 1) + (s - 1), which loses nothing near zero.
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
  static constexpr float polynomial[terms] = {0.000199622708705f, 0.00139432536111f, 0.00833321981479f,
                                              0.0416663264299f,   0.166666669031f,   0.500000005319f};
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
  static constexpr int terms = 10;
  static constexpr double polynomial[terms] = {
      2.51614595532969598297e-8,  2.76282884842265291848e-7, 0.0000027557116549717951569, 0.0000248014996095853338413,
      0.000198412699872977676155, 0.00138888889362953518376, 0.00833333333329308254428,   0.0416666666665620742377,
      0.166666666666666964788,    0.500000000000000645789};
};

// exp(factor * x) as scale + scale * rest, for factor * x held between lowest and highest; the factor is a power of two
// or its negative, so that it costs nothing.
template <typename Real, int factor>
struct Exponential {
  Vec<Real> scale, rest;

  FASTGAN_INLINE explicit Exponential(Vec<Real> x) {
    using K = Constants<Real>;
    using BitVec = typename Set<Real>::BitVec;
    const Vec<Real> low = constant((factor > 0 ? K::lowest : K::highest) / factor);
    const Vec<Real> high = constant((factor > 0 ? K::highest : K::lowest) / factor);
    x = x < low ? low : x;  // written so that NaN passes
    x = x > high ? high : x;
    const Vec<Real> shifted = x * (K::log2e * factor) + K::shift;
    const Vec<Real> n = shifted - K::shift;
    const Vec<Real> r = (x * Real(factor) - n * K::ln2_high) - n * K::ln2_low;
    scale = (Vec<Real>)(((BitVec)shifted + K::exponent_of_one) << K::mantissa);
    Vec<Real> sum = constant(K::polynomial[0]);
    FASTGAN_UNROLL
    for (int k = 1; k < K::terms; ++k) sum = sum * r + K::polynomial[k];
    rest = (sum * r) * r + r;
  }
};

template <typename Real>
FASTGAN_INLINE Vec<Real> sigmoid(Vec<Real> x) {
  const Exponential<Real, -1> e(x);
  return Real(1) / ((e.scale * e.rest + e.scale) + Real(1));
}

template <typename Real>
FASTGAN_INLINE Vec<Real> tanh_of(Vec<Real> x) {
  const Exponential<Real, 2> e(x);
  const Vec<Real> m = e.scale * e.rest + (e.scale - Real(1));
  return m / (m + Real(2));
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
