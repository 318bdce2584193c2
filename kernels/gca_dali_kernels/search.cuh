// The exact search for a window that holds enough; twin of reference/search.py.
//
// The mass is bilinear between places where an edge meets a cell border, so its greatest values lie
// on the lattice of such places. A warp takes a lattice row, its lanes the columns. The whole block
// calls and gets the same answer.
#pragma once

#include "draw.cuh"

constexpr int NONE = 0x7FFFFFFF;
constexpr int MAX_MAP_SIDE = 256;

// One axis of the lattice: starts whose near edge lies on a border, then those whose far edge does.
struct LatticeAxis {
    int length, num_borders, num_near;  // num_near starts of each kind keep the window on the map

    __device__ LatticeAxis(int length, int num_cells)
        : length(length), num_borders(num_cells + 1),
          num_near((num_cells * UNITS_PER_CELL - length) / UNITS_PER_CELL + 1) {}

    // The border that the far edge of start `k` of the second kind lies on.
    __device__ int far_border(int k) const { return num_borders - num_near + k; }
    __device__ int far_start(int k) const { return far_border(k) * UNITS_PER_CELL - length; }
    // Numbers among all borders of both kinds, by which the search is ordered.
    __device__ int far_number(int k) const { return num_borders + far_border(k); }
};

// The mass of a strip of the map left of each border of cells, in 1/256 level, and between borders.
struct Strip {
    uint32* left_of;  // [width + 1], in shared memory
    int width;

    __device__ void measure(const Map& map, int y0, int y1) const {
        const int lane = threadIdx.x % WARP_SIZE;
        __syncwarp();  // the strip before has been read
#pragma unroll 1  // as below
        for (int border = lane; border <= width; border += WARP_SIZE) {
            left_of[border] = column_at(map, y1, border) - column_at(map, y0, border);
        }
        __syncwarp();
    }
    __device__ int64 at(int border) const { return (int64)left_of[border] * UNITS_PER_CELL; }
    __device__ int64 beyond(int border, int units) const {
        const int64 near = left_of[border], far = left_of[min(border + 1, width)];
        return near * (UNITS_PER_CELL - units) + far * units;
    }
};

struct Search {
    Map map;
    int64 least;        // the mass to hold
    uint32 start_word;  // where the count of places begins
    int* lowest;        // in shared memory
    Strip strip;        // of this warp

    // Return the first place counted from the random start, or NONE.
    __device__ int find(const Size& size) const {
        const int lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE;
        const int num_warps = blockDim.x / WARP_SIZE;
        const LatticeAxis rows(size.height, map.height);
        if (threadIdx.x == 0) *lowest = NONE;
        __syncthreads();
        int first = NONE, num_viable = 0;
        for (int group = 0; group < 2 * rows.num_near; group += WARP_SIZE) {
            // A strip over the whole width that holds too little holds no window.
            const int r = group + lane;
            const bool inside = r < 2 * rows.num_near;
            const int y0 = inside ? row_start(rows, r) : 0;
            const int64 whole = column_at(map, y0 + size.height, map.width) -
                                column_at(map, y0, map.width);
            uint32 viable =
                __ballot_sync(ALL_LANES, inside && whole * UNITS_PER_CELL >= least);
            for (; viable != 0; viable &= viable - 1, ++num_viable) {
                if (num_viable % num_warps == warp) {
                    first = min(first, find_in_row(rows, group + __ffs(viable) - 1, size));
                }
            }
        }
        if (first != NONE) atomicMin(lowest, first);
        __syncthreads();
        const int found = *lowest;
        __syncthreads();  // the next search resets what all must have read
        return found;
    }

    // Return the window that `find` counted.
    __device__ Window window(const Size& size, int found) const {
        const int num_columns = 2 * (map.width + 1);
        const int count = 2 * (map.height + 1) * num_columns;
        const int place = (scale_word(start_word, count) + found) % count;
        return {edge(place / num_columns, size.height, map.height),
                edge(place % num_columns, size.width, map.width), size.height, size.width};
    }

    // Return the size after `step` of 256 steps towards the whole image, rounded up.
    __device__ Size larger(const Size& size, int step) const {
        constexpr int ROUND_UP = NUM_GROWTH_STEPS - 1;
        const int height = map.height * UNITS_PER_CELL, width = map.width * UNITS_PER_CELL;
        return {
            size.height + ((height - size.height) * step + ROUND_UP) / NUM_GROWTH_STEPS,
            size.width + ((width - size.width) * step + ROUND_UP) / NUM_GROWTH_STEPS,
        };
    }

    // Return the fewest steps after which there is a place, and the first place then. A larger
    // window contains the smaller, so bisection finds them; the whole image always holds enough.
    __device__ int grow(const Size& size, int& found) const {
        int fails = -1, holds = NUM_GROWTH_STEPS, step = 0;
        found = NONE;
        while (holds - fails > 1 || found == NONE) {
            const int here = find(larger(size, step));
            if (here == NONE) {
                fails = step;
            } else {
                holds = step;
                found = here;
            }
            step = (fails + holds + 1) / 2;
        }
        return holds;
    }

private:
    __device__ static int row_start(const LatticeAxis& rows, int r) {
        return r < rows.num_near ? r * UNITS_PER_CELL : rows.far_start(r - rows.num_near);
    }

    __device__ static int edge(int number, int length, int num_cells) {
        const bool near = number <= num_cells;
        return near ? number * UNITS_PER_CELL : (number - num_cells - 1) * UNITS_PER_CELL - length;
    }

    // Return the first place of one lattice row. Both edges of a window lie at the same fraction of
    // a cell from a border in all columns, so a mass is three reads of the strip.
    __device__ int find_in_row(const LatticeAxis& rows, int r, const Size& size) const {
        const LatticeAxis columns(size.width, map.width);
        const int num_columns = 2 * columns.num_borders, count = 2 * rows.num_borders * num_columns;
        const int row = r < rows.num_near ? r : rows.far_number(r - rows.num_near);
        const int before = scale_word(start_word, count) - row * num_columns;
        const int cells = size.width / UNITS_PER_CELL, units = size.width % UNITS_PER_CELL;
        const int cells_up = (size.width + UNITS_PER_CELL - 1) / UNITS_PER_CELL;
        const int units_up = cells_up * UNITS_PER_CELL - size.width;

        const int y0 = row_start(rows, r);
        strip.measure(map, y0, y0 + size.height);
        int first = NONE;
        // Rolled, these loops leave registers for a third block on a multiprocessor.
#pragma unroll 1
        for (int k = threadIdx.x % WARP_SIZE; k < columns.num_near; k += WARP_SIZE) {
            const int border = columns.far_border(k);
            if (strip.beyond(k + cells, units) - strip.at(k) >= least) {
                first = min(first, k >= before ? k - before : k - before + count);
            }
            if (strip.at(border) - strip.beyond(border - cells_up, units_up) >= least) {
                const int number = columns.far_number(k);
                first = min(first, number >= before ? number - before : number - before + count);
            }
        }
        return first;
    }
};
