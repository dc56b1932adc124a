// What Python sees of the kernels: addresses and sizes as integers, checked here, with the interpreter lock released
// while a kernel runs. No header of torch is needed, so one build serves every version of it.
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>

#include "lstm.h"

namespace py = pybind11;

namespace {

using Address = std::uintptr_t;

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
Real* pointer(Address address, const char* name) {
  if (address == 0) throw std::invalid_argument(std::string(name) + " is null");
  if (address % alignof(Real) != 0) throw std::invalid_argument(std::string(name) + " is not aligned to its element");
  return reinterpret_cast<Real*>(address);
}

template <typename Real>
Real* pointer_or_null(Address address, const char* name) {
  return address == 0 ? nullptr : pointer<Real>(address, name);
}

void check_sizes(std::int64_t rows, std::int64_t hidden) {
  if (rows <= 0 || hidden <= 0) {
    throw std::invalid_argument("rows and hidden have to be above 0, not " + std::to_string(rows) + " and " +
                                std::to_string(hidden));
  }
}

template <typename Real>
const fastgan::Cell<Real>& cell();
template <>
const fastgan::Cell<float>& cell<float>() {
  return chosen->float32;
}
template <>
const fastgan::Cell<double>& cell<double>() {
  return chosen->float64;
}

template <typename Real>
void forward(Address gates, Address c_prev, Address c, Address h, std::int64_t rows, std::int64_t hidden, bool keep) {
  check_sizes(rows, hidden);
  Real* const gates_at = pointer<Real>(gates, "gates");
  const Real* const c_prev_at = pointer_or_null<const Real>(c_prev, "c_prev");
  Real* const c_at = pointer<Real>(c, "c");
  Real* const h_at = pointer<Real>(h, "h");
  const auto run = cell<Real>().forward;
  py::gil_scoped_release release;
  run(gates_at, c_prev_at, c_at, h_at, rows, hidden, keep);
}

template <typename Real>
void backward(Address gates, Address c_prev, Address c, Address dh, Address dc, Address dgates, std::int64_t rows,
              std::int64_t hidden) {
  check_sizes(rows, hidden);
  const Real* const gates_at = pointer<const Real>(gates, "gates");
  const Real* const c_prev_at = pointer_or_null<const Real>(c_prev, "c_prev");
  const Real* const c_at = pointer<const Real>(c, "c");
  const Real* const dh_at = pointer<const Real>(dh, "dh");
  Real* const dc_at = pointer<Real>(dc, "dc");
  Real* const dgates_at = pointer<Real>(dgates, "dgates");
  const auto run = cell<Real>().backward;
  py::gil_scoped_release release;
  run(gates_at, c_prev_at, c_at, dh_at, dc_at, dgates_at, rows, hidden);
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  module.doc() = "Kernels of fastgan; csrc/lstm.h says what every argument points to.";
  chosen = find("auto");
  module.attr("CONTRACT") = 1;  // grows with every change of an argument's meaning
  module.def("lstm_forward_float32", &forward<float>);
  module.def("lstm_forward_float64", &forward<double>);
  module.def("lstm_backward_float32", &backward<float>);
  module.def("lstm_backward_float64", &backward<double>);
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
