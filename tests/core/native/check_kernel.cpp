// Random problems for the plans of the kernel, without Python around them: `check_kernel [COUNT [SEED]]`.
//
// What comes out is held against plain sums in double and against the same plan run in parts, bit for bit. Between the
// rows lie gaps that nobody may touch: AddressSanitizer sees who reads them. `.ci/sanitize` builds this with sanitizers,
// `.ci/emulate` for another processor.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

#include "problem.h"

#if defined(__SANITIZE_ADDRESS__) || defined(CHECK_ADDRESSES)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#endif

using namespace upsample;

Plan::~Plan() = default;  // which the binding has otherwise

namespace {

constexpr std::int64_t gap = 64;  // bytes
constexpr char untouched = 0x5a;
std::mt19937_64 chance;

std::int64_t between(std::int64_t lowest, std::int64_t highest) {
    return std::uniform_int_distribution<std::int64_t>(lowest, highest)(chance);
}

std::size_t unsigned_of(std::int64_t size) { return static_cast<std::size_t>(size); }

std::int64_t clipped(std::int64_t index, std::int64_t size) {
    return index < 0 ? 0 : index < size ? index : size - 1;
}

// A banded matrix of chance, with the memory that it points to. Its bands hang over both ends.
struct Matrix {
    Axis axis;
    std::vector<std::int64_t> first, count;
    std::vector<double> taps;

    Matrix() : Matrix(1, 1, 1) {}
    Matrix(std::int64_t in_size, std::int64_t out_size, std::int64_t width)
        : first(unsigned_of(out_size)), count(first.size()), taps(first.size() * unsigned_of(width)) {
        std::int64_t next = -between(0, width);
        for (std::size_t o = 0; o < first.size(); ++o) {
            next += between(0, 2) == 0 ? 0 : between(0, 2 * in_size / out_size + 1);
            first[o] = next < in_size ? next : in_size;
            count[o] = between(0, 3) == 0 ? between(1, width) : width;
            double* const row = &taps[o * unsigned_of(width)];
            double total = 0;
            for (std::int64_t j = 0; j < count[o]; ++j) total += row[j] = static_cast<double>(between(1, 1000));
            for (std::int64_t j = 0; j < count[o]; ++j) row[j] /= total;
        }
        axis.in_size = in_size;
        axis.out_size = out_size;
        axis.width = width;
        axis.first = first.data();
        axis.count = count.data();
        axis.taps = taps.data();
    }
    // As of an axis of twice the length: from output `begin` on, weights repeat after two outputs and one sample.
    void repeat(std::int64_t begin) {
        const auto width = unsigned_of(axis.width);
        for (std::size_t o = unsigned_of(begin) + 2; o < first.size(); ++o) {
            first[o] = first[o - 2] + 1;
            count[o] = count[o - 2];
            for (std::size_t j = 0; j < width; ++j) taps[o * width + j] = taps[(o - 2) * width + j];
        }
    }
    Matrix(const Matrix&) = delete;
    Matrix& operator=(const Matrix&) = delete;
};

// An array of batch, slow axes and rows, with gaps behind all rows.
template <class T>
class Array {
public:
    Array(std::int64_t batch, std::int64_t slower, std::int64_t faster, std::int64_t row)
        : slower_(slower), faster_(faster), row_(row), stride_((row * size + gap - 1) / gap * gap + gap),
          count_(batch * slower * faster), memory_(unsigned_of(stride_ * count_), untouched) {
        for (std::int64_t n = 0; n < count_; ++n) ASAN_POISON_MEMORY_REGION(end_of(n), gap_size());
    }
    ~Array() { ASAN_UNPOISON_MEMORY_REGION(memory_.data(), memory_.size()); }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;

    T* row(std::int64_t batch, std::int64_t slower, std::int64_t faster) {
        return row((batch * slower_ + slower) * faster_ + faster);
    }
    T* row(std::int64_t number) { return reinterpret_cast<T*>(memory_.data() + number * stride_); }
    std::int64_t count() const { return count_; }

    Rows rows() {
        Rows rows;
        rows.data = memory_.data();
        rows.batch_strides[0] = slower_ * faster_ * stride_;
        rows.slow_strides[0] = faster_ * stride_;
        rows.slow_strides[1] = stride_;
        return rows;
    }

