// Python bindings. All arguments are validated here and nowhere else.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cpu.h"
#include "problem.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace upsample {

Plan::~Plan() = default;

namespace {

constexpr std::int64_t max_row_elements = std::int64_t{1} << 48;  // per row; keeps products of sizes far from overflow
constexpr std::int64_t max_formula_size = std::int64_t{1} << 40;  // doubles hold a block's products of sizes exactly

struct Set {
    std::string name;
    Plan* (*make)(const Problem&);
};

// Instruction sets of this machine, best first.
std::vector<Set> available_sets() {
    std::vector<Set> sets;
#if defined(UPSAMPLE_X86)
    if (has_avx512()) sets.push_back({"avx512", make_avx512_plan});
    if (has_avx2()) sets.push_back({"avx2", make_avx2_plan});
#elif defined(UPSAMPLE_ARM64)
    sets.push_back({"neon", make_neon_plan});
#endif
    sets.push_back({"baseline", make_baseline_plan});
    return sets;
}

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

struct SampleType {
    const char* name;
    Sample sample;
    nb::dlpack::dtype dtype;
};

constexpr std::uint8_t nb_float_code = static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float);

const SampleType& sample_type(const std::string& name) {
    static const SampleType types[] = {
        {"u1", Sample::uint8, nb::dtype<std::uint8_t>()},    {"i1", Sample::int8, nb::dtype<std::int8_t>()},
        {"u2", Sample::uint16, nb::dtype<std::uint16_t>()}, {"i2", Sample::int16, nb::dtype<std::int16_t>()},
        {"i4", Sample::int32, nb::dtype<std::int32_t>()},    {"u4", Sample::uint32, nb::dtype<std::uint32_t>()},
        {"i8", Sample::int64, nb::dtype<std::int64_t>()},    {"f4", Sample::float32, nb::dtype<float>()},
        {"f8", Sample::float64, nb::dtype<double>()},        {"f2", Sample::float16, {nb_float_code, 16, 1}},
        {"bf2", Sample::bfloat16, nb::dtype<std::uint16_t>()},  // NumPy has no such type
    };
    for (const SampleType& type : types)
        if (name == type.name) return type;
    throw std::invalid_argument("samples of dtype " + name + " are not supported");
}

using IndexArray = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using WeightArray = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Converts a tuple (input size, first, count, taps).
Axis checked_axis(nb::handle matrix, Arithmetic arithmetic) {
    const nb::tuple parts = nb::cast<nb::tuple>(matrix);
    require(parts.size() == 4, "a matrix is (input size, first, count, taps)");
    const auto first = nb::cast<IndexArray>(parts[1], false), count = nb::cast<IndexArray>(parts[2], false);
    const auto taps = nb::cast<WeightArray>(parts[3], false);
    Axis axis;
    axis.in_size = nb::cast<std::int64_t>(parts[0]);
    axis.out_size = static_cast<std::int64_t>(first.shape(0));
    axis.width = static_cast<std::int64_t>(taps.shape(1));
    axis.first = first.data();
    axis.count = count.data();
    axis.taps = taps.data();
    require(axis.in_size > 0 && axis.in_size < max_row_elements, "the axis has no input samples");
    require(axis.out_size > 0, "the axis has no output samples");
    require(count.shape(0) == first.shape(0) && taps.shape(0) == first.shape(0),
            "first, count and taps must be as long as the output");
    bool counts = true, places = true, shares = true;
    for (std::int64_t o = 0; o < axis.out_size; ++o) {
        counts &= axis.count[o] >= 1 && axis.count[o] <= axis.width;
        places &= axis.first[o] > -max_row_elements && axis.first[o] < max_row_elements;
        if (!counts || arithmetic != Arithmetic::fixed || axis.count[o] == 1) continue;
        const double second = axis.taps[o * axis.width + 1];
        shares &= axis.count[o] == 2 && second >= 0 && second <= 1;
    }
    require(counts, "every output needs 1 to width taps");
    require(places, "a band is too far outside the input");
    require(shares, "fixed point needs two taps with weights from 0 to 1");
    return axis;
}

