// float16 for the emulation: round to nearest even, as __float2half_rn does.
#pragma once

#include "cuda_emulation.h"

struct alignas(2) __half { uint16_t bits; };
struct alignas(4) __half2 { __half x, y; };

inline __half __float2half_rn(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    const uint16_t sign = bits >> 16 & 0x8000;
    const float magnitude = std::fabs(value);
    if (std::isnan(value)) return {0x7FFF};
    if (magnitude >= 65520.0f) return {uint16_t(sign | 0x7C00)};
    // The least normal exponent is -14; below it the step stays at 2⁻²⁴.
    const int exponent = magnitude == 0.0f ? -14 : std::max(std::ilogb(magnitude), -14);
    const int steps = (int)std::nearbyint(std::ldexp(magnitude, 10 - exponent));
    return {uint16_t(sign | (((exponent + 14) << 10) + steps))};
}
inline __half2 __floats2half2_rn(float x, float y) {
    return {__float2half_rn(x), __float2half_rn(y)};
}
