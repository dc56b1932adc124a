// The gradient of the backward pass, over all layers.
//
// S = <u, gradients> is how far the outputs move along d_output when the call's tensors move along u. So a first pass
// goes forward and finds how everything moves; it gives the gradients for d_output, d_h_n and d_c_n. A second pass goes
// back through both what moves and what it is; `_moves` marks the former.
#pragma once

#include "backward.h"

namespace fastgan {
namespace FASTGAN_SET {

template <typename Real>
class SecondJob {
  using S = Set<Real>;

 public:
  SecondJob(const Second<Real>& call, const Plan& plan)
      : call_(call), sizes_(call.sizes), plan_(plan), bounds_(bounds_of(call.sizes, plan.groups)) {
    plan_.block = std::min(plan_.block, kBlock);
    in_workspace([this](Arena& arena) { lay_out(arena); });
  }

  void operator()(const Lane& lane, Barrier& everyone) {
    pack(lane);
    if (plan_.threads() > 1) everyone.wait();
    const Index first = bounds_[lane.group], last = bounds_[lane.group + 1];
    bool fresh = true;
    for (Index row = first; row < last || fresh; row += plan_.block, fresh = false) {
      run_block(lane, row, std::min(row + plan_.block, last), fresh);
    }
    if (!gathered_.apart()) return;
    if (plan_.threads() > 1) everyone.wait();
    gathered_.add_up(sizes_, lane.thread(), plan_.threads());
  }

 private:
  static constexpr Index kBlock = 48, kSpanRows = 256;

  struct Member {
    Real* scratch;
    GradientSpace<Real> space;
    const Real** lists[2];
    Index* base;  // where each step's rows begin in the group's buffers, in the order of time
  };

  // Buffers for [rows of a block over all steps, ...]; what ends in `moves` moves.
  struct Group {
    Real *gates_move, *c_moves, *h_moves, *dropped_moves;  // of all places; of the layers below the last
    Real *dgates, *carry;                                  // of a span: each step's rows that move, then those that are
    Real *dc_moves, *dc, *zeros;
    Real *dy_moves[2], *dy[2];
  };

  // Panels of one place: [W_ih | U_ih | W_hh | U_hh] by cells on the way forward, leaving out what is zero; each by
  // itself, rows as depth, on the way back.
  struct Weight {
    Real *forward, *bias;
    Index size;
    Real *w_hh, *w_ih, *u_hh, *u_ih;
  };

  Index cell_groups() const { return panels_of<Real>(sizes_.hidden, S::lanes); }
  Index back_panels() const { return panels_of<Real>(sizes_.hidden, S::columns); }
  Index input_panels(Index layer) const { return panels_of<Real>(sizes_.inputs_of(layer), S::columns); }
  bool needs_input(Index layer) const { return layer > 0 || call_.s_x; }
  bool input_moves(Index layer) const { return layer > 0 || call_.u_x; }
  Weights<Real> u(Index place) const { return call_.u_weights ? call_.u_weights[place] : Weights<Real>{}; }

