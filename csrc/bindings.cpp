// What Python sees of the kernels: addresses and sizes as integers, checked here, with the interpreter lock released
// while a kernel runs. No header of torch is needed, so one build serves every version of it.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/team.h"
#include "lstm.h"
#include "memory.h"

namespace py = pybind11;

namespace {

using Address = std::uintptr_t;
using Numbers = std::vector<std::int64_t>;

const fastgan::Kernels* chosen = nullptr;

const fastgan::Kernels* find(const std::string& name) {
  std::string able;
  for (int k = 0; k < fastgan::kernel_count; ++k) {
    const fastgan::Kernels& kernels = fastgan::kernels[k];
    if (!kernels.runs_here()) continue;
    if (name == "auto" || name == kernels.name) return &kernels;
    able += std::string(able.empty() ? "" : ", ") + kernels.name;
  }
  throw std::invalid_argument("no instruction set " + name + " on this processor; it has: " + able);
}

template <typename Real>
const fastgan::Lstm<Real>& lstm();
template <>
const fastgan::Lstm<float>& lstm<float>() {
  return chosen->float32;
}
template <>
const fastgan::Lstm<double>& lstm<double>() {
  return chosen->float64;
}

template <typename Real>
Real* pointer_or_null(Address address, const char* name) {
  if (address % alignof(Real) != 0) throw std::invalid_argument(std::string(name) + " is not aligned to its element");
  return reinterpret_cast<Real*>(address);
}

template <typename Real>
Real* pointer(Address address, const char* name) {
  if (address == 0) throw std::invalid_argument(std::string(name) + " is null");
  return pointer_or_null<Real>(address, name);
}

// [steps, batch, inputs, hidden, projected, layers, directions], and the sequences at each step when they differ.
class Shape {
 public:
  Shape(const std::array<std::int64_t, 7>& numbers, const Numbers& batch_sizes) {
    const auto [steps, batch, inputs, hidden, projected, layers, directions] = numbers;
    if (steps <= 0 || batch <= 0 || inputs <= 0 || hidden <= 0 || layers <= 0 || projected < 0 || directions < 1 ||
        directions > 2) {
      throw std::invalid_argument("sizes have to be above 0, and directions 1 or 2");
    }
    if (!batch_sizes.empty() && (batch_sizes.size() != std::size_t(steps) || batch_sizes[0] != batch)) {
      throw std::invalid_argument("batch_sizes needs one number for each step, the first of them the batch");
    }
    offsets_.reserve(steps + 1);
    offsets_.push_back(0);
    for (std::int64_t t = 0, before = batch; t < steps; ++t) {
      const std::int64_t rows = batch_sizes.empty() ? batch : batch_sizes[t];
      if (rows <= 0 || rows > before) throw std::invalid_argument("batch_sizes has to be above 0 and never grow");
      offsets_.push_back(offsets_.back() + rows);
      before = rows;
    }
    sizes = {steps, batch, inputs, hidden, projected, layers, directions, offsets_.data()};
  }

  fastgan::Sizes sizes;

