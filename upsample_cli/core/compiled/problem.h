// What is to be computed, in plain records: Python hands it over, every instruction set makes a plan of it.
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

enum class Sample { uint8, int8, uint16, int16, int32, float32, float64 };

enum class Arithmetic {
    float32,
    float64,
    fixed,  // 16 bits, for samples of 8 bits that are blended in pairs
    copy,   // no arithmetic: every output is one input sample
};

struct Problem {
    Arithmetic arithmetic = Arithmetic::float32;
    Sample sample = Sample::float32;
    int slow_axes = 0;  // 0 to 2, blended as whole rows; the slower one first
    Axis slow[2];
    bool resamples_rows = false;
    Axis fast;                  // along a row, where it is resampled
    std::int64_t channels = 1;  // interleaved samples of a position on the fast axis; all of a row that is not resampled
    std::int64_t item_size = 0;  // bytes of a sample

    std::int64_t in_row() const { return (resamples_rows ? fast.in_size : 1) * channels; }
    std::int64_t out_row() const { return (resamples_rows ? fast.out_size : 1) * channels; }
};

constexpr int max_batch_axes = 32;

// Where the rows of an array lie: for each batch axis and each slow axis the distance of neighbours in bytes.
struct Rows {
    char* data = nullptr;
    std::int64_t batch_strides[max_batch_axes] = {};
    std::int64_t slow_strides[2] = {};
};

struct Batch {
    int axes = 0;
    std::int64_t sizes[max_batch_axes] = {};
};

// A problem with its tables made ready. It never changes, so that threads may share it.
class Plan {
public:
    Plan() = default;
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;
    virtual ~Plan();

    // Make output rows start to stop, counted through the batch axes and the slow axes; `in` is only read.
    virtual void run(const Batch& batch, const Rows& in, const Rows& out, std::int64_t start,
                     std::int64_t stop) const = 0;
};

// One of these for each instruction set; they return null where they do not know the arithmetic of the sample type.
Plan* make_baseline_plan(const Problem& problem);
Plan* make_avx2_plan(const Problem& problem);
Plan* make_avx512_plan(const Problem& problem);
Plan* make_neon_plan(const Problem& problem);

}  // namespace upsample