  void lay_out(Arena& arena) {
    const Index hidden = sizes_.hidden, gates = 4 * hidden, width = sizes_.width(), block = plan_.block;
    const Index all = sizes_.steps * block;
    panels_.clear();
    Index columns = 0;
    for (Index place = 0; place < sizes_.places(); ++place) {
      const Index layer = place / sizes_.directions, inputs = sizes_.inputs_of(layer);
      columns = std::max(columns, inputs);
      const bool u_ih = u(place).w_ih, u_hh = u(place).w_hh;
      Weight p;
      p.size = ((input_moves(layer) + u_ih) * inputs + (1 + u_hh) * hidden) * S::columns;
      p.forward = arena.take<Real>(2 * cell_groups() * p.size);
      p.bias = arena.take<Real>(2 * cell_groups() * S::columns);
      const Index recurrent = BackWeight<Real>::size(gates, hidden), input = BackWeight<Real>::size(gates, inputs);
      p.w_hh = arena.take<Real>(recurrent);
      p.u_hh = u_hh ? arena.take<Real>(recurrent) : nullptr;
      p.w_ih = needs_input(layer) ? arena.take<Real>(input) : nullptr;
      p.u_ih = needs_input(layer) && u_ih ? arena.take<Real>(input) : nullptr;
      panels_.push_back(p);
    }
    span_ = std::clamp<Index>(kSpanRows / block, 1, sizes_.steps);
    groups_.assign(plan_.groups, {});
    for (Group& group : groups_) {
      group.gates_move = arena.take<Real>(sizes_.places() * all * gates);
      group.c_moves = arena.take<Real>(sizes_.places() * all * hidden);
      group.h_moves = arena.take<Real>((sizes_.layers - 1) * all * width);
      group.dropped_moves = call_.masks ? arena.take<Real>((sizes_.layers - 1) * all * width) : group.h_moves;
      group.dgates = arena.take<Real>(2 * span_ * block * gates);
      group.carry = arena.take<Real>(2 * block * gates);
      group.dc_moves = arena.take<Real>(block * hidden);
      group.dc = arena.take<Real>(block * hidden);
      group.zeros = arena.take<Real>(block * hidden);
      for (int k = 0; k < 2; ++k) {
        group.dy_moves[k] = sizes_.layers > 1 ? arena.take<Real>(all * width) : nullptr;
        group.dy[k] = sizes_.layers > 1 ? arena.take<Real>(all * width) : nullptr;
      }
    }
    gathered_.lay_out(sizes_, call_.s_weights, plan_.groups, arena);
    members_.assign(plan_.threads(), {});
    for (Member& member : members_) {
      member.scratch = arena.take<Real>(2 * scratch_for<Real>(std::max(span_, Index(1)) * block));
      member.space.lay_out(arena, std::max(columns, hidden));
      for (const Real**& list : member.lists) list = arena.take<const Real*>(2 * span_ * block);
      member.base = arena.take<Index>(sizes_.steps + 1);
    }
  }

  void pack(const Lane& lane) {
    const Index hidden = sizes_.hidden, gates = 4 * hidden, threads = plan_.threads();
    const Index thread = lane.thread();
    for (Index place = 0; place < sizes_.places(); ++place) {
      const Weights<Real>& w = call_.weights[place];
      const Weights<Real> v = u(place);
      const Weight& panels = panels_[place];
      const Index layer = place / sizes_.directions, inputs = sizes_.inputs_of(layer);
      for (Index p = thread; p < cell_groups(); p += threads) {
        Panels<Real> to = {panels.forward, panels.size, S::columns};
        const auto add = [&](const Real* weight, Index depth) {
          pack_gates(weight, hidden, p, depth, to);
          to = to.from(depth);
        };
        if (input_moves(layer)) add(w.w_ih, inputs);
        if (v.w_ih) add(v.w_ih, inputs);
        add(w.w_hh, hidden);
        if (v.w_hh) add(v.w_hh, hidden);
        pack_bias(v.b_ih, v.b_hh, hidden, p, panels.bias + 2 * p * S::columns);
      }
      const auto lay = [&](const Real* weight, Index columns, Real* to) {
        BackWeight<Real>{weight, gates, columns, to}.pack(thread, threads);
      };
      lay(w.w_hh, hidden, panels.w_hh);
      lay(v.w_hh, hidden, panels.u_hh);
      lay(w.w_ih, inputs, panels.w_ih);
      lay(v.w_ih, inputs, panels.u_ih);
    }
  }

  void run_block(const Lane& lane, Index first, Index last, bool fresh) {
    Member& member = members_[lane.thread()];
    const Group& group = groups_[lane.group];
    member.base[0] = 0;
    for (Index t = 0; t < sizes_.steps; ++t) {
      member.base[t + 1] = member.base[t] + Walk{sizes_, false, first, last}.rows(t);
    }
    if (lane.member == 0) std::memset(group.zeros, 0, plan_.block * sizes_.hidden * sizeof(Real));
    lane.wait();
    for (Index place = 0; place < sizes_.places(); ++place) {
      move(lane, member, group, place, {sizes_, place % sizes_.directions == 1, first, last});
    }
    for (Index layer = sizes_.layers - 1; layer >= 0; --layer) {
      for (Index direction = 0; direction < sizes_.directions; ++direction) {
        const Walk walk = {sizes_, direction == 1, first, last};
        const Index pieces = (sizes_.steps + span_ - 1) / span_;
        for (Index piece = pieces - 1; piece >= 0; --piece) {
          const Index begin = piece * span_, end = std::min(begin + span_, sizes_.steps);
          run_span(lane, member, group, layer * sizes_.directions + direction, walk, begin, end,
                   fresh && end == sizes_.steps);
        }
      }
    }
  }

