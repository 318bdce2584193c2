// Draw cutouts that hide little saliency: integral images, windows, turns → rectangles of the view.
//
// Twin of reference/sample_cutouts.py, equal to the bit. Next: render_views.cu.
// Launch: one block of 128 threads per (view, image). Rectangles are judged in parallel, those of
// an upright window by a thread each, those of a turned one by a warp; the accepted rectangle of
// lowest number wins.
#include "draw.cuh"

constexpr int NUM_THREADS = 128;
constexpr int ONE = ONE_Q16;  // a view's side
constexpr int NONE = 0x7FFFFFFF;

struct Rectangle {
    int top, left, bottom, right;  // 1/65536 of the view's sides
};

__device__ inline Rectangle draw_rectangle(const CutoutLaw& law, const uint4& drawn) {
    const int64 range = law.side_high_q16 - law.side_low_q16 + 1;
    const int height = law.side_low_q16 + scale_word(drawn.x, range);
    const int width = law.side_low_q16 + scale_word(drawn.y, range);
    const int top = scale_word(drawn.z, ONE - height + 1);
    const int left = scale_word(drawn.w, ONE - width + 1);
    return {top, left, top + height, left + width};
}

// The mass under a rectangle of the view, carried back to the map. Where the step turns the window,
// all lanes of a warp must call.
__device__ inline int64 covered_mass(
    const Scene& scene, const Window& window, int2 turn, const int64* rotations_q16,
    const Rectangle& cutout) {
    const int64 h = window.height, w = window.width;
    const int top = cutout.top, bottom = cutout.bottom;
    const int left = turn.y ? ONE - cutout.right : cutout.left;
    const int right = turn.y ? ONE - cutout.left : cutout.right;
    if (turn.x == UPRIGHT) {
        return mass_upright(
            scene.map, window.y0 + (h * top >> 16), window.x0 + (w * left >> 16),
            window.y0 + (h * bottom >> 16), window.x0 + (w * right >> 16));
    }
    const Turn rotation = scene.turn(rotations_q16, turn.x);
    const Point offset =
        turn_corner(h * (top + bottom - ONE) >> 16, w * (left + right - ONE) >> 16, rotation);
    const Point centre2 = {2 * window.y0 + h + offset.y, 2 * window.x0 + w + offset.x};
    const int64 height = h * (bottom - top) >> 16, width = w * (right - left) >> 16;
    return mass_turned(scene.map, centre2, height, width, rotation);
}

extern "C" __global__ void __launch_bounds__(NUM_THREADS, 8) sample_cutouts_kernel(
    const uint32* __restrict__ integrals,  // [B, height + 1, width + 1]
    const int4* __restrict__ windows,      // [B, V]
    const int2* __restrict__ turns,        // [B, V]
    const int64* __restrict__ index,       // [B]
    const int2* __restrict__ shapes,       // [B]
    int2 grid,                             // height and width of a map in cells
    uint64 seed, uint32 epoch,
    const int* __restrict__ groups,             // [V]
    const CutoutLaw* __restrict__ laws,         // [G]
    const int64* __restrict__ all_rotations_q16,  // [G, 1024, 2]
    int4* __restrict__ cutouts) {               // [B, V]
    __shared__ Scene scene;
    __shared__ int lowest;

    const int view = blockIdx.x, image = blockIdx.y, one = image * gridDim.x + view;
    const Words words(seed, epoch, index[image], view);
    const CutoutLaw& law = laws[groups[view]];
    const int64* rotations_q16 = all_rotations_q16 + groups[view] * NUM_ROTATION_NUMBERS;
    const bool wanted = words.draw(CUTOUT, 0).x < law.probability_q32;
    if (!wanted) {
        if (threadIdx.x == 0) cutouts[one] = make_int4(0, 0, 0, 0);
        return;
    }
    if (threadIdx.x == 0) {
        scene = measure_scene(integrals, grid, shapes, image);
        lowest = NONE;
    }
    __syncthreads();
    const int4 edges = windows[one];
    const Window window = {edges.x, edges.y, edges.z - edges.x, edges.w - edges.y};
    const int2 turn = turns[one];
    const int64 allowed = law.loss_q16 * scene.mass(window, rotations_q16, turn.x);

    const int team = turn.x == UPRIGHT ? 1 : WARP_SIZE;  // threads that judge one rectangle
    for (int first = 1; first <= law.num_redraws; first += NUM_THREADS / team) {
        const int number = first + threadIdx.x / team;
        Rectangle rectangle = {};
        bool accepted = false;
        if (number <= law.num_redraws) {
            rectangle = draw_rectangle(law, words.draw(CUTOUT, number));
            accepted = covered_mass(scene, window, turn, rotations_q16, rectangle) << 16 <= allowed;
        }
        if (__syncthreads_or(accepted)) {
            if (accepted) atomicMin(&lowest, number);
            __syncthreads();
            if (number == lowest && threadIdx.x % team == 0) {
                cutouts[one] = make_int4(
                    rectangle.top, rectangle.left, rectangle.bottom, rectangle.right);
            }
            return;
        }
    }
    if (threadIdx.x == 0) cutouts[one] = make_int4(0, 0, 0, 0);
}
