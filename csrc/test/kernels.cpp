// Every instruction set against plain loops: outputs, gradients and their gradients, in float and double.
//
// kernels [short] [only=NAME,NAME]    `short` leaves out what is slow under valgrind; NAME is an instruction set.
//
// What the loops compute in a wider type is the truth; how far they are from it in the kernels' own type is the measure
// of how far the kernels may be.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <utility>

#include "../cpu/team.h"
#include "free_run.h"
#include "guarded.h"
#include "reference.h"

namespace fastgan {
extern const Kernels wide_kernels;
}

namespace {

using fastgan::Kernels;
using fastgan::Sizes;
using Index = std::int64_t;

struct Case {
  Index steps, batch, inputs, hidden, projected, layers, directions;
  bool ragged, states, masks;
  int biases;  // of two
  int threads;
};

// What decides which way a kernel takes: full and part vectors and panels (4 to 32 columns), tiles (3 to 12 rows, then
// many), weights as they lie (one step of one or two), products ahead of the steps (batches up to 24), spans of steps,
// depths above 160 and 320, blocks above 48 and 96 sequences, groups of sequences and members that share cells.
const Case kCases[] = {
    // T   B    I   H  P  L  D  ragged states masks biases threads
    {1, 1, 1, 1, 0, 1, 1, false, false, false, 2, 1},    {1, 3, 5, 17, 0, 2, 2, false, true, true, 2, 2},
    {2, 1, 2, 3, 2, 1, 2, false, false, false, 0, 1},    {3, 2, 3, 4, 0, 1, 1, true, true, false, 1, 1},
    {5, 4, 1, 5, 0, 2, 1, true, false, true, 2, 3},      {7, 5, 6, 7, 3, 2, 2, true, true, true, 2, 1},
    {6, 6, 4, 8, 0, 3, 1, false, true, false, 2, 1},     {6, 7, 5, 9, 4, 3, 1, true, false, true, 1, 2},
    {4, 11, 3, 16, 0, 1, 2, true, true, false, 2, 1},    {4, 12, 17, 15, 0, 2, 1, false, false, false, 2, 1},
    {5, 13, 9, 33, 8, 1, 2, true, true, false, 2, 1},    {3, 25, 4, 31, 0, 2, 2, true, false, true, 0, 1},
    {3, 26, 33, 32, 31, 2, 1, false, true, true, 2, 1},  {130, 1, 2, 3, 0, 2, 1, false, true, true, 2, 1},
    {70, 4, 3, 6, 0, 2, 1, false, false, false, 2, 1},   {70, 4, 3, 6, 2, 2, 2, true, true, true, 1, 1},
    {300, 2, 1, 2, 0, 2, 2, true, false, false, 2, 1},   {3, 14, 340, 5, 0, 2, 1, false, true, false, 2, 1},
    {3, 15, 3, 90, 0, 1, 1, true, true, false, 2, 1},    {2, 30, 2, 90, 85, 1, 2, false, false, false, 2, 1},
    {2, 97, 3, 5, 0, 2, 1, true, true, true, 2, 1},      {3, 200, 4, 7, 3, 1, 2, true, false, false, 1, 2},
    {23, 96, 1, 44, 0, 1, 1, false, false, false, 2, 1}, {9, 49, 3, 30, 0, 2, 1, true, false, false, 2, 1},
    {4, 80, 20, 40, 0, 1, 1, true, true, false, 2, 2},   {4, 80, 20, 40, 0, 2, 2, true, true, true, 2, 3},
    {6, 10, 40, 65, 0, 1, 2, true, true, false, 2, 2},   {6, 10, 30, 50, 0, 2, 1, false, false, true, 2, 3},
    {6, 12, 30, 50, 20, 2, 1, true, true, false, 2, 3},  {14, 14, 20, 20, 9, 2, 2, false, true, true, 2, 2},
    {80, 2, 1, 37, 0, 2, 1, false, false, false, 2, 3},  {3, 430, 8, 12, 0, 1, 1, false, true, false, 2, 70},
    {1, 1, 3, 37, 0, 2, 1, false, true, false, 2, 1},    {1, 2, 140, 150, 0, 2, 2, false, true, true, 2, 1},
};

const char* where = "start";
char where_text[256];
int failures = 0;

void fail(const std::string& what) {
  std::printf("FAILED %s: %s\n", where, what.c_str());
  if (++failures == 20) std::exit(1);
}

// Names the case, then leaves the signal to whoever had it before: a sanitizer, or the system.
struct sigaction previous_action[2];
void name_case(int signal) {
  const char start[] = "FAILED, memory touched that is not an array's: ";
  if (write(1, start, sizeof(start) - 1) < 0 || write(1, where, std::strlen(where)) < 0 || write(1, "\n", 1) < 0)
    return;
  sigaction(signal, &previous_action[signal == SIGBUS], nullptr);
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  Index below(Index n) { return Index(engine_() % std::uint32_t(n)); }  // the same with every standard library
  bool coin() { return below(2) == 1; }
  double number() { return double(engine_()) / 2147483648.0 - 1; }

 private:
  std::mt19937 engine_;
};

// The numbers of one call in every type: each is a float, so that all types start from the same.
template <typename Real>
Dual<Real> widened(Dual<float> from) {
  return {Real(from.value), Real(from.moves)};
}
template <typename Real>
std::vector<Dual<Real>> widened(const std::vector<Dual<float>>& from) {
  std::vector<Dual<Real>> to;
  for (const Dual<float>& number : from) to.push_back(widened<Real>(number));
  return to;
}
template <typename Real>
Inputs<Dual<Real>> widened(const Inputs<Dual<float>>& from) {
  Inputs<Dual<Real>> to = {
      widened<Real>(from.x),        widened<Real>(from.h0),    widened<Real>(from.c0),   widened<Real>(from.masks), {},
      widened<Real>(from.d_output), widened<Real>(from.d_h_n), widened<Real>(from.d_c_n)};
  for (const auto& place : from.weights) {
    to.weights.emplace_back();
    for (int part = 0; part < parts; ++part) to.weights.back()[part] = widened<Real>(place[part]);
  }
  return to;
}

// Which of the arrays along which the tensors move (u_ of lstm.h) are there at all.
struct Moving {
  bool x, h0, c0;
  std::vector<std::array<bool, parts>> weights;
  bool any_weights() const {
    for (const auto& place : weights) {
      if (std::find(place.begin(), place.end(), true) != place.end()) return true;
    }
    return false;
  }
};

struct Problem {
  std::vector<Index> offsets;
  Sizes sizes;
  Inputs<Dual<float>> in;
  Moving moving;