    void fill() {
        for (std::int64_t n = 0; n < count_; ++n)
            for (std::int64_t i = 0; i < row_; ++i) row(n)[i] = any();
    }

    bool gaps_are_untouched() {
        for (std::int64_t n = 0; n < count_; ++n) {
            ASAN_UNPOISON_MEMORY_REGION(end_of(n), gap_size());
            for (std::int64_t i = 0; i < gap_size(); ++i)
                if (end_of(n)[i] != untouched) return false;
            ASAN_POISON_MEMORY_REGION(end_of(n), gap_size());
        }
        return true;
    }

private:
    static constexpr std::int64_t size = sizeof(T);

    static T any() {
        if (std::is_floating_point<T>::value) return static_cast<T>(static_cast<double>(between(-1000, 1000)) / 1000);
        return static_cast<T>(between(static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                                      static_cast<std::int64_t>(std::numeric_limits<T>::max())));
    }
    char* end_of(std::int64_t n) { return memory_.data() + n * stride_ + row_ * size; }
    std::int64_t gap_size() const { return stride_ - row_ * size; }

    std::int64_t slower_, faster_, row_, stride_, count_;
    std::vector<char> memory_;
};

// The sizes and matrices of a problem.
struct Case {
    Problem problem;
    std::int64_t batch = 1, in[2] = {1, 1}, out[2] = {1, 1};
    std::unique_ptr<Matrix> slow[2], fast;  // slow[1] is the faster one of the slow axes