 private:
  std::vector<std::int64_t> offsets_;
};

// Five addresses for each place: w_ih, w_hh, b_ih, b_hh, w_hr.
template <typename Real>
std::vector<fastgan::Weights<Real>> weights_of(const std::vector<Address>& at, const Shape& shape, bool all) {
  if (at.size() != std::size_t(5 * shape.sizes.places()))
    throw std::invalid_argument("weights needs five addresses for each place");
  std::vector<fastgan::Weights<Real>> weights;
  const auto matrix = all ? pointer<Real> : pointer_or_null<Real>;
  for (std::size_t k = 0; k < at.size(); k += 5) {
    weights.push_back({matrix(at[k], "w_ih"), matrix(at[k + 1], "w_hh"), pointer_or_null<Real>(at[k + 2], "b_ih"),
                       pointer_or_null<Real>(at[k + 3], "b_hh"),
                       (all && shape.sizes.projected ? pointer<Real> : pointer_or_null<Real>)(at[k + 4], "w_hr")});
  }
  return weights;
}

// output, inner, dropped, cells, gates.
template <typename Real>
fastgan::Trace<Real> trace_of(const std::array<Address, 5>& at, bool kept) {
  const auto state = kept ? pointer<Real> : pointer_or_null<Real>;
  return {pointer<Real>(at[0], "output"), pointer_or_null<Real>(at[1], "inner"),
          pointer_or_null<Real>(at[2], "dropped"), state(at[3], "cells"), state(at[4], "gates")};
}

template <typename Real>
void forward(const std::array<std::int64_t, 7>& numbers, const Numbers& batch_sizes,
             const std::vector<Address>& weights, Address x, Address h0, Address c0, Address masks,
             const std::array<Address, 5>& trace, Address h_n, Address c_n, int threads) {
  const Shape shape(numbers, batch_sizes);
  const auto all = weights_of<Real>(weights, shape, true);
  const fastgan::Forward<Real> call = {shape.sizes,
                                       all.data(),
                                       pointer<const Real>(x, "x"),
                                       pointer_or_null<const Real>(h0, "h0"),
                                       pointer_or_null<const Real>(c0, "c0"),
                                       pointer_or_null<const Real>(masks, "masks"),
                                       trace_of<Real>(trace, false),
                                       pointer<Real>(h_n, "h_n"),
                                       pointer<Real>(c_n, "c_n"),
                                       threads};
  py::gil_scoped_release release;
  lstm<Real>().forward(call);
}

template <typename Real>
void backward(const std::array<std::int64_t, 7>& numbers, const Numbers& batch_sizes,
              const std::vector<Address>& weights, Address x, Address h0, Address c0, Address masks,
              const std::array<Address, 5>& trace, Address d_output, Address d_h_n, Address d_c_n, Address d_x,
              Address d_h0, Address d_c0, const std::vector<Address>& d_weights, int threads) {
  const Shape shape(numbers, batch_sizes);
  const auto all = weights_of<Real>(weights, shape, true);
  auto wanted = weights_of<Real>(d_weights, shape, false);
  const fastgan::Backward<Real> call = {shape.sizes,
                                        all.data(),
                                        pointer<const Real>(x, "x"),
                                        pointer_or_null<const Real>(h0, "h0"),
                                        pointer_or_null<const Real>(c0, "c0"),
                                        pointer_or_null<const Real>(masks, "masks"),
                                        trace_of<Real>(trace, true),
                                        pointer_or_null<const Real>(d_output, "d_output"),
                                        pointer_or_null<const Real>(d_h_n, "d_h_n"),
                                        pointer_or_null<const Real>(d_c_n, "d_c_n"),
                                        pointer_or_null<Real>(d_x, "d_x"),
                                        pointer_or_null<Real>(d_h0, "d_h0"),
                                        pointer_or_null<Real>(d_c0, "d_c0"),
                                        wanted.data(),
                                        threads};
  py::gil_scoped_release release;
  lstm<Real>().backward(call);
}

template <typename Real>
void second(const std::array<std::int64_t, 7>& numbers, const Numbers& batch_sizes, const std::vector<Address>& weights,
            Address x, Address h0, Address c0, Address masks, const std::array<Address, 5>& trace, Address d_output,
            Address d_h_n, Address d_c_n, Address u_x, const std::vector<Address>& u_weights, Address u_h0,
            Address u_c0, const std::array<Address, 3>& s, Address s_x, Address s_h0, Address s_c0,
            const std::vector<Address>& s_weights, int threads) {
  const Shape shape(numbers, batch_sizes);
  if (shape.sizes.projected) throw std::invalid_argument("the second order takes no projection");
  const auto all = weights_of<Real>(weights, shape, true);
  const auto along = weights_of<Real>(u_weights, shape, false);
  auto wanted = weights_of<Real>(s_weights, shape, false);
  const fastgan::Second<Real> call = {shape.sizes,
                                      all.data(),
                                      pointer<const Real>(x, "x"),
                                      pointer_or_null<const Real>(h0, "h0"),
                                      pointer_or_null<const Real>(c0, "c0"),
                                      pointer_or_null<const Real>(masks, "masks"),
                                      trace_of<Real>(trace, true),
                                      pointer_or_null<const Real>(d_output, "d_output"),
                                      pointer_or_null<const Real>(d_h_n, "d_h_n"),
                                      pointer_or_null<const Real>(d_c_n, "d_c_n"),
                                      pointer_or_null<const Real>(u_x, "u_x"),
                                      along.data(),
                                      pointer_or_null<const Real>(u_h0, "u_h0"),
                                      pointer_or_null<const Real>(u_c0, "u_c0"),
                                      pointer<Real>(s[0], "s_output"),
                                      pointer<Real>(s[1], "s_h_n"),
                                      pointer<Real>(s[2], "s_c_n"),
                                      pointer_or_null<Real>(s_x, "s_x"),
                                      pointer_or_null<Real>(s_h0, "s_h0"),
                                      pointer_or_null<Real>(s_c0, "s_c0"),
                                      wanted.data(),
                                      threads};
  py::gil_scoped_release release;
  lstm<Real>().second(call);
}

template <typename Real>
void activations(Address x, Address sigmoid, Address tanh, std::int64_t count) {
  lstm<Real>().activations(pointer<const Real>(x, "x"), pointer<Real>(sigmoid, "sigmoid"), pointer<Real>(tanh, "tanh"),
                           count);
}

// What Python holds of a piece of memory: a buffer, whose last user gives it back.
struct Buffer {
  explicit Buffer(std::size_t bytes) : memory(fastgan::take_memory(bytes)) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { fastgan::give_memory(memory); }

