// Precomputed tables of banded matrices: converted weights, and permutations for groups of outputs.
#pragma once

// The matrix of one axis. Bands extend beyond the input by less than their own width.
template <class F>
struct Table {
    using Real = typename F::Real;

    std::int64_t in_size = 1, out_size = 1, width = 1;
    std::int64_t pad_before = 0, pad_after = 0;  // samples that bands read beyond each end
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
            first[o] = minimum(maximum(axis.first[o], 1 - count[o]), in_size - 1);
            set_weights(o, axis.taps + o * width);
            pad_before = maximum(pad_before, -first[o]);
            pad_after = maximum(pad_after, first[o] + count[o] - in_size);
        }
    }

    const Real* weights_of(std::int64_t o) const { return weights.data() + o * width; }

private:
    void set_weights(std::int64_t o, const double* taps) {
        Real* const row = weights.data() + o * width;
        if constexpr (F::fixed) {
            if (count[o] < 2) return;
            const int weight = static_cast<int>(taps[1] * 32768 + 0.5);
            if (weight < 32768)
                row[1] = static_cast<Real>(weight);
            else  // weight 1 on the second sample: make it the first
                first[o] = minimum(first[o] + 1, in_size - 1);
        } else {
            for (std::int64_t j = 0; j < count[o]; ++j) row[j] = static_cast<Real>(taps[j]);
        }
    }
};

// A group of neighbouring outputs, one per vector lane. Tap j is a permutation of the samples from
// `base` + j * channels on. Groups with equal permutations and weights share one pattern.
struct Group {
    std::int64_t base;     // in the padded row
    std::int64_t pattern;  // byte offset of the pattern
};

enum class PermuteReach {
    near,      // all taps are in one vector
    vector,    // the samples of each tap are in one vector
    two,       // the samples of each tap are in two vectors
    lanewise,  // too far apart to permute, or different tap counts: computed lane by lane
};

// Consecutive groups that are computed in the same way.
struct GroupRun {
    std::int64_t begin, end;  // range of group indices
    std::int64_t count;       // of taps
    PermuteReach reach;
};

template <class F>
class LaneGroups {
public:
    using Real = typename F::Real;
    static constexpr int lanes = F::lanes;

    // All groups but those within [skip_begin, skip_end), a range of samples of the row.
    void make(const Table<F>& table, std::int64_t channels, std::int64_t skip_begin, std::int64_t skip_end) {
        elements_ = table.out_size * channels;
        const std::int64_t size = (elements_ + lanes - 1) / lanes;
        pattern_size_ = round_up(index_size + table.width * lanes * static_cast<std::int64_t>(sizeof(Real)));
        groups_ = Buffer<Group>(size);
        runs_ = Buffer<GroupRun>(size);
        std::int64_t slot_count = 1;
        while (slot_count < 2 * size) slot_count *= 2;
        Buffer<std::int64_t> slots(slot_count);  // hash table of one-based pattern numbers
        if (table.width <= max_taps) patterns_ = Buffer<std::uint8_t>(minimum(size, max_patterns) * pattern_size_);
        for (std::int64_t g = 0; g < size; ++g) {
            if (skip_begin <= view().begin(g) && view().begin(g) + lanes <= skip_end) continue;
            GroupRun run{g, g + 1, 0, PermuteReach::lanewise};
            groups_[g] = make_group(table, channels, view().begin(g), run);
            if (run.reach != PermuteReach::lanewise) deduplicate(groups_[g], slots.data(), slot_count);
            GroupRun* const last = run_count_ ? &runs_[run_count_ - 1] : nullptr;
            if (last && last->end == g && last->reach == run.reach && last->count == run.count)
                last->end = run.end;
            else
                runs_[run_count_++] = run;
        }
    }

    // The data needed to compute groups.
    struct View {
        const Group* groups;
        const std::uint8_t* patterns;
        std::int64_t elements;

        const Group& operator[](std::int64_t g) const { return groups[g]; }
        // First output of a group; the last group overlaps the one before it.
        std::int64_t begin(std::int64_t g) const { return maximum(minimum(g * lanes, elements - lanes), 0); }
        const std::uint8_t* index(const Group& group) const { return patterns + group.pattern; }
        const Real* weights(const Group& group) const {
            return reinterpret_cast<const Real*>(patterns + group.pattern + index_size);
        }
    };
    View view() const { return {groups_.data(), patterns_.data(), elements_}; }

