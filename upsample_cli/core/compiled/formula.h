// Resampling along a long axis whose weights follow from a formula. They are computed block by block, equal to the bit
// to those of core/weights.py, because tables would grow with the axis and take most of the time.
#pragma once

constexpr int formula_block = 1024;  // outputs; their weights stay in the L1 cache

// Positions of consecutive outputs: the input sample at or before each, counted from `base`, and the fraction beyond it.
struct Positions {
    std::int64_t base;
    double before[formula_block], fraction[formula_block];

    void make(const Formula& formula, std::int64_t begin, int count) {
        if (formula.rounded)
            make_rounded(formula, begin, count);
        else if (formula.denominator > 0)
            make_exact((2 * begin + 1) * formula.numerator - formula.denominator, 2 * formula.numerator,
                       2 * formula.denominator, count);
        else
            make_real(formula, begin, count);
    }

    // The input samples that outputs copy, of `in_size` in this part of the axis: their numbers, counted from the first
    // of them, which is returned.
    std::int64_t make_copies(const Formula& formula, std::int64_t in_size, std::int64_t begin, int count,
                             std::int32_t* index) {
        const std::int64_t shift = static_cast<std::int64_t>(std::fabs(formula.shift));
        const std::int64_t farthest = maximum(max_formula_step * (begin + count) + shift, formula.in_size);
        const bool is_short = farthest < INT32_MAX / 2;
        if (formula.single)
            return is_short ? copies<float, std::int32_t>(formula, in_size, begin, count, index)
                            : copies<float, std::int64_t>(formula, in_size, begin, count, index);
        return is_short ? copies<double, std::int32_t>(formula, in_size, begin, count, index)
                        : copies<double, std::int64_t>(formula, in_size, begin, count, index);
    }

private:
    // PyTorch's rules, whose `floorf` rounds positions to float32, and those of other axes. `Real` is the type in which
    // positions are computed, and `Whole` one that holds them, rounded down.
    template <class Real, class Whole>
    std::int64_t copies(const Formula& formula, std::int64_t in_size, std::int64_t begin, int count,
                        std::int32_t* index) {
        const Real step = static_cast<Real>(formula.step);
        const double wide = static_cast<double>(step);
        const Whole start = static_cast<Whole>(begin);
        const auto make = [&](std::int64_t origin, auto rule) {  // the border of the axis, then that of the part
            const auto inner = [&](std::int64_t sample) {
                return static_cast<Whole>(clip(clip(sample, formula.in_size) - formula.first_sample, in_size) +
                                          formula.first_sample - origin);
            };
            const Whole lowest = inner(0), highest = inner(formula.in_size - 1);
            const auto number = [&](int i) {
                const Whole sample = static_cast<Whole>(rule(i));
                return sample < lowest ? lowest : sample < highest ? sample : highest;
            };
            const Whole first = number(0);
            for (int i = 0; i < count; ++i) index[i] = static_cast<std::int32_t>(number(i) - first);
            return first + origin - formula.first_sample;
        };
        switch (formula.copied) {
            case Copied::left:
                if (formula.denominator == 0) return make(0, [=](int i) { return (start + i) * formula.step; });
                make_exact(begin * formula.numerator, formula.numerator, formula.denominator, count);
                return make(base, [=](int i) { return before[i]; });
            case Copied::nearest:
                this->make(formula, begin, count);
                return make(base, [=](int i) { return before[i] + (fraction[i] >= 0.5 ? 1 : 0); });
            case Copied::torch_nearest:
                return make(0, [=](int i) { return static_cast<float>(static_cast<Real>(start + i) * step); });
            case Copied::torch_nearest_exact:
                return make(0, [=](int i) {
                    const Real moved = static_cast<Real>((start + i + 0.5) * wide - 0.5);
                    return static_cast<float>(moved + static_cast<Real>(0.5));
                });
            default: return make(0, [=](int i) { return static_cast<float>((start + i + 0.5) * wide); });
        }
    }

