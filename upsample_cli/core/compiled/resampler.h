// Rows are blended along the slow axes into one row, which is then resampled along the fast axis. Every output is
// written once, and intermediate rows stay in the cache.
#pragma once

// Resamples rows along the fast axis. All methods give bit-identical results.
template <class F, class T>
class RowResampler {
public:
    using Real = typename F::Real;
    static constexpr int lanes = F::lanes;

    void make(const Axis& axis, std::int64_t channels) {
        table_.make(axis);
        channels_ = channels;
        whole_vectors_ = channels % lanes == 0;
        if (whole_vectors_) return;
        groups_.make(table_, channels);
        transposes_ = !F::fixed && groups_.scattered() && padded_size() * lanes <= max_transposed;
    }

    // Elements of a padded scratch row: the samples that bands and vector loads read beyond its ends included.
    std::int64_t padded_size() const {
        const std::int64_t samples = table_.pad_before + table_.in_size + table_.pad_after;
        return (samples * channels_ / lanes + 3) * lanes;
    }
    std::int64_t before() const { return table_.pad_before * channels_; }
    std::int64_t row_batch() const { return transposes_ ? lanes : 2; }
    std::int64_t scratch_size() const { return transposes_ ? padded_size() * lanes : 0; }

    // Repeat the border samples at both ends of a row whose interior is filled.
    void pad(Real* row) const {
        const std::int64_t inside = before(), end = inside + table_.in_size * channels_;
        for (std::int64_t i = inside - 1; i >= 0; --i) row[i] = row[i + channels_];
        for (std::int64_t i = 0; i < table_.pad_after * channels_; ++i) row[end + i] = row[end + i - channels_];
    }

    // Resample `count` rows, padded_size() elements apart.
    void run(const Real* rows, T* const* targets, std::int64_t count, Real* scratch) const {
        if constexpr (!F::fixed) {
            if (transposes_ && count > lanes / 4) {
                run_transposed(rows, targets, count, scratch);
                return;
            }
        }
        if (whole_vectors_) {
            for (std::int64_t r = 0; r < count; ++r) make_pixels(rows + r * padded_size(), targets[r]);
            return;
        }
        std::int64_t r = 0;
        for (; r + 2 <= count; r += 2) make_rows<2>(rows + r * padded_size(), targets + r);
        if (r < count) make_rows<1>(rows + r * padded_size(), targets + r);
    }

private:
    static constexpr std::int64_t max_transposed = 1 << 19;  // elements; larger tables would not fit the cache

    // Computes output by output, for channels that fill whole vectors.
    void make_pixels(const Real* row, T* target) const {
        for (std::int64_t o = 0; o < table_.out_size; ++o) {
            const Real* const source = row + (table_.first[o] + table_.pad_before) * channels_;
            T* const to = target + o * channels_;
            switch (table_.count[o]) {
                case 2: make_pixel<2>(o, source, to); break;
                case 4: make_pixel<4>(o, source, to); break;
                default: make_pixel<0>(o, source, to);
            }
        }
    }

    template <int Taps>
    void make_pixel(std::int64_t o, const Real* source, T* target) const {
        const std::int64_t count = Taps ? Taps : table_.count[o], channels = channels_;
        const Real* const weights = table_.weights_of(o);
        for (std::int64_t channel = 0; channel < channels; channel += lanes)
            F::store(target + channel, sum<F>(
                count, [=](std::int64_t j) { return F::set(weights[j]); },
                [=](std::int64_t j) { return F::load(source + j * channels + channel); }));
    }

    template <int Rows>
    void make_rows(const Real* rows, T* const* targets) const {
        for (std::int64_t number = 0; number < groups_.run_count(); ++number) {
            const GroupRun& run = groups_.run(number);
            switch (run.reach) {
                case PermuteReach::near: make_run<Rows, PermuteReach::near>(run, rows, targets); break;
                case PermuteReach::vector: make_run<Rows, PermuteReach::vector>(run, rows, targets); break;
                case PermuteReach::two: make_run<Rows, PermuteReach::two>(run, rows, targets); break;
                case PermuteReach::lanewise:
                    for (int r = 0; r < Rows; ++r) make_lanewise(run, rows + r * padded_size(), targets[r]);
            }
        }
    }

    template <int Rows, PermuteReach reach>
    void make_run(const GroupRun& run, const Real* rows, T* const* targets) const {
        if (run.count == 2)
            make_run_of<Rows, reach, 2>(run, rows, targets);
        else if (run.count == 4)
            make_run_of<Rows, reach, 4>(run, rows, targets);
        else
            make_run_of<Rows, reach, 0>(run, rows, targets);
    }

