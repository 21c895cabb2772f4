// Banded matrices made ready: weights of the type of the arithmetic, and permutations for groups of outputs.
#pragma once

// The matrix of an axis. No band lies beyond the input by more than its own width.
template <class F>
struct Table {
    using Real = typename F::Real;

    std::int64_t in_size = 1, out_size = 1, width = 1;
    std::int64_t pad_before = 0, pad_after = 0;  // samples by which bands hang over the ends
    Buffer<std::int64_t> first, count;
    Buffer<Real> weights;

    void make(const Axis& axis) {
        in_size = axis.in_size;
        out_size = axis.out_size;
        width = axis.width;
        first = Buffer<std::int64_t>(out_size);
        count = Buffer<std::int64_t>(out_size);
        weights = Buffer<Real>(out_size * width);
        for (std::int64_t o = 0; o < out_size; ++o) {
            count[o] = axis.count[o];
            first[o] = smaller(larger(axis.first[o], 1 - count[o]), in_size - 1);
            set_weights(o, axis.taps + o * width);
            pad_before = larger(pad_before, -first[o]);
            pad_after = larger(pad_after, first[o] + count[o] - in_size);
        }
    }

    const Real* weights_of(std::int64_t o) const { return weights.data() + o * width; }

private:
    void set_weights(std::int64_t o, const double* taps) {
        Real* const row = weights.data() + o * width;
        if constexpr (F::fixed) {
            if (count[o] < 2) return;
            const long weight = std::lround(taps[1] * 32768);
            if (weight < 32768)
                row[1] = static_cast<Real>(weight);
            else  // all of the second sample: it becomes the first
                first[o] = smaller(first[o] + 1, in_size - 1);
        } else {
            for (std::int64_t j = 0; j < count[o]; ++j) row[j] = static_cast<Real>(taps[j]);
        }
    }
};

// How a group of as many outputs as a vector has lanes is made: tap j is a permutation of the lanes that begin at
// `base` + j * channels. Groups that repeat each other further on share a pattern.
struct Group {
    std::int64_t base;     // in the padded row
    std::int64_t pattern;  // offset of the index and the weights; negative where the group is made lane by lane
    std::int64_t count;    // of taps
    bool two;              // whether the lanes reach into a second vector
};

template <class F>
class Groups {
public:
    using Real = typename F::Real;
    static constexpr int lanes = F::lanes;
    static constexpr std::int64_t index_size = (F::index_bytes + 63) / 64 * 64;

    void make(const Table<F>& table, std::int64_t channels) {
        const std::int64_t elements = table.out_size * channels;
        count_ = (elements + lanes - 1) / lanes;
        pattern_size_ = index_size + table.width * lanes * static_cast<std::int64_t>(sizeof(Real));
        pattern_size_ = (pattern_size_ + 63) / 64 * 64;
        groups_ = Buffer<Group>(count_);
        std::int64_t room = 1;
        while (room < 2 * count_) room *= 2;
        Buffer<std::int64_t> places(room);  // of patterns by their hash, counted from 1
        Buffer<std::uint8_t> patterns(smaller(count_, most_patterns) * pattern_size_);
        patterns_ = static_cast<Buffer<std::uint8_t>&&>(patterns);
        for (std::int64_t g = 0; g < count_; ++g) {
            groups_[g] = make_group(table, channels, begin(g, elements), smaller(lanes, elements));
            if (groups_[g].pattern >= 0) share(groups_[g], places.data(), room);
        }
    }

    static std::int64_t begin(std::int64_t g, std::int64_t elements) {
        return larger(smaller(g * lanes, elements - lanes), 0);  // the last one overlaps the one before it
    }

    std::int64_t size() const { return count_; }
    const Group& operator[](std::int64_t g) const { return groups_[g]; }
    const std::uint8_t* index(const Group& group) const { return patterns_.data() + group.pattern; }
    const Real* weights(const Group& group) const {
        return reinterpret_cast<const Real*>(patterns_.data() + group.pattern + index_size);
    }
    // Whether most outputs read so far apart that permutations do not reach.
    bool scattered() const {
        std::int64_t lanewise = 0;
        for (std::int64_t g = 0; g < count_; ++g) lanewise += groups_[g].pattern < 0;
        return 4 * lanewise > count_;
    }

private:
    static constexpr std::int64_t most_patterns = 1 << 16;

    Group make_group(const Table<F>& table, std::int64_t channels, std::int64_t begin, std::int64_t size) {
        std::int64_t position[lanes];
        Group group{INT64_MAX, -1, table.count[begin / channels], false};
        std::int64_t last = 0;
        bool even = true;  // all rows have as many taps
        std::int64_t o = begin / channels, channel = begin % channels;
        for (std::int64_t lane = 0; lane < size; ++lane) {
            position[lane] = (table.first[o] + table.pad_before) * channels + channel;
            group.base = smaller(group.base, position[lane]);
            last = larger(last, position[lane]);
            even &= table.count[o] == group.count;
            if (++channel == channels) channel = 0, ++o;
        }
        group.two = last - group.base >= lanes;
        if (!even || last - group.base >= 2 * lanes || used_ == most_patterns) return group;
        group.pattern = used_ * pattern_size_;
        std::uint8_t* const pattern = patterns_.data() + group.pattern;
        std::memset(pattern, 0, static_cast<std::size_t>(pattern_size_));
        std::uint8_t lane_numbers[lanes] = {};
        Real* const weights = reinterpret_cast<Real*>(pattern + index_size);
        for (std::int64_t lane = 0; lane < size; ++lane) {
            lane_numbers[lane] = static_cast<std::uint8_t>(position[lane] - group.base);
            const Real* const row = table.weights_of((begin + lane) / channels);
            for (std::int64_t j = 0; j < group.count; ++j) weights[j * lanes + lane] = row[j];
        }
        F::make_index(lane_numbers, pattern);
        return group;
    }

    // Let the group use an equal pattern that exists, or keep the one that was made for it.
    void share(Group& group, std::int64_t* places, std::int64_t room) {
        const std::uint8_t* const pattern = patterns_.data() + group.pattern;
        std::uint64_t hash = 14695981039346656037u;  // FNV-1a, by eight bytes
        for (std::int64_t at = 0; at < pattern_size_; at += 8) {
            std::uint64_t word;
            std::memcpy(&word, pattern + at, 8);
            hash = (hash ^ word) * 1099511628211u;
            hash ^= hash >> 32;
        }
        std::int64_t place = static_cast<std::int64_t>(hash & static_cast<std::uint64_t>(room - 1));
        for (; places[place] != 0; place = (place + 1) & (room - 1)) {
            const std::int64_t other = (places[place] - 1) * pattern_size_;
            if (std::memcmp(patterns_.data() + other, pattern, static_cast<std::size_t>(pattern_size_)) == 0) {
                group.pattern = other;
                return;
            }
        }
        places[place] = ++used_;
    }

    std::int64_t count_ = 0, used_ = 0, pattern_size_ = 0;
    Buffer<Group> groups_;
    Buffer<std::uint8_t> patterns_;
};