    // Positions (start + i * step) / period.
    // Whole numbers below 2^52, which doubles hold exactly: see checked_formula() in bind.cpp.
    void make_exact(std::int64_t start, std::int64_t step, std::int64_t period, int count) {
        base = start / period - (start % period < 0);
        const double parts = static_cast<double>(period), inverse = 1 / parts;
        const double rest_of_start = static_cast<double>(start - base * period);
        const double whole = static_cast<double>(step / period), rest_of_step = static_cast<double>(step % period);
        for (int i = 0; i < count; ++i) {
            const double place = rest_of_start + i * rest_of_step, near = rounded(place * inverse);
            const double rest = place - near * parts, moved = rest + parts;  // rounding may have gone up
            const bool below = rest < 0;
            before[i] = i * whole + (below ? near - 1 : near);
            fraction[i] = (below ? moved : rest) / parts;
        }
    }

    void make_real(const Formula& formula, std::int64_t begin, int count) {
        base = 0;
        for (int i = 0; i < count; ++i) {
            const double source = source_of(formula, begin, i);
            before[i] = floor_of(source);
            fraction[i] = source - before[i];
        }
    }

    // As PyTorch does, which rounds positions to float32 before it takes the floor.
    void make_rounded(const Formula& formula, std::int64_t begin, int count) {
        const double last = static_cast<double>(formula.in_size - 1);
        base = 0;
        for (int i = 0; i < count; ++i) {
            const double source = source_of(formula, begin, i);
            const double floor = floor_of(static_cast<double>(static_cast<float>(source)));
            before[i] = floor < last ? floor : last;
            const double beyond = source - before[i], share = beyond > 0 ? beyond : 0;
            fraction[i] = share < 1 ? share : 1;
        }
    }

    static double source_of(const Formula& formula, std::int64_t begin, int i) {
        const double source = formula.step * (static_cast<double>(begin) + i + formula.half) - formula.half;
        return source + formula.shift;
    }

    static double floor_of(double x) {
        const double near = rounded(x), lower = near - 1;
        return near > x ? lower : near;
    }
};

// The first input samples of a block of outputs, counted from that of the first one, and its weights by tap.
template <class F>
struct FormulaBlock {
    using Real = typename F::Real;

    std::int64_t low;  // the first input sample of the first output, on the whole axis
    std::int32_t first[formula_block];
    Real weights[4][formula_block];

    void make(const Formula& formula, std::int64_t begin, int count) {
        places_.make(formula, begin, count);
        formula.taps == 2 ? make_linear(formula, count) : make_cubic(formula, count);
    }

private:
    void set_low(double first_of_block) { low = places_.base + static_cast<std::int64_t>(first_of_block); }

    void make_linear(const Formula& formula, int count) {
        const double begin = static_cast<double>(-places_.base);
        const double last = static_cast<double>(formula.in_size - 1 - places_.base);
        double* const place = places_.before;
        double* const share = places_.fraction;
        const bool touches = place[0] < begin || place[count - 1] > last;
        for (int i = 0; touches && i < count; ++i) {  // positions outside the input are moved to its edge
            const double inner = place[i] < last ? place[i] : last, moved = share[i] + (place[i] - inner);
            const bool inside = place[i] >= begin;
            place[i] = inside ? inner : begin;
            share[i] = inside ? (moved < 1 ? moved : 1) : 0;
        }
        if constexpr (F::fixed) {
            for (int i = 0; i < count; ++i) {
                const int weight = static_cast<int>(share[i] * 32768 + 0.5);
                const bool whole = weight == 32768;  // make the second sample the first
                place[i] += whole;
                weights[1][i] = static_cast<Real>(whole ? 0 : weight);
            }
        } else {
            for (int i = 0; i < count; ++i) {
                weights[0][i] = static_cast<Real>(1 - share[i]);
                weights[1][i] = static_cast<Real>(share[i]);
            }
        }
        set_low(place[0]);
        for (int i = 0; i < count; ++i) first[i] = static_cast<std::int32_t>(place[i] - place[0]);
    }