    // Rows computed together share the loads of a pattern.
    template <int Rows, PermuteReach reach, int Taps>
    void make_run_of(const GroupRun& run, const Real* rows, T* const* targets) const {
        const std::int64_t count = Taps ? Taps : run.count, end = run.end, stride = padded_size(), channels = channels_;
        const typename LaneGroups<F>::View groups = groups_.view();  // a local copy, which cannot alias
        T* to[Rows];
        for (int r = 0; r < Rows; ++r) to[r] = targets[r];
        for (std::int64_t g = run.begin; g < end; ++g) {
            const Group group = groups[g];
            const std::int64_t begin = groups.begin(g);
            const typename F::Index index = F::index(groups.index(group));
            const Real* const weights = groups.weights(group);
            const auto weight = [&](std::int64_t j) { return F::load(weights + j * lanes); };
            for (int r = 0; r < Rows; ++r) {
                const Real* const source = rows + r * stride + group.base;
                F::store(to[r] + begin, sum<F>(count, weight, taps<reach>(source, index, channels)));
            }
        }
    }

    // Returns a function that loads the samples of tap j.
    template <PermuteReach reach>
    static auto taps(const Real* source, typename F::Index index, std::int64_t channels) {
        if constexpr (reach == PermuteReach::near) {
            return [v = F::load(source), index, step = static_cast<int>(channels)](std::int64_t j) {
                return F::permute(v, F::shifted(index, static_cast<int>(j) * step));
            };
        } else {
            return [source, index, step = channels](std::int64_t j) {
                const Real* const from = source + j * step;
                if constexpr (reach == PermuteReach::vector)
                    return F::permute(F::load(from), index);
                else
                    return F::permute_two(F::load(from), F::load(from + lanes), index);
            };
        }
    }

    void make_lanewise(const GroupRun& run, const Real* row, T* target) const {
        const std::int64_t size = minimum(lanes, groups_.elements());
        for (std::int64_t g = run.begin; g < run.end; ++g) {
            const std::int64_t begin = groups_.view().begin(g);
            Real values[lanes] = {};
            std::int64_t o = begin / channels_, channel = begin % channels_;
            for (std::int64_t lane = 0; lane < size; ++lane) {
                const Real* const source = row + (table_.first[o] + table_.pad_before) * channels_ + channel;
                values[lane] = sum_one<F>(table_.count[o], table_.weights_of(o), source, channels_);
                if (++channel == channels_) channel = 0, ++o;
            }
            if (size == lanes)
                F::store(target + begin, F::load(values));
            else
                store_short<F>(target, F::load(values), size);
        }
    }

    // Transposes as many rows as a vector has lanes, so that lanes are rows and taps are contiguous in memory. Each
    // block is transposed just before it is needed, while it is in the L1 cache.
    void run_transposed(const Real* rows, T* const* targets, std::int64_t count, Real* scratch) const {
        Real block[lanes * lanes];
        std::int64_t transposed_size = 0, begin = 0, filled = 0;
        for (std::int64_t o = 0; o < table_.out_size; ++o) {
            const std::int64_t first = (table_.first[o] + table_.pad_before) * channels_;
            for (; transposed_size < first + table_.count[o] * channels_; transposed_size += lanes)
                transpose<F>(rows + transposed_size, padded_size(), scratch + transposed_size * lanes, lanes);
            for (std::int64_t channel = 0; channel < channels_; ++channel) {
                F::store(block + filled * lanes, sum_of_rows(o, scratch + (first + channel) * lanes));
                if (++filled < lanes && begin + filled < groups_.elements()) continue;
                store_transposed(block, filled, targets, count, begin);
                begin += filled;
                filled = 0;
            }
        }
    }

    // Output o of one channel, for as many rows as a vector has lanes; the channel's samples start at `source`.
    typename F::Vector sum_of_rows(std::int64_t o, const Real* source) const {
        const Real* const weights = table_.weights_of(o);
        const std::int64_t step = channels_ * lanes;
        return sum<F>(
            table_.count[o], [=](std::int64_t j) { return F::set(weights[j]); },
            [=](std::int64_t j) { return F::load(source + j * step); });
    }

    // Write outputs [begin, begin + size) of `count` rows.
    static void store_transposed(const Real* block, std::int64_t size, T* const* targets, std::int64_t count,
                                 std::int64_t begin) {
        Real transposed_block[lanes * lanes];
        transpose<F>(block, lanes, transposed_block, lanes);
        for (std::int64_t r = 0; r < count; ++r) {
            const typename F::Vector v = F::load(transposed_block + r * lanes);
            if (size == lanes)
                F::store(targets[r] + begin, v);
            else
                store_short<F>(targets[r] + begin, v, size);
        }
    }

    Table<F> table_;
    LaneGroups<F> groups_;
    std::int64_t channels_ = 1;
    bool transposes_ = false, whole_vectors_ = false;
};

template <class F, class T>
class Resampler final : public Plan {
public:
    using Real = typename F::Real;

    explicit Resampler(const Problem& problem)
        : slow_axes_(problem.slow_axes), resamples_rows_(problem.resamples_rows), in_row_(problem.in_row()) {
        for (int axis = 0; axis < slow_axes_; ++axis) slow_[2 - slow_axes_ + axis].make(problem.slow[axis]);
        if (uses_pairs && slow_axes_ > 0) pairs_.make(problem.slow[0]);
        if (resamples_rows_) fast_.make(problem.fast, problem.channels);
    }

