// Numbers and records that law.py, look.py and philox.py share with the kernels.
//
// The records have the fields of the dtypes WINDOW_DTYPE, CUTOUT_DTYPE and LOOK_DTYPE, in order.
#pragma once

typedef long long int64;
typedef unsigned int uint32;
typedef unsigned long long uint64;
typedef unsigned char uint8;
typedef unsigned short uint16;

constexpr int WARP_SIZE = 32;
constexpr uint32 ALL_LANES = 0xFFFFFFFF;

constexpr int UNITS_PER_CELL = 256;
constexpr int SUBROWS_PER_CELL = 4;
constexpr int NUM_SIZE_ATTEMPTS = 10;
constexpr int NUM_GROWTH_STEPS = 256;
constexpr int UPRIGHT = -1;
constexpr int ONE_Q16 = 1 << 16;
constexpr int NUM_REDRAWS = 32;
constexpr uint32 ATTEMPT_STRIDE = 1u << 20;
constexpr int FOCUS_MARGIN_TENTHS = 1;
// Numbers in the tables of one law.
constexpr int NUM_ASPECTS = 1024, NUM_ROTATION_NUMBERS = 2 * 1024, NUM_BETAS = 1025;

enum Law { FREE, RELATIVE, HOLD, REJECTION, CONTRASTIVE_CROP };
enum SizeRule { AREA, ZOOM };
enum Mask { NO_MASK, SOFT_MASK, HARD_MASK };

struct WindowLaw {
    int64 law;
    int64 size;
    int64 size_low;
    int64 size_high;
    int64 tau_q16;
    int64 rho_q16;
    int64 weight;
    int64 num_candidates;
    int64 focus;
    int64 max_iou_q16;
    int64 flip_q32;
    int64 rotation_q32;
    int64 first_view;
    int64 num_views;
};

struct CutoutLaw {
    int64 probability_q32;
    int64 side_low_q16;
    int64 side_high_q16;
    int64 loss_q16;
    int64 num_redraws;
};

struct ViewLook {
    int64 jitter_q32;
    int64 gamma_q32;
    int64 blur_q32;
    int64 solarize_q32;
    int64 noise_q32;
    int64 mask_q32;
    int64 mask;
    double brightness_low;
    double brightness_high;
    double contrast_low;
    double contrast_high;
    double gamma_low;
    double gamma_high;
    double blur_sigma_px_low;
    double blur_sigma_px_high;
    double noise_sigma_low;
    double noise_sigma_high;
    double mask_floor;
    double mean;
    double deviation;
};