    // Cubic convolution: `keys` in core/weights.py.
    void make_cubic(const Formula& formula, int count) {
        if constexpr (!F::fixed) {
            const double a = formula.slope, a2 = a + 2, a3 = a + 3, a4 = 4 * a, a5 = 5 * a, a8 = 8 * a;
            const auto weight = [=](double x) {
                const double near = (a2 * x - a3) * x * x + 1, far = ((a * x - a5) * x + a8) * x - a4;
                return (x <= 1 ? near : x < 2 ? far : 0) + 0.0;  // turns -0 into 0
            };
            const double* const share = places_.fraction;
            for (int i = 0; i < count; ++i) {
                weights[0][i] = static_cast<Real>(weight(share[i] + 1));
                weights[1][i] = static_cast<Real>(weight(share[i]));
                weights[2][i] = static_cast<Real>(weight(1 - share[i]));
                weights[3][i] = static_cast<Real>(weight(2 - share[i]));
            }
        }
        set_low(places_.before[0] - 1);
        for (int i = 0; i < count; ++i) first[i] = static_cast<std::int32_t>(places_.before[i] - places_.before[0]);
    }

    Positions places_;
};

template <class F, class T>
class FormulaResampler final : public Plan {
public:
    using Real = typename F::Real;

    explicit FormulaResampler(const Problem& problem)
        : axis_(problem.fast), formula_(problem.fast.formula), channels_(problem.channels) {}

    void run(const Batch& batch, const Rows& in, const Rows& out, std::int64_t start,
             std::int64_t stop) const override {
        Scratch scratch(channels_);
        for (std::int64_t begin = 0; begin < axis_.out_size; begin += formula_block) {
            const int count = static_cast<int>(minimum(formula_block, axis_.out_size - begin));
            prepare(scratch, begin, count);
            RowCursor cursor(batch, in, out, 1, 1, start);
            for (std::int64_t row = start; row < stop; ++row, cursor.advance()) {
                fill(scratch, reinterpret_cast<const T*>(cursor.source(0, 0)));
                T* const target = reinterpret_cast<T*>(cursor.target()) + begin * channels_;
                formula_.taps == 2 ? make_outputs<2>(scratch, count, target) : make_outputs<4>(scratch, count, target);
            }
        }
    }

private:
    static constexpr int lanes = F::lanes;
    static constexpr std::int64_t longest_span = formula_block * max_formula_step + 16;  // of a block, with its taps

    struct Scratch {
        explicit Scratch(std::int64_t channels) : blocks(1), samples(longest_span * channels + 3 * lanes), index(index_size) {}

        FormulaBlock<F>& block() { return blocks[0]; }

        Buffer<FormulaBlock<F>> blocks;
        Buffer<Real> samples;        // that the block reads, the border's samples repeated
        Buffer<std::uint8_t> index;  // permutation of each group of outputs
        std::int64_t low = 0, size = 0;  // of the samples, on the part of the axis
        std::int64_t reach = 0;          // greatest span of a group
    };
    static constexpr std::int64_t index_size = formula_block / lanes * F::index_bytes;

    // First output of a group; the last group overlaps the one before it.
    static int group_begin(int group, int count) { return static_cast<int>(minimum(group * lanes, count - lanes)); }

    void prepare(Scratch& scratch, std::int64_t begin, int count) const {
        FormulaBlock<F>& block = scratch.block();
        block.make(formula_, begin + formula_.first_row, count);
        scratch.low = block.low - formula_.first_sample;
        scratch.size = minimum(block.first[count - 1] + formula_.taps, longest_span);
        scratch.reach = INT64_MAX;
        if (channels_ > 1 || count < lanes) return;
        scratch.reach = 0;
        for (int group = 0; group * lanes < count; ++group) {
            const std::int32_t* const first = block.first + group_begin(group, count);
            std::uint8_t lane[lanes];
            for (int i = 0; i < lanes; ++i) lane[i] = static_cast<std::uint8_t>(first[i] - first[0]);
            F::make_index(lane, scratch.index.data() + group * F::index_bytes);
            scratch.reach = maximum(scratch.reach, first[lanes - 1] - first[0]);
        }
    }

