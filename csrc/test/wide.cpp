// The sizes of avx512.cpp, made of what more processors have, so that they are tested on more machines.
#include "../cpu/prelude.h"

#if defined(__x86_64__) && defined(__clang__)
#  pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#elif defined(__x86_64__)
#  pragma GCC push_options
#  pragma GCC target("avx2,fma")
#endif

#define FASTGAN_SET wide
#define FASTGAN_BYTES 64
#define FASTGAN_ROWS 12
#include "../cpu/set.h"

#if defined(__x86_64__) && defined(__clang__)
#  pragma clang attribute pop
#elif defined(__x86_64__)
#  pragma GCC pop_options
#endif

namespace fastgan {

bool has_wide() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}
extern const Kernels wide_kernels = {"wide", has_wide, wide::kLstm<float>, wide::kLstm<double>};

}  // namespace fastgan
