// Integrate saliency maps: rows of a table of quantised maps → integral images and marks.
//
// Twin of reference/integrate_maps.py. Next: sample_windows.cu.
// Launch: one block of 256 threads per map; a warp takes a row, then a thread takes a column.
#include "law.cuh"

constexpr int NUM_THREADS = 256;
constexpr int NUM_WARPS = NUM_THREADS / WARP_SIZE;
constexpr int NUM_LEVELS = 256;
constexpr int BATCH = 8;  // loads in flight per column
static_assert(NUM_THREADS == NUM_LEVELS, "each thread owns one grey level");

__device__ inline uint32 scan_warp(uint32 value, int lane) {
#pragma unroll
    for (int distance = 1; distance < WARP_SIZE; distance *= 2) {
        const uint32 below = __shfl_up_sync(ALL_LANES, value, distance);
        if (lane >= distance) value += below;
    }
    return value;
}

// Write the sums along each row of the map and count its grey levels.
__device__ inline void sum_along_rows(
    const uint8* map, int height, int width, uint32* integral, int* counts) {
    const int lane = threadIdx.x % WARP_SIZE;
    for (int y = threadIdx.x / WARP_SIZE; y < height; y += NUM_WARPS) {
        uint32 carry = 0;
        for (int first = 0; first < width; first += WARP_SIZE) {
            const int x = first + lane;
            const uint32 value = x < width ? map[y * width + x] : 0;
            const uint32 sum = carry + scan_warp(value, lane);
            if (x < width) {
                integral[(y + 1) * (width + 1) + x + 1] = sum;
                atomicAdd(&counts[value], 1);
            }
            carry = __shfl_sync(ALL_LANES, sum, WARP_SIZE - 1);
        }
    }
}

// Add the rows up, in place; the first row and the first column become 0.
__device__ inline void sum_along_columns(int height, int width, uint32* integral) {
    for (int x = threadIdx.x; x <= width; x += NUM_THREADS) {
        integral[x] = 0;
        uint32 sum = 0;
        for (int first = 1; first <= height; first += BATCH) {
            uint32 values[BATCH];
#pragma unroll
            for (int k = 0; k < BATCH; ++k) {
                const bool inside = x > 0 && first + k <= height;
                values[k] = inside ? integral[(first + k) * (width + 1) + x] : 0;
            }
#pragma unroll
            for (int k = 0; k < BATCH; ++k) {
                sum += values[k];
                if (first + k <= height) integral[(first + k) * (width + 1) + x] = sum;
            }
        }
    }
}

// Return how many of the map's cells lie below this thread's level.
__device__ inline int count_below(const int* counts, uint32* warp_sums) {
    const int lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE;
    const uint32 count = counts[threadIdx.x], sum = scan_warp(count, lane);
    if (lane == WARP_SIZE - 1) warp_sums[warp] = sum;
    __syncthreads();
    uint32 before = sum - count;
    for (int other = 0; other < warp; ++other) before += warp_sums[other];
    return before;
}

extern "C" __global__ void __launch_bounds__(NUM_THREADS) integrate_maps_kernel(
    const uint8* __restrict__ table,  // [N, height, width]
    const int64* __restrict__ rows,   // [B]
    int height, int width,
    int most_hidden,                  // cells that the hard mask may blacken
    uint32* __restrict__ integrals,   // [B, height + 1, width + 1]
    int* __restrict__ marks) {        // [B, 5]
    __shared__ int counts[NUM_LEVELS];
    __shared__ uint32 warp_sums[NUM_WARPS];
    __shared__ int low, high, y0, x0, y1, x1;

    const uint8* map = table + rows[blockIdx.x] * height * width;
    uint32* integral = integrals + (int64)blockIdx.x * (height + 1) * (width + 1);
    int* mark = marks + 5 * blockIdx.x;

    counts[threadIdx.x] = 0;
    if (threadIdx.x == 0) {
        low = NUM_LEVELS, high = -1;
        y0 = height, x0 = width, y1 = 0, x1 = 0;
    }
    __syncthreads();
    sum_along_rows(map, height, width, integral, counts);
    __syncthreads();
    sum_along_columns(height, width, integral);
    if (counts[threadIdx.x] > 0) {
        atomicMin(&low, threadIdx.x);
        atomicMax(&high, threadIdx.x);
    }
    const bool allowed = count_below(counts, warp_sums) <= most_hidden;
    const int level = __syncthreads_count(allowed) - 1;

    // The box where the map, scaled from its least to its greatest value, exceeds a tenth.
    int top = height, left = width, bottom = 0, right = 0;
    for (int cell = threadIdx.x; cell < height * width; cell += NUM_THREADS) {
        if (10 * (map[cell] - low) > high - low) {
            const int y = cell / width, x = cell % width;
            top = min(top, y), left = min(left, x);
            bottom = max(bottom, y + 1), right = max(right, x + 1);
        }
    }
    if (bottom > 0) {
        atomicMin(&y0, top), atomicMin(&x0, left);
        atomicMax(&y1, bottom), atomicMax(&x1, right);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        const bool empty = y1 == 0;  // a flat map
        mark[0] = empty ? 0 : y0, mark[1] = empty ? 0 : x0;
        mark[2] = empty ? height : y1, mark[3] = empty ? width : x1;
        mark[4] = level;
    }
}