    void fill(const Scratch& scratch, const T* row) const {
        const std::int64_t low = scratch.low, high = low + scratch.size, channels = channels_;
        const std::int64_t begin = clip(low, axis_.in_size), end = clip(high - 1, axis_.in_size) + 1;
        const auto copy = [&](std::int64_t from, std::int64_t size, std::int64_t at) {
            const T* const source = row + from * channels;
            const Real one = 1;
            blend_rows<F>(&source, &one, 1, scratch.samples.data() + (at - low) * channels, size * channels);
        };
        for (std::int64_t at = low; at < minimum(begin, high); ++at) copy(begin, 1, at);
        if (low < end && begin < high) copy(begin, end - begin, maximum(begin, low));
        for (std::int64_t at = maximum(end, low); at < high; ++at) copy(end - 1, 1, at);
    }

    template <int Taps>
    void make_outputs(Scratch& scratch, int count, T* target) const {
        if (scratch.reach < lanes)
            make_groups<Taps, false>(scratch, count, target);
        else if (scratch.reach < 2 * lanes)
            make_groups<Taps, true>(scratch, count, target);
        else
            make_lanewise<Taps>(scratch, count, target);
    }

    template <int Taps, bool spans_two>
    static void make_groups(Scratch& scratch, int count, T* target) {
        const FormulaBlock<F>& block = scratch.block();
        for (int group = 0; group * lanes < count; ++group) {
            const int begin = group_begin(group, count);
            const Real* const source = scratch.samples.data() + block.first[begin];
            const typename F::Index index = F::index(scratch.index.data() + group * F::index_bytes);
            const auto weight = [&](std::int64_t tap) { return F::load(block.weights[tap] + begin); };
            const auto sample = [&](std::int64_t tap) {
                if constexpr (spans_two)
                    return F::permute_two(F::load(source + tap), F::load(source + tap + lanes), index);
                else
                    return F::permute(F::load(source + tap), index);
            };
            F::store(target + begin, sum<F>(Taps, weight, sample));
        }
    }

    template <int Taps>
    void make_lanewise(Scratch& scratch, int count, T* target) const {
        const FormulaBlock<F>& block = scratch.block();
        Real values[lanes] = {};
        int filled = 0;
        for (int i = 0; i < count; ++i) {
            Real weights[Taps];
            for (int tap = 0; tap < Taps; ++tap) weights[tap] = block.weights[tap][i];
            const Real* const source = scratch.samples.data() + block.first[i] * channels_;
            for (std::int64_t channel = 0; channel < channels_; ++channel) {
                values[filled++] = sum_one<F>(Taps, weights, source + channel, channels_);
                if (filled < lanes) continue;
                F::store(target, F::load(values));
                target += lanes;
                filled = 0;
            }
        }
        store_short<F>(target, F::load(values), filled);
    }

    Axis axis_;
    Formula formula_;
    std::int64_t channels_;
};

class FormulaCopier final : public Plan {
public:
    explicit FormulaCopier(const Problem& problem)
        : axis_(problem.fast), formula_(problem.fast.formula), pixel_(problem.channels * problem.item_size) {}

    void run(const Batch& batch, const Rows& in, const Rows& out, std::int64_t start,
             std::int64_t stop) const override {
        Buffer<Positions> places(1);
        Buffer<std::int32_t> index(formula_block);
        for (std::int64_t begin = 0; begin < axis_.out_size; begin += formula_block) {
            const int count = static_cast<int>(minimum(formula_block, axis_.out_size - begin));
            const std::int64_t first =
                places[0].make_copies(formula_, axis_.in_size, begin + formula_.first_row, count, index.data());
            RowCursor cursor(batch, in, out, 1, 1, start);
            for (std::int64_t row = start; row < stop; ++row, cursor.advance())
                copy_all_pixels(index.data(), count, pixel_, cursor.source(0, 0) + first * pixel_,
                                cursor.target() + begin * pixel_);
        }
    }

private:
    Axis axis_;
    Formula formula_;
    std::int64_t pixel_;  // bytes per position
};
