// Render views: images of any size, windows, turns and cutouts → normalised views.
//
// Twin of reference/render_views.py, the same within a stated tolerance. The views go to the model.
// Launch, for each group of views: one block of 256 threads per (tile, view of the group, image). A tile of a view, with a margin where it
// is blurred, is resampled into shared memory, blurred there and finished in registers; a warp
// takes a row.
#include "appearance.cuh"

struct Tiling {
    int height, width;          // of a tile; the width is even
    int num_rows, num_columns;  // of the largest tile with its margin
};

__device__ inline View describe_view(
    uint64 pointer, int2 shape, float2 range, int4 window, int2 turn, int2 grid,
    const int64* rotations_q16, const Layout& layout) {
    View view = {};
    view.image = Image::at(pointer, shape);
    view.y = Axis::along(
        window.x, window.z, grid.x * UNITS_PER_CELL, shape.x, layout.height);
    view.x = Axis::along(
        window.y, window.w, grid.y * UNITS_PER_CELL, shape.y, layout.width);
    view.height = layout.height;
    view.width = layout.width;
    view.turned = turn.x != UPRIGHT;
    view.flipped = turn.y != 0;
    view.cosine = view.turned ? rotations_q16[2 * turn.x] * 0x1p-16f : 1.0f;
    view.sine = view.turned ? rotations_q16[2 * turn.x + 1] * 0x1p-16f : 0.0f;
    view.gain = 1.0f / (range.y - range.x);
    view.bias = -range.x * view.gain;
    return view;
}

// This block's part of the view.
__device__ inline Tile take_tile(const Tiling& tiling, const Layout& layout) {
    const int num_across = (layout.width + tiling.width - 1) / tiling.width;
    const int top = blockIdx.x / num_across * tiling.height;
    const int left = blockIdx.x % num_across * tiling.width;
    const int height = min(tiling.height, layout.height - top);
    const int width = min(tiling.width, layout.width - left);
    return {top, left, height, width, width};
}

// A tile with a margin inside the view; columns and pitch are even, so that pairs are aligned.
__device__ inline Tile widen(const Tile& core, int margin, const Layout& layout) {
    const int top = max(core.top - margin, 0), left = max(core.left - margin, 0) & ~1;
    const int bottom = min(core.top + core.height + margin, layout.height);
    const int width = min(core.left + core.width + margin, layout.width) - left;
    return {top, left, bottom - top, width, (width + 1) & ~1};
}

// The pixels whose centres lie before an edge in 1/65536 of the view's side.
__device__ inline int pixels_before(int edge, int side) { return (edge * side + 0x7FFF) >> 16; }

// Blur along the columns, change intensities, mask, cut out, normalise and write the tile.
__device__ inline void finish(
    const Tile& tile, const Tile& core, const Appearance& look, const Saliency& saliency,
    const Words& words, const int4& cutout, const float* weights, const float* pixels,
    const Output& output) {
    const Layout& layout = output.layout;
    const int4 hidden = make_int4(
        pixels_before(cutout.x, layout.height), pixels_before(cutout.y, layout.width),
        pixels_before(cutout.z, layout.height), pixels_before(cutout.w, layout.width));
    const int64 origin = blockIdx.z * layout.image_stride + blockIdx.y * layout.view_stride;
    for (int row = core.top + threadIdx.x / WARP_SIZE; row < core.top + core.height;
         row += NUM_WARPS) {
        const bool hides = row >= hidden.x && row < hidden.z;
        const float v = row + 0.5f - 0.5f * layout.height;
        for (int column = core.left + 2 * (threadIdx.x % WARP_SIZE);
             column < core.left + core.width; column += 2 * WARP_SIZE) {
            const int pixel = row * layout.width + column;
            float2 value =
                blur_column(tile, layout.height, weights, look.radius, pixels, row, column);
            value.x = change_intensity(look, value.x);
            value.y = change_intensity(look, value.y);
            if (look.noise_scale != 0.0f) {
                const float2 noise = draw_noise(words, pixel, look.noise_scale);
                value.x = __saturatef(value.x + noise.x);
                value.y = __saturatef(value.y + noise.y);
            }
            if (look.mask != NO_MASK) {
                const float u = column + 0.5f - 0.5f * layout.width;
                value.x *= saliency.factor(look, v, u);
                value.y *= saliency.factor(look, v, u + 1.0f);
            }
            if (hides && column >= hidden.y && column < hidden.w) value.x = 0.0f;
            if (hides && column + 1 >= hidden.y && column + 1 < hidden.w) value.y = 0.0f;
            value.x = value.x * look.gain + look.bias;
            value.y = value.y * look.gain + look.bias;
            output.write(origin + pixel, value, column + 1 < layout.width);
        }
    }
}

