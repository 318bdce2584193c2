// Draw saliency-weighted windows: integral images, indices, shapes, laws → windows, turns, the share
// of mass retained, whether a window had to grow, and the attended point that views share.
//
// Twin of reference/sample_windows.py, equal to the bit. Next: sample_cutouts.cu, render_views.cu.
// Launch: one block of 256 threads per (view, image). Candidates are judged in parallel, an upright
// one by a thread, a turned one by a warp; the accepted candidate of lowest number wins, as it does
// in a loop. Where the windows of a group must lie apart, the block of its first view draws them all.
#include "draw.cuh"
#include "search.cuh"

constexpr int NUM_THREADS = 256;
constexpr int NUM_WARPS = NUM_THREADS / WARP_SIZE;
// On a multiprocessor. With 80 registers a thread would spill on Blackwell.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int NUM_BLOCKS = 2;
#else
constexpr int NUM_BLOCKS = 3;
#endif

struct Choice {
    Window window;
    int step;
    int grew;
    int64 mass;
};

// What the threads of a block share.
struct Board {
    Scene scene;
    Tables tables;  // here, they leave registers for a third block on a multiprocessor
    const int* mark;
    int2 focus;
    uint32 strips[NUM_WARPS][MAX_MAP_SIDE + 1];
    int64 heaviest[NUM_WARPS];
    int lowest;
    Choice choice;
};

// One view of one image. All threads of the block hold the same.
struct Draw {
    const WindowLaw& law;
    const Words words;
    Board& board;
    int step;

    __device__ int team() const { return step == UPRIGHT ? 1 : WARP_SIZE; }

    __device__ int64 mass(const Window& window) const {
        return board.scene.mass(window, board.tables.rotations_q16, step);
    }

    __device__ Size size(uint32 number) const {
        return draw_size(board.scene, law, board.tables.aspects_q16, words, number);
    }

    __device__ Window place(const Size& size, const uint4& drawn) const {
        const int2 focus = law.focus ? board.focus : make_int2(-1, -1);
        return draw_place(
            board.scene, law, board.mark, board.tables.betas_q16, size, focus, drawn);
    }

    // Accept with probability share^weight, and only if the share is at least tau.
    __device__ bool accepts(int64 held, const uint4& drawn) const {
        const int64 total = board.scene.total;
        if (total == 0) return true;
        return held >= law.tau_q16 * total && (law.weight < 1 || drawn.z * total < held << 16) &&
               (law.weight < 2 || drawn.w * total < held << 16);
    }

    // The same beside the heaviest candidate, which is always accepted.
    __device__ bool accepts_beside(int64 most, int64 held, const uint4& drawn) const {
        if (most == 0) return true;
        held <<= 16;
        return held >= law.rho_q16 * most && (law.weight < 1 || (drawn.z >> 16) * most < held) &&
               (law.weight < 2 || (drawn.w >> 16) * most < held);
    }

    // The most mass that any candidate of one size holds.
    __device__ int64 heaviest(const Size& size, uint32 offset) const {
        int64 most = 0;
        for (int first = 0; first < law.num_candidates; first += NUM_THREADS / team()) {
            const int number = first + threadIdx.x / team();
            if (number < law.num_candidates) {
                most = max(most, mass(place(size, words.draw(PLACE, offset + number))));
            }
        }
        most = max_over_warp(most);
        __syncthreads();  // what was there has been read
        if (threadIdx.x % WARP_SIZE == 0) board.heaviest[threadIdx.x / WARP_SIZE] = most;
        __syncthreads();
        for (int warp = 0; warp < NUM_WARPS; ++warp) most = max(most, board.heaviest[warp]);
        return most;
    }

    // Draw one window by its law; `offset` is added to the number of every draw.
    __device__ Choice choose(uint32 offset) const {
        const Size first_size = size(offset);
        const bool relative = law.law == RELATIVE;
        const int64 most = relative ? heaviest(first_size, offset) : 0;
        if (threadIdx.x == 0) board.lowest = NONE;
        __syncthreads();
        for (int first = 0; first < law.num_candidates; first += NUM_THREADS / team()) {
            const int number = first + threadIdx.x / team();
            Window candidate = {};
            int64 held = 0;
            bool accepted = false;
            if (number < law.num_candidates) {
                const bool redraws = law.law == REJECTION && number > 0;
                const Size drawn_size =
                    redraws ? size(offset + number * NUM_SIZE_ATTEMPTS) : first_size;
                const uint4 drawn = words.draw(PLACE, offset + number);
                candidate = place(drawn_size, drawn);
                held = mass(candidate);
                accepted = relative ? accepts_beside(most, held, drawn) : accepts(held, drawn);
            }
            if (__syncthreads_or(accepted)) {
                if (accepted) atomicMin(&board.lowest, number);
                __syncthreads();
                if (number == board.lowest && threadIdx.x % team() == 0) {
                    board.choice = {candidate, step, false, held};
                }
                __syncthreads();
                return board.choice;
            }
        }
        return search(first_size, offset);
    }