  Problem(const Case& c, Random& random) {
    offsets.push_back(0);
    Index rows = c.batch;
    for (Index t = 0; t < c.steps; ++t) {
      if (t > 0 && c.ragged && random.coin()) rows = std::max<Index>(1, rows - random.below(1 + 3 * c.batch / c.steps));
      offsets.push_back(offsets.back() + rows);
    }
    sizes = {c.steps, c.batch, c.inputs, c.hidden, c.projected, c.layers, c.directions, offsets.data()};
    const Index places = c.layers * c.directions, all = sizes.rows(), gates = 4 * c.hidden;
    moving = {random.below(4) > 0, random.below(4) > 0, random.below(4) > 0, {}};
    const auto make = [&](Index count, double size, bool moves) {
      std::vector<Dual<float>> numbers(count);
      for (Dual<float>& number : numbers) {
        number = {float(size * random.number()), moves ? float(random.number()) : 0.0f};
      }
      return numbers;
    };
    in.x = make(all * c.inputs, 2, moving.x);
    if (c.states) {
      in.h0 = make(places * c.batch * sizes.out(), 1, moving.h0);
      in.c0 = make(places * c.batch * c.hidden, 2, moving.c0);
    }
    if (c.masks) {
      in.masks.resize((c.layers - 1) * all * sizes.width());
      for (Dual<float>& mask : in.masks) mask.value = random.below(3) ? 1.5f : 0.0f;
    }
    const double size = 2.0 / std::sqrt(double(c.hidden));
    for (Index place = 0; place < places; ++place) {
      const Index counts[parts] = {gates * sizes.inputs_of(place / c.directions), gates * sizes.out(),
                                   c.biases > 0 ? gates : 0, c.biases > 1 ? gates : 0, c.projected * c.hidden};
      in.weights.emplace_back();
      moving.weights.emplace_back();
      for (int part = 0; part < parts; ++part) {
        moving.weights[place][part] = counts[part] > 0 && random.below(4) > 0;
        in.weights[place][part] = make(counts[part], size, moving.weights[place][part]);
      }
    }
    if (c.biases == 1 && random.coin()) {  // the other of the two
      for (auto& place : in.weights) std::swap(place[b_ih], place[b_hh]);
      for (auto& place : moving.weights) std::swap(place[b_ih], place[b_hh]);
    }
    const Index given = 1 + random.below(7);
    if (given & 1) in.d_output = make(all * sizes.width(), 1, false);
    if (given & 2) in.d_h_n = make(places * c.batch * sizes.out(), 1, false);
    if (given & 4) in.d_c_n = make(places * c.batch * c.hidden, 1, false);
  }
};

template <typename Real>
using Numbers = std::vector<Dual<Real>>;
template <typename Real>
using Wider = std::conditional_t<sizeof(Real) == 4, double, long double>;

// Checks results of kernels in Real.
template <typename Real>
class Judge {
 public:
  Judge(const Sizes& sizes, const Inputs<Dual<Wider<Real>>>& wide_in, const Inputs<Dual<Real>>& in)
      : truth(sizes, wide_in), plain(sizes, in), rows_(sizes.rows()) {}

