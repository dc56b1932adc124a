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
FASTGAN_DEVICE void sync_warp() { __syncwarp(); }  // the same for those of the warp

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

// Copies of 16 bytes to shared memory that go on while the thread does other things. `wait_for_copies` waits for all
// but the newest kLater calls of `copies_together`; others may read the copies after a `sync`.
FASTGAN_DEVICE void copy_ahead(void* to, const void* from) {
  const auto place = static_cast<std::uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(place), "l"(from) : "memory");
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

// Four warps' product, where the chip has it: each adds 16 rows by 16 terms times the terms of 128 columns, which lie
// in shared memory, to sums spread over its threads as those of `multiply`. Of eight columns, eight terms each are 128
// bytes; the next eight terms begin 2048 bytes on. It goes on until `groups_done`, and then so do all before it.
#  ifdef __CUDA_ARCH_FEAT_SM90_ALL
#    define FASTGAN_GROUPS 1
#  else
#    define FASTGAN_GROUPS 0
#  endif
FASTGAN_DEVICE void groups_begin() {
#  if FASTGAN_GROUPS
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#  endif
}
FASTGAN_DEVICE void groups_done() {
#  if FASTGAN_GROUPS
  asm volatile("wgmma.commit_group.sync.aligned;\n\twgmma.wait_group.sync.aligned 0;" ::: "memory");
#  endif
}
// What copies have brought is to be seen by such products too: after waiting for them, before a `sync`.
FASTGAN_DEVICE void show_copies() {
#  if FASTGAN_GROUPS
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#  endif
}
FASTGAN_DEVICE std::uint64_t columns_at(const void* at) {
  const std::uint64_t place = static_cast<std::uint32_t>(__cvta_generic_to_shared(at));
  return (place & 0x3ffff) >> 4 | std::uint64_t(2048 >> 4) << 16 | std::uint64_t(128 >> 4) << 32;
}
#  if FASTGAN_GROUPS
#    define FASTGAN_MULTIPLY_GROUP(name, kind)                                                                   \
      FASTGAN_DEVICE void name(float (&sum)[16][4], const Vector& a, std::uint64_t columns) {                    \
        asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32." kind "." kind                                \
                     " {"                                                                                        \
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                    \
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "          \
                     "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "          \
                     "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"            \
                     "}, {%64, %65, %66, %67}, %68, 1, 1, 1, 0;"                                                 \
                     : "+f"(sum[0][0]), "+f"(sum[0][1]), "+f"(sum[0][2]), "+f"(sum[0][3]), "+f"(sum[1][0]),      \
                       "+f"(sum[1][1]), "+f"(sum[1][2]), "+f"(sum[1][3]), "+f"(sum[2][0]), "+f"(sum[2][1]),      \
                       "+f"(sum[2][2]), "+f"(sum[2][3]), "+f"(sum[3][0]), "+f"(sum[3][1]), "+f"(sum[3][2]),      \
                       "+f"(sum[3][3]), "+f"(sum[4][0]), "+f"(sum[4][1]), "+f"(sum[4][2]), "+f"(sum[4][3]),      \
                       "+f"(sum[5][0]), "+f"(sum[5][1]), "+f"(sum[5][2]), "+f"(sum[5][3]), "+f"(sum[6][0]),      \
                       "+f"(sum[6][1]), "+f"(sum[6][2]), "+f"(sum[6][3]), "+f"(sum[7][0]), "+f"(sum[7][1]),      \
                       "+f"(sum[7][2]), "+f"(sum[7][3]), "+f"(sum[8][0]), "+f"(sum[8][1]), "+f"(sum[8][2]),      \
                       "+f"(sum[8][3]), "+f"(sum[9][0]), "+f"(sum[9][1]), "+f"(sum[9][2]), "+f"(sum[9][3]),      \
                       "+f"(sum[10][0]), "+f"(sum[10][1]), "+f"(sum[10][2]), "+f"(sum[10][3]), "+f"(sum[11][0]), \
                       "+f"(sum[11][1]), "+f"(sum[11][2]), "+f"(sum[11][3]), "+f"(sum[12][0]), "+f"(sum[12][1]), \
                       "+f"(sum[12][2]), "+f"(sum[12][3]), "+f"(sum[13][0]), "+f"(sum[13][1]), "+f"(sum[13][2]), \
                       "+f"(sum[13][3]), "+f"(sum[14][0]), "+f"(sum[14][1]), "+f"(sum[14][2]), "+f"(sum[14][3]), \
                       "+f"(sum[15][0]), "+f"(sum[15][1]), "+f"(sum[15][2]), "+f"(sum[15][3])                    \
                     : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(columns));                                    \
      }
FASTGAN_MULTIPLY_GROUP(multiply_group_bfloat16, "bf16")
FASTGAN_MULTIPLY_GROUP(multiply_group_float16, "f16")
#    undef FASTGAN_MULTIPLY_GROUP
#  else
FASTGAN_DEVICE void multiply_group_bfloat16(float (&)[16][4], const Vector&, std::uint64_t) {}
FASTGAN_DEVICE void multiply_group_float16(float (&)[16][4], const Vector&, std::uint64_t) {}
#  endif

}  // namespace fastgan::cuda

#endif
