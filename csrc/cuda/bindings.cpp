// What Python sees of the kernels for GPUs: addresses and sizes as integers, checked here.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "stream_plan.h"
#ifdef FASTGAN_EMULATED
#  include "emulated.h"
#endif

namespace py = pybind11;

namespace {

using namespace fastgan::cuda;

using Address = std::uintptr_t;
using Numbers = std::array<std::int64_t, 8>;  // T, B, I, H, L, D, N, and where the offsets are
using Layers = std::array<int, 2>;            // first, last

Kind kind_of(const std::string& name) {
  static const std::map<std::string, Kind> kinds = {
      {"bfloat16", Kind::bfloat16}, {"float16", Kind::float16}, {"tf32", Kind::tf32}, {"float32", Kind::float32}};
  const auto found = kinds.find(name);
  if (found == kinds.end()) throw std::invalid_argument("no kind of numbers " + name);
  return found->second;
}

Shape shape_of(const Numbers& numbers, const Layers& layers) {
  for (int k = 0; k < 7; ++k) {
    if (numbers[k] <= 0 || (k < 6 && numbers[k] > INT32_MAX))
      throw std::invalid_argument("sizes have to be above 0 and below 2^31");
  }
  const auto [steps, batch, inputs, hidden, count, directions, rows, offsets] = numbers;
  const auto [first, last] = layers;
  if (directions > 2 || first < 0 || last <= first || last > count || (directions == 2 && last > first + 1) ||
      (last - first) * directions > kPlaces)
    throw std::invalid_argument("no such layers or directions");
  return {rows,        reinterpret_cast<const std::int64_t*>(offsets),
          int(steps),  int(batch),
          int(inputs), int(hidden),
          int(count),  int(directions),
          first,       last};
}

template <typename T = void>
T* pointer_or_null(Address address, const char* name) {
  if (address % 16 != 0) throw std::invalid_argument(std::string(name) + " does not begin at a multiple of 16 bytes");
  return reinterpret_cast<T*>(address);
}

template <typename T = void>
T* pointer(Address address, const char* name) {
  if (address == 0) throw std::invalid_argument(std::string(name) + " is null");
  return pointer_or_null<T>(address, name);
}

// Four addresses for each place of the call: w_ih, w_hh, b_ih, b_hh.
void fill(Weights (&weights)[kPlaces], const Shape& shape, const std::vector<Address>& at) {
  if (at.size() != 4 * std::size_t((shape.last - shape.first) * shape.directions))
    throw std::invalid_argument("weights needs four addresses for each place");
  for (std::size_t k = 0; k < at.size(); k += 4) {
    const auto bias = [](Address address) { return reinterpret_cast<const void*>(address); };
    weights[k / 4] = {reinterpret_cast<const void*>(at[k]), pointer(at[k + 1], "w_hh"), bias(at[k + 2]),
                      bias(at[k + 3])};
  }
}

void run_forward(const std::string& kind, int device, Address stream, const Numbers& numbers, const Layers& layers,
                 const std::vector<Address>& weights, Address x, Address sums, Address h0, Address c0, Address masks,
                 const std::array<Address, 7>& trace, Address flags) {
  Forward call = {};
  call.shape = shape_of(numbers, layers);
  fill(call.weights, call.shape, weights);
  if (sums == 0 && (call.shape.first > 0 || call.shape.inputs > kThin))
    throw std::invalid_argument("sums is null, and nothing else gives what layer " + std::to_string(layers[0]) +
                                " reads");
  call.x = reinterpret_cast<const void*>(x);
  call.sums = pointer_or_null<const float>(sums, "sums");
  call.h0 = pointer_or_null(h0, "h0");
  call.c0 = pointer_or_null(c0, "c0");
  call.masks = pointer_or_null(masks, "masks");
  const auto below = call.shape.layers > 1 ? pointer<> : pointer_or_null<>;
  call.output = pointer(trace[0], "output");
  call.h_n = pointer(trace[1], "h_n");
  call.c_n = pointer(trace[2], "c_n");
  call.inner = below(trace[3], "inner");
  call.dropped = (masks ? pointer<> : pointer_or_null<>)(trace[4], "dropped");
  call.cells = pointer_or_null(trace[5], "cells");
  call.gates = (trace[5] ? pointer<> : pointer_or_null<>)(trace[6], "gates");
  call.flags = pointer<std::uint32_t>(flags, "flags");
  start(call, kind_of(kind), device, reinterpret_cast<void*>(stream));
}

void run_backward(const std::string& kind, int device, Address stream, const Numbers& numbers, const Layers& layers,
                  const std::vector<Address>& weights, Address above, Address d_h_n, Address d_c_n, Address c0,
                  Address masks, Address cells, Address gates, Address d_gates, Address d_h0, Address d_c0,
                  Address flags) {
  Backward call = {};
  call.shape = shape_of(numbers, layers);
  fill(call.weights, call.shape, weights);
  call.above = pointer_or_null(above, "above");
  call.d_h_n = pointer_or_null(d_h_n, "d_h_n");
  call.d_c_n = pointer_or_null(d_c_n, "d_c_n");
  call.c0 = pointer_or_null(c0, "c0");
  call.masks = pointer_or_null(masks, "masks");
  call.cells = pointer(cells, "cells");
  call.gates = pointer(gates, "gates");
  call.d_gates = pointer(d_gates, "d_gates");
  call.d_h0 = pointer_or_null(d_h0, "d_h0");
  call.d_c0 = (d_h0 ? pointer<> : pointer_or_null<>)(d_c0, "d_c0");
  call.flags = pointer<std::uint32_t>(flags, "flags");
  start(call, kind_of(kind), device, reinterpret_cast<void*>(stream));
}

using FreeNumbers = std::array<std::int64_t, 7>;  // clips, D, H, L, windows; of a call: steps, shown

Shape free_shape_of(const FreeNumbers& numbers) {
  const auto [clips, values, hidden, layers, windows, steps, shown] = numbers;
  if (windows < 0 || shown < 0 || shown > steps) throw std::invalid_argument("windows and shown are 0 or above");
  const std::int64_t together = std::max<std::int64_t>(windows, 1), rows = clips * together;
  Shape shape = shape_of({steps, rows, values, hidden, layers, 1, rows, 0}, {0, int(layers)});
  if (values > kThin) throw std::invalid_argument("a value has at most " + std::to_string(kThin) + " numbers");
  if (steps > INT32_MAX / 2 / layers) throw std::invalid_argument("more steps than a call counts");
  shape.together = int(together);
  shape.beside = int(values);
  return shape;
}

void run_free(const std::string& kind, int device, Address stream, const FreeNumbers& numbers, std::int64_t done,
              const std::vector<Address>& weights, Address dense, Address dense_bias, Address x, Address states,
              Address cells, Address next, Address out, Address flags) {
  FreeRun call = {};
  call.shape = free_shape_of(numbers);
  fill(call.weights, call.shape, weights);
  call.dense = pointer(dense, "dense");
  call.dense_bias = pointer_or_null(dense_bias, "dense_bias");
  call.windows = int(numbers[4]);
  call.shown = int(numbers[6]);
  call.x = (call.shown ? pointer<> : pointer_or_null<>)(x, "x");
  call.states = pointer(states, "states");
  call.cells = pointer<float>(cells, "cells");
  call.next = pointer(next, "next");
  call.out = pointer(out, "out");
  call.odd = int(done % 2);
  call.phase = int(done % call.shape.together);
  call.flags = pointer<std::uint32_t>(flags, "flags");
  start(call, kind_of(kind), device, reinterpret_cast<void*>(stream));
}

using StreamNumbers = std::array<std::int64_t, 4>;  // T, B, I, H

void check_stream(const StreamNumbers& numbers) {
  for (const std::int64_t number : numbers)
    if (number <= 0 || number > INT32_MAX) throw std::invalid_argument("sizes have to be above 0 and below 2^31");
  if (numbers[0] > INT32_MAX / 16) throw std::invalid_argument("more steps than a call counts");
}

// Packed weights would be written before a launch could refuse.
void check_room(Kind kind, int device, const StreamNumbers& numbers, std::int64_t inputs) {
  if (stream_plan(machine_of(device), kind, int(numbers[1]), int(inputs), int(numbers[3])).groups == 0)
    throw std::runtime_error("the GPU has no room for this problem");
}

void run_stream_forward(const std::string& kind, int device, Address stream, const StreamNumbers& numbers,
                        const std::array<Address, 4>& weights, Address packed, Address x, Address h0, Address c0,
                        Address mask, Address output, Address dropped, Address cells, Address gates, Address h_n,
                        Address c_n) {
  check_stream(numbers);
  StreamForward call = {};
  call.steps = int(numbers[0]);
  call.batch = int(numbers[1]);
  call.inputs = int(numbers[2]);
  call.hidden = int(numbers[3]);
  call.x = pointer(x, "x");
  call.weights = {pointer(weights[0], "w_ih"), pointer(weights[1], "w_hh"), reinterpret_cast<const void*>(weights[2]),
                  reinterpret_cast<const void*>(weights[3])};
  call.packed = pointer(packed, "packed");
  call.h0 = pointer_or_null(h0, "h0");
  call.c0 = (h0 ? pointer<> : pointer_or_null<>)(c0, "c0");
  call.mask = pointer_or_null(mask, "mask");
  call.output = pointer(output, "output");
  call.dropped = (mask ? pointer<> : pointer_or_null<>)(dropped, "dropped");
  call.cells = pointer_or_null(cells, "cells");
  call.gates = (cells ? pointer<> : pointer_or_null<>)(gates, "gates");
  call.h_n = pointer(h_n, "h_n");
  call.c_n = pointer(c_n, "c_n");
  const Kind of = kind_of(kind);
  check_room(of, device, numbers, numbers[2]);
  start(StreamPack{call.inputs, call.hidden, call.weights.w_ih, call.weights.w_hh, pointer(packed, "packed"), false},
        of, device, reinterpret_cast<void*>(stream));
  start(call, of, device, reinterpret_cast<void*>(stream));
}

void run_stream_backward(const std::string& kind, int device, Address stream, const StreamNumbers& numbers,
                         Address w_hh, Address packed, Address above, Address d_h_n, Address d_c_n, Address c0,
                         Address cells, Address gates, Address d_gates, Address d_h0, Address d_c0) {
  check_stream(numbers);
  StreamBackward call = {};
  call.steps = int(numbers[0]);
  call.batch = int(numbers[1]);
  call.hidden = int(numbers[3]);
  call.packed = pointer(packed, "packed");
  call.above = pointer_or_null(above, "above");
  call.d_h_n = pointer_or_null(d_h_n, "d_h_n");
  call.d_c_n = pointer_or_null(d_c_n, "d_c_n");
  call.c0 = pointer_or_null(c0, "c0");
  call.cells = pointer(cells, "cells");
  call.gates = pointer(gates, "gates");
  call.d_gates = pointer(d_gates, "d_gates");
  call.d_h0 = pointer_or_null(d_h0, "d_h0");
  call.d_c0 = (d_h0 ? pointer<> : pointer_or_null<>)(d_c0, "d_c0");
  const Kind of = kind_of(kind);
  check_room(of, device, numbers, 0);
  start(StreamPack{0, call.hidden, nullptr, pointer(w_hh, "w_hh"), pointer(packed, "packed"), true}, of, device,
        reinterpret_cast<void*>(stream));
  start(call, of, device, reinterpret_cast<void*>(stream));
}

}  // namespace

