#include "free_run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "guarded.h"

namespace {

using fastgan::Kernels;
using Index = std::int64_t;

struct Case {
  Index clips, windows, values, hidden, layers;
  int biases, threads;
};

// Thin and deep inputs; one row, a tile and many; parts of vectors and of sums; one layer, whose states are those that
// are waited for; blocks of clips for groups of threads; sizes that are worth a team.
const Case kCases[] = {
    {1, 0, 1, 1, 1, 1, 1},   {1, 1, 1, 5, 2, 2, 1},   {1, 6, 1, 9, 2, 1, 1},    {3, 2, 5, 17, 3, 0, 1},
    {2, 0, 3, 16, 2, 1, 1},  {5, 15, 2, 7, 1, 2, 1},  {130, 3, 1, 4, 2, 1, 1},  {1, 6, 1, 90, 2, 1, 3},
    {1, 0, 4, 140, 1, 2, 2}, {9, 6, 20, 40, 2, 1, 3}, {120, 2, 3, 20, 3, 1, 3}, {40, 0, 6, 65, 2, 0, 2},
};
constexpr Index kShown = 4, kSteps = 26;
constexpr Index kCalls[] = {1, 5, 2, 18};  // the steps, in calls; shown values end within the second

template <typename Real>
struct Net {
  std::vector<std::vector<Real>> w_ih, w_hh, b_ih, b_hh;
  std::vector<Real> dense, dense_bias;
};

template <typename Real>
Net<Real> net_of(const Case& c, std::mt19937& engine) {
  const auto drawn = [&](Index count) {
    std::vector<Real> numbers(count);
    for (Real& number : numbers) number = Real((double(engine()) / 2147483648.0 - 1) * 3 / std::sqrt(double(c.hidden)));
    return numbers;
  };
  Net<Real> net;
  for (Index layer = 0; layer < c.layers; ++layer) {
    net.w_ih.push_back(drawn(4 * c.hidden * (layer ? c.hidden : c.values)));
    net.w_hh.push_back(drawn(4 * c.hidden * c.hidden));
    net.b_ih.push_back(drawn(c.biases > 0 ? 4 * c.hidden : 0));
    net.b_hh.push_back(drawn(c.biases > 1 ? 4 * c.hidden : 0));
  }
  net.dense = drawn(c.values * c.hidden);
  net.dense_bias = drawn(c.biases ? c.values : 0);
  return net;
}

// What a net says after some values, from a zero state on: in a wider type, one number after the other.
template <typename Real>
std::vector<double> prediction(const Case& c, const Net<Real>& net, const std::vector<const Real*>& shown) {
  std::vector<std::vector<double>> h(c.layers, std::vector<double>(c.hidden)), cells = h;
  for (const Real* value : shown) {
    std::vector<double> x(value, value + c.values);
    for (Index layer = 0; layer < c.layers; ++layer) {
      std::vector<double> state(c.hidden);
      for (Index unit = 0; unit < c.hidden; ++unit) {
        double gate[4] = {};
        for (Index k = 0; k < 4; ++k) {
          const Index row = k * c.hidden + unit, depth = Index(x.size());
          for (Index j = 0; j < depth; ++j) gate[k] += x[j] * double(net.w_ih[layer][row * depth + j]);
          for (Index j = 0; j < c.hidden; ++j) gate[k] += h[layer][j] * double(net.w_hh[layer][row * c.hidden + j]);
          if (c.biases > 0) gate[k] += double(net.b_ih[layer][row]);
          if (c.biases > 1) gate[k] += double(net.b_hh[layer][row]);
        }
        const auto sigmoid = [](double a) { return 1 / (1 + std::exp(-a)); };
        double& cell = cells[layer][unit];
        cell = sigmoid(gate[1]) * cell + sigmoid(gate[0]) * std::tanh(gate[2]);
        state[unit] = sigmoid(gate[3]) * std::tanh(cell);
      }
      x = h[layer] = state;
    }
  }
  std::vector<double> out(c.values);
  for (Index d = 0; d < c.values; ++d) {
    out[d] = c.biases ? double(net.dense_bias[d]) : 0;
    for (Index j = 0; j < c.hidden; ++j) out[d] += h.back()[j] * double(net.dense[d * c.hidden + j]);
  }
  return out;
}

// The values that a run gives, [B, kSteps, D]; false where it wrote beside them.
template <typename Real>
bool run(const Case& c, const Net<Real>& net, const std::vector<Real>& shown, const fastgan::Free<Real>& kernel,
         int threads, std::vector<Real>& values) {
  const auto guarded = [](const std::vector<Real>& numbers) {
    return numbers.empty() ? Guarded<Real>() : Guarded<Real>(numbers, Spot::end);
  };
  std::vector<Guarded<Real>> arrays;
  const auto at = [&](const std::vector<Real>& numbers) {
    arrays.push_back(guarded(numbers));
    return arrays.back().data();
  };
  std::vector<fastgan::Weights<Real>> weights;
  for (Index k = 0; k < c.layers; ++k) {
    weights.push_back({at(net.w_ih[k]), at(net.w_hh[k]), at(net.b_ih[k]), at(net.b_hh[k]), nullptr});
  }
  fastgan::FreeRun<Real> call = {c.clips,        c.windows,     c.values,           c.hidden, c.layers,
                                 weights.data(), at(net.dense), at(net.dense_bias), nullptr};
  const Guarded<double> memory((kernel.bytes(call) + 63) / 64 * 8, Spot::end);
  call.memory = memory.data();
  kernel.start(call);
  arrays.clear();  // from here on only `memory` is read
  values.assign(c.clips * kSteps * c.values, 0);
  Index done = 0;
  for (const Index steps : kCalls) {
    const Index left = std::clamp<Index>(kShown - done, 0, steps);
    std::vector<Real> part;
    for (Index b = 0; b < c.clips && left; ++b) {
      const auto first = shown.begin() + (b * kShown + done) * c.values;
      part.insert(part.end(), first, first + left * c.values);
    }
    const Guarded<Real> x = guarded(part), out(c.clips * steps * c.values, Spot::end);
    kernel.run(call, {steps, left, x.data(), out.data(), threads});
    if (!out.guards_hold()) return false;
    for (Index b = 0; b < c.clips; ++b) {
      std::copy_n(out.data() + b * steps * c.values, steps * c.values, &values[(b * kSteps + done) * c.values]);
    }
    done += steps;
  }
  return memory.guards_hold();
}

// A run reads its own rounding errors, so each value is judged by what the values before it lead to.
template <typename Real>
const char* check(const Case& c, const fastgan::Free<Real>& kernel) {
  std::mt19937 engine(1);
  const Net<Real> net = net_of<Real>(c, engine);
  std::vector<Real> shown(c.clips * kShown * c.values), made, alone;
  for (Real& number : shown) number = Real(double(engine()) / 2147483648.0 - 1);
  if (!run(c, net, shown, kernel, c.threads, made)) return "written beside an array";
  if (!run(c, net, shown, kernel, 1, alone)) return "written beside an array by one thread";
  if (std::memcmp(made.data(), alone.data(), made.size() * sizeof(Real)) != 0) return "other bits with one thread";
  const double allowed = 200 * double(std::numeric_limits<Real>::epsilon()) * std::sqrt(double(c.hidden));
  for (Index b = 0; b < c.clips; b += std::max<Index>(c.clips - 1, 1)) {  // the first and the last
    std::vector<const Real*> read;
    for (Index k = 0; k < kSteps; ++k) {
      read.push_back(k < kShown ? &shown[(b * kShown + k) * c.values] : &made[(b * kSteps + k - 1) * c.values]);
      if (c.windows && Index(read.size()) > c.windows) read.erase(read.begin());
      if (Index(read.size()) < c.windows) continue;  // no window is full yet
      const std::vector<double> truth = prediction(c, net, read);
      for (Index d = 0; d < c.values; ++d) {
        if (!(std::abs(double(made[(b * kSteps + k) * c.values + d]) - truth[d]) <= allowed)) return "a wrong value";
      }
    }
  }
  return nullptr;
}

}  // namespace

int check_free_runs(const std::vector<const Kernels*>& sets, const char*& where) {
  static char title[160];
  where = title;
  int failures = 0;
  for (const Kernels* set : sets) {
    for (const Case& c : kCases) {
      for (const bool wide : {false, true}) {
        std::snprintf(title, sizeof(title), "free run %s B%ld n%ld D%ld H%ld L%ld bias%d threads%d %s", set->name,
                      long(c.clips), long(c.windows), long(c.values), long(c.hidden), long(c.layers), c.biases,
                      c.threads, wide ? "double" : "float");
        const char* const wrong = wide ? check(c, set->float64.free) : check(c, set->float32.free);
        if (!wrong) continue;
        ++failures;
        std::printf("FAILED %s: %s\n", title, wrong);
      }
    }
  }
  return failures;
}