// Converts a tuple of the sizes of a part of an axis and the fields of `Formula`.
Axis checked_formula(const nb::tuple& parts, Arithmetic arithmetic) {
    require(parts.size() == 15, "a formula has 15 fields");
    Axis axis;
    Formula& formula = axis.formula;
    const auto integer = [&](int field) { return nb::cast<std::int64_t>(parts[field]); };
    const auto real = [&](int field) { return nb::cast<double>(parts[field]); };
    axis.in_size = integer(0);
    axis.out_size = integer(1);
    axis.width = formula.taps = static_cast<int>(integer(2));
    formula.slope = real(3);
    formula.in_size = integer(4);
    formula.first_row = integer(5);
    formula.first_sample = integer(6);
    formula.numerator = integer(7);
    formula.denominator = integer(8);
    formula.step = real(9);
    formula.half = real(10);
    formula.shift = real(11);
    formula.rounded = nb::cast<bool>(parts[12]);
    const std::int64_t copied = integer(13);
    formula.single = nb::cast<bool>(parts[14]);
    require(0 <= copied && copied <= 4, "the number of a rule is 0 to 4");
    formula.copied = static_cast<Copied>(copied);
    const auto is_size = [](std::int64_t size) { return size > 0 && size <= max_formula_size; };
    const bool is_exact = formula.denominator != 0;
    require(is_size(axis.in_size) && is_size(axis.out_size) && is_size(formula.in_size), "the axis is too long");
    require(formula.first_row >= 0 && formula.first_row <= max_formula_size, "the first row is not on the axis");
    require(formula.first_sample >= 0 && formula.first_sample <= max_formula_size, "the first sample is not on the axis");
    const bool copies = arithmetic == Arithmetic::copy, sums = formula.taps == 2 || formula.taps == 4;
    require(copies ? formula.taps == 1 : sums, "a formula has 2 or 4 taps, or 1 for copies");
    require(arithmetic != Arithmetic::fixed || formula.taps == 2, "fixed point needs two taps");
    require(!is_exact || (is_size(formula.numerator) && is_size(formula.denominator)), "the ratio is not positive");
    const std::int64_t places = 2 * (formula.first_row + axis.out_size);
    require(!is_exact || formula.numerator < (std::int64_t{1} << 62) / places, "the positions are not exact");
    require(!is_exact || formula.numerator <= max_formula_step * formula.denominator, "the axis shrinks too much");
    require(is_exact || (formula.step >= 0 && formula.step <= max_formula_step), "the axis shrinks too much");
    require(std::abs(formula.shift) <= max_formula_size && std::abs(formula.half) <= 1, "the positions are too far away");
    return axis;
}

// A plan for arrays of one shape and layout.
class BoundPlan {
public:
    BoundPlan(std::shared_ptr<const Plan> plan, const Batch& batch, const Rows& in, const Rows& out, std::int64_t rows)
        : plan_(std::move(plan)), batch_(batch), in_(in), out_(out), rows_(rows) {}

    void run_rows(std::int64_t start, std::int64_t stop) const {
        require(0 <= start && start <= stop && stop <= rows_, "the row range exceeds the output");
        if (start == stop) return;  // a batch axis of size 0 has no first row
        nb::gil_scoped_release release;
        plan_->run(batch_, in_, out_, start, stop);
    }

    // All rows of other arrays of this shape and layout, whose addresses the caller vouches for.
    void run_at(std::uintptr_t x, std::uintptr_t out) const {
        BoundPlan moved = *this;
        moved.in_.data = reinterpret_cast<char*>(x);
        moved.out_.data = reinterpret_cast<char*>(out);
        moved.run_rows(0, rows_);
    }

private:
    std::shared_ptr<const Plan> plan_;
    Batch batch_;
    Rows in_, out_;
    std::int64_t rows_;
};

// A plan, and the checks of the arrays that it is run on.
class CheckedPlan {
public:
    CheckedPlan(const std::string& set, const std::string& arithmetic, const std::string& sample,
                std::int64_t item_size, const nb::list& slow, nb::object fast, std::int64_t channels) {
        static const char* const names[] = {"float32", "float64", "fixed", "copy"};
        int number = 0;
        while (number < 4 && arithmetic != names[number]) ++number;
        require(number < 4, "the arithmetic is float32, float64, fixed or copy");
        problem_.arithmetic = static_cast<Arithmetic>(number);
        require(slow.size() <= 2, "at most two slow axes can be resampled at once");
        require(channels > 0 && channels < max_row_elements, "the number of channels must be positive");
        require(item_size > 0 && item_size <= 16, "the item size must be 1 to 16 bytes");
        if (problem_.arithmetic != Arithmetic::copy) {
            problem_.sample = sample_type(sample).sample;
            dtype_ = sample_type(sample).dtype;
            require(item_size == dtype_.bits / 8, "the item size does not match the dtype");
        }
        for (nb::handle matrix : slow)
            problem_.slow[problem_.slow_axes++] = checked_axis(matrix, problem_.arithmetic);
        if (!fast.is_none()) {
            problem_.resamples_rows = true;
            const bool has_formula = nb::len(fast) != 4;
            require(!has_formula || problem_.slow_axes == 0, "a formula is of the only axis");
            problem_.fast = has_formula ? checked_formula(nb::cast<nb::tuple>(fast), problem_.arithmetic)
                                        : checked_axis(fast, problem_.arithmetic);
        }
        problem_.channels = channels;
        problem_.item_size = item_size;
        check_sizes();
        for (const Set& candidate : available_sets())
            if (candidate.name == set) plan_.reset(candidate.make(problem_));
        require(plan_ != nullptr, "the instruction set or the arithmetic is not supported");
    }

    void run(const nb::ndarray<nb::ro, nb::device::cpu>& x, const nb::ndarray<nb::device::cpu>& out,
             std::int64_t start, std::int64_t stop) const {
        bind(x, out).run_rows(start, stop);
    }

