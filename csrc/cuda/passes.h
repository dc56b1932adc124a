// Which kernel computes which kind of number.
#pragma once

#include "backward.h"
#include "forward.h"

namespace fastgan::cuda {

template <typename Call>
using Kernel = void (*)(const Call, const Plan);

inline Kernel<Forward> kernel_of(const Forward&, Kind kind) {
  switch (kind) {
    case Kind::bfloat16:
      return forward<Bfloat16>;
    case Kind::float16:
      return forward<Float16>;
    case Kind::tf32:
      return forward<Tf32>;
    default:
      return forward<ThreeTf32>;
  }
}

inline Kernel<Backward> kernel_of(const Backward&, Kind kind) {
  switch (kind) {
    case Kind::bfloat16:
      return backward<Bfloat16>;
    case Kind::float16:
      return backward<Float16>;
    case Kind::tf32:
      return backward<Tf32>;
    default:
      return backward<ThreeTf32>;
  }
}

}  // namespace fastgan::cuda