  // `member` is one of Results; `moves` asks for how it moves.
  template <typename Member>
  void check(const char* name, const Guarded<Real>& got, Member member, bool moves = false) const {
    compare(name, got, member(truth.results), member(plain.results), rows_, moves);
  }

  Reference<Dual<Wider<Real>>> truth;
  Reference<Dual<Real>> plain;

 private:
  const Index rows_;

  // Twice the error of the loops, and a floor in rounding errors of the largest number: a few, and for sums over all
  // rows, whose errors wander, the root of their number. Both are taken over the whole array, for in one number the
  // loops may be right by chance.
  static void compare(const char* name, const Guarded<Real>& got, const Numbers<Wider<Real>>& truth,
                      const Numbers<Real>& plain, Index rows, bool moves) {
    if (!got.data()) return;
    if (!got.guards_hold()) return fail(std::string(name) + ": written beside it");
    if (got.size() != truth.size()) return fail(std::string(name) + ": the test is wrong about its size");
    using Wide = Wider<Real>;
    const auto wide = [&](std::size_t k) { return moves ? truth[k].moves : truth[k].value; };
    Wide largest = 0, allowed = 0, error = 0;
    std::size_t worst = 0;
    for (std::size_t k = 0; k < truth.size(); ++k) {
      largest = std::max(largest, std::abs(wide(k)));
      allowed = std::max(allowed, std::abs(Wide(moves ? plain[k].moves : plain[k].value) - wide(k)));
      const Wide here = std::abs(Wide(got.data()[k]) - wide(k));
      if (!(here <= error)) error = here, worst = k;
      if (here != here) break;
    }
    allowed = 2 * allowed + (8 + std::sqrt(Wide(rows))) * std::numeric_limits<Real>::epsilon() * largest;
    if (error <= allowed) return;
    char text[200];
    std::snprintf(text, sizeof(text), "%s[%zu of %zu] is %.9g, should be %.9g; error %.3g, allowed %.3g", name, worst,
                  truth.size(), double(got.data()[worst]), double(wide(worst)), double(error), double(allowed));
    fail(text);
  }
};

template <typename Real>
Guarded<Real> array_of(const Numbers<Real>& numbers, Spot spot, bool moves = false) {
  if (numbers.empty()) return {};
  std::vector<Real> values;
  for (const Dual<Real>& number : numbers) values.push_back(moves ? number.moves : number.value);
  return Guarded<Real>(values, spot);
}

template <typename Real>
struct PlacesOf {
  std::vector<std::array<Guarded<Real>, parts>> arrays;
  std::vector<fastgan::Weights<Real>> pointers;

