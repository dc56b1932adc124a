// A device for the kernels of csrc/cuda on the processor: every thread of every block is a context of its own, and one
// runs until it has to wait. Slow, and exact about who may go on when: threads take turns in an order that a seed
// decides, so a barrier that is missing shows as a wrong answer under some seed, and one that not all reach is an error
// instead of a hang.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>

#define FASTGAN_DEVICE inline
#define FASTGAN_KERNEL(warps) void
#define FASTGAN_ARGUMENT const
#define FASTGAN_UNROLL_ALL
#define FASTGAN_UNROLL_NONE

namespace fastgan::cuda {

struct Vector {
  std::uint32_t x, y, z, w;
};

struct Machine;

namespace emulated {

// What the launches take the device to be, and who runs when.
extern Machine machine;
extern std::uint64_t seed;

// Run a kernel by so many threads a block, in a grid of blocks x groups x directions; with clusters, each group is one.
// Raises std::runtime_error when nobody can go on.
void launch(const std::function<void()>& kernel, int threads, int blocks, int groups, int directions, int shared,
            std::uint64_t seed);

struct Position {
  int thread, threads, block, blocks, group, direction;
  float* shared;
};
const Position& here();

void wait_for_block();
void wait_for_warp();
void arrive_in_cluster();
void wait_for_cluster();
void let_others_run();

// What the threads of a warp show each other: 6 words each.
std::uint32_t (*show(const std::uint32_t (&mine)[6]))[6];

}  // namespace emulated

inline int thread() { return emulated::here().thread; }
inline int threads() { return emulated::here().threads; }
inline int block() { return emulated::here().block; }
inline int blocks() { return emulated::here().blocks; }
inline int group() { return emulated::here().group; }
inline int direction() { return emulated::here().direction; }
inline float* shared() { return emulated::here().shared; }
inline void sync() { emulated::wait_for_block(); }
inline void sync_warp() { emulated::wait_for_warp(); }

inline Vector read_fresh(const void* at) {
  Vector vector;
  std::memcpy(&vector, at, sizeof vector);
  return vector;
}
inline Vector read(const void* at) { return read_fresh(at); }
inline void write(void* at, const Vector& values) { std::memcpy(at, &values, sizeof values); }
inline Vector read_back(const Vector* at) { return *at; }

void copy_ahead(void* to, const void* from);
void copies_together();
void wait_for_copies(int later);
template <int kLater>
void wait_for_copies() {
  wait_for_copies(kLater);
}

inline void publish(std::uint32_t* flag, std::uint32_t value) { *flag = value; }
inline std::uint32_t look(const std::uint32_t* flag) {
  emulated::let_others_run();
  return *flag;
}
inline void cluster_arrive() { emulated::arrive_in_cluster(); }
inline void cluster_wait() { emulated::wait_for_cluster(); }

float exponential(float x);
float rough_tangent(float x);
std::uint32_t two_bfloat16(float first, float second);
std::uint32_t two_float16(float first, float second);
inline float quotient(float a, float b) { return a / b; }

template <typename To, typename From>
To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
inline float float_of(std::uint32_t bits) { return same_bits<float>(bits); }
inline std::uint32_t bits_of(float x) { return same_bits<std::uint32_t>(x); }
inline float float_of_half(std::uint16_t bits) { return float(same_bits<_Float16>(bits)); }
inline std::uint16_t half_of(float x) { return same_bits<std::uint16_t>(_Float16(x)); }
// The first 11 bits, to nearest, ties away from zero.
inline std::uint32_t tf32_of(float x) {
  const std::uint32_t bits = bits_of(x);
  return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & 0xffffe000;
}

// Products of four warps are not emulated: the same weights are multiplied warp by warp.
#define FASTGAN_GROUPS 0
inline void groups_begin() {}
inline void groups_done() {}
inline void show_copies() {}
inline std::uint64_t columns_at(const void*) { return 0; }
inline void multiply_group_bfloat16(float (&)[16][4], const Vector&, std::uint64_t) {}
inline void multiply_group_float16(float (&)[16][4], const Vector&, std::uint64_t) {}

void multiply_bfloat16(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1);
void multiply_float16(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1);
void multiply_tf32(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1);

}  // namespace fastgan::cuda
