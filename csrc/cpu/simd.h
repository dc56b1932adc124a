// Vectors of one instruction set. Every header below this one is compiled once per set, in the namespace FASTGAN_SET,
// with vectors of FASTGAN_BYTES bytes; the functions between them are always inlined, so no vector crosses a call.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#define FASTGAN_INLINE inline __attribute__((always_inline))
#define FASTGAN_APART __attribute__((noinline))

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
  static constexpr int units = lanes / 2;    // cells of a panel: half a vector of each of the four gates
  static constexpr int columns = lanes * 2;  // of a panel: two vectors
  using Bits = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
  typedef Real Vec __attribute__((vector_size(FASTGAN_BYTES)));
  typedef Bits BitVec __attribute__((vector_size(FASTGAN_BYTES)));
  typedef Real Loose __attribute__((vector_size(FASTGAN_BYTES), aligned(alignof(Real)), may_alias));
  typedef Real Half __attribute__((vector_size(FASTGAN_BYTES / 2)));
  typedef Real LooseHalf __attribute__((vector_size(FASTGAN_BYTES / 2), aligned(alignof(Real)), may_alias));
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

// Half a vector from each of two places.
template <typename Real>
FASTGAN_INLINE Vec<Real> load_pair(const Real* low, const Real* high) {
  const typename Set<Real>::Half a = *reinterpret_cast<const typename Set<Real>::LooseHalf*>(low);
  const typename Set<Real>::Half b = *reinterpret_cast<const typename Set<Real>::LooseHalf*>(high);
#if __has_builtin(__builtin_shufflevector)
  if constexpr (Set<Real>::lanes == 4) return __builtin_shufflevector(a, b, 0, 1, 2, 3);
  if constexpr (Set<Real>::lanes == 8) return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
  if constexpr (Set<Real>::lanes == 16) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
#else
  Vec<Real> both = {};
  for (int j = 0; j < Set<Real>::units; ++j) {
    both[j] = a[j];
    both[j + Set<Real>::units] = b[j];
  }
  return both;
#endif
}

template <typename Real>
FASTGAN_INLINE void store_pair(Real* low, Real* high, Vec<Real> value) {
  typename Set<Real>::Half a, b;
#if __has_builtin(__builtin_shufflevector)
  if constexpr (Set<Real>::lanes == 4) {
    a = __builtin_shufflevector(value, value, 0, 1);
    b = __builtin_shufflevector(value, value, 2, 3);
  }
  if constexpr (Set<Real>::lanes == 8) {
    a = __builtin_shufflevector(value, value, 0, 1, 2, 3);
    b = __builtin_shufflevector(value, value, 4, 5, 6, 7);
  }
  if constexpr (Set<Real>::lanes == 16) {
    a = __builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7);
    b = __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15);
  }
#else
  for (int j = 0; j < Set<Real>::units; ++j) {
    a[j] = value[j];
    b[j] = value[j + Set<Real>::units];
  }
#endif
  *reinterpret_cast<typename Set<Real>::LooseHalf*>(low) = a;
  *reinterpret_cast<typename Set<Real>::LooseHalf*>(high) = b;
}

// The first `count` elements; zeros behind them.
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

}  // namespace FASTGAN_SET
}  // namespace fastgan
