// Size and place of a window, drawn from the words of a view; twin of Draw in
// reference/draw.py.
#pragma once

#include "law.cuh"
#include "mass.cuh"
#include "philox.cuh"

struct Size {
    int height, width;  // units
};

// Tables of one law.
struct Tables {
    const int64 *aspects_q16, *rotations_q16, *betas_q16;
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
    uint32 number) {
    int64 height = 0, width = 0, area = 0;
    const int64 extent_y = scene.height, extent_x = scene.width;
    for (int attempt = 0; attempt < NUM_SIZE_ATTEMPTS; ++attempt) {
        const uint4 drawn = words.draw(SIZE, number + attempt);
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
__device__ inline int beta_start(
    uint32 word, int low, int high, int length, int extent, const int64* betas_q16) {
    const int first = max(low - length / 2, 0), last = min(high - length / 2, extent - length);
    const int64 near = betas_q16[word >> 22], far = betas_q16[(word >> 22) + 1];
    const int64 beta = near + ((far - near) * (word >> 6 & 0xFFFF) >> 16);
    const int start = first + (int)((last - first) * beta >> 16);
    return min(max(start, 0), extent - length);
}

// Place one side: anywhere, or where the point lies in its inner 80 % (`point` ≥ 0). Near the border
// of the map, where no such place is, the nearest place to it is taken.
__device__ inline int uniform_start(uint32 word, int length, int extent, int point) {
    int first = 0, last = extent - length;
    if (point >= 0) {
        const int margin = length * FOCUS_MARGIN_TENTHS / 10;
        first = min(max(point - (length - 1 - margin), 0), last);
        last = min(max(point - margin, 0), last);
    }
    return first + scale_word(word, last - first + 1);
}

// Draw a place: uniform, or by ContrastiveCrop's Beta law around the box of the map.
__device__ inline Window draw_place(
    const Scene& scene, const WindowLaw& law, const int* mark, const int64* betas_q16,
    const Size& size, int2 focus, const uint4& drawn) {
    int y0, x0;
    if (law.law == CONTRASTIVE_CROP) {
        y0 = beta_start(drawn.x, mark[0] * UNITS_PER_CELL, mark[2] * UNITS_PER_CELL, size.height,
                        scene.height, betas_q16);
        x0 = beta_start(drawn.y, mark[1] * UNITS_PER_CELL, mark[3] * UNITS_PER_CELL, size.width,
                        scene.width, betas_q16);
    } else {
        y0 = uniform_start(drawn.x, size.height, scene.height, focus.x);
        x0 = uniform_start(drawn.y, size.width, scene.width, focus.y);
    }
    return {y0, x0, size.height, size.width};
}

// The greatest number below `beyond` whose value is at most `level`; value(0) is.
template <class Value>
__device__ inline int search_level(int beyond, uint32 level, const Value& value) {
    int low = 0;
    while (beyond - low > 1) {
        const int middle = (low + beyond) / 2;
        if (value(middle) <= level) {
            low = middle;
        } else {
            beyond = middle;
        }
    }
    return low;
}

// Draw the attended point of an image in proportion to its saliency (y, x in units); (-1, -1) for a
// map without mass. `words` are those of view 0: all views share the point.
__device__ inline int2 draw_focus(const Map& map, const Words& words) {
    const uint64 total = map.total();
    if (total == 0) return make_int2(-1, -1);
    const uint4 drawn = words.draw(FOCUS, 0);
    // The upper half of (words 0 and 1) · total, whose product has more than 64 bits.
    uint32 level = (uint32)((drawn.x * total + (drawn.y * total >> 32)) >> 32);
    const int row =
        search_level(map.height, level, [&](int y) { return map.at(y, map.width); });
    level -= map.at(row, map.width);
    const int column = search_level(
        map.width, level, [&](int x) { return map.at(row + 1, x) - map.at(row, x); });
    return make_int2(row * UNITS_PER_CELL + (int)(drawn.z >> 24),
                     column * UNITS_PER_CELL + (int)(drawn.w >> 24));
}