  void add(std::array<Guarded<Real>, parts> place) {
    pointers.push_back(
        {place[w_ih].data(), place[w_hh].data(), place[b_ih].data(), place[b_hh].data(), place[w_hr].data()});
    arrays.push_back(std::move(place));
  }
};

// A call's arrays in memory, and the kernels' calls on them.
template <typename Real>
class Call {
 public:
  Call(const Problem& problem, const Inputs<Dual<Real>>& in, const fastgan::Lstm<Real>& lstm, Spot spot, int threads)
      : problem_(problem), sizes_(problem.sizes), lstm_(lstm), spot_(spot), threads_(threads) {
    x_ = array_of(in.x, spot);
    h0_ = array_of(in.h0, spot);
    c0_ = array_of(in.c0, spot);
    masks_ = array_of(in.masks, spot);
    d_output_ = array_of(in.d_output, spot);
    d_h_n_ = array_of(in.d_h_n, spot);
    d_c_n_ = array_of(in.d_c_n, spot);
    const Moving& moving = problem.moving;
    if (moving.x) u_x_ = array_of(in.x, spot, true);
    if (moving.h0) u_h0_ = array_of(in.h0, spot, true);
    if (moving.c0) u_c0_ = array_of(in.c0, spot, true);
    for (std::size_t place = 0; place < in.weights.size(); ++place) {
      std::array<Guarded<Real>, parts> values, moves;
      for (int part = 0; part < parts; ++part) {
        values[part] = array_of(in.weights[place][part], spot);
        if (moving.weights[place][part]) moves[part] = array_of(in.weights[place][part], spot, true);
      }
      weights_.add(std::move(values));
      u_weights_.add(std::move(moves));
    }
  }

  void forward(bool keep, int threads) {
    const Index places = sizes_.layers * sizes_.directions, rows = sizes_.rows();
    const Index between = (sizes_.layers - 1) * rows * sizes_.width();
    output = fresh(rows * sizes_.width());
    inner = fresh(keep || masks_.data() ? between : 0);
    dropped = fresh(masks_.data() ? between : 0);
    cells = fresh(keep ? places * rows * sizes_.hidden : 0);
    gates = fresh(keep ? places * rows * 4 * sizes_.hidden : 0);
    h_n = fresh(places * sizes_.batch * sizes_.out());
    c_n = fresh(places * sizes_.batch * sizes_.hidden);
    spoil_workspace();
    lstm_.forward({sizes_, weights_.pointers.data(), x_.data(), h0_.data(), c0_.data(), masks_.data(), trace(),
                   h_n.data(), c_n.data(), threads});
  }

  void check_forward(const Judge<Real>& judge) const {
    judge.check("output", output, [](auto& r) -> auto& { return r.output; });
    judge.check("inner", inner, [](auto& r) -> auto& { return r.inner; });
    judge.check("dropped", dropped, [](auto& r) -> auto& { return r.dropped; });
    judge.check("cells", cells, [](auto& r) -> auto& { return r.cells; });
    judge.check("gates", gates, [](auto& r) -> auto& { return r.gates; });
    judge.check("h_n", h_n, [](auto& r) -> auto& { return r.h_n; });
    judge.check("c_n", c_n, [](auto& r) -> auto& { return r.c_n; });
  }

  // What comes after reads the trace, and must not write to it.
  void lock_trace() const {
    for (const Guarded<Real>* array : {&output, &inner, &dropped, &cells, &gates}) array->lock();
  }

  void backward(const Judge<Real>& judge, Random* some) {
    Gradients d = wanted(some);
    spoil_workspace();
    lstm_.backward({sizes_, weights_.pointers.data(), x_.data(), h0_.data(), c0_.data(), masks_.data(), trace(),
                    d_output_.data(), d_h_n_.data(), d_c_n_.data(), d.x.data(), d.h0.data(), d.c0.data(),
                    d.weights.pointers.data(), threads_});
    check_gradients(judge, d, "d", false);
  }

