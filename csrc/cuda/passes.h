// Which kernel computes which kind of number.
#pragma once

#include "backward.h"
#include "forward.h"
#include "free_run.h"

namespace fastgan::cuda {

template <typename Call>
using Kernel = void (*)(const Call, const Plan);

template <typename Number>
Kernel<Forward> kernel_for(const Forward&, int tiles) {
  return tiles == 2 ? forward<Number, 2> : forward<Number, 1>;
}

template <typename Number>
Kernel<Backward> kernel_for(const Backward&, int tiles) {
  return tiles == 2 ? backward<Number, 2> : backward<Number, 1>;
}

template <typename Number>
Kernel<FreeRun> kernel_for(const FreeRun&, int tiles) {
  return tiles == 2 ? free_run<Number, 2> : free_run<Number, 1>;
}

template <typename Call>
Kernel<Call> kernel_of(const Call& call, Kind kind, int tiles) {
  switch (kind) {
    case Kind::bfloat16:
      return kernel_for<Bfloat16>(call, tiles);
    case Kind::float16:
      return kernel_for<Float16>(call, tiles);
    case Kind::tf32:
      return kernel_for<Tf32>(call, tiles);
    default:
      return kernel_for<ThreeTf32>(call, tiles);
  }
}

}  // namespace fastgan::cuda
