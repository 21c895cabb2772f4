// Description of a resampling, passed from Python; each instruction set builds a plan from it.
#pragma once

#include <cstdint>

namespace upsample {

// The banded matrix of one axis: output o is the sum of taps[o][j] * input[clip(first[o] + j)] for j < count[o].
struct Axis {
    std::int64_t in_size = 0;
    std::int64_t out_size = 0;
    std::int64_t width = 0;
    const std::int64_t* first = nullptr;
    const std::int64_t* count = nullptr;
    const double* taps = nullptr;  // out_size rows of `width` weights
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