  // Rows of the group's buffers at step k.
  Index at(const Member& member, const Walk& walk, Index k) const { return member.base[walk.step(k)]; }
  Index all() const { return sizes_.steps * plan_.block; }

  Matrix<Real> h_moves_at(const Member& member, const Group& group, const Walk& walk, Index place, Index k) const {
    const Index layer = place / sizes_.directions, column = (place % sizes_.directions) * sizes_.hidden;
    const Index width = sizes_.width();
    if (layer + 1 == sizes_.layers) return {call_.s_output + walk.row(k) * width + column, width};
    return {group.h_moves + (layer * all() + at(member, walk, k)) * width + column, width};
  }

  Matrix<const Real> input_moves_at(const Group& group, Index layer, Index row_in_n, Index row) const {
    if (layer > 0) return {group.dropped_moves + ((layer - 1) * all() + row) * sizes_.width(), sizes_.width()};
    if (!call_.u_x) return {};
    return {call_.u_x + row_in_n * sizes_.inputs, sizes_.inputs};
  }

  Matrix<const Real> input_at(Index layer, Index row_in_n) const {
    if (layer == 0) return {call_.x + row_in_n * sizes_.inputs, sizes_.inputs};
    const Real* const below = call_.masks ? call_.trace.dropped : call_.trace.inner;
    return {below + ((layer - 1) * sizes_.rows() + row_in_n) * sizes_.width(), sizes_.width()};
  }

  Matrix<const Real> output_at(Index place, Index row_in_n) const {
    const Index layer = place / sizes_.directions, column = (place % sizes_.directions) * sizes_.hidden;
    const Real* const from =
        layer + 1 == sizes_.layers ? call_.trace.output : call_.trace.inner + layer * sizes_.rows() * sizes_.width();
    return {from + row_in_n * sizes_.width() + column, sizes_.width()};
  }

  Matrix<const Real> state(const Real* of_all, Index place, const Walk& walk) const {
    return {of_all + (place * sizes_.batch + walk.first) * sizes_.hidden, sizes_.hidden};
  }

  // Cells before step k and how they move, for sequences that go on or that begin there; null for zeros.
  std::pair<Matrix<const Real>, Matrix<const Real>> cells_before(const Member& member, const Group& group,
                                                                 const Walk& walk, Index place, Index k,
                                                                 bool begins) const {
    const Index hidden = sizes_.hidden;
    if (!begins) {
      return {{call_.trace.cells + (place * sizes_.rows() + walk.row(k - 1)) * hidden, hidden},
              {group.c_moves + (place * all() + at(member, walk, k - 1)) * hidden, hidden}};
    }
    if (!call_.c0) return {};
    return {state(call_.c0, place, walk), call_.u_c0 ? state(call_.u_c0, place, walk) : Matrix<const Real>{}};
  }

  // Hidden states before step k and how they move; null for zeros that stay zeros.
  std::pair<Matrix<const Real>, Matrix<const Real>> hidden_before(const Member& member, const Group& group,
                                                                  const Walk& walk, Index place, Index k,
                                                                  bool begins) const {
    if (!begins) {
      const Matrix<Real> moves = h_moves_at(member, group, walk, place, k - 1);
      return {output_at(place, walk.row(k - 1)), {moves.at, moves.row}};
    }
    if (!call_.h0) return {};
    return {state(call_.h0, place, walk),
            call_.u_h0 ? state(call_.u_h0, place, walk) : Matrix<const Real>{group.zeros, sizes_.hidden}};
  }

