// Antialiased crop, resize, rotation and flip: an image → a tile of a view, intensities 0 to 1.
//
// A tent as wide as a view's pixel, at least one pixel of the image; twin of
// reference.render_views.resample. An upright tile is separable: a warp sums the rows under one row
// of the view into shared memory, then threads sum columns of eight such rows.
#pragma once

#include "pixels.cuh"

constexpr int NUM_THREADS = 256;
constexpr int NUM_WARPS = NUM_THREADS / WARP_SIZE;
constexpr int SUMS_WIDTH = 512;      // columns of the image that are summed at a time
constexpr int LOADS_IN_FLIGHT = 4;   // rows of the image that a lane reads before it uses one
constexpr int ROWS_PER_GROUP = NUM_WARPS;  // rows of a view that are summed at a time

// One axis of a window: where it starts, and the image's pixels per pixel of the view.
struct Axis {
    double start, scale, support;  // pixels of the image; support is half the tent's width
    float step;                    // 1 / support
    int low, high;                 // pixels of the image that the view may see

    __device__ static Axis along(int64 first, int64 last, int extent, int length, int num_pixels) {
        const double start = (double)(first * length) / extent;
        const double end = (double)(last * length) / extent;
        const double scale = (end - start) / num_pixels, support = max(scale, 1.0);
        return {start, scale, support, (float)(1.0 / support), max((int)floor(start), 0),
                min((int)ceil(end), length)};
    }
    __device__ double middle(int num_pixels) const { return start + 0.5 * num_pixels * scale; }
};

struct View {
    Image image;
    Axis y, x;
    int height, width;
    bool turned, flipped;
    float cosine, sine;
    float gain, bias;  // source value · gain + bias is the intensity
};

// Part of a view; in shared memory its rows lie `pitch` pixels apart.
struct Tile {
    int top, left, height, width, pitch;
};

// The tent over one row or column of a view: pixel `first + k` weighs tent(offset + k · step).
struct __align__(16) Taps {
    int first, count;
    float offset, norm;  // norm is 1 / the sum of the weights
};

__device__ inline float tent(float distance) { return __saturatef(1.0f - fabsf(distance)); }

__device__ inline Taps make_taps(const Axis& axis, double centre) {
    const int first = max((int)floor(centre - axis.support + 0.5), axis.low);
    const int last = min((int)ceil(centre + axis.support - 0.5) - 1, axis.high - 1);
    const float offset = (float)((first + 0.5 - centre) / axis.support);
    float sum = 0.0f;
    for (int k = 0; k <= last - first; ++k) sum += tent(offset + k * axis.step);
    return {first, last - first + 1, offset, 1.0f / sum};
}

// List the taps of the tile's rows and columns.
__device__ inline void list_taps(const View& view, const Tile& tile, Taps* rows, Taps* columns) {
    for (int k = threadIdx.x; k < tile.height + tile.width; k += NUM_THREADS) {
        if (k < tile.height) {
            rows[k] = make_taps(view.y, view.y.start + (tile.top + k + 0.5) * view.y.scale);
        } else {
            const int column = tile.left + k - tile.height;
            const int unflipped = view.flipped ? view.width - 1 - column : column;
            columns[k - tile.height] =
                make_taps(view.x, view.x.start + (unflipped + 0.5) * view.x.scale);
        }
    }
}

// Sum the image's rows under one row of the view, in columns [begin, end); a warp's work. `weights`
// has room for one batch of taps, which all lanes share.
template <bool ALIGNED>
__device__ void sum_rows(
    const Image image, const Taps taps, float step, int begin, int end, float* weights,
    float* sums) {
    const int lane = threadIdx.x % WARP_SIZE;
    for (int done = 0; done < taps.count; done += WARP_SIZE) {
        __syncwarp();  // the batch before has been used
        weights[lane] = tent(taps.offset + (done + lane) * step) * taps.norm;
        __syncwarp();
        const int num_taps = min(taps.count - done, WARP_SIZE);
        for (int x = begin + NUM_COLUMNS * lane; x < end; x += NUM_COLUMNS * WARP_SIZE) {
            float4* sum = (float4*)(sums + x - begin);
            float4 total = done == 0 ? make_float4(0.0f, 0.0f, 0.0f, 0.0f) : *sum;
            uint32 offset = image.offset(taps.first + done, x);
            for (int first = 0; first < num_taps; first += LOADS_IN_FLIGHT) {
                Pixels pixels[LOADS_IN_FLIGHT];
#pragma unroll
                for (int k = 0; k < LOADS_IN_FLIGHT; ++k, offset += image.width) {
                    if (first + k < num_taps) pixels[k] = image.load<ALIGNED>(offset);
                }
#pragma unroll
                for (int k = 0; k < LOADS_IN_FLIGHT; ++k) {
                    if (first + k >= num_taps) break;
                    const float weight = weights[first + k];
                    total.x += weight * pixels[k].value(0);
                    total.y += weight * pixels[k].value(1);
                    total.z += weight * pixels[k].value(2);
                    total.w += weight * pixels[k].value(3);
                }
            }
            *sum = total;
        }
    }
}