  void second(const Judge<Real>& judge, Random* some) {
    Gradients s = wanted(some);
    const Index places = sizes_.layers * sizes_.directions;
    const Guarded<Real> s_output = fresh(sizes_.rows() * sizes_.width()),
                        s_h_n = fresh(places * sizes_.batch * sizes_.out()),
                        s_c_n = fresh(places * sizes_.batch * sizes_.hidden);
    spoil_workspace();
    lstm_.second({sizes_,
                  weights_.pointers.data(),
                  x_.data(),
                  h0_.data(),
                  c0_.data(),
                  masks_.data(),
                  trace(),
                  d_output_.data(),
                  d_h_n_.data(),
                  d_c_n_.data(),
                  u_x_.data(),
                  problem_.moving.any_weights() ? u_weights_.pointers.data() : nullptr,
                  u_h0_.data(),
                  u_c0_.data(),
                  s_output.data(),
                  s_h_n.data(),
                  s_c_n.data(),
                  s.x.data(),
                  s.h0.data(),
                  s.c0.data(),
                  s.weights.pointers.data(),
                  threads_});
    judge.check("s_output", s_output, [](auto& r) -> auto& { return r.output; }, true);
    judge.check("s_h_n", s_h_n, [](auto& r) -> auto& { return r.h_n; }, true);
    judge.check("s_c_n", s_c_n, [](auto& r) -> auto& { return r.c_n; }, true);
    check_gradients(judge, s, "s", true);
  }

  Guarded<Real> output, inner, dropped, cells, gates, h_n, c_n;

 private:
  struct Gradients {
    Guarded<Real> x, h0, c0;
    PlacesOf<Real> weights;
  };

  Guarded<Real> fresh(Index count) const {
    if (count == 0) return {};
    return Guarded<Real>(std::size_t(count), spot_);
  }

  fastgan::Trace<Real> trace() const {
    return {output.data(), inner.data(), dropped.data(), cells.data(), gates.data()};
  }

  // Kernels get their workspace with what the call before has left in it; let that be NaN.
  static void spoil_workspace() {
    constexpr std::size_t kBytes = 1 << 20;
    std::memset(fastgan::workspace(kBytes), 0xFF, kBytes);
  }

  // Memory for all gradients, or for those that `some` picks. That of b_hh is never written.
  Gradients wanted(Random* some) const {
    const auto pick = [&](Index count) { return fresh(some && some->coin() ? 0 : count); };
    Gradients to = {pick(sizes_.rows() * sizes_.inputs), pick(h_n.size()), pick(c_n.size()), {}};
    for (const auto& place : weights_.arrays) {
      to.weights.add({pick(place[w_ih].size()), pick(place[w_hh].size()), pick(4 * sizes_.hidden), Guarded<Real>(),
                      pick(place[w_hr].size())});
    }
    return to;
  }

  void check_gradients(const Judge<Real>& judge, const Gradients& got, const std::string& kind, bool moves) const {
    judge.check((kind + "_x").c_str(), got.x, [](auto& r) -> auto& { return r.d_x; }, moves);
    judge.check((kind + "_h0").c_str(), got.h0, [](auto& r) -> auto& { return r.d_h0; }, moves);
    judge.check((kind + "_c0").c_str(), got.c0, [](auto& r) -> auto& { return r.d_c0; }, moves);
    const char* const names[parts] = {"_w_ih", "_w_hh", "_b_ih", "_b_hh", "_w_hr"};
    for (std::size_t place = 0; place < got.weights.arrays.size(); ++place) {
      for (int part = 0; part < parts; ++part) {
        const std::string name = kind + names[part] + " of place " + std::to_string(place);
        judge.check(
            name.c_str(), got.weights.arrays[place][part], [&](auto& r) -> auto& { return r.d_weights[place][part]; },
            moves);
      }
    }
  }

  const Problem& problem_;
  const Sizes& sizes_;
  const fastgan::Lstm<Real>& lstm_;
  const Spot spot_;
  const int threads_;
  Guarded<Real> x_, h0_, c0_, masks_, d_output_, d_h_n_, d_c_n_, u_x_, u_h0_, u_c0_;
  PlacesOf<Real> weights_, u_weights_;
};

template <typename Real>
bool same_bits(const Guarded<Real>& a, const Guarded<Real>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Real)) == 0;
}

