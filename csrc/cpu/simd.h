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
