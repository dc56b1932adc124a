// The kernels of one instruction set, as an entry of the table. Included once by each file that names a set.
#pragma once

#include "backward.h"
#include "forward.h"
#include "free_run.h"
#include "second.h"

namespace fastgan {
namespace FASTGAN_SET {

template <typename Real>
void activations(const Real* x, Real* sigmoids, Real* tanhs, std::int64_t count) {
  const Limits<Real> limits;
  for (Index k = 0; k < count; k += Set<Real>::lanes) {
    const Index some = std::min<Index>(Set<Real>::lanes, count - k);
    Vec<Real> values[2] = {load_some(x + k, some), load_some(x + k, some)};
    activate<2, 2>(values, limits);
    store_some(sigmoids + k, values[0], some);
    store_some(tanhs + k, values[1], some);
  }
}

template <typename Real>
constexpr Lstm<Real> kLstm = {forward<Real>,
                              backward<Real>,
                              second<Real>,
                              activations<Real>,
                              {free_bytes<Real>, free_start<Real>, free_run<Real>}};

}  // namespace FASTGAN_SET
}  // namespace fastgan