// Sum the columns [begin, end) of `sums` into the tile's rows from `top`. Where more of a tent
// follows, the tile keeps the bare sum.
__device__ inline void sum_columns(
    const View& view, const Tile& tile, const Taps* columns, int top, int begin, int end,
    const float* sums, float* pixels) {
    const float step = view.x.step, gain = view.gain, bias = view.bias;
    const int num_rows = min(tile.height - top, ROWS_PER_GROUP);
    for (int column = threadIdx.x; column < tile.width; column += NUM_THREADS) {
        const Taps taps = columns[column];
        const int first = max(begin - taps.first, 0), last = min(end - taps.first, taps.count);
        if (first >= last) continue;
        float* target = pixels + top * tile.pitch + column;
        float total[ROWS_PER_GROUP] = {};
        if (first > 0) {
#pragma unroll
            for (int r = 0; r < ROWS_PER_GROUP; ++r) {
                if (r < num_rows) total[r] = target[r * tile.pitch];
            }
        }
        const float* source = sums + taps.first - begin;
        for (int k = first; k < last; ++k) {
            const float weight = tent(taps.offset + k * step);
#pragma unroll
            for (int r = 0; r < ROWS_PER_GROUP; ++r) {
                total[r] += weight * source[r * SUMS_WIDTH + k];
            }
        }
        const bool complete = last == taps.count;
#pragma unroll
        for (int r = 0; r < ROWS_PER_GROUP; ++r) {
            const float value = __saturatef(total[r] * (taps.norm * gain) + bias);
            if (r < num_rows) target[r * tile.pitch] = complete ? value : total[r];
        }
    }
}

// Fill a tile of an upright view; `weights` is [NUM_WARPS, WARP_SIZE] and `sums` [ROWS_PER_GROUP,
// SUMS_WIDTH].
__device__ inline void resample_upright(
    const View& view, const Tile& tile, const Taps* rows, const Taps* columns, float* weights,
    float* sums, float* pixels) {
    const Taps left = columns[0], right = columns[tile.width - 1];
    const int begin = min(left.first, right.first) & (view.image.aligned ? -NUM_COLUMNS : -1);
    const int end = max(left.first + left.count, right.first + right.count);
    const int warp = threadIdx.x / WARP_SIZE;
    for (int top = 0; top < tile.height; top += ROWS_PER_GROUP) {
        for (int x = begin; x < end; x += SUMS_WIDTH) {
            const int x_end = min(x + SUMS_WIDTH, end);
            if (top + warp < tile.height) {
                const Taps taps = rows[top + warp];
                float* row_weights = weights + warp * WARP_SIZE;
                float* row_sums = sums + warp * SUMS_WIDTH;
                if (view.image.aligned) {
                    sum_rows<true>(
                        view.image, taps, view.y.step, x, x_end, row_weights, row_sums);
                } else {
                    sum_rows<false>(
                        view.image, taps, view.y.step, x, x_end, row_weights, row_sums);
                }
            }
            __syncthreads();
            sum_columns(view, tile, columns, top, x, x_end, sums, pixels);
            __syncthreads();
        }
    }
}

// The tent around `centre`, which is relative to pixel `base`: first and last pixel and the weights.
struct LooseTaps {
    int first, last;
    float centre, step;

    __device__ LooseTaps(float centre, const Axis& axis, int base, int length)
        : first(max((int)floorf(centre - (float)axis.support + 0.5f), -base)),
          last(min((int)ceilf(centre + (float)axis.support - 0.5f), length - base) - 1),
          centre(centre), step(axis.step) {}

    __device__ float weight(int pixel) const {
        return pixel <= last ? tent((pixel + 0.5f - centre) * step) : 0.0f;
    }
};

// One pixel of a turned view: the tent of each axis around its centre.
__device__ inline float average(
    const Image& image, const LooseTaps& y, const LooseTaps& x, int base_y, int base_x) {
    float total = 0.0f, sum_y = 0.0f, sum_x = 0.0f;
    for (int row = y.first; row <= y.last; ++row) sum_y += y.weight(row);
    for (int column = x.first; column <= x.last; column += NUM_COLUMNS) {
        float weights[NUM_COLUMNS];
#pragma unroll
        for (int c = 0; c < NUM_COLUMNS; ++c) sum_x += weights[c] = x.weight(column + c);
        for (int row = y.first; row <= y.last; ++row) {
            float part = 0.0f;
#pragma unroll
            for (int c = 0; c < NUM_COLUMNS; ++c) {
                part += weights[c] * image.value(base_y + row, base_x + min(column + c, x.last));
            }
            total += y.weight(row) * part;
        }
    }
    return total / (sum_y * sum_x);
}

// Fill a tile of a turned view. A centre outside the image gives 0.
__device__ inline void resample_turned(const View& view, const Tile& tile, float* pixels) {
    // Distances from the pixel under the view's middle keep float32 exact enough on large images.
    const double middle_y = view.y.middle(view.height), middle_x = view.x.middle(view.width);
    const int base_y = (int)floor(middle_y), base_x = (int)floor(middle_x);
    const float from_y = (float)(middle_y - base_y), from_x = (float)(middle_x - base_x);
    const float scale_y = (float)view.y.scale;
    const float scale_x = (float)(view.flipped ? -view.x.scale : view.x.scale);
    for (int row = threadIdx.x / WARP_SIZE; row < tile.height; row += NUM_WARPS) {
        const float v = (tile.top + row + 0.5f - 0.5f * view.height) * scale_y;
        for (int column = threadIdx.x % WARP_SIZE; column < tile.width; column += WARP_SIZE) {
            const float u = (tile.left + column + 0.5f - 0.5f * view.width) * scale_x;
            const float y = from_y + view.cosine * v + view.sine * u;
            const float x = from_x + view.cosine * u - view.sine * v;
            float value = 0.0f;
            if (y >= -base_y && y < view.image.height - base_y && x >= -base_x &&
                x < view.image.width - base_x) {
                const LooseTaps rows(y, view.y, base_y, view.image.height);
                const LooseTaps columns(x, view.x, base_x, view.image.width);
                const float mean = average(view.image, rows, columns, base_y, base_x);
                value = __saturatef(mean * view.gain + view.bias);
            }
            pixels[row * tile.pitch + column] = value;
        }
    }
}