// One case in one type with every set.
template <typename Real>
void run_case(const Case& c, const Problem& problem, const std::string& title, const std::vector<const Kernels*>& sets,
              const fastgan::Lstm<Real> Kernels::* lstm, unsigned seed) {
  const auto in = widened<Real>(problem.in);
  const auto wide_in = widened<Wider<Real>>(problem.in);
  const Judge<Real> judge(problem.sizes, wide_in, in);
  for (std::size_t set = 0; set < sets.size(); ++set) {
    std::snprintf(where_text, sizeof(where_text), "%s %s %s", title.c_str(), sets[set]->name,
                  sizeof(Real) == 4 ? "float" : "double");
    where = where_text;
    Random random(seed + unsigned(set));
    const Spot spot = Spot((seed + set) % 3);
    Call<Real> call(problem, in, sets[set]->*lstm, spot, c.threads);
    Call<Real> again(problem, in, sets[set]->*lstm, spot == Spot::end ? Spot::loose : Spot::end, c.threads);
    call.forward(true, c.threads);
    call.check_forward(judge);
    again.forward(false, 1);
    again.check_forward(judge);
    if (!same_bits(call.output, again.output) || !same_bits(call.h_n, again.h_n) || !same_bits(call.c_n, again.c_n)) {
      fail("with one thread and nothing kept the outputs have other bits");
    }
    call.lock_trace();
    call.backward(judge, nullptr);
    call.backward(judge, &random);
    if ((sets[set]->*lstm).second && !c.projected) {
      call.second(judge, nullptr);
      call.second(judge, &random);
    }
  }
}

// The loops' own gradients: what the outputs do along a direction has to be what the gradients say.
void check_reference(const Problem& problem) {
  using Real = Wider<float>;
  const auto in = widened<Real>(problem.in);
  const Reference<Dual<Real>> reference(problem.sizes, in);
  const auto& r = reference.results;
  Real moved = 0, said = 0, size = 0;
  const auto add = [&](Real& sum, Real a, Real b) {
    sum += a * b;
    size += std::abs(a * b);
  };
  const auto outputs = [&](const Numbers<Real>& weight, const Numbers<Real>& of) {
    for (std::size_t k = 0; k < weight.size(); ++k) add(moved, weight[k].value, of[k].moves);
  };
  const auto inputs = [&](const Numbers<Real>& gradient, const Numbers<Real>& of) {
    for (std::size_t k = 0; k < of.size(); ++k) add(said, gradient[k].value, of[k].moves);
  };
  outputs(in.d_output, r.output);
  outputs(in.d_h_n, r.h_n);
  outputs(in.d_c_n, r.c_n);
  inputs(r.d_x, in.x);
  inputs(r.d_h0, in.h0);
  inputs(r.d_c0, in.c0);
  for (std::size_t place = 0; place < in.weights.size(); ++place) {
    for (const int part : {w_ih, w_hh, b_ih, b_hh, w_hr}) {
      inputs(r.d_weights[place][part == b_hh ? b_ih : part], in.weights[place][part]);
    }
  }
  if (!(std::abs(moved - said) <= 1e-12 * size)) fail("the loops of the test have wrong gradients");
}

void run_cases(const std::vector<Case>& cases, const std::vector<const Kernels*>& sets) {
  for (std::size_t k = 0; k < cases.size(); ++k) {
    const Case& c = cases[k];
    char title[160];
    std::snprintf(title, sizeof(title), "T%ld B%ld I%ld H%ld P%ld L%ld D%ld%s%s%s bias%d threads%d", long(c.steps),
                  long(c.batch), long(c.inputs), long(c.hidden), long(c.projected), long(c.layers), long(c.directions),
                  c.ragged ? " ragged" : "", c.states ? " states" : "", c.masks ? " masks" : "", c.biases, c.threads);
    where = title;
    Random random(unsigned(k) + 1);
    const Problem problem(c, random);
    check_reference(problem);
    run_case<float>(c, problem, title, sets, &Kernels::float32, unsigned(k));
    run_case<double>(c, problem, title, sets, &Kernels::float64, unsigned(k));
  }
}

std::vector<Case> random_cases(int count) {
  Random random(7);
  std::vector<Case> cases;
  for (int k = 0; k < count; ++k) {
    Case c = {1 + random.below(7),
              1 + random.below(14),
              1 + random.below(20),
              1 + random.below(21),
              0,
              1 + random.below(3),
              1 + random.below(2),
              random.coin(),
              random.coin(),
              false,
              int(random.below(3)),
              1};
    if (c.hidden > 1 && random.below(3) == 0) c.projected = 1 + random.below(c.hidden - 1);
    c.masks = c.layers > 1 && random.coin();
    cases.push_back(c);
  }
  return cases;
}

