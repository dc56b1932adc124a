// Sigmoid and tanh without branches, so that a loop over them becomes vector code.
//
// exp(x) = s + s (e^r - 1) with s = 2^n, n = round(x / ln 2), |r| <= ln(2) / 2, where e^r - 1 is its Taylor polynomial:
// at that |r| its relative remainder is below 1.6e-8 for seven terms and 1.3e-17 for thirteen, under a quarter of a
// rounding step of float and double. Far from zero tanh(x) = 1 - 2 / (exp(2x) + 1); near zero, where that would cancel,
// it is x + x^3 P(x^2) with P the Chebyshev fit of its Taylor series on |x| <= 9/16 (remainder 5.2e-9 and 3.9e-18).
// Error, checked by the tests: at most 3 units in the last place of the result for sigmoid where that is above 1e-37
// (float) or 1e-307 (double), and 1.5 for tanh; below its limit sigmoid stays within 1e-37 or 1e-307 of the truth.
// NaN gives NaN.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__GNUC__) || defined(__clang__)
#  define FASTGAN_INLINE inline __attribute__((always_inline))
#else
#  define FASTGAN_INLINE inline
#endif

#if defined(__clang__)
#  define FASTGAN_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#  define FASTGAN_UNROLL _Pragma("GCC unroll 16")
#else
#  define FASTGAN_UNROLL
#endif

namespace fastgan {

template <typename Real>
struct Constants;

template <>
struct Constants<float> {
  using Bits = std::uint32_t;
  static constexpr float log2e = 1.44269504088896341f;
  static constexpr float ln2_high = 0.693359375f;  // few bits: n * ln2_high is exact
  static constexpr float ln2_low = -2.12194440054690583e-4f;
  static constexpr float shift = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded value in the lowest bits
  static constexpr int mantissa = 23;
  static constexpr Bits exponent_of_one = 127;
  static constexpr float lowest = -87.0f, highest = 88.0f;  // 2^n stays a normal number between them
  static constexpr float tanh_is_one = 10.0f;
  static constexpr int terms = 7;
  static constexpr int tanh_terms = 5;
  static constexpr float tanh_inner[tanh_terms] = {-0.006525572169f, 0.0212633534472f, -0.0539017531646f,
                                                   0.133330738135f, -0.333333316953f};
};

template <>
struct Constants<double> {
  using Bits = std::uint64_t;
  static constexpr double log2e = 1.44269504088896340736;
  static constexpr double ln2_high = 6.93147180369123816490e-1;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double shift = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int mantissa = 52;
  static constexpr Bits exponent_of_one = 1023;
  static constexpr double lowest = -708.0, highest = 709.0;
  static constexpr double tanh_is_one = 20.0;
  static constexpr int terms = 13;
  static constexpr int tanh_terms = 11;
  static constexpr double tanh_inner[tanh_terms] = {
      -0.000020026740085317684745, 0.00008426522203958066102, -0.00023410556936672797301, 0.00058875371118348039075,
      -0.0014556239774192677815,   0.0035921055321327687723,  -0.0088632340215295135964,  0.021869488476962561362,
      -0.053968253967059396515,    0.13333333333332390931,    -0.33333333333333332102};
};

// exp(x) for x between lowest and highest.
template <typename Real>
FASTGAN_INLINE Real exponential(Real x) {
  using K = Constants<Real>;
  const Real shifted = x * K::log2e + K::shift;
  const Real n = shifted - K::shift;
  const Real r = (x - n * K::ln2_high) - n * K::ln2_low;

  typename K::Bits bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + K::exponent_of_one) << K::mantissa;
  Real scale;
  std::memcpy(&scale, &bits, sizeof scale);

  Real sum = Real(1);  // 1 + r/2 (1 + r/3 (1 + ...)), so that r times it is e^r - 1
  FASTGAN_UNROLL
  for (int k = K::terms; k >= 2; --k) sum = sum * (r * (Real(1) / Real(k))) + Real(1);
  return scale + scale * (r * sum);
}

template <typename Real>
FASTGAN_INLINE Real sigmoid(Real x) {
  using K = Constants<Real>;
  Real y = -x;
  y = y < K::lowest ? K::lowest : y;  // written so that NaN passes
  y = y > K::highest ? K::highest : y;
  return Real(1) / (Real(1) + exponential(y));
}

template <typename Real>
FASTGAN_INLINE Real tanh_of(Real x) {
  using K = Constants<Real>;
  Real a = std::fabs(x);
  a = a > K::tanh_is_one ? K::tanh_is_one : a;
  const Real outer = Real(1) - Real(2) / (exponential(Real(2) * a) + Real(1));

  const Real square = x * x;
  Real sum = K::tanh_inner[0];
  FASTGAN_UNROLL
  for (int k = 1; k < K::tanh_terms; ++k) sum = sum * square + K::tanh_inner[k];
  const Real inner = x + x * (square * sum);

  return std::copysign(a > Real(0.5625) ? outer : inner, x);  // the sign of -0 as well
}

}  // namespace fastgan