    BoundPlan bind(const nb::ndarray<nb::ro, nb::device::cpu>& x, const nb::ndarray<nb::device::cpu>& out) const {
        Batch batch;
        const int inner = problem_.slow_axes + (problem_.resamples_rows ? 1 : 0) + 1;
        require(x.ndim() == out.ndim() && x.ndim() >= static_cast<std::size_t>(inner), "the number of axes is wrong");
        require(x.ndim() <= static_cast<std::size_t>(inner + max_batch_axes), "too many axes");
        batch.axes = static_cast<int>(x.ndim()) - inner;
        std::int64_t rows = 1;
        for (int axis = 0; axis < batch.axes; ++axis) {
            require(x.shape(axis) == out.shape(axis), "input and output sizes differ along an axis that is not resampled");
            batch.sizes[axis] = static_cast<std::int64_t>(x.shape(axis));
            rows *= batch.sizes[axis];
        }
        for (int axis = 0; axis < problem_.slow_axes; ++axis) rows *= problem_.slow[axis].out_size;
        if (rows == 0) return {plan_, batch, {}, {}, 0};  // the strides of empty arrays mean nothing
        return {plan_, batch, checked_rows(x, batch.axes, &Axis::in_size), checked_rows(out, batch.axes, &Axis::out_size), rows};
    }

private:
    void check_sizes() const {
        for (const std::int64_t size : {problem_.fast.in_size, problem_.fast.out_size, problem_.fast.width})
            require(size < max_row_elements / problem_.channels / problem_.item_size, "a row is too long");
        for (const Axis& axis : problem_.slow)
            require(axis.width < max_row_elements / (problem_.fast.in_size + 1) / problem_.channels, "too many taps");
    }

    template <class Array>
    Rows checked_rows(const Array& array, int batch_axes, std::int64_t Axis::*size) const {
        require(static_cast<std::int64_t>(array.itemsize()) == problem_.item_size, "the item size does not match the plan");
        require(problem_.arithmetic == Arithmetic::copy || array.dtype() == dtype_, "the dtype does not match the plan");
        const auto check_size = [&](int axis, std::int64_t expected) {
            require(static_cast<std::int64_t>(array.shape(axis)) == expected, "the length of an axis does not match its matrix");
        };
        Rows rows;
        rows.data = static_cast<char*>(const_cast<void*>(static_cast<const void*>(array.data())));
        int axis = 0;
        for (; axis < batch_axes; ++axis) rows.batch_strides[axis] = array.stride(axis) * problem_.item_size;
        for (int number = 0; number < problem_.slow_axes; ++number, ++axis) {
            check_size(axis, problem_.slow[number].*size);
            rows.slow_strides[2 - problem_.slow_axes + number] = array.stride(axis) * problem_.item_size;
        }
        if (problem_.resamples_rows) {
            check_size(axis, problem_.fast.*size);
            require(array.stride(axis) == problem_.channels || array.shape(axis) == 1, "a row is not contiguous");
            ++axis;
        }
        check_size(axis, problem_.channels);
        require(array.stride(axis) == 1 || problem_.channels == 1, "channels are not contiguous");
        return rows;
    }

    Problem problem_;
    nb::dlpack::dtype dtype_{};
    std::shared_ptr<const Plan> plan_;
};

// Asks the system for large pages for an array that is about to be written: page faults then cost a fifth.
void advise_large_pages(const nb::ndarray<nb::device::cpu, nb::c_contig>& out) {
#if defined(MADV_HUGEPAGE)
    constexpr std::uintptr_t page = std::uintptr_t{1} << 21;
    const auto begin = reinterpret_cast<std::uintptr_t>(out.data()), end = begin + out.nbytes();
    const std::uintptr_t first = (begin + page - 1) / page * page;
    if (first + page <= end) madvise(reinterpret_cast<void*>(first), (end - first) / page * page, MADV_HUGEPAGE);
#else
    static_cast<void>(out);
#endif
}

}  // namespace

NB_MODULE(_compiled, module) {
    nb::set_leak_warnings(false);  // threads of other libraries may keep a plan until the interpreter ends
    module.doc() = "The compiled kernel; see core.kernel, which is its only user.";
    module.def("sets", [] {
        std::vector<std::string> names;
        for (const Set& set : available_sets()) names.push_back(set.name);
        return names;
    });
    module.def("advise_large_pages", &advise_large_pages, nb::arg("out").noconvert());
    nb::class_<BoundPlan>(module, "BoundPlan").def("run_at", &BoundPlan::run_at, "x"_a, "out"_a);
    nb::class_<CheckedPlan>(module, "Plan")
        .def(nb::init<const std::string&, const std::string&, const std::string&, std::int64_t, const nb::list&,
                      nb::object, std::int64_t>(),
             "instruction_set"_a, "arithmetic"_a, "sample"_a, "item_size"_a, "slow"_a, "fast"_a.none(), "channels"_a)
        .def("bind", &CheckedPlan::bind, nb::arg("x").noconvert(), nb::arg("out").noconvert())
        .def("run", &CheckedPlan::run, nb::arg("x").noconvert(), nb::arg("out").noconvert(), "start"_a, "stop"_a);
}

}  // namespace upsample