    std::int64_t elements() const { return elements_; }
    std::int64_t run_count() const { return run_count_; }
    const GroupRun& run(std::int64_t number) const { return runs_[number]; }

    // Whether more than a quarter of the groups is computed lane by lane.
    bool scattered() const {
        std::int64_t all = 0, lanewise = 0;
        for (std::int64_t number = 0; number < run_count_; ++number) {
            const std::int64_t size = run(number).end - run(number).begin;
            all += size;
            if (run(number).reach == PermuteReach::lanewise) lanewise += size;
        }
        return 4 * lanewise > all;
    }

private:
    static constexpr std::int64_t round_up(std::int64_t size) { return (size + 63) / 64 * 64; }
    static constexpr std::int64_t index_size = round_up(F::index_bytes);
    static constexpr std::int64_t max_patterns = 1 << 16, max_taps = 64;

    Group make_group(const Table<F>& table, std::int64_t channels, std::int64_t begin, GroupRun& run) {
        const std::int64_t size = minimum(lanes, elements_);
        std::int64_t offset[lanes], last = 0, o = begin / channels, channel = begin % channels;
        Group group{INT64_MAX, 0};
        run.count = table.count[o];
        bool permutable = size == lanes && table.width <= max_taps;  // and all outputs have equal tap counts
        for (std::int64_t lane = 0; lane < size; ++lane) {
            offset[lane] = (table.first[o] + table.pad_before) * channels + channel;
            group.base = minimum(group.base, offset[lane]);
            last = maximum(last, offset[lane]);
            permutable &= table.count[o] == run.count;
            if (++channel == channels) channel = 0, ++o;
        }
        const std::int64_t span = last - group.base;
        if (!permutable || span >= 2 * lanes || used_ == max_patterns) {
            run.count = 0;
            return group;
        }
        const bool near = span + (run.count - 1) * channels < lanes;
        run.reach = near ? PermuteReach::near : span < lanes ? PermuteReach::vector : PermuteReach::two;
        group.pattern = used_ * pattern_size_;
        write_pattern(table, channels, begin, run.count, group, offset);
        return group;
    }

    void write_pattern(const Table<F>& table, std::int64_t channels, std::int64_t begin, std::int64_t count,
                       const Group& group, const std::int64_t* offset) {
        std::uint8_t* const pattern = patterns_.data() + group.pattern;
        std::memset(pattern, 0, static_cast<std::size_t>(pattern_size_));
        std::uint8_t lane_numbers[lanes];
        Real* const weights = reinterpret_cast<Real*>(pattern + index_size);
        std::int64_t o = begin / channels, channel = begin % channels;
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            lane_numbers[lane] = static_cast<std::uint8_t>(offset[lane] - group.base);
            const Real* const row = table.weights_of(o);
            for (std::int64_t j = 0; j < count; ++j) weights[j * lanes + lane] = row[j];
            if (++channel == channels) channel = 0, ++o;
        }
        F::make_index(lane_numbers, pattern);
    }

    // Reuse an equal pattern for the group, or keep the new one.
    void deduplicate(Group& group, std::int64_t* slots, std::int64_t slot_count) {
        const std::uint8_t* const pattern = patterns_.data() + group.pattern;
        std::uint64_t hash = 14695981039346656037u;  // FNV-1a, eight bytes at a time
        for (std::int64_t at = 0; at < pattern_size_; at += 8) {
            std::uint64_t word;
            std::memcpy(&word, pattern + at, 8);
            hash = (hash ^ word) * 1099511628211u;
            hash ^= hash >> 32;
        }
        std::int64_t slot = static_cast<std::int64_t>(hash & static_cast<std::uint64_t>(slot_count - 1));
        for (; slots[slot] != 0; slot = (slot + 1) & (slot_count - 1)) {
            const std::int64_t other = (slots[slot] - 1) * pattern_size_;
            if (std::memcmp(patterns_.data() + other, pattern, static_cast<std::size_t>(pattern_size_)) == 0) {
                group.pattern = other;
                return;
            }
        }
        slots[slot] = ++used_;
    }

    std::int64_t elements_ = 0, run_count_ = 0, used_ = 0, pattern_size_ = 0;
    Buffer<Group> groups_;
    Buffer<GroupRun> runs_;
    Buffer<std::uint8_t> patterns_;
};