PYBIND11_MODULE(FASTGAN_MODULE, module) {
  module.doc() = "The LSTM kernels for Nvidia GPUs. Tensors come as addresses; see csrc/cuda/lstm.h.";
  module.attr("CONTRACT") = 3;
  module.def("forward", run_forward, "Some layers of a forward pass, on a stream.");
  module.def("backward", run_backward, "Some layers of a backward pass, on a stream.");
  module.def("free_run", run_free, "Some steps of a stack that reads its own values, on a stream.");
  module.def(
      "runs_free",
      [](const std::string& kind, int device, const FreeNumbers& numbers) {
        const Shape shape = free_shape_of(numbers);
        return plan_of(machine_of(device), kind_of(kind), shape, false, shape.layers).units > 0;
      },
      "Whether the device has room for such a stack.");
  module.def(
      "layers_together",
      [](const std::string& kind, int device, const Numbers& numbers, bool backward) {
        const Shape shape = shape_of(numbers, {0, 1});
        return layers_together(machine_of(device), kind_of(kind), shape, backward);
      },
      "How many layers one call is to take: all, one, or 0 when the device cannot run such a problem.");
  module.def("stream_forward", run_stream_forward, "A layer's forward pass over many sequences, on a stream.");
  module.def("stream_backward", run_stream_backward, "A layer's backward pass over many sequences, on a stream.");
  module.def(
      "stream_bytes",
      [](int inputs, int hidden) { return slabs_of(inputs, hidden) * kPieces * groups_of(inputs, hidden) * 16; },
      "Of the packed weights of such a layer; without inputs, of those that its way back reads.");
  module.def(
      "streams",
      [](const std::string& kind, int device, const StreamNumbers& numbers) {
        check_stream(numbers);
        const auto fits = [&](int inputs) {
          return stream_plan(machine_of(device), kind_of(kind), int(numbers[1]), inputs, int(numbers[3])).groups > 0;
        };
        return fits(int(numbers[2])) && fits(0);
      },
      "Whether the device can pass through a layer in this way, both forth and back.");
  module.def("processors", [](int device) { return machine_of(device).processors; }, "How many flags a call needs.");
#ifdef FASTGAN_EMULATED
  module.def(
      "emulate",
      [](int processors, int warps, int cluster, int clusters, int shared, std::uint64_t seed) {
        emulated::machine = {processors, warps, cluster, clusters, shared};
        emulated::seed = seed;
      },
      "Make the emulated device of this size; the seed decides who runs when.");
#endif
}
