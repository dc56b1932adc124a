// What a thread can do besides arithmetic: know its place, wait for others, read what others wrote, multiply with its
// warp. The one header that knows CUDA; where no CUDA compiler reads this, the same names come from a device that is
// emulated.
#pragma once

#ifndef __CUDACC__
#  include "emulated.h"
#else

#  include <cuda_fp16.h>
#  include <cuda_runtime.h>

#  include <cstdint>

#  define FASTGAN_DEVICE __device__ __forceinline__
// One block has a multiprocessor to itself, and its threads all registers there are.
#  define FASTGAN_KERNEL(warps) __global__ void __launch_bounds__(32 * warps, 1)
#  define FASTGAN_ARGUMENT __grid_constant__ const
#  define FASTGAN_UNROLL_ALL _Pragma("unroll")
#  define FASTGAN_UNROLL_NONE _Pragma("unroll 1")  // copies of a loop want registers of their own

namespace fastgan::cuda {

using Vector = uint4;  // 16 bytes

FASTGAN_DEVICE int thread() { return threadIdx.x; }
FASTGAN_DEVICE int threads() { return blockDim.x; }
FASTGAN_DEVICE int block() { return blockIdx.x; }  // of its group
FASTGAN_DEVICE int blocks() { return gridDim.x; }
FASTGAN_DEVICE int group() { return blockIdx.y; }
FASTGAN_DEVICE int direction() { return blockIdx.z; }

FASTGAN_DEVICE float* shared() {
  extern __shared__ __align__(16) float memory[];
  return memory;
}

// Waits for the threads of the block; what they wrote can be read then.
FASTGAN_DEVICE void sync() { __syncthreads(); }

// What other blocks may have written since the kernel began: read from the cache that all share.
FASTGAN_DEVICE Vector read_fresh(const void* at) { return __ldcg(static_cast<const uint4*>(at)); }
FASTGAN_DEVICE Vector read(const void* at) { return __ldg(static_cast<const uint4*>(at)); }

// What this kernel does not read again, past what the caches keep.
FASTGAN_DEVICE void write(void* at, const Vector& values) { __stcs(static_cast<uint4*>(at), values); }

// From shared memory for certain: a compiler that knew the values would take them from where they were.
FASTGAN_DEVICE Vector read_back(const Vector* at) {
  Vector values;
  const auto place = static_cast<std::uint32_t>(__cvta_generic_to_shared(at));
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(values.x), "=r"(values.y), "=r"(values.z), "=r"(values.w)
               : "r"(place)
               : "memory");
  return values;
}

// Between blocks: what a thread's block wrote before `publish` can be read by who has seen the value.
FASTGAN_DEVICE void publish(std::uint32_t* flag, std::uint32_t value) {
  __threadfence();
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(flag), "r"(value) : "memory");
}
FASTGAN_DEVICE std::uint32_t look(const std::uint32_t* flag) {
  std::uint32_t value;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(flag) : "memory");
  return value;
}

// The same for the blocks of a cluster, by a barrier that all their threads arrive at and then wait for.
FASTGAN_DEVICE void cluster_arrive() {
#  if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
#  else
  __trap();  // no launch makes clusters there
#  endif
}
FASTGAN_DEVICE void cluster_wait() {
#  if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
  __syncwarp();  // products want the threads of a warp side by side again
#  endif
}

// Copies of 16 bytes to shared memory that go on while the thread does other things; zeros from null. `wait_for_copies`
// waits for all but the newest kLater calls of `copies_together`; others may read the copies after a `sync`.
FASTGAN_DEVICE void copy_ahead(void* to, const void* from) {
  const auto place = static_cast<std::uint32_t>(__cvta_generic_to_shared(to));
  const int bytes = from != nullptr ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place), "l"(from), "r"(bytes) : "memory");
}
FASTGAN_DEVICE void copies_together() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kLater>
FASTGAN_DEVICE void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLater) : "memory");
}

FASTGAN_DEVICE float exponential(float x) { return __expf(x); }
FASTGAN_DEVICE float quotient(float a, float b) { return __fdividef(a, b); }

FASTGAN_DEVICE float rough_tangent(float x) {  // hyperbolic, 11 bits of it
  float value;
  asm("tanh.approx.f32 %0, %1;" : "=f"(value) : "f"(x));
  return value;
}

FASTGAN_DEVICE float float_of(std::uint32_t bits) { return __uint_as_float(bits); }
FASTGAN_DEVICE std::uint32_t bits_of(float x) { return __float_as_uint(x); }
FASTGAN_DEVICE float float_of_half(std::uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
FASTGAN_DEVICE std::uint16_t half_of(float x) { return __half_as_ushort(__float2half_rn(x)); }
// Two short numbers in a word, the first below. Volatile: made anew where it is written anew.
FASTGAN_DEVICE std::uint32_t two_bfloat16(float first, float second) {
  std::uint32_t two;
  asm volatile("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(two) : "f"(second), "f"(first));
  return two;
}
FASTGAN_DEVICE std::uint32_t two_float16(float first, float second) {
  std::uint32_t two;
  asm volatile("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(two) : "f"(second), "f"(first));
  return two;
}
FASTGAN_DEVICE std::uint32_t tf32_of(float x) {  // volatile: what is cheap to make again is not worth a register
  std::uint32_t bits;
  asm volatile("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

// A warp's product: adds 16 rows by k terms times k terms by 8 columns to sums, spread over its threads as the manual
// of PTX says for mma.m16n8k16 and mma.m16n8k8.
#  define FASTGAN_MULTIPLY(name, instruction)                                                                    \
    FASTGAN_DEVICE void name(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) { \
      asm volatile(instruction " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                \
                   : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])                                      \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                              \
    }
FASTGAN_MULTIPLY(multiply_bfloat16, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32")
FASTGAN_MULTIPLY(multiply_float16, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32")
FASTGAN_MULTIPLY(multiply_tf32, "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32")
#  undef FASTGAN_MULTIPLY

}  // namespace fastgan::cuda

#endif
