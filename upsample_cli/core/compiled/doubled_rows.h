// Rows of twice the length. Where the weights repeat after two outputs and one sample, the outputs of even number are
// sums of consecutive samples, and so are those of odd number: only the results must be permuted, to interleave them.
#pragma once

template <class F, class T>
class DoubledRows {
public:
    using Real = typename F::Real;
    using Vector = typename F::Vector;

    // Finds the outputs whose weights repeat: all but some at the ends of the row, or none.
    void make(const Table<F>& table, std::int64_t channels) {
        const bool supported = channels == 1 || (Bytes::can_merge && channels * item <= block / 2);
        if (!supported || table.out_size < 4) return;
        const auto repeats = [&](std::int64_t o) {
            const auto bytes = static_cast<std::size_t>(table.count[o]) * sizeof(Real);
            return table.first[o + 2] == table.first[o] + 1 && table.count[o + 2] == table.count[o] &&
                   std::memcmp(table.weights_of(o + 2), table.weights_of(o), bytes) == 0;
        };
        std::int64_t begin = table.out_size / 2 - 1, end = begin;  // outputs from `begin` to `end` + 1 repeat
        while (end + 2 < table.out_size && repeats(end)) ++end;
        while (begin > 0 && repeats(begin - 1)) --begin;
        begin = (begin + F::lanes - 1) / F::lanes * F::lanes;  // where groups end, and rows are aligned
        if (begin > end || table.count[begin] != table.count[begin + 1]) return;
        channels_ = channels;
        taps_ = table.count[begin];
        const std::int64_t of_block = block_samples / channels * channels;  // of whole pixels
        const std::int64_t beyond = channels == 1 ? 0 : 2 * (block_samples - of_block);
        step_ = channels == 1 ? F::lanes : made / block_samples * of_block;
        begin_ = begin * channels;
        size_ = (end + 2 - begin) / 2 * channels;
        while (begin_ + 2 * size_ + beyond > table.out_size * channels) size_ -= channels;
        if (size_ < step_) size_ = 0;
        for (int phase = 0; phase < 2; ++phase) {
            first_[phase] = (table.first[begin + phase] + table.pad_before) * channels;
            weights_[phase] = table.weights_of(begin + phase);
        }
        make_index(channels * item);
    }

    // The outputs, as a range of samples of the output row; empty if the weights do not repeat.
    std::int64_t begin() const { return begin_; }
    std::int64_t end() const { return begin_ + 2 * size_; }

    // Makes the outputs from a padded row. May write some samples after them, which belong to outputs of the row.
    void run(const Real* row, T* target) const {
        switch (taps_) {
            case 2: channels_ == 1 ? make_samples<2>(row, target) : make_pixels<2>(row, target); break;
            case 4: channels_ == 1 ? make_samples<4>(row, target) : make_pixels<4>(row, target); break;
            default: channels_ == 1 ? make_samples<0>(row, target) : make_pixels<0>(row, target);
        }
    }

private:
    static constexpr std::int64_t item = sizeof(T), block = 16;  // bytes; results of pixels are interleaved in blocks
    static constexpr std::int64_t block_samples = block / item, made = maximum(block_samples, F::lanes);

    // Where the bytes of two blocks of results are, of even and of odd number in turn.
    void make_index(std::int64_t pixel) {
        for (std::int64_t byte = 0; byte < 2 * block; ++byte) {
            std::uint8_t* const index = index_[byte / block] + byte % block;
            const bool odd = byte / pixel % 2 == 1;
            index[odd ? block : 0] = static_cast<std::uint8_t>((byte / (2 * pixel) * pixel + byte % pixel) % block);
            index[odd ? 0 : block] = Bytes::none;
        }
    }

    // Makes vectors of the outputs of one phase, even or odd.
    template <int Taps>
    struct Phase {
        const Real* source;
        const Real* any_weights;
        std::int64_t channels, taps;
        Vector weights[Taps ? Taps : 1];

        Phase(const DoubledRows& rows, const Real* row, int phase)
            : source(row + rows.first_[phase]), any_weights(rows.weights_[phase]), channels(rows.channels_),
              taps(rows.taps_) {
            for (int tap = 0; tap < Taps; ++tap) weights[tap] = F::set(any_weights[tap]);
        }

        // The outputs from number `i` of the phase on.
        Vector operator()(std::int64_t i) const {
            return sum<F>(
                Taps ? Taps : taps, [&](std::int64_t tap) { return Taps ? weights[tap] : F::set(any_weights[tap]); },
                [&](std::int64_t tap) { return F::load(source + i + tap * channels); });
        }
    };

    template <int Taps>
    void make_samples(const Real* row, T* target) const {
        const Phase<Taps> even(*this, row, 0), odd(*this, row, 1);
        const std::int64_t size = size_;
        T* const to = target + begin_;
        for (std::int64_t k = 0; k < size; k += F::lanes) {
            const std::int64_t i = minimum(k, size - F::lanes);
            store_pairs(to + 2 * i, even(i), odd(i));
        }
    }

    static void store_pairs(T* target, Vector even, Vector odd) {
        if constexpr (F::fixed) {
            F::store_pairs(target, even, odd);
        } else {
            F::interleave(even, odd);
            store_both(target, even, odd);
        }
    }

    static void store_both(T* target, Vector a, Vector b) {
        if constexpr (StoresTwo<F, T>::value) {
            F::store_two(target, a, b);
        } else {
            F::store(target, a);
            F::store(target + F::lanes, b);
        }
    }

    template <int Taps>
    void make_pixels(const Real* row, T* target) const {
        if constexpr (Bytes::can_merge && item <= block / 4) {
            const Phase<Taps> even(*this, row, 0), odd(*this, row, 1);
            const std::int64_t size = size_, step = step_, per_block = step / (made / block_samples);
            T* const to = target + begin_;
            for (std::int64_t k = 0; k < size; k += step) {
                const std::int64_t i = minimum(k, size - step);
                T results[2][made];
                make_results(even, i, results[0]);
                make_results(odd, i, results[1]);
                for (std::int64_t at = 0; at < step; at += per_block)
                    for (int half = 0; half < 2; ++half)
                        Bytes::merge(results[0] + at, results[1] + at, index_[half],
                                     to + 2 * (i + at) + half * block_samples);
            }
        }
    }

    template <int Taps>
    static void make_results(const Phase<Taps>& phase, std::int64_t i, T* results) {
        if constexpr (made == F::lanes)
            F::store(results, phase(i));
        else
            for (std::int64_t at = 0; at < made; at += 2 * F::lanes)
                store_both(results + at, phase(i + at), phase(i + at + F::lanes));
    }

    std::int64_t channels_ = 1, taps_ = 0;
    std::int64_t step_ = 0;              // results of each phase that are made together
    std::int64_t begin_ = 0, size_ = 0;  // where outputs begin, and their number in each phase
    std::int64_t first_[2] = {};         // of each phase: where its first sample is in the padded row
    const Real* weights_[2] = {};
    std::uint8_t index_[2][2 * block] = {};  // for either half of two blocks: its bytes of even and of odd results
};
