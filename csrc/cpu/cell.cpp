// One time step of an LSTM on a CPU: all that is left of it once the matrix product is done, in one pass over memory.
// The same loops are compiled once for any processor and once for AVX2 with FMA; the choice is made at run time.
#include "activations.h"
#include "lstm.h"

#if defined(__clang__)
#  define FASTGAN_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#  define FASTGAN_INDEPENDENT _Pragma("GCC ivdep")
#elif defined(_MSC_VER)
#  define FASTGAN_INDEPENDENT __pragma(loop(ivdep))
#else
#  define FASTGAN_INDEPENDENT
#endif

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#  define FASTGAN_AVX2 __attribute__((target("avx2,fma")))
#endif

namespace fastgan {
namespace {

template <bool has_c_prev, bool keep, typename Real>
FASTGAN_INLINE void forward_rows(Real* gates, const Real* c_prev, Real* c, Real* h, std::int64_t rows,
                                 std::int64_t hidden) {
  for (std::int64_t row = 0; row < rows; ++row) {
    Real* const i_row = gates + row * 4 * hidden;
    Real* const f_row = i_row + hidden;
    Real* const g_row = f_row + hidden;
    Real* const o_row = g_row + hidden;
    const Real* const c_prev_row = has_c_prev ? c_prev + row * hidden : nullptr;
    Real* const c_row = c + row * hidden;
    Real* const h_row = h + row * hidden;
    FASTGAN_INDEPENDENT
    for (std::int64_t j = 0; j < hidden; ++j) {
      const Real i = sigmoid(i_row[j]);
      const Real f = sigmoid(f_row[j]);
      const Real g = tanh_of(g_row[j]);
      const Real o = sigmoid(o_row[j]);
      Real cell = i * g;
      if constexpr (has_c_prev) cell += f * c_prev_row[j];
      c_row[j] = cell;
      h_row[j] = o * tanh_of(cell);
      if constexpr (keep) {
        i_row[j] = i;
        f_row[j] = f;
        g_row[j] = g;
        o_row[j] = o;
      }
    }
  }
}

template <typename Real>
FASTGAN_INLINE void forward_any(Real* gates, const Real* c_prev, Real* c, Real* h, std::int64_t rows,
                                std::int64_t hidden, bool keep) {
  if (c_prev == nullptr) {
    if (keep) {
      forward_rows<false, true>(gates, c_prev, c, h, rows, hidden);
    } else {
      forward_rows<false, false>(gates, c_prev, c, h, rows, hidden);
    }
  } else if (keep) {
    forward_rows<true, true>(gates, c_prev, c, h, rows, hidden);
  } else {
    forward_rows<true, false>(gates, c_prev, c, h, rows, hidden);
  }
}

template <bool has_c_prev, typename Real>
FASTGAN_INLINE void backward_rows(const Real* gates, const Real* c_prev, const Real* c, const Real* dh, Real* dc,
                                  Real* dgates, std::int64_t rows, std::int64_t hidden) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const Real* const i_row = gates + row * 4 * hidden;
    const Real* const f_row = i_row + hidden;
    const Real* const g_row = f_row + hidden;
    const Real* const o_row = g_row + hidden;
    const Real* const c_prev_row = has_c_prev ? c_prev + row * hidden : nullptr;
    const Real* const c_row = c + row * hidden;
    const Real* const dh_row = dh + row * hidden;
    Real* const dc_row = dc + row * hidden;
    Real* const di_row = dgates + row * 4 * hidden;
    Real* const df_row = di_row + hidden;
    Real* const dg_row = df_row + hidden;
    Real* const do_row = dg_row + hidden;
    FASTGAN_INDEPENDENT
    for (std::int64_t j = 0; j < hidden; ++j) {
      const Real i = i_row[j], f = f_row[j], g = g_row[j], o = o_row[j];
      const Real tanh_c = tanh_of(c_row[j]);
      const Real dh_j = dh_row[j];
      const Real dc_j = dc_row[j] + dh_j * o * (Real(1) - tanh_c * tanh_c);
      di_row[j] = dc_j * g * i * (Real(1) - i);
      if constexpr (has_c_prev) {
        df_row[j] = dc_j * c_prev_row[j] * f * (Real(1) - f);
      } else {
        df_row[j] = Real(0);
      }
      dg_row[j] = dc_j * i * (Real(1) - g * g);
      do_row[j] = dh_j * tanh_c * o * (Real(1) - o);
      dc_row[j] = dc_j * f;
    }
  }
}

template <typename Real>
FASTGAN_INLINE void backward_any(const Real* gates, const Real* c_prev, const Real* c, const Real* dh, Real* dc,
                                 Real* dgates, std::int64_t rows, std::int64_t hidden) {
  if (c_prev == nullptr) {
    backward_rows<false>(gates, c_prev, c, dh, dc, dgates, rows, hidden);
  } else {
    backward_rows<true>(gates, c_prev, c, dh, dc, dgates, rows, hidden);
  }
}

// One pair of functions per instruction set. TARGET is the attribute that lets the compiler use the set.
#define FASTGAN_CELL(NAME, TARGET)                                                                            \
  template <typename Real>                                                                                    \
  TARGET void forward_##NAME(Real* gates, const Real* c_prev, Real* c, Real* h, std::int64_t rows,            \
                             std::int64_t hidden, bool keep) {                                                \
    forward_any(gates, c_prev, c, h, rows, hidden, keep);                                                     \
  }                                                                                                           \
  template <typename Real>                                                                                    \
  TARGET void backward_##NAME(const Real* gates, const Real* c_prev, const Real* c, const Real* dh, Real* dc, \
                              Real* dgates, std::int64_t rows, std::int64_t hidden) {                         \
    backward_any(gates, c_prev, c, dh, dc, dgates, rows, hidden);                                             \
  }

FASTGAN_CELL(portable, )
bool runs_anywhere() { return true; }

#ifdef FASTGAN_AVX2
FASTGAN_CELL(avx2, FASTGAN_AVX2)
bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

}  // namespace

extern const Kernels kernels[] = {
#ifdef FASTGAN_AVX2
    {"avx2", has_avx2, {forward_avx2<float>, backward_avx2<float>}, {forward_avx2<double>, backward_avx2<double>}},
#endif
    {"portable",
     runs_anywhere,
     {forward_portable<float>, backward_portable<float>},
     {forward_portable<double>, backward_portable<double>}},
};
extern const int kernel_count = sizeof(kernels) / sizeof(kernels[0]);

}  // namespace fastgan