    void run(const Batch& batch, const Rows& in, const Rows& out, std::int64_t start,
             std::int64_t stop) const override {
        Scratch scratch(*this);
        const std::int64_t row_batch = resamples_rows_ ? fast_.row_batch() : 1;
        T* targets[maximum(F::lanes, 2)];
        RowCursor cursor(batch, in, out, slow_[0].out_size, slow_[1].out_size, start);
        for (std::int64_t begin = start; begin < stop; begin += row_batch) {
            const std::int64_t count = minimum(row_batch, stop - begin);
            for (std::int64_t r = 0; r < count; ++r, cursor.advance()) {
                targets[r] = reinterpret_cast<T*>(cursor.target());
                if (!resamples_rows_) {
                    blend(cursor, targets[r], scratch);
                    continue;
                }
                Real* const row = scratch.rows.data() + r * fast_.padded_size();
                blend(cursor, row + fast_.before(), scratch);
                fast_.pad(row);
            }
            if (resamples_rows_) fast_.run(scratch.rows.data(), targets, count, scratch.transposed.data());
        }
    }

private:
    // Scratch memory of one run(). Rows blended along the slowest axis are kept while outputs need them.
    struct Scratch {
        explicit Scratch(const Resampler& plan)
            : kept(plan.slow_axes_ == 2 ? plan.slow_[1].width * plan.kept_size() : 0),
              kept_number(plan.slow_[1].width),
              kept_rows(plan.slow_[1].width),
              sources(maximum(plan.slow_[0].width, plan.slow_[1].width)),
              rows(plan.resamples_rows_ ? plan.fast_.row_batch() * plan.fast_.padded_size() : 0),
              transposed(plan.resamples_rows_ ? plan.fast_.scratch_size() : 0) {}

        Buffer<Real> kept;
        Buffer<std::int64_t> kept_number;  // one-based number of the row in each slot; 0 if empty
        Buffer<const Real*> kept_rows;
        Buffer<const T*> sources;
        Buffer<Real> rows, transposed;
        bool fresh = true;
    };

    std::int64_t kept_size() const { return (in_row_ / F::lanes + 2) * F::lanes; }

    static const T* source_of(const RowCursor& cursor, std::int64_t slower, std::int64_t faster) {
        return reinterpret_cast<const T*>(cursor.source(slower, faster));
    }

    template <class O>
    void blend(const RowCursor& cursor, O* target, Scratch& scratch) const {
        const Table<F>& table = slow_[1];
        if (slow_axes_ == 2) {
            blend_kept(cursor, target, scratch);
        } else if (slow_axes_ == 1) {
            const std::int64_t o = cursor.slow[1], count = table.count[o];
            for (std::int64_t j = 0; j < count; ++j)
                scratch.sources[j] = source_of(cursor, 0, clip(table.first[o] + j, table.in_size));
            blend_sources(scratch.sources.data(), table, o, target);
        } else {
            const T* const source = source_of(cursor, 0, 0);
            const Real one = 1;
            blend_rows<F>(&source, &one, 1, target, in_row_);
        }
    }

    // Blend input rows along the slowest axis.
    template <class O>
    void blend_sources(const T* const* sources, const Table<F>& table, std::int64_t o, O* target) const {
        if constexpr (uses_pairs) {
            if (const float scale = pairs_.scale(o); scale != 0) {
                blend_byte_pairs(sources, pairs_.pairs(o), scale, table.count[o], target, in_row_);
                return;
            }
        }
        blend_rows<F>(sources, table.weights_of(o), table.count[o], target, in_row_);
    }

    template <class O>
    void blend_kept(const RowCursor& cursor, O* target, Scratch& scratch) const {
        const Table<F>& slower = slow_[0];
        const Table<F>& table = slow_[1];
        const std::int64_t o = cursor.slow[0], inner = cursor.slow[1];
        if (inner == 0 || scratch.fresh) {  // a new plane starts
            for (std::int64_t slot = 0; slot < table.width; ++slot) scratch.kept_number[slot] = 0;
            scratch.fresh = false;
        }
        for (std::int64_t j = 0; j < table.count[inner]; ++j) {
            const std::int64_t number = clip(table.first[inner] + j, table.in_size), slot = number % table.width;
            Real* const row = scratch.kept.data() + slot * kept_size();
            scratch.kept_rows[j] = row;
            if (scratch.kept_number[slot] == number + 1) continue;
            for (std::int64_t i = 0; i < slower.count[o]; ++i)
                scratch.sources[i] = source_of(cursor, clip(slower.first[o] + i, slower.in_size), number);
            blend_sources(scratch.sources.data(), slower, o, row);
            scratch.kept_number[slot] = number + 1;
        }
        blend_rows<F>(scratch.kept_rows.data(), table.weights_of(inner), table.count[inner], target, in_row_);
    }

    static constexpr bool uses_pairs = std::is_same_v<T, std::uint8_t> && std::is_same_v<F, Float32>;

    int slow_axes_;
    bool resamples_rows_;
    std::int64_t in_row_;
    Table<F> slow_[2];  // right-aligned: the last `slow_axes` entries are used
    PairedWeights pairs_;    // of the slowest axis
    RowResampler<F, T> fast_;
};
