// Blur, intensity changes, noise, mask, cutout and normalisation: a tile → pixels of the view.
//
// Twin of reference.render_views after the resampling, in its order.
#pragma once

#include "philox.cuh"
#include "resample.cuh"

// Sum of four independent 16-bit words: mean 131,070, standard deviation 65,536·√(4/12).
constexpr float NOISE_MEAN = 131070.0f, NOISE_DEVIATION = 37837.23f;
constexpr float GREATEST_LEVEL = 255.0f;

// What was drawn for one view.
struct Appearance {
    int radius;            // of the blur; 0 for none
    float sigma;
    float contrast, shift; // x · contrast + shift
    bool changes_gamma, solarized;
    float gamma;
    float noise_scale;     // 0 for none
    Mask mask;             // as it applies to this view
    float mask_floor;      // of the soft one
    float gain, bias;      // the normalisation
};

__device__ inline double between(uint32 word, double low, double high) {
    return low + (high - low) * (word * 0x1p-32);
}

__device__ inline Appearance draw_appearance(const ViewLook& look, const Words& words) {
    const uint4 first = words.draw(APPEARANCE, 0), second = words.draw(APPEARANCE, 1);
    const uint4 third = words.draw(APPEARANCE, 2);
    Appearance result = {};
    if (second.y < look.blur_q32) {
        const double sigma = between(second.z, look.blur_sigma_px_low, look.blur_sigma_px_high);
        result.radius = (int)ceil(3.0 * sigma);
        result.sigma = (float)sigma;
    }
    result.contrast = 1.0f;
    if (first.x < look.jitter_q32) {
        const double brightness = between(first.y, look.brightness_low, look.brightness_high);
        const double contrast = between(first.z, look.contrast_low, look.contrast_high);
        result.contrast = (float)(brightness * contrast);
        result.shift = (float)(brightness * 0.5 * (1.0 - contrast));
    }
    result.changes_gamma = first.w < look.gamma_q32;
    result.gamma = (float)between(second.x, look.gamma_low, look.gamma_high);
    result.solarized = second.w < look.solarize_q32;
    if (third.x < look.noise_q32) {
        const double sigma = between(third.z, look.noise_sigma_low, look.noise_sigma_high);
        result.noise_scale = (float)(sigma / NOISE_DEVIATION);
    }
    result.mask = third.y < look.mask_q32 ? (Mask)look.mask : NO_MASK;
    result.mask_floor = (float)look.mask_floor;
    result.gain = (float)(1.0 / look.deviation);
    result.bias = (float)(-look.mean / look.deviation);
    return result;
}

// The saliency map under a view, read bilinearly.
struct Saliency {
    const uint8* map;
    int height, width;                         // cells
    float level;                               // under which the hard mask blackens
    float middle_y, middle_x;                  // cells, at the view's middle
    float row_y, row_x, column_y, column_x;    // cells per row and column of the view

    __device__ static Saliency under(
        const View& view, const uint8* map, int2 grid, int level) {
        const double cells_y = (double)grid.x / view.image.height;
        const double cells_x = (double)grid.y / view.image.width;
        const double scale_x = view.flipped ? -view.x.scale : view.x.scale;
        return {
            map,
            grid.x,
            grid.y,
            (float)level,
            (float)(view.y.middle(view.height) * cells_y),
            (float)(view.x.middle(view.width) * cells_x),
            (float)(view.cosine * view.y.scale * cells_y),
            (float)(-view.sine * view.y.scale * cells_x),
            (float)(view.sine * scale_x * cells_y),
            (float)(view.cosine * scale_x * cells_x),
        };
    }

    // The map where row v and column u from the view's middle lies.
    __device__ float value(float v, float u) const {
        const float y = fminf(
            fmaxf(middle_y + row_y * v + column_y * u - 0.5f, 0.0f), height - 1.0f);
        const float x = fminf(
            fmaxf(middle_x + row_x * v + column_x * u - 0.5f, 0.0f), width - 1.0f);
        const int row = (int)y, column = (int)x;
        const float fraction_y = y - row, fraction_x = x - column;
        const uint8* upper = map + row * width;
        const uint8* lower = row + 1 < height ? upper + width : upper;
        const int right = min(column + 1, width - 1);
        const float near = __ldg(upper + column) * (1.0f - fraction_x) +
                           __ldg(upper + right) * fraction_x;
        const float far = __ldg(lower + column) * (1.0f - fraction_x) +
                          __ldg(lower + right) * fraction_x;
        return near * (1.0f - fraction_y) + far * fraction_y;
    }

