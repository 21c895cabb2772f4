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
        doubled_.make(table_, channels);
        groups_.make(table_, channels, doubled_.begin(), doubled_.end());
        const bool scattered = doubled_.begin() == doubled_.end() && groups_.scattered();
        transposes_ = !F::fixed && scattered && padded_size() * lanes <= max_transposed;
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

    // Whether two rows can be blended and the result resampled in one step, see run_fused().
    // Samples of two rows are loaded twice, so that fusing does not pay if they must be converted or pixels are short.
    bool fuses() const { return whole_vectors_ && channels_ >= 4 * lanes && table_.width <= 2; }

    // Two rows, or one, with their weights, and the output row.
    struct FusedRows {
        const T* sources[2];
        const Real* weights;
        std::int64_t count;
        T* target;
        bool streams;  // stores past the cache, because the output is too large for it
    };

    // Blend the rows and resample the result, which is only held in registers.
    void run_fused(FusedRows rows) const {
        rows.streams &= reinterpret_cast<std::uintptr_t>(rows.target) % sizeof(typename F::Vector) == 0;
        for (std::int64_t o = 0, end; o < table_.out_size; o = end) {
            const auto is_like_first = [&](std::int64_t other) {
                return table_.first[other] == table_.first[o] && table_.count[other] == table_.count[o];
            };
            for (end = o + 1; end < table_.out_size && end - o < 2 && is_like_first(end);) ++end;
            const bool twice = end - o == 2;
            if (rows.count == 2 && table_.count[o] == 2)
                twice ? fuse<2, 2, 2>(o, rows) : fuse<2, 2, 1>(o, rows);
            else if (rows.count == 2)
                twice ? fuse<2, 1, 2>(o, rows) : fuse<2, 1, 1>(o, rows);
            else if (table_.count[o] == 2)
                twice ? fuse<1, 2, 2>(o, rows) : fuse<1, 2, 1>(o, rows);
            else
                twice ? fuse<1, 1, 2>(o, rows) : fuse<1, 1, 1>(o, rows);
        }
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
    static constexpr std::int64_t ahead = 1024 / sizeof(T);  // samples from a store to the line that it fetches
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

    // Outputs [o, o + Outputs), which read the same samples, `Taps` in each of `Rows` rows.
    template <int Rows, int Taps, int Outputs>
    void fuse(std::int64_t o, const FusedRows& rows) const {
        const std::int64_t channels = channels_;
        const bool streams = rows.streams;
        const T* sources[Taps][Rows];
        typename F::Vector weights[Outputs][Taps], weights_of_rows[Rows];
        T* const target = rows.target + o * channels;
        for (int row = 0; row < Rows; ++row) {
            weights_of_rows[row] = F::set(rows.weights[row]);
            for (int tap = 0; tap < Taps; ++tap)
                sources[tap][row] = rows.sources[row] + clip(table_.first[o] + tap, table_.in_size) * channels;
        }
        for (int output = 0; output < Outputs; ++output)
            for (int tap = 0; tap < Taps; ++tap) weights[output][tap] = F::set(table_.weights_of(o + output)[tap]);
        const std::int64_t far = maximum(ahead, Outputs * channels);
        for (std::int64_t channel = 0; channel < channels; channel += lanes) {
            typename F::Vector samples[Taps];
            for (int tap = 0; tap < Taps; ++tap)
                samples[tap] = sum<F>(
                    Rows, [&](std::int64_t row) { return weights_of_rows[row]; },
                    [&](std::int64_t row) { return F::load(sources[tap][row] + channel); });
            for (int output = 0; output < Outputs; ++output) {
                T* const to = target + output * channels + channel;
                const typename F::Vector result = sum<F>(
                    Taps, [&](std::int64_t tap) { return weights[output][tap]; },
                    [&](std::int64_t tap) { return samples[tap]; });
                if (streams) {
                    F::stream(to, result);
                } else {
                    prefetch(to + far);
                    F::store(to, result);
                }
            }
        }
    }

    template <int Rows>
    void make_rows(const Real* rows, T* const* targets) const {
        if (doubled_.begin() < doubled_.end())
            for (int r = 0; r < Rows; ++r) doubled_.run(rows + r * padded_size(), targets[r]);
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
        const auto make = [&](const Group& group, typename F::Index index, int r) {
            const Real* const weights = groups.weights(group);
            const auto weight = [&](std::int64_t j) { return F::load(weights + j * lanes); };
            return sum<F>(count, weight, taps<reach>(rows + r * stride + group.base, index, channels));
        };
        std::int64_t g = run.begin;
        if constexpr (StoresTwo<F, T>::value) {
            for (; g + 1 < end && groups.begin(g + 1) == groups.begin(g) + lanes; g += 2) {
                const Group one = groups[g], other = groups[g + 1];
                const typename F::Index index = F::index(groups.index(one)), next = F::index(groups.index(other));
                for (int r = 0; r < Rows; ++r)
                    F::store_two(to[r] + groups.begin(g), make(one, index, r), make(other, next, r));
            }
        }
        for (; g < end; ++g) {
            const Group group = groups[g];
            const typename F::Index index = F::index(groups.index(group));
            for (int r = 0; r < Rows; ++r) F::store(to[r] + groups.begin(g), make(group, index, r));
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
            for (std::int64_t channel = 0; channel < channels_;) {
                const Real* const source = scratch + (first + channel) * lanes;
                Real* const target = block + filled * lanes;
                const std::int64_t left = minimum(channels_ - channel, lanes - filled);
                constexpr int most = lanes < 3 ? 1 : 3;
                if (left >= most)
                    sum_channels<most>(o, source, target);
                else
                    sum_channels<1>(o, source, target);
                channel += left >= most ? most : 1;
                filled += left >= most ? most : 1;
                if (filled < lanes && begin + filled < groups_.elements()) continue;
                store_transposed(block, filled, targets, count, begin);
                begin += filled;
                filled = 0;
            }
        }
    }

    // Output o of some channels, for as many rows as a vector has lanes; the first channel's samples start at `source`.
    template <int Channels>
    void sum_channels(std::int64_t o, const Real* source, Real* target) const {
        const Real* const weights = table_.weights_of(o);
        const std::int64_t count = table_.count[o], step = channels_ * lanes;
        typename F::Vector sums[Channels];
        for (int channel = 0; channel < Channels; ++channel)
            sums[channel] = F::multiply(F::set(weights[0]), F::load(source + channel * lanes));
        for (std::int64_t j = 1; j < count; ++j) {
            const typename F::Vector weight = F::set(weights[j]);
            for (int channel = 0; channel < Channels; ++channel)
                sums[channel] = F::multiply_add(weight, F::load(source + j * step + channel * lanes), sums[channel]);
        }
        for (int channel = 0; channel < Channels; ++channel) F::store(target + channel * lanes, sums[channel]);
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
    DoubledRows<F, T> doubled_;
    LaneGroups<F> groups_;
    std::int64_t channels_ = 1;
    bool transposes_ = false, whole_vectors_ = false;
};

template <class F, class T>
class Resampler final : public Plan {
public:
    using Real = typename F::Real;

    explicit Resampler(const Problem& problem)
        : slow_axes_(problem.slow_axes), resamples_rows_(problem.resamples_rows), in_row_(problem.in_row()),
          out_row_(problem.out_row()) {
        for (int axis = 0; axis < slow_axes_; ++axis) slow_[2 - slow_axes_ + axis].make(problem.slow[axis]);
        if (uses_pairs && slow_axes_ > 0) pairs_.make(problem.slow[0]);
        if (resamples_rows_) fast_.make(problem.fast, problem.channels);
        fuses_ = can_fuse && slow_axes_ == 1 && slow_[1].width <= 2 && resamples_rows_ && fast_.fuses();
        streams_ = uses_pairs && slow_axes_ == 1 && resamples_rows_ && slow_[1].width >= StreamedSums::fewest_taps;
    }

    void run(const Batch& batch, const Rows& in, const Rows& out, std::int64_t start,
             std::int64_t stop) const override {
        Scratch scratch(*this);
        const std::int64_t row_batch = resamples_rows_ ? fast_.row_batch() : 1;
        T* targets[maximum(F::lanes, 2)];
        const bool streams = fuses_ && exceeds_cache(batch);
        RowCursor cursor(batch, in, out, slow_[0].out_size, slow_[1].out_size, start);
        for (std::int64_t begin = start; begin < stop; begin += row_batch) {
            const std::int64_t count = minimum(row_batch, stop - begin);
            const bool blended = blend_streamed(cursor, count, scratch);
            for (std::int64_t r = 0; r < count; ++r, cursor.advance()) {
                targets[r] = reinterpret_cast<T*>(cursor.target());
                if constexpr (can_fuse) {
                    if (fuses_) {
                        fuse_row(cursor, targets[r], streams);
                        continue;
                    }
                }
                if (!resamples_rows_) {
                    blend(cursor, targets[r], scratch);
                    continue;
                }
                Real* const row = scratch.rows.data() + r * fast_.padded_size();
                if (!blended) blend(cursor, row + fast_.before(), scratch);
                fast_.pad(row);
            }
            if (resamples_rows_ && !fuses_) fast_.run(scratch.rows.data(), targets, count, scratch.transposed.data());
        }
        if (streams) end_streaming();
    }

private:
    // Scratch memory of one run(). Rows blended along the slowest axis are kept while outputs need them.
    struct Scratch {
        explicit Scratch(const Resampler& plan)
            : kept(plan.slow_axes_ == 2 ? plan.slow_[1].width * plan.kept_size() : 0),
              kept_number(plan.slow_[1].width),
              kept_rows(plan.slow_[1].width),
              sources(maximum(plan.slow_[0].width, plan.slow_[1].width)),
              rows(plan.resamples_rows_ && !plan.fuses_ ? plan.fast_.row_batch() * plan.fast_.padded_size() : 0),
              transposed(plan.resamples_rows_ ? plan.fast_.scratch_size() : 0) {}

        Buffer<Real> kept;
        Buffer<std::int64_t> kept_number;  // one-based number of the row in each slot; 0 if empty
        Buffer<const Real*> kept_rows;
        Buffer<const T*> sources;
        Buffer<Real> rows, transposed;
        bool fresh = true;
    };

    static constexpr std::int64_t large_output = 16 << 20;  // bytes: more than a core's share of the last cache

    bool exceeds_cache(const Batch& batch) const {
        std::int64_t size = out_row_ * static_cast<std::int64_t>(sizeof(T)) * slow_[0].out_size * slow_[1].out_size;
        for (int axis = 0; axis < batch.axes && size < large_output; ++axis) size *= batch.sizes[axis];
        return size >= large_output;
    }

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

    void fuse_row(const RowCursor& cursor, T* target, bool streams) const {
        const Table<F>& table = slow_[1];
        const std::int64_t o = cursor.slow[1], first = table.first[o];
        const auto row = [&](std::int64_t number) { return source_of(cursor, 0, clip(number, table.in_size)); };
        fast_.run_fused({{row(first), row(first + 1)}, table.weights_of(o), table.count[o], target, streams});
    }

    // Blend the next `count` rows together, if they are of one plane and have many taps.
    bool blend_streamed(const RowCursor& cursor, std::int64_t count, Scratch& scratch) const {
        if constexpr (uses_pairs) {
            const std::int64_t o = cursor.slow[1];
            if (!streams_ || o + count > slow_[1].out_size) return false;
            const StreamedSums sums(slow_[1], pairs_, in_row_);
            if (!sums.supports(o, count)) return false;
            const auto row_of = [&](std::int64_t number) { return source_of(cursor, 0, number); };
            sums.run(row_of, o, count, scratch.rows.data() + fast_.before(), fast_.padded_size());
            return true;
        }
        return false;
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

    static constexpr bool can_fuse = std::is_same_v<T, Real>;
    static constexpr bool uses_pairs = std::is_same_v<T, std::uint8_t> && std::is_same_v<F, Float32>;

    int slow_axes_;
    bool resamples_rows_, streams_ = false, fuses_ = false;
    std::int64_t in_row_, out_row_;
    Table<F> slow_[2];  // right-aligned: the last `slow_axes` entries are used
    PairedWeights pairs_;    // of the slowest axis
    RowResampler<F, T> fast_;
};
