// Saliency mass in windows, exact in integers; twin of reference/mass.py.
//
// A window's edges are in units of 1/256 cell, a mass in units of 1/65536 of one grey level in one
// cell. Turned windows are measured by whole warps: each lane scans its share of the rows.
#pragma once

#include "law.cuh"

constexpr int HALF_UNITS = 2 * UNITS_PER_CELL;
constexpr int SUBROW_STEP = HALF_UNITS / SUBROWS_PER_CELL;
constexpr int MAX_WARPS = 8;  // of a block that measures turned windows

// An integral image, [height + 1, width + 1].
struct Map {
    const uint32* integral;
    int height, width;  // cells

    __device__ uint32 at(int row, int column) const {
        return __ldg(integral + row * (width + 1) + column);
    }
    __device__ uint32 total() const { return at(height, width); }
};

struct Window {
    int y0, x0, height, width;  // units
};

// Cosine and sine (Q16) of a rotation and the width of a cell over its height in pixels (Q16).
struct Turn {
    int64 cosine, sine, aspect_q16;
};

struct Point {
    int64 y, x;
};

// The mass above and to the left of (y, x), which lies on the map.
__device__ inline int64 integral_at(const Map& map, uint32 y, uint32 x) {
    const int row = min(y / UNITS_PER_CELL, map.height - 1);
    const int column = min(x / UNITS_PER_CELL, map.width - 1);
    const int64 below = y - row * UNITS_PER_CELL, right = x - column * UNITS_PER_CELL;
    const int64 above = UNITS_PER_CELL - below, left = UNITS_PER_CELL - right;
    const int64 upper = map.at(row, column) * left + map.at(row, column + 1) * right;
    const int64 lower = map.at(row + 1, column) * left + map.at(row + 1, column + 1) * right;
    return upper * above + lower * below;
}

__device__ inline int64 mass_upright(const Map& map, int y0, int x0, int y1, int x1) {
    return integral_at(map, y1, x1) - integral_at(map, y0, x1) - integral_at(map, y1, x0) +
           integral_at(map, y0, x0);
}

// The mass above y and left of a border of cells, in 1/256 level: below 2³² on the largest map.
__device__ inline uint32 column_at(const Map& map, uint32 y, int border) {
    const int row = min(y / UNITS_PER_CELL, map.height - 1);
    const uint32 below = y - row * UNITS_PER_CELL;
    return map.at(row, border) * (UNITS_PER_CELL - below) + map.at(row + 1, border) * below;
}

// A corner's offset from the centre after a rotation in pixel space; >> floors.
__device__ inline Point turn_corner(int64 y, int64 x, const Turn& turn) {
    const int64 tall_q16 = (1LL << 32) / turn.aspect_q16;
    return {(turn.cosine * y + (turn.sine * x >> 16) * turn.aspect_q16) >> 16,
            (turn.cosine * x - (turn.sine * y >> 16) * tall_q16) >> 16};
}

// The floor of a / b for 0 ≤ a < 2⁵³ and b > 0. The true quotient is a whole number or at least
// 1 / b below the next, which is more than float64 rounds by; a 64-bit division takes ten times
// the instructions.
__device__ inline int64 divide(int64 a, int64 b) { return (int64)((double)a / (double)b); }

// The mass of one row of cells left of `x2` (half units), in 1/512 of a level.
__device__ inline int64 row_mass(const Map& map, int row, int x2) {
    const int column = min(x2 / HALF_UNITS, map.width - 1);
    const int64 right = x2 - column * HALF_UNITS, left = HALF_UNITS - right;
    const int64 near = (int64)map.at(row + 1, column) - map.at(row, column);
    const int64 far = (int64)map.at(row + 1, column + 1) - map.at(row, column + 1);
    return near * left + far * right;
}

__device__ inline int64 sum_over_warp(int64 value) {
#pragma unroll
    for (int distance = WARP_SIZE / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    }
    return value;
}

__device__ inline int64 max_over_warp(int64 value) {
#pragma unroll
    for (int distance = WARP_SIZE / 2; distance > 0; distance /= 2) {
        value = max(value, __shfl_xor_sync(ALL_LANES, value, distance));
    }
    return value;
}

// The mass in a rotated window around `centre2` (half units): four rows are scanned per cell and
// parts outside weigh 0. All lanes of a warp call it with the same window and get the sum.
__device__ inline int64 mass_turned(
    const Map& map, const Point& centre2, int64 height, int64 width, const Turn& turn) {
    // Sixteen registers fewer than a copy in each lane.
    __shared__ Point corners_of_warp[MAX_WARPS][4];
    Point* corners = corners_of_warp[threadIdx.x / WARP_SIZE];
    const int lane = threadIdx.x % WARP_SIZE;
    __syncwarp();  // the corners before have been read
    if (lane < 4) {
        corners[lane] =
            turn_corner(lane < 2 ? -height : height, lane % 3 == 0 ? -width : width, turn);
    }
    __syncwarp();

    const int64 limit = HALF_UNITS * map.width;
    int64 scanned = 0;
    for (int subrow = lane; subrow < map.height * SUBROWS_PER_CELL;
         subrow += WARP_SIZE) {
        const int64 y = subrow * SUBROW_STEP + SUBROW_STEP / 2 - centre2.y;
        int64 from = limit, to = 0;
#pragma unroll 1
        for (int side = 0; side < 4; ++side) {
            const Point start = corners[side], end = corners[(side + 1) % 4];
            const Point a = start.y <= end.y ? start : end, b = start.y <= end.y ? end : start;
            if (a.y <= y && y < b.y) {
                const int64 run = divide(llabs(b.x - a.x) * (y - a.y), b.y - a.y);
                const int64 x = centre2.x + (b.x >= a.x ? a.x + run : a.x - run);
                from = min(from, x);
                to = max(to, x);
            }
        }
        from = max(from, 0LL);
        to = min(to, limit);
        if (from < to) {
            const int row = subrow / SUBROWS_PER_CELL;
            scanned += row_mass(map, row, (int)to) - row_mass(map, row, (int)from);
        }
    }
    // 512 half units per cell and four rows per cell make 2,048; a mass has 65,536.
    return sum_over_warp(scanned) * 32;
}