  fastgan::Memory memory;
};

// A stack that reads its own values, with its weights packed and its states, in memory of its own.
template <typename Real>
class FreeRun {
 public:
  FreeRun(std::int64_t clips, std::int64_t windows, std::int64_t values, std::int64_t hidden, std::int64_t layers,
          const std::vector<Address>& weights, Address dense, Address dense_bias)
      : lstm_(lstm<Real>()), run_{clips, windows, values, hidden, layers, nullptr, nullptr, nullptr, nullptr} {
    if (clips <= 0 || windows < 0 || values <= 0 || hidden <= 0 || layers <= 0)
      throw std::invalid_argument("sizes have to be above 0, and windows 0 or above");
    const Shape shape({1, clips, values, hidden, 0, layers, 1}, {});
    const auto all = weights_of<Real>(weights, shape, true);
    run_.weights = all.data();
    run_.dense = pointer<const Real>(dense, "dense");
    run_.dense_bias = pointer_or_null<const Real>(dense_bias, "dense_bias");
    memory_.emplace(lstm_.free.bytes(run_));
    run_.memory = memory_->memory.at;
    py::gil_scoped_release release;
    lstm_.free.start(run_);
  }

  void run(std::int64_t steps, std::int64_t shown, Address x, Address out, int threads) {
    if (steps <= 0 || shown < 0 || shown > steps)
      throw std::invalid_argument("steps has to be above 0, and shown from 0 to steps");
    const fastgan::FreeSteps<Real> call = {steps, shown,
                                           (shown ? pointer<const Real> : pointer_or_null<const Real>)(x, "x"),
                                           pointer<Real>(out, "out"), threads};
    py::gil_scoped_release release;
    const std::lock_guard<std::mutex> one_at_a_time(busy_);
    lstm_.free.run(run_, call);
  }

 private:
  const fastgan::Lstm<Real>& lstm_;  // that memory_ is laid out for, whatever set is chosen later
  fastgan::FreeRun<Real> run_;
  std::optional<Buffer> memory_;
  std::mutex busy_;
};

template <typename Real>
void define_free_run(py::module_& module, const char* name) {
  py::class_<FreeRun<Real>>(module, name)
      .def(py::init<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, const std::vector<Address>&,
                    Address, Address>())
      .def("run", &FreeRun<Real>::run);
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  module.doc() = "Kernels of fastgan; csrc/lstm.h says what every argument points to.";
  chosen = find("auto");
  module.attr("CONTRACT") = 4;  // grows with every change of an argument's meaning
  module.def("lstm_forward_float32", &forward<float>);
  module.def("lstm_forward_float64", &forward<double>);
  module.def("lstm_backward_float32", &backward<float>);
  module.def("lstm_backward_float64", &backward<double>);
  module.def("lstm_second_float32", &second<float>);
  module.def("lstm_second_float64", &second<double>);
  module.def("lstm_activations_float32", &activations<float>);
  module.def("lstm_activations_float64", &activations<double>);
  define_free_run<float>(module, "FreeRun_float32");
  define_free_run<double>(module, "FreeRun_float64");
  py::class_<Buffer>(module, "Buffer", py::buffer_protocol())
      .def(py::init<std::size_t>())
      .def_buffer([](Buffer& buffer) {
        return py::buffer_info(static_cast<unsigned char*>(buffer.memory.at), py::ssize_t(buffer.memory.bytes));
      });
  module.def("forget_memory", &fastgan::forget_memory);
  module.def("use_openmp", [](Address parallel, Address thread_num, Address num_threads) {
    fastgan::use_openmp(reinterpret_cast<void*>(parallel), reinterpret_cast<void*>(thread_num),
                        reinterpret_cast<void*>(num_threads));
  });
  module.def("instruction_sets", [] {
    py::list names;
    for (int k = 0; k < fastgan::kernel_count; ++k) {
      if (fastgan::kernels[k].runs_here()) names.append(fastgan::kernels[k].name);
    }
    return names;
  });
  module.def("instruction_set", [] { return std::string(chosen->name); });
  // For tests and measurements: "auto" or one of instruction_sets(), for the whole process.
  module.def("use_instruction_set", [](const std::string& name) { chosen = find(name); });
}