  // The way forward of one place.
  void move(const Lane& lane, Member& member, const Group& group, Index place, const Walk& walk) {
    const Index layer = place / sizes_.directions, hidden = sizes_.hidden, inputs = sizes_.inputs_of(layer);
    const Weight& panels = panels_[place];
    const Weights<Real> v = u(place);
    const auto [first, last] = lane.share(cell_groups());
    for (Index k = 0; k < sizes_.steps; ++k) {
      const Index rows = walk.rows(k), older = std::min(rows, walk.rows(k - 1)), here = at(member, walk, k);
      const Index row = place * sizes_.rows() + walk.row(k), slot = place * all() + here;
      const Matrix<Real> h_moves = h_moves_at(member, group, walk, place, k);
      const Matrix<Real> c_moves = {group.c_moves + slot * hidden, hidden};
      for (const bool begins : {false, true}) {
        const Index from = begins ? older : 0, height = (begins ? rows : older) - from;
        if (height == 0) continue;
        const auto [h_prev, h_prev_moves] = hidden_before(member, group, walk, place, k, begins);
        const auto [c_prev, c_prev_moves] = cells_before(member, group, walk, place, k, begins);
        Segment<Real> segments[4];
        Index count = 0;
        const auto add = [&](Matrix<const Real> left, Index depth) {
          segments[count++] = {left.from(from).at, left.row, 1, depth};
        };
        if (input_moves(layer)) add(input_moves_at(group, layer, walk.row(k), here), inputs);
        if (v.w_ih) add(input_at(layer, walk.row(k)), inputs);
        if (h_prev) add(h_prev_moves, hidden);
        if (h_prev && v.w_hh) add(h_prev, hidden);
        const TangentCells<Real> cells = {
            hidden,
            Matrix<const Real>{call_.trace.gates + row * 4 * hidden, 4 * hidden}.from(from),
            Matrix<const Real>{call_.trace.cells + row * hidden, hidden}.from(from),
            c_prev.from(from),
            c_prev_moves.from(from),
            Matrix<Real>{group.gates_move + slot * 4 * hidden, 4 * hidden}.from(from),
            c_moves.from(from),
            h_moves.from(from)};
        product<2>(segments, count, height, Panels<Real>{panels.forward, panels.size, S::columns}, first, last,
                   {panels.bias, 0, S::columns}, member.scratch, k % 2 == 1,
                   [&](Index p, Sums<Real> sums) { cells(p, sums, height); });
      }
      const Index unit = first * S::lanes, units = std::min(last * S::lanes, hidden) - unit;
      for (Index r = std::min(rows, walk.rows(k + 1)); r < rows && units > 0; ++r) {  // sequences that end here
        const Index to = (place * sizes_.batch + walk.first + r) * hidden + unit;
        std::memcpy(call_.s_c_n + to, c_moves[r] + unit, units * sizeof(Real));
        std::memcpy(call_.s_h_n + to, h_moves[r] + unit, units * sizeof(Real));
      }
      lane.wait();
    }
    if (!call_.masks || layer + 1 == sizes_.layers || place % sizes_.directions + 1 < sizes_.directions) return;
    const Index width = sizes_.width();
    const auto [low, high] = lane.share(width);
    for (Index t = 0; t < sizes_.steps; ++t) {
      for (Index q = member.base[t]; q < member.base[t + 1]; ++q) {
        const Index from = (layer * all() + q) * width;
        const Real* const mask =
            call_.masks + (layer * sizes_.rows() + sizes_.offsets[t] + walk.first + q - member.base[t]) * width;
        for (Index j = low; j < high; ++j) group.dropped_moves[from + j] = group.h_moves[from + j] * mask[j];
      }
    }
    lane.wait();
  }

  // The way back through steps [begin, end) of a place, last first.
  void run_span(const Lane& lane, Member& member, const Group& group, Index place, const Walk& walk, Index begin,
                Index end, bool fresh) {
    const Index gates = 4 * sizes_.hidden;
    const Index earliest = walk.reverse ? walk.step(end - 1) : begin,
                latest = walk.reverse ? walk.step(begin) : end - 1;
    const Index origin = member.base[earliest], rows = member.base[latest + 1] - origin;
    // Each step has its rows twice: those that move, then those that are.
    const auto pair_at = [&](Index k) { return group.dgates + 2 * (at(member, walk, k) - origin) * gates; };
    for (Index k = end - 1; k >= begin; --k) {
      const Real* later = nullptr;
      if (k + 1 < end) {
        later = pair_at(k + 1);
      } else if (end < sizes_.steps) {
        later = group.carry;
      }
      step(lane, member, group, place, walk, k, pair_at(k), later);
    }
    if (rows > 0) input_gradients(lane, member, group, place, walk, earliest, latest, origin);
    weight_gradients(lane, member, group, place, walk, begin, end, origin, fresh);
    lane.wait();
    if (begin > 0) {
      const auto [from, to] = lane.share(2 * walk.rows(begin));
      std::memcpy(group.carry + from * gates, pair_at(begin) + from * gates, (to - from) * gates * sizeof(Real));
    }
    lane.wait();
  }

