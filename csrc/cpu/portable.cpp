// Any processor: vectors as wide as every processor of its kind has them.
#include "prelude.h"

#define FASTGAN_SET portable
#if defined(__AVX__)
#  define FASTGAN_BYTES 32
#  define FASTGAN_ROWS 6
#elif defined(__aarch64__)
#  define FASTGAN_BYTES 16
#  define FASTGAN_ROWS 12  // 32 registers: 24 sums, a panel, one factor
#else
#  define FASTGAN_BYTES 16  // gcc keeps vectors that are wider than the processor's in memory, at a tenth of the speed
#  define FASTGAN_ROWS 4    // a product needs a register of its own where it cannot be added at once
#endif
#if defined(__x86_64__)
#  define FASTGAN_REGISTER "x"
#elif defined(__aarch64__)
#  define FASTGAN_REGISTER "w"
#endif
#include "set.h"

namespace fastgan {

bool has_nothing_special() { return true; }
extern const Kernels portable_kernels = {"portable", has_nothing_special, portable::kLstm<float>,
                                         portable::kLstm<double>};

}  // namespace fastgan