// Sigmoid and tanh of one vector and more, and of numbers far out. Their exact bounds are checked elsewhere.
template <typename Real>
void check_activations(const Kernels& set, const fastgan::Lstm<Real>& lstm) {
  std::snprintf(where_text, sizeof(where_text), "activations %s", set.name);
  where = where_text;
  std::vector<Real> values = {0, -Real(0), Real(INFINITY), -Real(INFINITY), Real(NAN), 1000, -1000};
  for (int k = -40; k <= 40; ++k) values.push_back(Real(k) * Real(0.53));
  for (std::size_t count = 0; count <= values.size(); ++count) {
    for (const Spot spot : {Spot::end, Spot::start, Spot::loose}) {
      const Guarded<Real> x(std::vector<Real>(values.begin(), values.begin() + std::ptrdiff_t(count)), spot);
      const Guarded<Real> sigmoids(count, spot), tanhs(count, spot);
      lstm.activations(x.data(), sigmoids.data(), tanhs.data(), Index(count));
      if (!sigmoids.guards_hold() || !tanhs.guards_hold()) fail("written beside the array");
      for (std::size_t k = 0; k < count; ++k) {
        const double want[2] = {1 / (1 + std::exp(-double(values[k]))), std::tanh(double(values[k]))};
        const double got[2] = {double(sigmoids.data()[k]), double(tanhs.data()[k])};
        for (int which = 0; which < 2; ++which) {
          const bool both_nan = want[which] != want[which] && got[which] != got[which];
          const double allowed = 8 * double(std::numeric_limits<Real>::epsilon()) * std::abs(want[which]) + 1e-37;
          if (!both_nan && !(std::abs(got[which] - want[which]) <= allowed))
            fail("wrong at " + std::to_string(values[k]));
        }
      }
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  bool brief = false;
  std::string only;
  for (int k = 1; k < count; ++k) {
    const std::string argument = arguments[k];
    if (argument == "short") {
      brief = true;
    } else if (argument.rfind("only=", 0) == 0) {
      only = argument.substr(5);
    } else {
      std::printf("unknown argument %s; known are short and only=NAME,NAME\n", argument.c_str());
      return 2;
    }
  }
  struct sigaction action = {};
  action.sa_handler = name_case;
  sigaction(SIGSEGV, &action, &previous_action[0]);
  sigaction(SIGBUS, &action, &previous_action[1]);

  std::vector<const Kernels*> sets = {&fastgan::wide_kernels};
  for (int k = 0; k < fastgan::kernel_count; ++k) sets.push_back(&fastgan::kernels[k]);
  if (sets.back()->name != std::string("portable") || !sets.back()->runs_here())
    fail("the last set has to run anywhere");
  std::string names, absent;
  for (std::size_t k = 0; k < sets.size();) {
    const bool runs = sets[k]->runs_here(), chosen = only.empty() || only.find(sets[k]->name) != std::string::npos;
    if (chosen) (runs ? names : absent) += std::string(" ") + sets[k]->name;
    if (runs && chosen) {
      ++k;
    } else {
      sets.erase(sets.begin() + std::ptrdiff_t(k));
    }
  }
  for (const Kernels* set : sets) {
    check_activations<float>(*set, set->float32);
    check_activations<double>(*set, set->float64);
  }
  std::vector<Case> cases;
  for (const Case& c : kCases) {
    const Index work = c.steps * c.batch * c.hidden * (c.inputs + c.hidden) * c.layers * c.directions;
    if (!brief || work < 20000) cases.push_back(c);
  }
  for (const Case& c : random_cases(brief ? 10 : 60)) cases.push_back(c);
  if (brief) cases.push_back({2, 26, 20, 70, 0, 1, 1, false, false, false, 2, 2});  // two threads share the cells
  failures += check_free_runs(sets, where);
  run_cases(cases, sets);
  std::printf("%zu cases,%s%s%s: %s\n", cases.size(), names.c_str(),
              absent.empty() ? "" : "; not on this processor:", absent.c_str(), failures ? "FAILED" : "ok");
  return failures > 0 || sets.empty();
}
