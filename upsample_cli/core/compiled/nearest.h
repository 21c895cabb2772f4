// Nearest-neighbour resampling: every output is a copy of one input sample, of any type.
#pragma once

// For each output along an axis, the index of its input sample.
struct NearestIndex {
    std::int64_t out_size = 1;
    Buffer<std::int64_t> index;

    void make(const Axis& axis) {
        out_size = axis.out_size;
        index = Buffer<std::int64_t>(out_size);
        for (std::int64_t o = 0; o < out_size; ++o) index[o] = clip(axis.first[o], axis.in_size);
    }
    std::int64_t operator[](std::int64_t o) const { return index.data() ? index[o] : 0; }
};

template <std::size_t Size, class Index>
void copy_pixels(const Index* index, std::int64_t count, const char* source, char* target) {
    for (std::int64_t o = 0; o < count; ++o)
        std::memcpy(target + o * static_cast<std::int64_t>(Size), source + index[o] * static_cast<std::int64_t>(Size),
                    Size);
}

// Copy the pixels with these numbers one after the other; `pixel` is the number of bytes per position.
template <class Index>
void copy_all_pixels(const Index* index, std::int64_t count, std::int64_t pixel, const char* source, char* target) {
    switch (pixel) {
        case 1: return copy_pixels<1>(index, count, source, target);
        case 2: return copy_pixels<2>(index, count, source, target);
        case 3: return copy_pixels<3>(index, count, source, target);
        case 4: return copy_pixels<4>(index, count, source, target);
        case 6: return copy_pixels<6>(index, count, source, target);
        case 8: return copy_pixels<8>(index, count, source, target);
        case 12: return copy_pixels<12>(index, count, source, target);
        case 16: return copy_pixels<16>(index, count, source, target);
        default:
            for (std::int64_t o = 0; o < count; ++o)
                std::memcpy(target + o * pixel, source + index[o] * pixel, static_cast<std::size_t>(pixel));
    }
}

class NearestResampler final : public Plan {
public:
    explicit NearestResampler(const Problem& problem)
        : pixel_(problem.channels * problem.item_size),
          resamples_rows_(problem.resamples_rows),
          in_bytes_(problem.in_row() * problem.item_size),
          out_bytes_(problem.out_row() * problem.item_size) {
        for (int axis = 0; axis < problem.slow_axes; ++axis) slow_[2 - problem.slow_axes + axis].make(problem.slow[axis]);
        if (!resamples_rows_) return;
        fast_.make(problem.fast);
        shuffles_ = pixel_ < 2 * block && in_bytes_ >= block && out_bytes_ >= block && make_shuffles();
    }

    void run(const Batch& batch, const Rows& in, const Rows& out, std::int64_t start,
             std::int64_t stop) const override {
        const char *last_source = nullptr, *last_target = nullptr;
        RowCursor cursor(batch, in, out, slow_[0].out_size, slow_[1].out_size, start);
        for (std::int64_t row = start; row < stop; ++row, cursor.advance()) {
            const char* const source = cursor.source(slow_[0][cursor.slow[0]], slow_[1][cursor.slow[1]]);
            char* const target = cursor.target();
            if (source == last_source)
                std::memcpy(target, last_target, static_cast<std::size_t>(out_bytes_));
            else
                make_row(source, target);
            last_source = source;
            last_target = target;
        }
    }

private:
    static constexpr std::int64_t block = 16;  // bytes per shuffle

    // Makes the output bytes from `begin` to the next shuffle's from the block at `base`. It writes a whole block.
    struct Shuffle {
        std::int64_t begin, base;
        std::uint8_t index[block];
    };

    std::int64_t source_of(std::int64_t byte) const { return fast_[byte / pixel_] * pixel_ + byte % pixel_; }

    // False if copying pixel by pixel needs about as few steps.
    bool make_shuffles() {
        const std::int64_t most = out_bytes_ / (2 * pixel_) + 2;
        shuffle_ = Buffer<Shuffle>(most + 1);
        std::int64_t made = 0;
        for (; made <= out_bytes_ - block; made += add_shuffle(made))
            if (shuffle_count_ == most) return false;
        if (made < out_bytes_ && add_shuffle(out_bytes_ - block) == block)
            made = out_bytes_;
        else if (made < out_bytes_)
            --shuffle_count_;  // which would overwrite outputs before the tail
        tail_size_ = out_bytes_ - made;
        for (std::int64_t i = 0; i < tail_size_; ++i) tail_[i] = source_of(made + i);
        return true;
    }

    // Returns how many output bytes, starting at `begin`, have their source bytes in one block.
    std::int64_t add_shuffle(std::int64_t begin) {
        std::int64_t least = source_of(begin), greatest = least, size = 1;
        for (; size < block; ++size) {
            const std::int64_t next = source_of(begin + size);
            if (maximum(greatest, next) - minimum(least, next) >= block) break;
            least = minimum(least, next);
            greatest = maximum(greatest, next);
        }
        Shuffle& shuffle = shuffle_[shuffle_count_++];
        shuffle.begin = begin;
        shuffle.base = minimum(least, in_bytes_ - block);
        for (std::int64_t i = 0; i < size; ++i)
            shuffle.index[i] = static_cast<std::uint8_t>(source_of(begin + i) - shuffle.base);
        return size;
    }

    void make_row(const char* source, char* target) const {
        if (!resamples_rows_) {
            std::memcpy(target, source, static_cast<std::size_t>(out_bytes_));
        } else if (shuffles_) {
            const auto* const from = reinterpret_cast<const std::uint8_t*>(source);
            auto* const to = reinterpret_cast<std::uint8_t*>(target);
            for (std::int64_t number = 0; number < shuffle_count_; ++number) {
                const Shuffle& shuffle = shuffle_[number];
                Bytes::shuffle(from + shuffle.base, shuffle.index, to + shuffle.begin);
            }
            for (std::int64_t i = 0; i < tail_size_; ++i) to[out_bytes_ - tail_size_ + i] = from[tail_[i]];
        } else {
            copy_all_pixels(fast_.index.data(), fast_.out_size, pixel_, source, target);
        }
    }

    std::int64_t pixel_;  // bytes per position on the fast axis
    bool resamples_rows_;
    std::int64_t in_bytes_, out_bytes_;
    NearestIndex slow_[2], fast_;  // right-aligned: the last `slow_axes` entries are used
    bool shuffles_ = false;
    std::int64_t shuffle_count_ = 0;
    std::int64_t tail_size_ = 0, tail_[block] = {};  // source bytes of the last output bytes
    Buffer<Shuffle> shuffle_;
};
