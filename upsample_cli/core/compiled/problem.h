// Description of a resampling, passed from Python; each instruction set builds a plan from it.
#pragma once

#include <cstdint>

namespace upsample {

constexpr std::int64_t max_formula_step = 8;  // input samples between outputs

// Which sample an output copies, as `_nearest_rows` in core/axis_plan.py.
enum class Copied { left, nearest, torch_nearest, torch_nearest_exact, torch_nearest_exact_small };

// Weights that follow from the positions of the outputs, computed as in core/sampling.py and core/weights.py.
struct Formula {
    int taps = 0;              // 1: copies; 2: linear; 4: cubic convolution; 0: there is no formula
    double slope = 0;          // of cubic convolution, at distance 1
    Copied copied = Copied::left;
    bool single = false;       // whether PyTorch computes the positions of copies in float32
    std::int64_t in_size = 0;  // of the whole axis
    std::int64_t first_row = 0, first_sample = 0;  // where this part begins on the whole axis
    double step = 0, half = 0, shift = 0;          // positions are step * (o + half) - half + shift,
    bool rounded = false;                          // with PyTorch's rounding before the floor is taken,
    std::int64_t numerator = 0, denominator = 0;   // or else exact for this step, if the denominator is not 0
};

// The banded matrix of one axis: output o is the sum of taps[o][j] * input[clip(first[o] + j)] for j < count[o].
struct Axis {
    std::int64_t in_size = 0;
    std::int64_t out_size = 0;
    std::int64_t width = 0;
    const std::int64_t* first = nullptr;
    const std::int64_t* count = nullptr;
    const double* taps = nullptr;  // out_size rows of `width` weights
    Formula formula;               // instead of first, count and taps, if it has taps
};

enum class Sample { uint8, int8, uint16, int16, int32, uint32, int64, float16, bfloat16, float32, float64 };

enum class Arithmetic {
    float32,
    float64,
    fixed,  // 16-bit fixed point, for two-tap blends of 8-bit samples
    copy,   // no arithmetic: every output copies one input sample
};

struct Problem {
    Arithmetic arithmetic = Arithmetic::float32;
    Sample sample = Sample::float32;
    int slow_axes = 0;  // 0 to 2 axes along which whole rows are blended, slowest first
    Axis slow[2];
    bool resamples_rows = false;
    Axis fast;                  // the axis along a row, if it is resampled
    std::int64_t channels = 1;  // interleaved samples per position on the fast axis, or of the whole row
    std::int64_t item_size = 0;  // bytes per sample

    std::int64_t in_row() const { return (resamples_rows ? fast.in_size : 1) * channels; }
    std::int64_t out_row() const { return (resamples_rows ? fast.out_size : 1) * channels; }
};

constexpr int max_batch_axes = 32;

// Addresses of the rows of an array: strides in bytes along each batch axis and slow axis.
struct Rows {
    char* data = nullptr;
    std::int64_t batch_strides[max_batch_axes] = {};
    std::int64_t slow_strides[2] = {};
};

struct Batch {
    int axes = 0;
    std::int64_t sizes[max_batch_axes] = {};
};

// A problem with its precomputed tables. Immutable, so threads can share it.
class Plan {
public:
    Plan() = default;
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;
    virtual ~Plan();

    // Compute output rows [start, stop), numbered across batch and slow axes. Only reads `in`.
    virtual void run(const Batch& batch, const Rows& in, const Rows& out, std::int64_t start,
                     std::int64_t stop) const = 0;
};

// One factory per instruction set. Returns null if the arithmetic is not supported for the sample type.
Plan* make_baseline_plan(const Problem& problem);
Plan* make_avx2_plan(const Problem& problem);
Plan* make_avx512_plan(const Problem& problem);
Plan* make_neon_plan(const Problem& problem);

}  // namespace upsample
