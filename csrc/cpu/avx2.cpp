// Intel Haswell (2013), AMD Zen (2017) and later.
#if defined(__x86_64__)
#  include "prelude.h"

#  if defined(__clang__)
#    pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#  else
#    pragma GCC push_options
#    pragma GCC target("avx2,fma")
#  endif

#  define FASTGAN_SET avx2
#  define FASTGAN_BYTES 32
#  define FASTGAN_ROWS 6
#  define FASTGAN_REGISTER "x"
#  define FASTGAN_MASKS
#  include "set.h"

#  if defined(__clang__)
#    pragma clang attribute pop
#  else  // before the file ends: templates of the standard library are compiled there, and shared with other sets
#    pragma GCC pop_options
#  endif

namespace fastgan {

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
extern const Kernels avx2_kernels = {"avx2", has_avx2, avx2::kLstm<float>, avx2::kLstm<double>};

}  // namespace fastgan
#endif
