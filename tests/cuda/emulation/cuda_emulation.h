// What a .cu file sees when it is built by the host compiler: enough of CUDA C++ to run on the CPU.
//
// Threads of a block are fibres (runtime.cpp), blocks run one after the other. `__shared__` becomes
// `thread_local`: at block scope that implies static storage, it may follow `extern`, and all of it
// lies in one piece of memory that the runtime fills with rubbish before each block.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#define __global__
#define __device__
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __shared__ thread_local

struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct uint3 { unsigned x, y, z; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };

inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace emulation {

enum class Meeting { BARRIER, COUNT, ANY, WARP, BALLOT, SHUFFLE };

extern uint3 thread_index, block_index, block_size, grid_size;

// Wait for the block and return the sum of what all threads gave.
int meet_block(Meeting kind, int value);
// Wait for the lanes in `mask` and return what lane `source` gave; in `ballot` who gave not 0.
uint64_t meet_warp(Meeting kind, unsigned mask, uint64_t value, int source, unsigned* ballot);

template <class T>
T shuffle(unsigned mask, T value, int source) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    bits = meet_warp(Meeting::SHUFFLE, mask, bits, source, nullptr);
    std::memcpy(&value, &bits, sizeof(T));
    return value;
}

}  // namespace emulation

// Copies: a macro cannot name a variable that moves from fibre to fibre otherwise.
#define threadIdx emulation::thread_index
#define blockIdx emulation::block_index
#define blockDim emulation::block_size
#define gridDim emulation::grid_size

inline void __syncthreads() { emulation::meet_block(emulation::Meeting::BARRIER, 0); }
inline int __syncthreads_count(int predicate) {
    return emulation::meet_block(emulation::Meeting::COUNT, predicate != 0);
}
inline int __syncthreads_or(int predicate) {
    return emulation::meet_block(emulation::Meeting::ANY, predicate != 0) != 0;
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFF) {
    emulation::meet_warp(emulation::Meeting::WARP, mask, 0, 0, nullptr);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    unsigned ballot = 0;
    emulation::meet_warp(emulation::Meeting::BALLOT, mask, predicate != 0, 0, &ballot);
    return ballot;
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source) {
    return emulation::shuffle(mask, value, source % 32);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance) {
    return emulation::shuffle(mask, value, threadIdx.x % 32 ^ distance);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
    const unsigned lane = threadIdx.x % 32;
    return emulation::shuffle(mask, value, lane < distance ? lane : lane - distance);
}

inline int atomicAdd(int* at, int value) { return __atomic_fetch_add(at, value, __ATOMIC_RELAXED); }
inline int atomicMin(int* at, int value) {
    int before = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (value < before && !__atomic_compare_exchange_n(
                                 at, &before, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return before;
}
inline int atomicMax(int* at, int value) {
    int before = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (value > before && !__atomic_compare_exchange_n(
                                 at, &before, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return before;
}

template <class T>
T __ldg(const T* at) { return *at; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
inline int __ffs(unsigned value) { return __builtin_ffs(value); }
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return ((uint64_t)high << 32 | low) >> (shift % 32);
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    const uint64_t bytes = (uint64_t)y << 32 | x;
    unsigned result = 0;
    for (int k = 0; k < 4; ++k) {
        result |= unsigned(bytes >> 8 * (selector >> 4 * k & 7) & 0xFF) << 8 * k;
    }
    return result;
}
inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}
inline float __saturatef(float value) { return std::fmin(std::fmax(value, 0.0f), 1.0f); }

// CUDA's own overloads, the mixed ones included.
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline unsigned min(unsigned a, int b) { return min(a, (unsigned)b); }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
inline double max(double a, double b) { return std::fmax(a, b); }
