// Vectors of one instruction set. Every header below this one is compiled once per set, in the namespace FASTGAN_SET,
// with vectors of FASTGAN_BYTES bytes; the functions between them are always inlined, so no vector crosses a call.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#define FASTGAN_INLINE inline __attribute__((always_inline))
#define FASTGAN_APART __attribute__((noinline))
// Holds a vector in a register: gcc would rather load it again for each use. A set names its kind of register.
#ifdef FASTGAN_REGISTER
#  define FASTGAN_KEEP(vector) __asm__("" : "+" FASTGAN_REGISTER(vector))
#else
#  define FASTGAN_KEEP(vector)
#endif

#if defined(__clang__)
#  define FASTGAN_UNROLL _Pragma("clang loop unroll(full)")
#else
#  define FASTGAN_UNROLL _Pragma("GCC unroll 64")
#endif

namespace fastgan {
namespace FASTGAN_SET {

using Index = std::int64_t;

constexpr int kRows = FASTGAN_ROWS;  // of a tile: as many as leave registers for a panel

template <typename Real>
struct Set {
  static constexpr int lanes = FASTGAN_BYTES / sizeof(Real);
  static constexpr int columns = lanes * 2;  // of a panel: two vectors
  using Bits = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
  typedef Real Vec __attribute__((vector_size(FASTGAN_BYTES)));
  typedef Bits BitVec __attribute__((vector_size(FASTGAN_BYTES)));
  typedef Real Loose __attribute__((vector_size(FASTGAN_BYTES), aligned(alignof(Real)), may_alias));
};

template <typename Real>
using Vec = typename Set<Real>::Vec;

template <typename Real>
FASTGAN_INLINE Vec<Real> load(const Real* at) {
  return *reinterpret_cast<const typename Set<Real>::Loose*>(at);
}

template <typename Real>
FASTGAN_INLINE void store(Real* at, Vec<Real> value) {
  *reinterpret_cast<typename Set<Real>::Loose*>(at) = value;
}

// Only for compile-time constants: for others it would cost an addition.
template <typename Real>
FASTGAN_INLINE Vec<Real> constant(Real value) {
  return Vec<Real>{} + value;
}

// The first `count` elements, at most all; zeros behind them. Without instructions that leave elements out it takes a
// detour through memory, ten times as long as a whole vector.
#if defined(FASTGAN_MASKS) && FASTGAN_BYTES == 64
template <typename Real>
FASTGAN_INLINE Vec<Real> load_some(const Real* at, Index count) {
  const auto mask = (1u << count) - 1;
  if constexpr (sizeof(Real) == 4) return Vec<Real>(_mm512_maskz_loadu_ps(__mmask16(mask), at));
  if constexpr (sizeof(Real) == 8) return Vec<Real>(_mm512_maskz_loadu_pd(__mmask8(mask), at));
}

template <typename Real>
FASTGAN_INLINE void store_some(Real* at, Vec<Real> value, Index count) {
  const auto mask = (1u << count) - 1;
  if constexpr (sizeof(Real) == 4) _mm512_mask_storeu_ps(at, __mmask16(mask), __m512(value));
  if constexpr (sizeof(Real) == 8) _mm512_mask_storeu_pd(at, __mmask8(mask), __m512d(value));
}
#elif defined(FASTGAN_MASKS) && FASTGAN_BYTES == 32
FASTGAN_INLINE __m256i first_words(Index count) {  // all bits of so many words of four bytes
  static constexpr std::int32_t kWords[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kWords + 8 - count));
}

template <typename Real>
FASTGAN_INLINE Vec<Real> load_some(const Real* at, Index count) {
  if constexpr (sizeof(Real) == 4) return Vec<Real>(_mm256_maskload_ps(at, first_words(count)));
  if constexpr (sizeof(Real) == 8) return Vec<Real>(_mm256_maskload_pd(at, first_words(2 * count)));
}

template <typename Real>
FASTGAN_INLINE void store_some(Real* at, Vec<Real> value, Index count) {
  if constexpr (sizeof(Real) == 4) _mm256_maskstore_ps(at, first_words(count), __m256(value));
  if constexpr (sizeof(Real) == 8) _mm256_maskstore_pd(at, first_words(2 * count), __m256d(value));
}
#else
template <typename Real>
FASTGAN_INLINE Vec<Real> load_some(const Real* at, Index count) {
  Real all[Set<Real>::lanes] = {};
  std::memcpy(all, at, count * sizeof(Real));
  return load(all);
}

template <typename Real>
FASTGAN_INLINE void store_some(Real* at, Vec<Real> value, Index count) {
  Real all[Set<Real>::lanes];
  store(all, value);
  std::memcpy(at, all, count * sizeof(Real));
}
#endif

}  // namespace FASTGAN_SET
}  // namespace fastgan