  void step(const Lane& lane, Member& member, const Group& group, Index place, const Walk& walk, Index k, Real* pair,
            const Real* later) {
    const Index hidden = sizes_.hidden, depth = 4 * hidden, layer = place / sizes_.directions;
    const Index rows = walk.rows(k), younger = std::min(rows, walk.rows(k + 1)),
                older = std::min(rows, walk.rows(k - 1));
    if (rows == 0) return;
    const Index before = walk.rows(k + 1);  // rows of each kind at the later step
    const Weight& panels = panels_[place];
    const auto [first, last] = lane.share(back_panels());
    const Index unit = first * S::columns, units = std::min(last * S::columns, hidden) - unit;
    const Index row = place * sizes_.rows() + walk.row(k), here = at(member, walk, k), slot = place * all() + here;
    const Index state_row = place * sizes_.batch + walk.first, width = sizes_.width();
    const Matrix<Real> dgates_move = {pair, depth}, dgates = {pair + rows * depth, depth};
    const Matrix<Real> dc_moves = {group.dc_moves, hidden}, dc = {group.dc, hidden};
    for (Index r = younger; r < rows && units > 0; ++r) {  // sequences that end here
      std::memset(dc[r] + unit, 0, units * sizeof(Real));
      if (call_.d_c_n) {
        std::memcpy(dc_moves[r] + unit, call_.d_c_n + (state_row + r) * hidden + unit, units * sizeof(Real));
      } else {
        std::memset(dc_moves[r] + unit, 0, units * sizeof(Real));
      }
    }
    Matrix<const Real> dy_moves, dy;
    const Index column = (place % sizes_.directions) * hidden;
    if (layer + 1 < sizes_.layers) {
      dy_moves = {group.dy_moves[layer % 2] + here * width + column, width};
      dy = {group.dy[layer % 2] + here * width + column, width};
    } else if (call_.d_output) {
      dy_moves = {call_.d_output + walk.row(k) * width + column, width};
    }
    Matrix<const Real> d_h_n;
    if (call_.d_h_n) d_h_n = state(call_.d_h_n, place, walk);

    const Index cuts[4] = {0, std::min(younger, older), std::max(younger, older), rows};
    for (int part = 0; part < 3; ++part) {
      const Index from = cuts[part], height = cuts[part + 1] - from;
      if (height == 0) continue;
      const bool ends = from >= younger, begins = from >= older;
      const auto [c_prev, c_prev_moves] = cells_before(member, group, walk, place, k, begins);
      SecondCells<Real> cells;
      cells.hidden = hidden;
      cells.gates = Matrix<const Real>{call_.trace.gates + row * depth, depth}.from(from);
      cells.c = Matrix<const Real>{call_.trace.cells + row * hidden, hidden}.from(from);
      cells.c_prev = c_prev.from(from);
      cells.c_prev_moves = c_prev_moves.from(from);
      cells.gates_move = Matrix<const Real>{group.gates_move + slot * depth, depth}.from(from);
      cells.c_moves = Matrix<const Real>{group.c_moves + slot * hidden, hidden}.from(from);
      cells.dh_moves = dy_moves.from(from);
      cells.dh = dy.from(from);
      if (ends) cells.dh_n_moves = d_h_n.from(from);
      cells.dc_moves = dc_moves.from(from);
      cells.dc = dc.from(from);
      cells.dgates_move = dgates_move.from(from);
      cells.dgates = dgates.from(from);
      const Matrix<const Real> later_rows = {later, depth};
      const Segment<Real> moving = {later_rows.from(from).at, depth, 1, depth};
      const Segment<Real> being = {later_rows.from(before + from).at, depth, 1, depth};
      const bool side_by_side = !ends && from == 0 && height == before;  // both kinds are one block of rows
      Real* const sums = member.scratch;
      for (Index p = first; p < last; ++p) {
        const auto add = [&](const Segment<Real>& left, Index count, Index segments, const Real* weight, Real* to,
                             Square<const Real> start) {
          multiply(&left, segments, count, packed(weight, depth).panel(p), 1, start, Square<Real>{to, S::columns, 0});
        };
        const Square<const Real> zeros = {kZeros<Real>, 0, 0};
        Real* const second = sums + height * S::columns;
        if (side_by_side) {
          add(moving, 2 * height, 1, panels.w_hh, sums, zeros);
        } else {
          add(moving, height, !ends, panels.w_hh, sums, zeros);
          add(being, height, !ends, panels.w_hh, second, zeros);
        }
        if (panels.u_hh && !ends) add(moving, height, 1, panels.u_hh, second, {second, S::columns, 0});
        cells(p, sums, second, height);
      }
    }
    for (Index r = older; r < rows && call_.s_c0 && units > 0; ++r) {  // sequences that begin here
      std::memcpy(call_.s_c0 + (state_row + r) * hidden + unit, dc[r] + unit, units * sizeof(Real));
    }
    lane.wait();
    if (!call_.s_h0 || older == rows) return;
    const Index height = rows - older;
    const Segment<Real> being = {dgates[older], depth, 1, depth}, moving = {dgates_move[older], depth, 1, depth};
    for (Index p = first; p < last; ++p) {
      const Square<Real> sums = {member.scratch, S::columns, 0};
      multiply(&being, 1, height, packed<Real>(panels.w_hh, depth).panel(p), 1, {kZeros<Real>, 0, 0}, sums);
      if (panels.u_hh) {
        multiply(&moving, 1, height, packed<Real>(panels.u_hh, depth).panel(p), 1, {sums.at, sums.row, 0}, sums);
      }
      each_strip<Real>(p, hidden, height, [&](auto strip, Index r, Index cell, Index j) {
        strip.put(call_.s_h0 + (state_row + older + r) * hidden + cell, load(member.scratch + r * S::columns + j));
      });
    }
  }