extern "C" __global__ void __launch_bounds__(NUM_THREADS, 3) render_views_kernel(
    const uint64* __restrict__ pointers,     // [B], to images of SOURCE values
    const int2* __restrict__ shapes,         // [B]
    const float2* __restrict__ ranges,       // [B]
    const uint8* __restrict__ table,         // [N, height, width], saliency maps
    const int64* __restrict__ rows,          // [B], of the table
    const int* __restrict__ marks,           // [B, 5]
    int2 grid,                               // height and width of a map in cells
    const int4* __restrict__ windows,        // [B, V]
    const int2* __restrict__ turns,          // [B, V]
    const int4* __restrict__ cutouts,        // [B, V]
    const int64* __restrict__ index,         // [B]
    int2 part,                               // first view of the group, and V of all groups
    uint64 seed, uint32 epoch,
    const int64* __restrict__ rotations_q16, // [1024, 2]
    const ViewLook* __restrict__ looks,      // [views of the group]
    Tiling tiling,
    Layout layout,
    void* __restrict__ views) {
    extern __shared__ float4 shared[];
    __shared__ View view;
    __shared__ Saliency saliency;
    __shared__ Appearance look;

    const int b = blockIdx.z, number = part.x + blockIdx.y, one = b * part.y + number;
    const Words words(seed, epoch, index[b], number);
    if (threadIdx.x == 0) {
        view = describe_view(pointers[b], shapes[b], ranges[b], windows[one], turns[one], grid,
                             rotations_q16, layout);
        const uint8* map = table + rows[b] * grid.x * grid.y;
        saliency = Saliency::under(view, map, grid, marks[5 * b + 4]);
    } else if (threadIdx.x == WARP_SIZE) {
        look = draw_appearance(looks[blockIdx.y], words);
    }
    __syncthreads();

    const Tile core = take_tile(tiling, layout), tile = widen(core, look.radius, layout);
    float* sums = (float*)shared;                                     // [NUM_WARPS, SUMS_WIDTH]
    float* tap_weights = sums + NUM_WARPS * SUMS_WIDTH;               // [NUM_WARPS, WARP_SIZE]
    Taps* row_taps = (Taps*)(tap_weights + NUM_WARPS * WARP_SIZE);    // [num_rows]
    Taps* column_taps = row_taps + tiling.num_rows;                   // [num_columns]
    float* pixels = (float*)(column_taps + tiling.num_columns);
    float* weights = pixels + tiling.num_rows * tiling.num_columns;  // [greatest radius + 1]

    if (view.turned) {
        resample_turned(view, tile, pixels);
    } else {
        list_taps(view, tile, row_taps, column_taps);
        __syncthreads();
        resample_upright(view, tile, row_taps, column_taps, tap_weights, sums, pixels);
    }
    if (look.radius > 0) {
        list_weights(look, weights);
        __syncthreads();
        blur_rows(tile, core, layout.width, weights, look.radius, sums, pixels);
    }
    __syncthreads();
    finish(tile, core, look, saliency, words, cutouts[one], weights, pixels, {views, layout});
}
