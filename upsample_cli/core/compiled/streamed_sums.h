// Weighted sums of many rows of bytes, for several outputs at once. Rows are read in order, a few at a time, and added
// to the sums of all outputs that need them, so memory is read about once. Summing each output for itself would read a
// few bytes of each of its rows in turn, which lie so far apart that they displace one another in the cache. Sums of
// integers are exact in any order, so the results are those of blend_byte_pairs().
#pragma once

class StreamedSums {
public:
    static constexpr std::int64_t fewest_taps = 16;  // fewer rows are summed in registers

    StreamedSums(const Table<Float32>& table, const PairedWeights& pairs, std::int64_t size)
        : table_(table), pairs_(pairs), size_(size) {}

    // Whether all outputs [begin, begin + count) have integer weights.
    bool supports(std::int64_t begin, std::int64_t count) const {
        bool all = true;
        for (std::int64_t o = begin; o < begin + count; ++o) all &= pairs_.scale(o) != 0;
        return all && size_ >= lanes;
    }

    // Outputs [begin, begin + count), of `size` samples each, to targets `stride` samples apart.
    template <class RowOf>
    void run(RowOf row_of, std::int64_t begin, std::int64_t count, float* targets, std::int64_t stride) const {
        std::int64_t first = INT64_MAX, last = INT64_MIN;
        for (std::int64_t o = begin; o < begin + count; ++o) {
            std::memset(targets + (o - begin) * stride, 0, static_cast<std::size_t>(size_) * sizeof(float));
            first = minimum(first, table_.first[o]);
            last = maximum(last, table_.first[o] + table_.count[o]);
        }
        const std::uint8_t* rows[block];
        for (; first < last; first += block) {
            for (std::int64_t i = 0; i < block; ++i) rows[i] = row_of(clip(first + i, table_.in_size));
            add_block(rows, first, begin, count, targets, stride);
        }
        for (std::int64_t o = begin; o < begin + count; ++o) finish(row_of, o, targets + (o - begin) * stride);
    }

private:
    static constexpr int block = 6;  // rows; more streams would displace one another in the cache
    static constexpr std::int64_t lanes = PairAccumulator::lanes;
    using Weights = std::int32_t[block / 2];

    // Add the rows from `first` on to the sums of the outputs that need them, two outputs at a time.
    void add_block(const std::uint8_t* const* rows, std::int64_t first, std::int64_t begin, std::int64_t count,
                   float* targets, std::int64_t stride) const {
        Weights weights[2];
        float* sums[2];
        int found = 0;
        for (std::int64_t o = begin; o < begin + count; ++o) {
            const std::int64_t tap = first - table_.first[o];
            if (tap + block <= 0 || tap >= table_.count[o]) continue;
            for (int pair = 0; pair < block / 2; ++pair) weights[found][pair] = pairs_.pair(o, tap + 2 * pair);
            sums[found++] = targets + (o - begin) * stride;
            if (found < 2) continue;
            add_rows<2>(rows, weights, sums);
            found = 0;
        }
        if (found) add_rows<1>(rows, weights, sums);
    }

    template <int Outputs>
    void add_rows(const std::uint8_t* const* any_rows, const Weights* any_weights, float* const* any_sums) const {
        const std::uint8_t* rows[block];  // local copies, so the compiler knows that they do not alias
        Weights weights[Outputs];
        float* sums[Outputs];
        for (int i = 0; i < block; ++i) rows[i] = any_rows[i];
        for (int o = 0; o < Outputs; ++o) {
            std::memcpy(weights[o], any_weights[o], sizeof weights[o]);
            sums[o] = any_sums[o];
        }
        for (std::int64_t i = 0; i + lanes <= size_; i += lanes) {
            PairAccumulator made[Outputs];
            for (int o = 0; o < Outputs; ++o) made[o].load(sums[o] + i);
            for (int pair = 0; pair < block / 2; ++pair)
                for (int o = 0; o < Outputs; ++o)
                    made[o].add(rows[2 * pair] + i, rows[2 * pair + 1] + i, weights[o][pair]);
            for (int o = 0; o < Outputs; ++o) made[o].save(sums[o] + i);
        }
    }

    // Turn the sums into samples, and make the last ones, which do not fill an accumulator.
    template <class RowOf>
    void finish(RowOf row_of, std::int64_t o, float* target) const {
        for (std::int64_t i = 0; i + lanes <= size_; i += lanes) {
            PairAccumulator made;
            made.load(target + i);
            made.store(target + i, pairs_.scale(o));
        }
        if (size_ % lanes == 0) return;
        PairAccumulator made;
        const std::int64_t count = table_.count[o];
        const auto tail = [&](std::int64_t j) {
            return row_of(clip(table_.first[o] + minimum(j, count - 1), table_.in_size)) + size_ - lanes;
        };
        for (std::int64_t j = 0; j < count; j += 2) made.add(tail(j), tail(j + 1), pairs_.pairs(o)[j / 2]);
        made.store(target + size_ - lanes, pairs_.scale(o));
    }

    const Table<Float32>& table_;
    const PairedWeights& pairs_;
    std::int64_t size_;
};
