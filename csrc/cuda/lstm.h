// The contract between Python and the LSTM kernels for GPUs, as csrc/lstm.h has it for the processor, whose letters
// mean the same here. All tensors lie on one device, are dense, row-major and begin at multiples of 16 bytes; those
// typed void hold numbers of the call's kind. A call puts work on a stream and returns at once, without waiting for the
// device and without memory of its own, so it may be captured in a graph. Outputs alias nothing. A pointer may be null
// only where its line says so. There is no projection.
#pragma once

#include <cstdint>
#include <string>

namespace fastgan::cuda {

constexpr int kPlaces = 8;  // of one call, at most
constexpr int kThin = 8;    // inputs that are added one by one, at most

// Of the numbers in tensors. Sums, cells between steps and gates before they are stored are float in any case.
enum class Kind {
  bfloat16,
  float16,
  tf32,    // float, whose products see its first 11 bits
  float32  // float, whose products are the sum of three such products: about as exact as float
};

// How many there are of what.
struct Shape {
  std::int64_t rows;            // N
  const std::int64_t* offsets;  // in [T+1], of the device; null when every step has B rows
  int steps, batch, inputs, hidden, layers, directions;
  int first, last;   // the layers of this call; one alone where there are two directions
  int together = 1;  // sequences side by side that are not to be parted
  int beside =
      0;  // inputs that a block keeps in its shared memory, at most kThin; 0 where it reads them from x or sums
};

// Of one place. K is I in the first layer, D H in the others.
struct Weights {
  const void* w_ih;  // [4H,K]
  const void* w_hh;  // [4H,H]
  const void* b_ih;  // [4H]  null for zeros
  const void* b_hh;  // [4H]  null for zeros
};

struct Forward {
  Shape shape;
  Weights weights[kPlaces];  // in, of the places of the call's layers
  const void* x;             // in [N,I]      read where sums is null: by layer 0, with at most kThin inputs
  const float* sums;     // in [D,N,4H]   what the gates of layer `first` get from its input, without biases; or null
  const void* h0;        // in [L D,B,H]  null for zeros
  const void* c0;        // in [L D,B,H]  null exactly when h0 is
  const void* masks;     // in [L-1,N,D H]  factors between layers; null for none
  void* output;          // out [N,D H]
  void* inner;           // out [L-1,N,D H]  read by a layer whose predecessor is in an earlier call
  void* dropped;         // out [L-1,N,D H]  null without masks
  void* cells;           // out [L D,N,H]    null when nothing is kept
  void* gates;           // out [L D,N,4H]   null when nothing is kept
  void* h_n;             // out [L D,B,H]
  void* c_n;             // out [L D,B,H]
  std::uint32_t* flags;  // for the call alone, as many as there are processors
};

struct Backward {
  Shape shape;
  Weights weights[kPlaces];  // in; biases are not read
  const void* above;         // in [N,D H]      gradient of what layer last - 1 gives; null for zeros
  const void* d_h_n;         // in [L D,B,H]    null for zeros
  const void* d_c_n;         // in [L D,B,H]    null for zeros
  const void* c0;            // in [L D,B,H]    null for zeros
  const void* masks;         // in [L-1,N,D H]  null for none
  const void* cells;         // in [L D,N,H]
  const void* gates;         // in [L D,N,4H]
  void* d_gates;             // out [L D,N,4H]  gradients of the gates' sums
  void* d_h0;                // out [L D,B,H]   null when not wanted
  void* d_c0;                // out [L D,B,H]   null exactly when d_h0 is
  std::uint32_t* flags;      // as above
};

// A stack with a dense layer on top that reads its own values, as csrc/lstm.h has it: with windows, n of each clip are
// under way, and the one in row n b + p begins with every step whose number is p modulo n. Steps are counted from the
// first on, over all calls of a run. D is the inputs, B the batch: clips times max(n, 1).
struct FreeRun {
  Shape shape;               // all layers in one direction; steps of this call; together = max(n, 1), beside = D
  Weights weights[kPlaces];  // in
  const void* dense;         // in [D,H]
  const void* dense_bias;    // in [D]             null for zeros
  const void* x;             // in [clips,shown,D] what the first steps read; null when shown is 0
  void* states;              // in and out [2,L,B,H]   after even and after odd steps; zeros before the first
  float* cells;              // in and out [L,B,H]     zeros before the first
  void* next;                // in and out [clips,D]   what came out last
  void* out;                 // out [clips,steps,D]
  int windows, shown;        // n, or 0 to carry one state of each clip on for ever; shown is at most the steps
  int odd, phase;            // steps before this call, modulo 2 and modulo max(n, 1)
  std::uint32_t* flags;      // as above
};

// Before such a pass as below: a layer's weights in the order in which it reads them.
struct StreamPack {
  int inputs, hidden;  // no inputs on the way back
  const void* w_ih;    // in [4H,I]  read with more than kThin inputs
  const void* w_hh;    // in [4H,H]
  void* packed;        // out, `stream_bytes` of them: the weights in the order in which a pass reads them
  bool back;
};

// One layer in one direction for sequences of equal length, in numbers of two bytes: for calls of many (stream.h).
// There are at most kMost of stream_plan.h units and inputs; units, and inputs beyond kThin, are multiples of 8.
struct StreamForward {
  int steps, batch, inputs, hidden;
  const void* x;  // in [T,B,I]
  Weights weights;
  const void* packed;  // in, what StreamPack leaves
  const void* h0;      // in [B,H]    null for zeros
  const void* c0;      // in [B,H]    null exactly when h0 is
  const void* mask;    // in [T,B,H]  factors behind the layer; null for none
  void* output;        // out [T,B,H]
  void* dropped;       // out [T,B,H]  null without mask
  void* cells;         // out [T,B,H]  null when nothing is kept
  void* gates;         // out [T,B,4H]  null when nothing is kept
  void* h_n;           // out [B,H]
  void* c_n;           // out [B,H]
};

struct StreamBackward {
  int steps, batch, hidden;
  const void* packed;  // in, what StreamPack leaves
  const void* above;   // in [T,B,H]   gradient of what the layer gives; null for zeros
  const void* d_h_n;   // in [B,H]     null for zeros
  const void* d_c_n;   // in [B,H]     null for zeros
  const void* c0;      // in [B,H]     null for zeros
  const void* cells;   // in [T,B,H]
  const void* gates;   // in [T,B,4H]
  void* d_gates;       // out [T,B,4H]
  void* d_h0;          // out [B,H]    null when not wanted
  void* d_c0;          // out [B,H]    null exactly when d_h0 is
};

// A device, as far as the kernels care.
struct Machine {
  int processors;  // that can run a block each at the same time
  int warps;       // of a block, at most
  int cluster;     // blocks that can be started as a cluster, at most; 0 where there are no clusters
  int clusters;    // of that size that run at the same time
  int shared;      // bytes of a block's shared memory, at most
};

// The device with this number. Raises std::runtime_error, as the launches do, with the driver's words.
Machine machine_of(int device);

// Put a pass on a stream of a device.
void start(const Forward& call, Kind kind, int device, void* stream);
void start(const Backward& call, Kind kind, int device, void* stream);
void start(const FreeRun& call, Kind kind, int device, void* stream);
void start(const StreamPack& call, Kind kind, int device, void* stream);
void start(const StreamForward& call, Kind kind, int device, void* stream);
void start(const StreamBackward& call, Kind kind, int device, void* stream);

}  // namespace fastgan::cuda
