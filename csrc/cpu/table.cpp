#include "../lstm.h"

namespace fastgan {

#if defined(__x86_64__)
extern const Kernels avx512_kernels, avx2_kernels;
#endif
extern const Kernels portable_kernels;

extern const Kernels kernels[] = {
#if defined(__x86_64__)
    avx512_kernels,
    avx2_kernels,
#endif
    portable_kernels,
};
extern const int kernel_count = sizeof(kernels) / sizeof(kernels[0]);

}  // namespace fastgan
