// Pixels: images of SOURCE values → floats; floats → views of three types.
//
// SOURCE is set by the compiler: uint8, uint16 or float.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "law.cuh"

#ifndef SOURCE
#define SOURCE uint8
#endif
typedef SOURCE Source;

constexpr int NUM_COLUMNS = 4;  // neighbours that a lane reads at once
constexpr int NUM_WORDS = NUM_COLUMNS * sizeof(Source) / sizeof(uint32);

// Four neighbours in a row, as they lie in memory.
struct Pixels {
    uint32 words[NUM_WORDS];

    __device__ float value(int column) const {
        // One instruction picks a byte or two and fills the rest with zeros.
        if (sizeof(Source) == 1) return __byte_perm(words[0], 0, 0x4440 | column);
        if (sizeof(Source) == 2) {
            return __byte_perm(words[column / 2], 0, column % 2 == 0 ? 0x4410 : 0x4432);
        }
        return __uint_as_float(words[column]);
    }
};

// An image below 4 GiB. The aligned words of 4 bytes that hold its first and its last pixel are
// read whole.
struct Image {
    const Source* pixels;
    int height, width;
    bool aligned;         // four neighbours from a column divisible by four are one load
    const uint32* words;  // the aligned word that holds the first pixel
    uint32 lead;          // bytes of it before that pixel
    uint32 last_word;

    __device__ static Image at(uint64 pointer, int2 shape) {
        const bool aligned = pointer % sizeof(Pixels) == 0 && shape.y % NUM_COLUMNS == 0;
        const uint32 lead = pointer % sizeof(uint32);
        const uint32 num_bytes = (uint32)shape.x * (uint32)shape.y * (uint32)sizeof(Source);
        return {(const Source*)pointer, shape.x, shape.y, aligned, (const uint32*)(pointer - lead),
                lead, (lead + num_bytes - 1) / (uint32)sizeof(uint32)};
    }

    __device__ float value(int y, int x) const { return __ldg(pixels + offset(y, x)); }

    __device__ uint32 offset(uint32 y, uint32 x) const { return y * width + x; }

    // Four neighbours in a row from an offset. ALIGNED is the image's, known to the caller so that
    // loads follow each other without a branch. Columns beyond the image hold anything.
    template <bool ALIGNED>
    __device__ Pixels load(uint32 offset) const {
        Pixels result;
        if constexpr (ALIGNED) {
            load_vector((const uint32*)(pixels + offset), result.words);
        } else {
            const uint32 first = offset * (uint32)sizeof(Source) + lead;
            const uint32 word = first / sizeof(uint32), shift = 8 * (first % sizeof(uint32));
            uint32 low = __ldg(words + min(word, last_word));
#pragma unroll
            for (int k = 0; k < NUM_WORDS; ++k) {
                const uint32 high = __ldg(words + min(word + k + 1, last_word));
                result.words[k] = __funnelshift_r(low, high, shift);
                low = high;
            }
        }
        return result;
    }

private:
    __device__ static void load_vector(const uint32* from, uint32 (&words)[NUM_WORDS]) {
        if constexpr (NUM_WORDS == 1) {
            words[0] = __ldg(from);
        } else if constexpr (NUM_WORDS == 2) {
            const uint2 two = __ldg((const uint2*)from);
            words[0] = two.x, words[1] = two.y;
        } else {
            const uint4 four = __ldg((const uint4*)from);
            words[0] = four.x, words[1] = four.y, words[2] = four.z, words[3] = four.w;
        }
    }
};

enum OutputType { FLOAT32, FLOAT16, BFLOAT16 };

// The views' arrangement, [B, V, height, width]; images and views follow at any distance.
struct Layout {
    int64 image_stride, view_stride;  // pixels
    int height, width;
    int type;
};

struct Output {
    void* views;
    Layout layout;

    // Write two neighbours from pixel `first`, or the first alone.
    __device__ void write(int64 first, float2 values, bool both) const {
        if (layout.type == FLOAT32) {
            write_pair((float*)views + first, values.x, values.y, values, both);
        } else if (layout.type == FLOAT16) {
            write_pair((__half*)views + first, __float2half_rn(values.x), __float2half_rn(values.y),
                       __floats2half2_rn(values.x, values.y), both);
        } else {
            write_pair((__nv_bfloat16*)views + first, __float2bfloat16_rn(values.x),
                       __float2bfloat16_rn(values.y), __floats2bfloat162_rn(values.x, values.y),
                       both);
        }
    }

private:
    template <class One, class Two>
    __device__ static void write_pair(One* at, One first, One second, Two two, bool both) {
        if (both && (uint64)at % sizeof(Two) == 0) {
            *(Two*)at = two;
        } else {
            at[0] = first;
            if (both) at[1] = second;
        }
    }
};
