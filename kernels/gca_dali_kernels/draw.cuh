// Size and place of a window, drawn from the words of a view; twin of Draw in
// reference/sample_windows.py.
#pragma once

#include "law.cuh"
#include "mass.cuh"
#include "philox.cuh"

struct Size {
    int height, width;  // units
};

// The floor of the square root; the loops mend what float64 rounds.
__device__ inline int64 integer_root(int64 value) {
    int64 root = (int64)sqrt((double)value);
    while (root * root > value) --root;
    while ((root + 1) * (root + 1) <= value) ++root;
    return root;
}

// A map over an image, and what the draws need to know of both.
struct Scene {
    Map map;
    int height, width;        // units
    int wide_q16, tall_q16;   // √(width / height) of the image in pixels, and its inverse
    int64 aspect_q16;         // a cell's width over its height in pixels
    uint32 total;             // sum of the map

    __device__ Turn turn(const int64* rotations_q16, int step) const {
        return {rotations_q16[2 * step], rotations_q16[2 * step + 1], aspect_q16};
    }

    // The mass in a window. Where the step turns it, all lanes of a warp must call.
    __device__ int64 mass(const Window& window, const int64* rotations_q16, int step) const {
        const int y1 = window.y0 + window.height, x1 = window.x0 + window.width;
        if (step == UPRIGHT) return mass_upright(map, window.y0, window.x0, y1, x1);
        const Point centre2 = {window.y0 + y1, window.x0 + x1};
        return mass_turned(map, centre2, window.height, window.width, turn(rotations_q16, step));
    }
};

__device__ inline Scene measure_scene(
    const uint32* integrals, int2 grid, const int2* shapes, int image) {
    const Map map = {integrals + (int64)image * (grid.x + 1) * (grid.y + 1), grid.x, grid.y};
    const int height = grid.x * UNITS_PER_CELL, width = grid.y * UNITS_PER_CELL;
    const int64 height_px = shapes[image].x, width_px = shapes[image].y;
    return {
        map,
        height,
        width,
        (int)integer_root((width_px << 32) / height_px),
        (int)integer_root((height_px << 32) / width_px),
        max((width_px * height << 16) / (height_px * width), 1LL),
        map.total(),
    };
}

// Draw a size: the first of ten that fits; else the last, kept at its area.
__device__ inline Size draw_size(
    const Scene& scene, const WindowLaw& law, const int64* aspects_q16, const Words& words,
    int number) {
    int64 height = 0, width = 0, area = 0;
    const int64 extent_y = scene.height, extent_x = scene.width;
    for (int attempt = 0; attempt < NUM_SIZE_ATTEMPTS; ++attempt) {
        const uint4 drawn = words.draw(SIZE, number * NUM_SIZE_ATTEMPTS + attempt);
        area = law.size_low + ((law.size_high - law.size_low) * (drawn.x >> 1) >> 31);
        if (law.size != AREA) {
            return {(int)max((extent_y << 16) / area, 1LL), (int)max((extent_x << 16) / area, 1LL)};
        }
        const int64 side_q16 = integer_root(area), aspect = aspects_q16[drawn.y >> 22];
        height = max((extent_y * side_q16 * scene.wide_q16 / aspect) >> 16, 1LL);
        width = max((extent_x * side_q16 * scene.tall_q16 >> 16) * aspect >> 32, 1LL);
        if (height <= extent_y && width <= extent_x) return {(int)height, (int)width};
    }
    if (width > extent_x) {
        return {(int)min(max(area * extent_y >> 32, 1LL), extent_y), scene.width};
    }
    return {scene.height, (int)min(max(area * extent_x >> 32, 1LL), extent_x)};
}

// Place one side by a Beta draw over the centres that lie in [low, high] (ContrastiveCrop).
__device__ inline int beta_place(
    uint32 word, int low, int high, int length, int extent, const int64* betas_q16) {
    const int first = max(low - length / 2, 0), last = min(high - length / 2, extent - length);
    const int64 near = betas_q16[word >> 22], far = betas_q16[(word >> 22) + 1];
    const int64 beta = near + ((far - near) * (word >> 6 & 0xFFFF) >> 16);
    const int start = first + (int)((last - first) * beta >> 16);
    return min(max(start, 0), extent - length);
}

// Draw a place: uniform, or by ContrastiveCrop's Beta law around the box of the map.
__device__ inline Window draw_place(
    const Scene& scene, const WindowLaw& law, const int* mark, const int64* betas_q16,
    const Size& size, const uint4& drawn) {
    int y0, x0;
    if (law.law == CONTRASTIVE_CROP) {
        y0 = beta_place(drawn.x, mark[0] * UNITS_PER_CELL, mark[2] * UNITS_PER_CELL, size.height,
                        scene.height, betas_q16);
        x0 = beta_place(drawn.y, mark[1] * UNITS_PER_CELL, mark[3] * UNITS_PER_CELL, size.width,
                        scene.width, betas_q16);
    } else {
        y0 = scale_word(drawn.x, scene.height - size.height + 1);
        x0 = scale_word(drawn.y, scene.width - size.width + 1);
    }
    return {y0, x0, size.height, size.width};
}
