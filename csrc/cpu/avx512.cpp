// Intel Skylake-X (2017), AMD Zen 4 (2022) and later. With 32 registers a tile has 12 rows: 24 sums, a panel, a factor.
#if defined(__x86_64__)
#  include "prelude.h"

#  if defined(__clang__)
#    pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma"))), \
                                 apply_to = function)
#  else
#    pragma GCC push_options
#    pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,prefer-vector-width=512")
#  endif

#  define FASTGAN_SET avx512
#  define FASTGAN_BYTES 64
#  define FASTGAN_ROWS 12
#  define FASTGAN_REGISTER "v"
#  define FASTGAN_MASKS
#  include "set.h"

#  if defined(__clang__)
#    pragma clang attribute pop
#  else  // before the file ends: templates of the standard library are compiled there, and shared with other sets
#    pragma GCC pop_options
#  endif

namespace fastgan {

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx2") &&
         __builtin_cpu_supports("fma");
}
extern const Kernels avx512_kernels = {"avx512", has_avx512, avx512::kLstm<float>, avx512::kLstm<double>};

}  // namespace fastgan
#endif
