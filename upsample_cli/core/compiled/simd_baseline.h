// Portable vectors: arrays of four lanes, which compilers map to the target's instructions.
#pragma once

template <class RealType, int Lanes>
struct PortableVector {
    using Real = RealType;
    struct Vector {
        Real lane[Lanes];
    };
    struct Index {
        const std::uint8_t* lane;
        int shift;
    };
    static constexpr int lanes = Lanes;
    static constexpr bool fixed = false;
    static constexpr int index_bytes = Lanes;

    template <class T>
    static Vector load(const T* source) {
        Vector v;
        for (int i = 0; i < lanes; ++i) v.lane[i] = static_cast<Real>(source[i]);
        return v;
    }
    static Vector load(const Half* source) { return load_halves(source); }
    static Vector load(const BFloat16* source) { return load_halves(source); }
    static void store(Half* target, Vector v) {
        for (int i = 0; i < lanes; ++i) target[i] = to_half(v.lane[i]);
    }
    static void store(BFloat16* target, Vector v) {
        for (int i = 0; i < lanes; ++i) target[i] = to_bfloat16(v.lane[i]);
    }
    static void store(Real* target, Vector v) { std::memcpy(target, v.lane, sizeof v.lane); }
    static void stream(Real* target, Vector v) { store(target, v); }
    template <class T>
    static void store(T* target, Vector v) {
        for (int i = 0; i < lanes; ++i) target[i] = to_sample<T>(v.lane[i]);
    }
    static Vector set(Real x) {
        Vector v;
        for (int i = 0; i < lanes; ++i) v.lane[i] = x;
        return v;
    }
    static Vector multiply(Vector a, Vector b) {
        for (int i = 0; i < lanes; ++i) a.lane[i] *= b.lane[i];
        return a;
    }
    static Vector multiply_add(Vector a, Vector b, Vector sum) {
        for (int i = 0; i < lanes; ++i) sum.lane[i] += a.lane[i] * b.lane[i];
        return sum;
    }
    static Real multiply_add(Real a, Real b, Real sum) { return sum + a * b; }
    static void make_index(const std::uint8_t* lane, std::uint8_t* index) { std::memcpy(index, lane, lanes); }
    static Index index(const std::uint8_t* at) { return {at, 0}; }
    static Index shifted(Index index, int places) { return {index.lane, index.shift + places}; }
    static Vector permute(Vector v, Index index) {
        Vector permuted;
        for (int i = 0; i < lanes; ++i) permuted.lane[i] = v.lane[index.lane[i] + index.shift];
        return permuted;
    }
    static Vector permute_two(Vector low, Vector high, Index index) {
        Vector permuted;
        for (int i = 0; i < lanes; ++i) {
            const int place = index.lane[i] + index.shift;
            permuted.lane[i] = place < lanes ? low.lane[place] : high.lane[place - lanes];
        }
        return permuted;
    }
    // In place of two vectors, their elements in turn.
    static void interleave(Vector& even, Vector& odd) {
        Real both[2 * lanes];
        for (int i = 0; i < lanes; ++i) both[2 * i] = even.lane[i], both[2 * i + 1] = odd.lane[i];
        even = load(both);
        odd = load(both + lanes);
    }

private:
    template <class T>
    static Vector load_halves(const T* source) {
        Vector v;
        for (int i = 0; i < lanes; ++i) v.lane[i] = to_float(source[i]);
        return v;
    }
};

using Float32 = PortableVector<float, 4>;
using Float64 = PortableVector<double, 4>;

// 16-bit fixed point with 7 fraction bits.
struct Fixed16 {
    using Real = std::int16_t;
    static constexpr int lanes = 8;
    struct Vector {
        Real lane[lanes];
    };
    struct Index {
        const std::uint8_t* lane;
        int shift;
    };
    static constexpr bool fixed = true;
    static constexpr int index_bytes = lanes;

    static Vector load(const Real* source) {
        Vector v;
        std::memcpy(v.lane, source, sizeof v.lane);
        return v;
    }
    static Vector load(const std::uint8_t* source) {
        Vector v;
        for (int i = 0; i < lanes; ++i) v.lane[i] = static_cast<Real>(source[i] << 7);
        return v;
    }
    static void store(Real* target, Vector v) { std::memcpy(target, v.lane, sizeof v.lane); }
    static void store(std::uint8_t* target, Vector v) {
        for (int i = 0; i < lanes; ++i) target[i] = to_level(v.lane[i]);
    }
    static void store_pairs(std::uint8_t* target, Vector even, Vector odd) {
        for (int i = 0; i < lanes; ++i) target[2 * i] = to_level(even.lane[i]), target[2 * i + 1] = to_level(odd.lane[i]);
    }
    static Vector set(Real x) {
        Vector v;
        for (int i = 0; i < lanes; ++i) v.lane[i] = x;
        return v;
    }
    static Vector blend(Vector a, Vector b, Vector weight) {
        for (int i = 0; i < lanes; ++i) a.lane[i] = blend_fixed(a.lane[i], b.lane[i], weight.lane[i]);
        return a;
    }
    static void make_index(const std::uint8_t* lane, std::uint8_t* index) { std::memcpy(index, lane, lanes); }
    static Index index(const std::uint8_t* at) { return {at, 0}; }
    static Index shifted(Index index, int places) { return {index.lane, index.shift + places}; }
    static Vector permute(Vector v, Index index) {
        Vector permuted;
        for (int i = 0; i < lanes; ++i) permuted.lane[i] = v.lane[index.lane[i] + index.shift];
        return permuted;
    }
    static Vector permute_two(Vector low, Vector high, Index index) {
        Vector permuted;
        for (int i = 0; i < lanes; ++i) {
            const int place = index.lane[i] + index.shift;
            permuted.lane[i] = place < lanes ? low.lane[place] : high.lane[place - lanes];
        }
        return permuted;
    }
};

struct Bytes {
    static constexpr bool can_merge = true;
    static constexpr std::uint8_t none = 0x80;

    static void shuffle(const std::uint8_t* source, const std::uint8_t* index, std::uint8_t* target) {
        for (int i = 0; i < 16; ++i) target[i] = source[index[i]];
    }
    static void merge(const void* a, const void* b, const std::uint8_t* index, void* target) {
        const auto *const one = static_cast<const std::uint8_t*>(a), *const other = static_cast<const std::uint8_t*>(b);
        for (int i = 0; i < 16; ++i)
            static_cast<std::uint8_t*>(target)[i] = index[i] != none ? one[index[i]] : other[index[i + 16]];
    }
};

#include "simd_fallback.h"
