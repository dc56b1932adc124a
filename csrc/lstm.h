// The contract between Python and the LSTM kernels: what every pointer points to, how long it lives, what may alias.
//
// All memory belongs to the caller, is dense and row-major, and has to live until the call returns; nothing is kept.
// B rows, H cells; the gates of a row lie side by side in the order i, f, g, o, so a row of gates has 4H values.
// Pointers are aligned to their element and not null, unless a line says otherwise. Sizes are above zero.
// Kernels neither allocate nor throw nor touch Python, and are safe to call from any thread on disjoint memory.
#pragma once

#include <cstdint>

namespace fastgan {

// One time step, forward.
// gates   in/out [B,4H]  before the activations; after the call activated when `keep`, else unchanged
// c_prev  in     [B,H]   null for zeros
// c       out    [B,H]   every element is written; may be c_prev itself
// h       out    [B,H]   every element is written; aliases nothing
template <typename Real>
using CellForward = void (*)(Real* gates, const Real* c_prev, Real* c, Real* h, std::int64_t rows, std::int64_t hidden,
                             bool keep);

// One time step, backward.
// gates   in     [B,4H]  activated, as the forward pass left them
// c_prev  in     [B,H]   null for zeros
// c       in     [B,H]   as the forward pass left it
// dh      in     [B,H]   gradient of h from everything that used it
// dc      in/out [B,H]   gradient of c from later steps; becomes the gradient of c_prev
// dgates  out    [B,4H]  gradient of the gates before their activations; every element is written; aliases nothing
template <typename Real>
using CellBackward = void (*)(const Real* gates, const Real* c_prev, const Real* c, const Real* dh, Real* dc,
                              Real* dgates, std::int64_t rows, std::int64_t hidden);

template <typename Real>
struct Cell {
  CellForward<Real> forward;
  CellBackward<Real> backward;
};

// The kernels of one instruction set.
struct Kernels {
  const char* name;
  bool (*runs_here)();
  Cell<float> float32;
  Cell<double> float64;
};

// Every set that was compiled in, fastest first; the last runs anywhere.
extern const Kernels kernels[];
extern const int kernel_count;

}  // namespace fastgan