  // The gradients of what the place has read, and of how that moved, step by step.
  void input_gradients(const Lane& lane, Member& member, const Group& group, Index place, const Walk& walk,
                       Index earliest, Index latest, Index origin) const {
    const Index layer = place / sizes_.directions, direction = place % sizes_.directions, depth = 4 * sizes_.hidden;
    const Index columns = sizes_.inputs_of(layer);
    if (!needs_input(layer)) return;
    const Weight& panels = panels_[place];
    const auto [first, last] = lane.share(input_panels(layer));
    for (Index t = earliest; t <= latest; ++t) {
      const Index here = member.base[t], rows = member.base[t + 1] - here, global = sizes_.offsets[t] + walk.first;
      const Real* const pair = group.dgates + 2 * (here - origin) * depth;
      const Segment<Real> moving = {pair, depth, 1, depth}, being = {pair + rows * depth, depth, 1, depth};
      const Real* const mask = layer > 0 && call_.masks && direction + 1 == sizes_.directions
                                   ? call_.masks + ((layer - 1) * sizes_.rows() + global) * columns
                                   : nullptr;
      const auto put = [&](Index p, const Real* sums, Real* to) {
        each_strip<Real>(p, columns, rows, [&](auto strip, Index r, Index column, Index j) {
          Real* const place_to = to + r * columns + column;
          Vec<Real> value = load(sums + r * S::columns + j);
          if (direction > 0) value += strip.get(place_to);
          if (mask) value *= strip.get(mask + r * columns + column);
          strip.put(place_to, value);
        });
      };
      for (Index p = first; p < last && rows > 0; ++p) {
        Real* const sums = member.scratch;
        const Square<const Real> zeros = {kZeros<Real>, 0, 0};
        const Square<Real> to = {sums, S::columns, 0};
        multiply(&being, 1, rows, packed<Real>(panels.w_ih, depth).panel(p), 1, zeros, to);
        if (panels.u_ih) {
          multiply(&moving, 1, rows, packed<Real>(panels.u_ih, depth).panel(p), 1, {sums, S::columns, 0}, to);
        }
        put(p, sums, layer == 0 ? call_.s_x + global * columns : group.dy[(layer - 1) % 2] + here * columns);
        if (layer == 0) continue;
        multiply(&moving, 1, rows, packed<Real>(panels.w_ih, depth).panel(p), 1, zeros, to);
        put(p, sums, group.dy_moves[(layer - 1) % 2] + here * columns);
      }
    }
  }