    __device__ float factor(const Appearance& look, float v, float u) const {
        if (look.mask == SOFT_MASK) {
            return fminf(value(v, u) / GREATEST_LEVEL + look.mask_floor, 1.0f);
        }
        return value(v, u) < level - 0.5f ? 0.0f : 1.0f;
    }
};

// Write the weights of a Gaussian cut at 3 sigma: the middle and one side, [radius + 1].
__device__ inline void list_weights(const Appearance& look, float* weights) {
    float total = 0.0f;
    for (int k = -look.radius; k <= look.radius; ++k) {
        total += expf(-0.5f * (k / look.sigma) * (k / look.sigma));
    }
    for (int k = threadIdx.x; k <= look.radius; k += NUM_THREADS) {
        weights[k] = expf(-0.5f * (k / look.sigma) * (k / look.sigma)) / total;
    }
}

// Blur each row of the tile in place, in the columns of `core`; the view's border pixels repeat
// outwards. `copies` holds one row for each warp.
__device__ inline void blur_rows(
    const Tile& tile, const Tile& core, int view_width, const float* weights, int radius,
    float* copies, float* pixels) {
    const int lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE;
    float* copy = copies + warp * SUMS_WIDTH;
    for (int row = warp; row < tile.height; row += NUM_WARPS) {
        float* line = pixels + row * tile.pitch;
        for (int column = lane; column < tile.width; column += WARP_SIZE) {
            copy[column] = line[column];
        }
        __syncwarp();
        for (int column = core.left + lane; column < core.left + core.width;
             column += WARP_SIZE) {
            float total = weights[0] * copy[column - tile.left];
            for (int k = 1; k <= radius; ++k) {
                const int left = max(column - k, 0), right = min(column + k, view_width - 1);
                total += weights[k] * (copy[left - tile.left] + copy[right - tile.left]);
            }
            line[column - tile.left] = total;
        }
        __syncwarp();
    }
}

// Two neighbours of the tile from (row, column) of the view, blurred along the column.
__device__ inline float2 blur_column(
    const Tile& tile, int view_height, const float* weights, int radius, const float* pixels,
    int row, int column) {
    const float* first = pixels + column - tile.left;
    const float2 middle = *(const float2*)(first + (row - tile.top) * tile.pitch);
    if (radius == 0) return middle;
    float2 total = make_float2(weights[0] * middle.x, weights[0] * middle.y);
    for (int k = 1; k <= radius; ++k) {
        const int above = max(row - k, 0), below = min(row + k, view_height - 1);
        const float2 a = *(const float2*)(first + (above - tile.top) * tile.pitch);
        const float2 b = *(const float2*)(first + (below - tile.top) * tile.pitch);
        total.x += weights[k] * (a.x + b.x);
        total.y += weights[k] * (a.y + b.y);
    }
    return total;
}

__device__ inline float change_intensity(const Appearance& look, float value) {
    value = __saturatef(value * look.contrast + look.shift);
    if (look.changes_gamma) value = exp2f(look.gamma * log2f(value));
    if (look.solarized && value >= 0.5f) value = 1.0f - value;
    return value;
}

// Noise of two neighbours: a draw serves pixels 2n and 2n + 1 of the view.
__device__ inline float2 draw_noise(const Words& words, uint32 pixel, float scale) {
    const uint4 drawn = words.draw(NOISE, pixel / 2);
    uint2 first = make_uint2(drawn.x, drawn.y), second = make_uint2(drawn.z, drawn.w);
    if (pixel % 2 != 0) {
        const uint4 next = words.draw(NOISE, pixel / 2 + 1);
        first = second;
        second = make_uint2(next.x, next.y);
    }
    const auto sum = [scale](uint2 pair) {
        const uint32 total = (pair.x & 0xFFFF) + (pair.x >> 16) + (pair.y & 0xFFFF) + (pair.y >> 16);
        return (total - NOISE_MEAN) * scale;
    };
    return make_float2(sum(first), sum(second));
}