    Case(Arithmetic arithmetic, Sample sample, std::int64_t item_size) {
        problem.arithmetic = arithmetic;
        problem.sample = sample;
        problem.item_size = item_size;
        problem.slow_axes = static_cast<int>(between(0, 2));
        problem.resamples_rows = problem.slow_axes == 0 || between(0, 3) != 0;
        const bool fills_vectors = between(0, 3) == 0, has_many_taps = between(0, 3) == 0;
        problem.channels = !problem.resamples_rows ? between(1, 150) : fills_vectors ? 64 : between(1, 5);
        batch = between(1, 3);
        const std::int64_t widest = arithmetic == Arithmetic::copy ? 1 : arithmetic == Arithmetic::fixed ? 2 : 7;
        const auto width = [&] { return widest == 1 ? 1 : between(1, 3) == 1 ? between(1, widest) : 2; };
        for (int axis = 2 - problem.slow_axes; axis < 2; ++axis) {
            const bool many = has_many_taps && widest > 2 && axis == 1;
            in[axis] = between(1, many ? 60 : 7);
            out[axis] = between(1, 9);
            slow[axis].reset(new Matrix(in[axis], out[axis], many ? between(16, 40) : width()));
            problem.slow[axis - 2 + problem.slow_axes] = slow[axis]->axis;
        }
        if (problem.resamples_rows) {
            fast.reset(new Matrix(between(1, 70), between(1, fills_vectors ? 15 : 140), width()));
            if (between(0, 1) == 0) fast->repeat(between(0, 3));
            problem.fast = fast->axis;
        }
    }
};

// The sum along one axis after the other, from the innermost.
template <class T>
double exact(const Case& c, Array<T>& in, std::int64_t batch, std::int64_t slower, std::int64_t faster, std::int64_t i) {
    double total = 0;
    const auto taps = [](const std::unique_ptr<Matrix>& matrix, std::int64_t o, auto use) {
        if (!matrix) return use(o, 1.0);
        for (std::int64_t j = 0; j < matrix->axis.count[o]; ++j)
            use(clipped(matrix->axis.first[o] + j, matrix->axis.in_size), matrix->axis.taps[o * matrix->axis.width + j]);
    };
    taps(c.slow[0], slower, [&](std::int64_t z, double wz) {
        taps(c.slow[1], faster, [&](std::int64_t y, double wy) {
            const T* const row = in.row(batch, z, y);
            const std::int64_t channel = i % c.problem.channels;
            taps(c.fast, i / c.problem.channels, [&](std::int64_t x, double wx) {
                total += wz * wy * wx * static_cast<double>(row[x * c.problem.channels + channel]);
            });
        });
    });
    return total;
}

// Integers may differ by one next to a tie.
template <class T>
bool agrees(T actual, double expected) {
    if (std::is_floating_point<T>::value)
        return std::fabs(static_cast<double>(actual) - expected) <= 16.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
    const double off = std::fabs(static_cast<double>(actual) - expected);
    return off <= 0.5 + 1.0 / 32;
}

[[noreturn]] void fail(const char* what, const Case& c) {
    const Problem& p = c.problem;
    std::printf("%s: arithmetic %d, sample %d, %d slow axes, %s, %lld channels\n", what, static_cast<int>(p.arithmetic),
                static_cast<int>(p.sample), p.slow_axes, p.resamples_rows ? "rows too" : "rows not",
                static_cast<long long>(p.channels));
    std::exit(1);
}

using Make = Plan* (*)(const Problem&);

// Whether the kernel knows such problems; it exits where it is wrong.
template <class T>
bool check(Make make, Arithmetic arithmetic, Sample sample) {
    const Case c(arithmetic, sample, sizeof(T));
    const std::unique_ptr<const Plan> plan(make(c.problem));
    if (!plan) return false;
    const std::int64_t in_row = c.problem.in_row(), out_row = c.problem.out_row();
    Array<T> in(c.batch, c.in[0], c.in[1], in_row), out(c.batch, c.out[0], c.out[1], out_row),
        again(c.batch, c.out[0], c.out[1], out_row);
    in.fill();
    Batch batch;
    batch.axes = 1;
    batch.sizes[0] = c.batch;
    plan->run(batch, in.rows(), out.rows(), 0, out.count());
    const std::int64_t step = between(1, out.count());
    for (std::int64_t begin = 0; begin < out.count(); begin += step)
        plan->run(batch, in.rows(), again.rows(), begin, begin + step < out.count() ? begin + step : out.count());
    for (std::int64_t n = 0; n < out.count(); ++n) {
        const std::int64_t faster = n % c.out[1], slower = n / c.out[1] % c.out[0], b = n / c.out[1] / c.out[0];
        for (std::int64_t i = 0; i < out_row; ++i) {
            const double expected = exact(c, in, b, slower, faster, i);
            if (!agrees(out.row(n)[i], expected)) {
                std::printf("%.9g is not %.9g\n", static_cast<double>(out.row(n)[i]), expected);
                fail("wrong", c);
            }
        }
        if (std::memcmp(out.row(n), again.row(n), unsigned_of(out_row) * sizeof(T)) != 0) fail("parts differ", c);
    }
    if (!out.gaps_are_untouched() || !again.gaps_are_untouched()) fail("written beyond a row", c);
    return true;
}

// How many of the problems the kernel knew.
template <class T>
int check_all(Make make, Sample sample) {
    int known = 0;
    for (const Arithmetic arithmetic : {Arithmetic::float32, Arithmetic::float64, Arithmetic::fixed, Arithmetic::copy})
        known += check<T>(make, arithmetic, sample);
    return known;
}

void run(const char* name, Make make, int count) {
    int known = 0;
    for (int n = 0; n < count; ++n) {
        known += check_all<std::uint8_t>(make, Sample::uint8) + check_all<std::int8_t>(make, Sample::int8);
        known += check_all<std::uint16_t>(make, Sample::uint16) + check_all<std::int16_t>(make, Sample::int16);
        known += check_all<std::int32_t>(make, Sample::int32);
        known += check_all<float>(make, Sample::float32) + check_all<double>(make, Sample::float64);
    }
    std::printf("%s: %d problems are right\n", name, known);
    if (known < count) std::exit(1);
}

}  // namespace

int main(int arguments, char** values) {
    const int count = arguments > 1 ? std::atoi(values[1]) : 500;
    chance.seed(arguments > 2 ? std::strtoull(values[2], nullptr, 10) : 0);
    run("baseline", make_baseline_plan, count);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) run("avx2", make_avx2_plan, count);
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) run("avx512", make_avx512_plan, count);
#elif defined(__aarch64__)
    run("neon", make_neon_plan, count);
#endif
    return 0;
}
