// Weighted sums of three or more rows of bytes, in integers: twice as fast as floating point.
#pragma once

// Integer weights of each output, in pairs, if their rounding error is invisible.
class PairedWeights {
public:
    void make(const Axis& axis) {
        pairs_of_row_ = (axis.width + 1) / 2;
        pairs_ = Buffer<std::int32_t>(axis.out_size * pairs_of_row_);
        scale_ = Buffer<float>(axis.out_size);
        Buffer<long long> rounded(axis.width + 1);
        for (std::int64_t o = 0; o < axis.out_size; ++o) {
            const double scale = round_weights(axis.taps + o * axis.width, axis.count[o], rounded.data());
            if (scale == 0) continue;
            scale_[o] = static_cast<float>(1 / scale);
            for (std::int64_t j = 0; j < axis.count[o]; j += 2) {
                const std::uint32_t high = j + 1 < axis.count[o] ? static_cast<std::uint32_t>(rounded[j + 1]) : 0;
                const std::uint32_t low = static_cast<std::uint32_t>(rounded[j]) & 0xffff;
                pairs_[o * pairs_of_row_ + j / 2] = static_cast<std::int32_t>(high << 16 | low);
            }
        }
    }

    // Factor that turns a sum into a sample; 0 if integer weights are not accurate enough for this output.
    float scale(std::int64_t o) const { return scale_.data() ? scale_[o] : 0; }
    const std::int32_t* pairs(std::int64_t o) const { return pairs_.data() + o * pairs_of_row_; }

    // The weights of taps j and j + 1 of output o as a pair; those of taps that it has not are 0.
    std::int32_t pair(std::int64_t o, std::int64_t j) const {
        return static_cast<std::int32_t>(half(o, j + 1) << 16 | half(o, j));
    }

private:
    static constexpr double max_error = 1.0 / 64;  // of a level; the contract allows 1/32 in all

    // Scale the weights by a power of two, which is returned, and round them so that their sum is preserved.
    static double round_weights(const double* taps, std::int64_t count, long long* rounded) {
        double greatest = 0, total = 0;
        std::int64_t heaviest = 0;
        for (std::int64_t j = 0; j < count; ++j) {
            total += taps[j];
            if (std::fabs(taps[j]) <= greatest) continue;
            greatest = std::fabs(taps[j]);
            heaviest = j;
        }
        if (count < 3 || !(greatest > 0 && greatest < 2) || std::isnan(total)) return 0;
        double scale = 1 << 14;
        while (2 * scale * greatest <= 32000 && scale < (1 << 21)) scale *= 2;
        long long left = std::llround(total * scale);
        for (std::int64_t j = 0; j < count; ++j) left -= rounded[j] = std::llround(taps[j] * scale);
        rounded[heaviest] += left;
        double error = 0, bias = 0, sum = 0;
        for (std::int64_t j = 0; j < count; ++j) {
            const double off = static_cast<double>(rounded[j]) / scale - taps[j];
            error += std::fabs(off);
            bias += off;
            sum += std::fabs(static_cast<double>(rounded[j]));
        }
        const bool fits = std::llabs(rounded[heaviest]) < 32768 && sum * 255 < 2147483647.0;
        return fits && 127.5 * (error + std::fabs(bias)) <= max_error ? scale : 0;
    }

    std::uint32_t half(std::int64_t o, std::int64_t j) const {
        if (j < 0 || j >= 2 * pairs_of_row_) return 0;
        return static_cast<std::uint32_t>(pairs(o)[j / 2]) >> (j % 2 ? 16 : 0) & 0xffff;
    }

    std::int64_t pairs_of_row_ = 0;
    Buffer<std::int32_t> pairs_;
    Buffer<float> scale_;
};

template <class O>
void blend_byte_pairs(const std::uint8_t* const* rows, const std::int32_t* pairs, float scale, std::int64_t count,
                      O* target, std::int64_t size) {
    const auto make = [&](std::int64_t i) {
        PairAccumulator sums;
        for (std::int64_t j = 0; j < count; j += 2)
            sums.add(rows[j] + i, rows[minimum(j + 1, count - 1)] + i, pairs[j / 2]);
        sums.store(target + i, scale);
    };
    for_vectors<PairAccumulator>(size, make, [&] {
        PairAccumulator sums;
        for (std::int64_t j = 0; j < count; j += 2) {
            std::uint8_t a[PairAccumulator::lanes] = {}, b[PairAccumulator::lanes] = {};
            std::memcpy(a, rows[j], static_cast<std::size_t>(size));
            std::memcpy(b, rows[minimum(j + 1, count - 1)], static_cast<std::size_t>(size));
            sums.add(a, b, pairs[j / 2]);
        }
        O made[PairAccumulator::lanes];
        sums.store(made, scale);
        std::memcpy(target, made, static_cast<std::size_t>(size) * sizeof(O));
    });
}
