// Which kernel passes through a layer for many sequences.
#pragma once

#include "stream_backward.h"
#include "stream_forward.h"
#include "stream_pack.h"

namespace fastgan::cuda {

template <typename Call>
using StreamKernel = void (*)(const Call, const StreamPlan);

template <typename Number>
StreamKernel<StreamForward> stream_kernel_for(const StreamForward&, int groups) {
  if (groups == 4) return stream_forward<Number, 4>;
  return groups == 2 ? stream_forward<Number, 2> : stream_forward<Number, 1>;
}

template <typename Number>
StreamKernel<StreamBackward> stream_kernel_for(const StreamBackward&, int groups) {
  if (groups == 4) return stream_backward<Number, 4>;
  return groups == 2 ? stream_backward<Number, 2> : stream_backward<Number, 1>;
}

template <typename Call>
StreamKernel<Call> stream_kernel_of(const Call& call, Kind kind, int groups) {
  return kind == Kind::bfloat16 ? stream_kernel_for<Bfloat16>(call, groups) : stream_kernel_for<Float16>(call, groups);
}

inline auto stream_kernel_of(const StreamPack&, int groups) {
  return groups == 4 ? stream_pack<4> : groups == 2 ? stream_pack<2> : stream_pack<1>;
}

// Of a pass through a layer.
inline StreamPlan plan_of(const Machine& machine, Kind kind, const StreamForward& call) {
  return stream_plan(machine, kind, call.batch, call.inputs, call.hidden);
}
inline StreamPlan plan_of(const Machine& machine, Kind kind, const StreamBackward& call) {
  return stream_plan(machine, kind, call.batch, 0, call.hidden);
}

}  // namespace fastgan::cuda
