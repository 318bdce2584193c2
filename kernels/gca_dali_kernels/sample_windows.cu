// Draw saliency-weighted windows: integral images, indices, shapes, a law → windows, turns, the
// share of mass retained, and whether a window had to grow.
//
// Twin of reference/sample_windows.py, equal to the bit. Next: sample_cutouts.cu, render_views.cu.
// Launch: one block of 256 threads per (view, image). Candidates are judged in parallel, an upright
// one by a thread, a turned one by a warp; the accepted candidate of lowest number wins, as it does
// in a loop.
#include "draw.cuh"
#include "search.cuh"

constexpr int NUM_THREADS = 256;
constexpr int NUM_WARPS = NUM_THREADS / WARP_SIZE;

// Accept with probability share^weight, and only if the share is at least tau.
__device__ inline bool accepts(
    const Scene& scene, const WindowLaw& law, const int64* rotations_q16, const Window& window,
    int step, const uint4& drawn) {
    const int64 total = scene.total;
    if (total == 0 || (law.tau_q16 == 0 && law.weight == 0)) return true;
    const int64 mass = scene.mass(window, rotations_q16, step);
    return mass >= law.tau_q16 * total && (law.weight < 1 || drawn.z * total < mass << 16) &&
           (law.weight < 2 || drawn.w * total < mass << 16);
}

// What is written of each (image, view).
struct Output {
    int4* windows;
    int2* turns;
    float* retained;
    uint8* grown;

    __device__ void write(
        int one, const Window& window, int2 turn, float share, bool grew) const {
        windows[one] = make_int4(
            window.y0, window.x0, window.y0 + window.height, window.x0 + window.width);
        turns[one] = turn;
        retained[one] = share;
        grown[one] = grew;
    }
};

__device__ inline float retained_share(int64 mass, int64 total) {
    return total == 0 ? 1.0f : (float)((double)mass / (double)(total << 16));
}

extern "C" __global__ void __launch_bounds__(NUM_THREADS, 3) sample_windows_kernel(
    const uint32* __restrict__ integrals,  // [B, height + 1, width + 1]
    const int* __restrict__ marks,         // [B, 5]
    const int64* __restrict__ index,       // [B]
    const int2* __restrict__ shapes,       // [B]
    int2 grid,                             // height and width of a map in cells
    uint64 seed, uint32 epoch,
    WindowLaw law,
    const int64* __restrict__ aspects_q16,    // [1024]
    const int64* __restrict__ rotations_q16,  // [1024, 2]
    const int64* __restrict__ betas_q16,      // [1025]
    int4* __restrict__ windows,               // [B, V]
    int2* __restrict__ turns,                 // [B, V]
    float* __restrict__ retained,             // [B, V]
    uint8* __restrict__ grown) {              // [B, V]
    __shared__ Scene scene;
    __shared__ uint32 strips[NUM_WARPS][MAX_MAP_SIDE + 1];
    __shared__ int lowest;

    const int view = blockIdx.x, image = blockIdx.y, one = image * gridDim.x + view;
    if (threadIdx.x == 0) {
        scene = measure_scene(integrals, grid, shapes, image);
        lowest = NONE;
    }
    __syncthreads();
    const Words words(seed, epoch, index[image], view);
    const Output output = {windows, turns, retained, grown};

    const uint4 turn = words.draw(TURN, 0);
    const int flip = turn.x < law.flip_q32;
    const int step = turn.y < law.rotation_q32 ? (int)(turn.z >> 22) : UPRIGHT;
    const Size first_size = draw_size(scene, law, aspects_q16, words, 0);

    const int team = step == UPRIGHT ? 1 : WARP_SIZE;  // threads that judge one candidate
    for (int first = 0; first < law.num_candidates; first += NUM_THREADS / team) {
        const int number = first + threadIdx.x / team;
        Window candidate = {};
        bool accepted = false;
        if (number < law.num_candidates) {
            const bool redraws = law.law == REJECTION && number > 0;
            const Size size =
                redraws ? draw_size(scene, law, aspects_q16, words, number) : first_size;
            const uint4 drawn = words.draw(PLACE, number);
            candidate = draw_place(scene, law, marks + 5 * image, betas_q16, size, drawn);
            accepted = accepts(scene, law, rotations_q16, candidate, step, drawn);
        }
        if (__syncthreads_or(accepted)) {
            if (accepted) atomicMin(&lowest, number);
            __syncthreads();
            if (number != lowest) return;
            const int64 mass = scene.mass(candidate, rotations_q16, step);
            if (threadIdx.x % team == 0) {
                const float share = retained_share(mass, scene.total);
                output.write(one, candidate, make_int2(step, flip), share, false);
            }
            return;
        }
    }

    // No candidate was accepted: search upright, at the first size drawn.
    const int64 total = scene.total;
    const int64 least = max(law.tau_q16 * total, min(law.weight, total));
    const Strip strip = {strips[threadIdx.x / WARP_SIZE], scene.map.width};
    const Search search = {scene.map, least, words.draw(SEARCH, 0).x, &lowest, strip};
    int found;
    const int num_steps = search.grow(first_size, found);
    if (threadIdx.x == 0) {
        const Window window = search.window(search.larger(first_size, num_steps), found);
        const int64 mass = scene.mass(window, rotations_q16, UPRIGHT);
        const float share = retained_share(mass, scene.total);
        output.write(one, window, make_int2(UPRIGHT, flip), share, num_steps > 0);
    }
}
