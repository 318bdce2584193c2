// Philox4x32-10; twin of philox.py, which names the paper and the known answers.
#pragma once

#include "law.cuh"

constexpr uint32 MULTIPLIER_0 = 0xD2511F53, MULTIPLIER_1 = 0xCD9E8D57;
constexpr uint32 WEYL_0 = 0x9E3779B9, WEYL_1 = 0xBB67AE85;
constexpr int NUM_ROUNDS = 10;

// What a draw is for: the low byte of the counter's last word, the view stands above it.
enum Purpose { ORDER, SIZE, PLACE, SEARCH, TURN, CUTOUT, APPEARANCE, NOISE, REPLACEMENT, FOCUS };

__device__ inline uint4 philox4x32(uint4 counter, uint2 key) {
#pragma unroll
    for (int round = 0; round < NUM_ROUNDS; ++round) {
        const uint32 high_0 = __umulhi(MULTIPLIER_0, counter.x), low_0 = MULTIPLIER_0 * counter.x;
        const uint32 high_1 = __umulhi(MULTIPLIER_1, counter.z), low_1 = MULTIPLIER_1 * counter.z;
        counter = make_uint4(high_1 ^ counter.y ^ key.x, low_1, high_0 ^ counter.w ^ key.y, low_0);
        key.x += WEYL_0;
        key.y += WEYL_1;
    }
    return counter;
}

// The random words of one view of one sample.
struct Words {
    uint2 seed;
    uint32 epoch, index, view;

    __device__ Words(uint64 seed, uint32 epoch, int64 index, int view)
        : seed(make_uint2((uint32)seed, (uint32)(seed >> 32))),
          epoch(epoch), index((uint32)index), view(view) {}

    __device__ uint4 draw(Purpose purpose, uint32 number) const {
        return philox4x32(make_uint4(number, index, epoch, purpose | view << 8), seed);
    }
};

// word · range / 2³²: a whole number below `range`.
__device__ inline int scale_word(uint32 word, uint32 range) { return __umulhi(word, range); }