  void weight_gradients(const Lane& lane, Member& member, const Group& group, Index place, const Walk& walk,
                        Index begin, Index end, Index origin, bool fresh) {
    const Weights<Real>& to = gathered_.of(lane.group, place);
    if (!to.w_ih && !to.w_hh && !to.b_ih) return;
    const Index layer = place / sizes_.directions, hidden = sizes_.hidden, gates = 4 * hidden;
    const Real** const left = member.lists[0];
    const Real** const right = member.lists[1];
    const auto [first, last] = lane.share(panels_of<Real>(gates, S::columns));
    const Index low = first * S::columns, high = std::min(last * S::columns, gates);
    const auto pair_at = [&](Index k) { return group.dgates + 2 * (at(member, walk, k) - origin) * gates; };
    // Rows that are with what was read, then rows that move with how it moved; the bias has only the former.
    Index count = 0, being = 0;
    for (const bool moves : {false, true}) {
      if (moves && !input_moves(layer)) break;
      for (Index k = begin; k < end; ++k) {
        const Index rows = walk.rows(k);
        const Matrix<const Real> read =
            moves ? input_moves_at(group, layer, walk.row(k), at(member, walk, k)) : input_at(layer, walk.row(k));
        for (Index r = 0; r < rows; ++r, ++count) {
          left[count] = pair_at(k) + (moves ? r : rows + r) * gates;
          right[count] = read[r];
        }
      }
      if (!moves) being = count;
    }
    if (to.b_ih) add_thin_gradients({left, being}, low, high, to.b_ih, {{right, 0}, 0, nullptr, 0}, fresh);
    const Target<Real> from_input = gathered_.target(lane.group, {right, count}, sizes_.inputs_of(layer), to.w_ih);
    if (to.w_ih && from_input.columns <= kThin) {
      add_thin_gradients({left, count}, low, high, static_cast<Real*>(nullptr), from_input, fresh);
    } else if (to.w_ih) {
      add_gradients<Real, 1>({left, count}, low, high, {from_input}, fresh, member.space);
    }
    if (!to.w_hh) return;
    count = 0;
    for (const bool moves : {false, true}) {
      for (Index k = begin; k < end; ++k) {
        const Index rows = walk.rows(k), older = std::min(rows, walk.rows(k - 1));
        for (const bool begins : {false, true}) {
          const auto [h_prev, h_prev_moves] = older > 0 || begins ? hidden_before(member, group, walk, place, k, begins)
                                                                  : std::pair<Matrix<const Real>, Matrix<const Real>>{};
          if (!h_prev) continue;
          for (Index r = begins ? older : 0; r < (begins ? rows : older); ++r, ++count) {
            left[count] = pair_at(k) + (moves ? r : rows + r) * gates;
            right[count] = moves ? h_prev_moves[r] : h_prev[r];
          }
        }
      }
    }
    add_gradients<Real, 1>({left, count}, low, high, {gathered_.target(lane.group, {right, count}, hidden, to.w_hh)},
                           fresh, member.space);
  }

  const Second<Real>& call_;
  const Sizes& sizes_;
  Plan plan_;
  std::vector<Index> bounds_;
  std::vector<Weight> panels_;
  std::vector<Group> groups_;
  Gathering<Real> gathered_;
  std::vector<Member> members_;
  Index span_ = 1;
};

template <typename Real>
void second(const Second<Real>& call) {
  run_lanes(call.sizes, call.threads, panels_of<Real>(call.sizes.hidden, Set<Real>::columns), 4.0,
            [&](const Plan& plan) { return SecondJob<Real>(call, plan); });
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