    // No candidate was accepted: search upright, at the first size drawn.
    __device__ Choice search(const Size& size, uint32 offset) const {
        const Scene& scene = board.scene;
        const int64 total = scene.total;
        const int64 least = max(law.tau_q16 * total, min(law.weight, total));
        const Strip strip = {board.strips[threadIdx.x / WARP_SIZE], scene.map.width};
        const uint32 start = words.draw(SEARCH, offset).x;
        const Search search = {scene.map, least, start, &board.lowest, strip};
        int found;
        const int num_steps = search.grow(size, found);
        const Window window = search.window(search.larger(size, num_steps), found);
        return {window, UPRIGHT, num_steps > 0, scene.mass(window, nullptr, UPRIGHT)};
    }
};

// Intersection over union of two windows, rounded up, Q16.
__device__ inline int64 overlap_q16(const Window& window, const int4& other) {
    const int height = min(window.y0 + window.height, other.z) - max(window.y0, other.x);
    const int width = min(window.x0 + window.width, other.w) - max(window.x0, other.y);
    const int64 common = (int64)max(height, 0) * max(width, 0);
    const int64 whole = (int64)window.height * window.width +
                        (int64)(other.z - other.x) * (other.w - other.y) - common;
    return ((common << 16) + whole - 1) / whole;
}

// What is written of each (image, view).
struct Output {
    int4* windows;
    int2* turns;
    float* retained;
    uint8* grown;

    __device__ void write(int one, const Choice& choice, int flip, int64 total) const {
        const Window& window = choice.window;
        windows[one] = make_int4(
            window.y0, window.x0, window.y0 + window.height, window.x0 + window.width);
        turns[one] = make_int2(choice.step, flip);
        retained[one] =
            total == 0 ? 1.0f : (float)((double)choice.mass / (double)(total << 16));
        grown[one] = choice.grew;
    }
};

extern "C" __global__ void __launch_bounds__(NUM_THREADS, NUM_BLOCKS) sample_windows_kernel(
    const uint32* __restrict__ integrals,  // [B, height + 1, width + 1]
    const int* __restrict__ marks,         // [B, 5]
    const int64* __restrict__ index,       // [B]
    const int2* __restrict__ shapes,       // [B]
    int2 grid,                             // height and width of a map in cells
    uint64 seed, uint32 epoch,
    int focus_view,                           // that writes the point
    const int* __restrict__ groups,           // [V]
    const WindowLaw* __restrict__ laws,       // [G]
    const int64* __restrict__ aspects_q16,    // [G, 1024]
    const int64* __restrict__ rotations_q16,  // [G, 1024, 2]
    const int64* __restrict__ betas_q16,      // [G, 1025]
    int4* windows,                            // [B, V]
    int2* __restrict__ turns,                 // [B, V]
    float* __restrict__ retained,             // [B, V]
    uint8* __restrict__ grown,                // [B, V]
    int2* __restrict__ focus) {               // [B]
    __shared__ Board board;
    __shared__ WindowLaw law;

    const int first = blockIdx.x, image = blockIdx.y, num_views = gridDim.x;
    const int group = groups[first];
    if (threadIdx.x == 0) {
        law = laws[group];
        board.scene = measure_scene(integrals, grid, shapes, image);
        const bool focused = law.focus && board.scene.total > 0;
        board.focus = focused ? draw_focus(board.scene.map, Words(seed, epoch, index[image], 0))
                              : make_int2(-1, -1);
        if (first == focus_view) focus[image] = board.focus;
        board.mark = marks + 5 * image;
        board.tables = {
            aspects_q16 + group * NUM_ASPECTS,
            rotations_q16 + group * NUM_ROTATION_NUMBERS,
            betas_q16 + group * NUM_BETAS,
        };
    }
    __syncthreads();
    const bool apart = law.max_iou_q16 < ONE_Q16;
    if (apart && first > law.first_view) return;
    const int last = apart ? (int)(law.first_view + law.num_views) : first + 1;
    const Output output = {windows, turns, retained, grown};
    for (int view = first; view < last; ++view) {
        const int one = image * num_views + view, num_earlier = apart ? view - first : 0;
        const Words words(seed, epoch, index[image], view);
        const uint4 turn = words.draw(TURN, 0);
        const int flip = turn.x < law.flip_q32;
        const int step = turn.y < law.rotation_q32 ? (int)(turn.z >> 22) : UPRIGHT;
        const Draw draw = {law, words, board, step};

        int64 least = ONE_Q16 + 1;
        for (int attempt = 0; attempt < (num_earlier ? NUM_REDRAWS : 1); ++attempt) {
            const Choice choice = draw.choose(attempt * ATTEMPT_STRIDE);
            int64 overlap = 0;
            // Thread 0 wrote them; there have been barriers since.
            for (int before = 1; before <= num_earlier; ++before) {
                overlap = max(overlap, overlap_q16(choice.window, windows[one - before]));
            }
            if (overlap < least) {
                least = overlap;
                if (threadIdx.x == 0) output.write(one, choice, flip, board.scene.total);
            }
            if (least <= law.max_iou_q16) break;
        }
    }
}
