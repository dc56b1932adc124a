// The contract between Python and the LSTM kernels: what every pointer points to, how long it lives, what may alias.
//
// One call runs a whole stack of layers, in both directions where there are two. All memory belongs to the caller, is
// dense and row-major, is aligned to its element and has to live until the call returns; nothing is kept. Outputs alias
// nothing. A pointer may be null only where its line says so. Kernels do not throw (but for want of memory), do not
// touch Python, and may run in any number of threads at once.
//
// T steps, B sequences, I inputs, H cells, P projected values or 0, R = P or H values that come out, L layers,
// D directions, N = offsets[T] rows: step t holds rows offsets[t] to offsets[t + 1], those of the sequences
// 0 to batch_t - 1, and batch_t never grows. The gates of a row lie side by side in the order i, f, g, o.
// What belongs to a layer and a direction is indexed by place = layer * D + direction.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastgan {

struct Sizes {
  std::int64_t steps, batch, inputs, hidden, projected, layers, directions;
  const std::int64_t* offsets;  // in [T+1], starting with 0

  std::int64_t out() const { return projected ? projected : hidden; }
  std::int64_t width() const { return directions * out(); }
  std::int64_t inputs_of(std::int64_t layer) const { return layer ? width() : inputs; }
  std::int64_t rows() const { return offsets[steps]; }
  std::int64_t places() const { return layers * directions; }
  std::int64_t batch_at(std::int64_t step) const { return offsets[step + 1] - offsets[step]; }
};

// Of one place. K is I in the first layer, D R in the others.
template <typename Real>
struct Weights {
  Real* w_ih;  // [4H,K]
  Real* w_hh;  // [4H,R]
  Real* b_ih;  // [4H]   null for zeros
  Real* b_hh;  // [4H]   null for zeros
  Real* w_hr;  // [P,H]  null without projection
};

// What a forward pass computes, and what any backward pass reads.
template <typename Real>
struct Trace {
  Real* output;   // [N,D R]      of the last layer
  Real* inner;    // [L-1,N,D R]  of the layers below; null when nothing is kept and there are no masks
  Real* dropped;  // [L-1,N,D R]  inner times masks, what the next layer reads; null without masks
  Real* cells;    // [L D,N,H]    cell states; null when nothing is kept
  Real* gates;    // [L D,N,4H]   after their activations; null when nothing is kept
};

template <typename Real>
struct Forward {
  Sizes sizes;
  const Weights<Real>* weights;  // in [L D]
  const Real* x;                 // in [N,I]
  const Real* h0;                // in [L D,B,R]  null for zeros
  const Real* c0;                // in [L D,B,H]  null exactly when h0 is
  const Real* masks;             // in [L-1,N,D R]  factors between layers; null for none
  Trace<Real> trace;             // out
  Real* h_n;                     // out [L D,B,R]
  Real* c_n;                     // out [L D,B,H]
  int threads;
};

template <typename Real>
struct Backward {
  Sizes sizes;
  const Weights<Real>* weights;  // in [L D]; biases are not read
  const Real* x;                 // in [N,I]
  const Real* h0;                // in, as forward
  const Real* c0;
  const Real* masks;
  Trace<Real> trace;         // in; gates not null
  const Real* d_output;      // in [N,D R]    null for zeros
  const Real* d_h_n;         // in [L D,B,R]  null for zeros
  const Real* d_c_n;         // in [L D,B,H]  null for zeros
  Real* d_x;                 // out [N,I]     null when not wanted
  Real* d_h0;                // out [L D,B,R] null when not wanted
  Real* d_c0;                // out [L D,B,H] null when not wanted
  Weights<Real>* d_weights;  // out [L D]; each pointer null when not wanted; of the biases only b_ih is written
  int threads;
};

// The gradient of the backward pass: with S = <u_x, d_x> + <u_weights, d_weights> + <u_h0, d_h0> + <u_c0, d_c0>, where
// d_ are what Backward gives and u_ are given here, the gradients of S. P has to be 0.
template <typename Real>
struct Second {
  Sizes sizes;
  const Weights<Real>* weights;
  const Real* x;
  const Real* h0;
  const Real* c0;
  const Real* masks;
  Trace<Real> trace;  // in
  const Real* d_output;
  const Real* d_h_n;
  const Real* d_c_n;
  const Real* u_x;                 // in [N,I]     null for zeros
  const Weights<Real>* u_weights;  // in [L D]     null for zeros, as each of its pointers; biases are summed
  const Real* u_h0;                // in [L D,B,R] null for zeros
  const Real* u_c0;                // in [L D,B,H] null for zeros
  Real* s_output;                  // out [N,D R]  of d_output
  Real* s_h_n;                     // out [L D,B,R]
  Real* s_c_n;                     // out [L D,B,H]
  Real* s_x;                       // out [N,I]     null when not wanted
  Real* s_h0;                      // out [L D,B,R] null when not wanted
  Real* s_c0;                      // out [L D,B,H] null when not wanted
  Weights<Real>* s_weights;        // out [L D]; as d_weights
  int threads;
};

// A stack in one direction with a dense layer on top, D values in and D out, that reads its own values: the dense layer
// on the last step gives the next value. P has to be 0. With n windows every value is predicted from the n before it,
// from a zero state: n windows of each clip are under way, one row each, and at every step one is full and one begins.
// `start` reads the weights and copies what it needs of them into `memory`, so that many short calls of `run` read them
// once; afterwards only the sizes and `memory` are looked at. A run is one thread's at a time.
template <typename Real>
struct FreeRun {
  std::int64_t clips, windows;          // B; n, or 0 for one state of each clip that is carried on for ever
  std::int64_t values, hidden, layers;  // D, H, L
  const Weights<Real>* weights;         // in [L]    K is D in the first layer, H in the others
  const Real* dense;                    // in [D,H]
  const Real* dense_bias;               // in [D]    null for zeros
  void* memory;                         // in, out   bytes() of it, 64-byte aligned
};

// At each of the first `shown` steps the rows are shown a value of x, at the others what came out of the step before,
// be it of an earlier call; that is 0 before the first.
template <typename Real>
struct FreeSteps {
  std::int64_t steps, shown;
  const Real* x;  // in [B,shown,D]  null when nothing is shown
  Real* out;      // out [B,steps,D] what the dense layer gives at each step
  int threads;
};

template <typename Real>
struct Free {
  std::size_t (*bytes)(const FreeRun<Real>&);  // of its pointers none is read
  void (*start)(const FreeRun<Real>&);
  void (*run)(const FreeRun<Real>&, const FreeSteps<Real>&);
};

template <typename Real>
struct Lstm {
  void (*forward)(const Forward<Real>&);
  void (*backward)(const Backward<Real>&);
  void (*second)(const Second<Real>&);
  void (*activations)(const Real* x, Real* sigmoid, Real* tanh, std::int64_t count);  // for tests of their bounds
  Free<Real> free;
};

// The kernels of one instruction set.
struct Kernels {
  const char* name;
  bool (*runs_here)();
  Lstm<float> float32;
  Lstm<double> float64;
};

// Every set that was compiled in, fastest first; the last runs anywhere.
extern const Kernels kernels[];
extern const int kernel_count;

}  // namespace fastgan
