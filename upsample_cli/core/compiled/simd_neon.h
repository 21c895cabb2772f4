// Vectors of NEON, on 64-bit ARM.
#pragma once

struct Float32 {
    using Real = float;
    using Vector = float32x4_t;
    using Index = uint8x16_t;  // of bytes
    static constexpr int lanes = 4;
    static constexpr bool fixed = false;
    static constexpr int index_bytes = 16;

    static Vector load(const float* source) { return vld1q_f32(source); }
    static Vector load(const std::uint8_t* source) {
        return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(load4(source)))));
    }
    static Vector load(const std::int8_t* source) {
        return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(load4(source))))));
    }
    static Vector load(const std::uint16_t* source) { return vcvtq_f32_u32(vmovl_u16(vld1_u16(source))); }
    static Vector load(const std::int16_t* source) { return vcvtq_f32_s32(vmovl_s16(vld1_s16(source))); }
    static Vector load(const Half* source) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(&source->bits))); }
    static Vector load(const BFloat16* source) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(&source->bits), 16)); }

    static void store(float* target, Vector v) { vst1q_f32(target, v); }
    static void stream(float* target, Vector v) { store(target, v); }
    static void store(std::uint8_t* target, Vector v) { store4(target, vqmovun_s16(words(v))); }
    static void store(std::int8_t* target, Vector v) { store4(target, vreinterpret_u8_s8(vqmovn_s16(words(v)))); }
    static void store(std::uint16_t* target, Vector v) { vst1_u16(target, vqmovun_s32(vcvtnq_s32_f32(v))); }
    static void store(std::int16_t* target, Vector v) { vst1_s16(target, vqmovn_s32(vcvtnq_s32_f32(v))); }
    static void store(Half* target, Vector v) { vst1_u16(&target->bits, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
    static void store(BFloat16* target, Vector v) {
        const uint32x4_t bits = vreinterpretq_u32_f32(v), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
        const uint32x4_t whole = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
        const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
        vst1_u16(&target->bits, vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), whole, quiet), 16));
    }

    static Vector set(float x) { return vdupq_n_f32(x); }
    static Vector multiply(Vector a, Vector b) { return vmulq_f32(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector sum) { return vfmaq_f32(sum, a, b); }
    static float multiply_add(float a, float b, float sum) { return std::fma(a, b, sum); }

    static void make_index(const std::uint8_t* lane, std::uint8_t* index) {
        for (int i = 0; i < index_bytes; ++i) index[i] = static_cast<std::uint8_t>(4 * lane[i / 4] + i % 4);
    }
    static Index index(const std::uint8_t* at) { return vld1q_u8(at); }
    static Index shifted(Index index, int places) {
        return vaddq_u8(index, vdupq_n_u8(static_cast<std::uint8_t>(4 * places)));
    }
    static Vector permute(Vector v, Index index) {
        return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(v), index));
    }
    static Vector permute_two(Vector low, Vector high, Index index) {
        const uint8x16x2_t both = {{vreinterpretq_u8_f32(low), vreinterpretq_u8_f32(high)}};
        return vreinterpretq_f32_u8(vqtbl2q_u8(both, index));
    }
    static void interleave(Vector& even, Vector& odd) {
        const float32x4x2_t both = vzipq_f32(even, odd);
        even = both.val[0];
        odd = both.val[1];
    }

private:
    static uint8x8_t load4(const void* source) {
        std::uint32_t bytes;
        std::memcpy(&bytes, source, sizeof bytes);
        return vreinterpret_u8_u32(vdup_n_u32(bytes));
    }
    static void store4(void* target, uint8x8_t v) {
        const std::uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(v), 0);
        std::memcpy(target, &bytes, sizeof bytes);
    }
    static int16x8_t words(Vector v) {  // rounded half to even and saturated, twice
        const int16x4_t half = vqmovn_s32(vcvtnq_s32_f32(v));
        return vcombine_s16(half, half);
    }
};

struct Float64 {
    using Real = double;
    using Vector = float64x2_t;
    using Index = uint8x16_t;  // of bytes
    static constexpr int lanes = 2;
    static constexpr bool fixed = false;
    static constexpr int index_bytes = 16;

    static Vector load(const double* source) { return vld1q_f64(source); }
    static Vector load(const float* source) { return vcvt_f64_f32(vld1_f32(source)); }
    static Vector load(const std::uint16_t* source) {
        const std::uint32_t both[] = {source[0], source[1]};
        return vcvtq_f64_u64(vmovl_u32(vld1_u32(both)));
    }
    static Vector load(const std::int16_t* source) {
        const std::int32_t both[] = {source[0], source[1]};
        return vcvtq_f64_s64(vmovl_s32(vld1_s32(both)));
    }
    static Vector load(const std::int32_t* source) { return vcvtq_f64_s64(vmovl_s32(vld1_s32(source))); }
    static Vector load(const std::uint32_t* source) { return vcvtq_f64_u64(vmovl_u32(vld1_u32(source))); }
    static Vector load(const std::int64_t* source) { return vcvtq_f64_s64(vld1q_s64(source)); }

    static void store(double* target, Vector v) { vst1q_f64(target, v); }
    static void stream(double* target, Vector v) { store(target, v); }
    static void store(float* target, Vector v) { vst1_f32(target, vcvt_f32_f64(v)); }
    static void store(std::uint16_t* target, Vector v) {
        store4(target, vreinterpret_u32_u16(vqmovun_s32(twice(v))));
    }
    static void store(std::int16_t* target, Vector v) { store4(target, vreinterpret_u32_s16(vqmovn_s32(twice(v)))); }
    static void store(std::int32_t* target, Vector v) { vst1_s32(target, rounded(v)); }
    static void store(std::uint32_t* target, Vector v) { vst1_u32(target, vqmovn_u64(vcvtnq_u64_f64(v))); }
    static void store(std::int64_t* target, Vector v) { vst1q_s64(target, vcvtnq_s64_f64(v)); }

    static Vector set(double x) { return vdupq_n_f64(x); }
    static Vector multiply(Vector a, Vector b) { return vmulq_f64(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector sum) { return vfmaq_f64(sum, a, b); }
    static double multiply_add(double a, double b, double sum) { return std::fma(a, b, sum); }

    static void make_index(const std::uint8_t* lane, std::uint8_t* index) {
        for (int i = 0; i < index_bytes; ++i) index[i] = static_cast<std::uint8_t>(8 * lane[i / 8] + i % 8);
    }
    static Index index(const std::uint8_t* at) { return vld1q_u8(at); }
    static Index shifted(Index index, int places) {
        return vaddq_u8(index, vdupq_n_u8(static_cast<std::uint8_t>(8 * places)));
    }
    static Vector permute(Vector v, Index index) {
        return vreinterpretq_f64_u8(vqtbl1q_u8(vreinterpretq_u8_f64(v), index));
    }
    static Vector permute_two(Vector low, Vector high, Index index) {
        const uint8x16x2_t both = {{vreinterpretq_u8_f64(low), vreinterpretq_u8_f64(high)}};
        return vreinterpretq_f64_u8(vqtbl2q_u8(both, index));
    }
    static void interleave(Vector& even, Vector& odd) {
        const Vector low = vzip1q_f64(even, odd);
        odd = vzip2q_f64(even, odd);
        even = low;
    }

private:
    static int32x2_t rounded(Vector v) { return vqmovn_s64(vcvtnq_s64_f64(v)); }  // half to even, saturated
    static int32x4_t twice(Vector v) { return vcombine_s32(rounded(v), rounded(v)); }
    static void store4(void* target, uint32x2_t v) {
        const std::uint32_t bytes = vget_lane_u32(v, 0);
        std::memcpy(target, &bytes, sizeof bytes);
    }
};

// 16-bit fixed point with 7 fraction bits.
struct Fixed16 {
    using Real = std::int16_t;
    using Vector = int16x8_t;
    using Index = uint8x16_t;  // of bytes
    static constexpr int lanes = 8;
    static constexpr bool fixed = true;
    static constexpr int index_bytes = 16;

    static Vector load(const Real* source) { return vld1q_s16(source); }
    static Vector load(const std::uint8_t* source) { return vreinterpretq_s16_u16(vshll_n_u8(vld1_u8(source), 7)); }
    static void store(Real* target, Vector v) { vst1q_s16(target, v); }
    static void store(std::uint8_t* target, Vector v) { vst1_u8(target, level(v)); }
    static void store_pairs(std::uint8_t* target, Vector even, Vector odd) {
        const uint8x8x2_t both = {{level(even), level(odd)}};
        vst2_u8(target, both);
    }
    static Vector set(Real x) { return vdupq_n_s16(x); }
    static Vector blend(Vector a, Vector b, Vector weight) {
        return vaddq_s16(a, vqrdmulhq_s16(vsubq_s16(b, a), weight));
    }
    static void make_index(const std::uint8_t* lane, std::uint8_t* index) {
        for (int i = 0; i < index_bytes; ++i) index[i] = static_cast<std::uint8_t>(2 * lane[i / 2] + i % 2);
    }
    static Index index(const std::uint8_t* at) { return vld1q_u8(at); }
    static Index shifted(Index index, int places) {
        return vaddq_u8(index, vdupq_n_u8(static_cast<std::uint8_t>(2 * places)));
    }
    static Vector permute(Vector v, Index index) {
        return vreinterpretq_s16_u8(vqtbl1q_u8(vreinterpretq_u8_s16(v), index));
    }
    static Vector permute_two(Vector low, Vector high, Index index) {
        const uint8x16x2_t both = {{vreinterpretq_u8_s16(low), vreinterpretq_u8_s16(high)}};
        return vreinterpretq_s16_u8(vqtbl2q_u8(both, index));
    }

private:
    static uint8x8_t level(Vector v) {
        const uint16x8_t wide = vreinterpretq_u16_s16(v), odd = vandq_u16(vshrq_n_u16(wide, 7), vdupq_n_u16(1));
        return vshrn_n_u16(vaddq_u16(vaddq_u16(wide, vdupq_n_u16(63)), odd), 7);
    }
};

struct Bytes {
    static constexpr bool can_merge = true;
    static constexpr std::uint8_t none = 0x80;

    static void shuffle(const std::uint8_t* source, const std::uint8_t* index, std::uint8_t* target) {
        vst1q_u8(target, vqtbl1q_u8(vld1q_u8(source), vld1q_u8(index)));
    }
    // Each byte is one of `a` by the first 16 numbers of the index, or of `b` by the others, of which one is `none`.
    static void merge(const void* a, const void* b, const std::uint8_t* index, void* target) {
        const uint8x16_t from_a = vqtbl1q_u8(vld1q_u8(static_cast<const std::uint8_t*>(a)), vld1q_u8(index));
        const uint8x16_t from_b = vqtbl1q_u8(vld1q_u8(static_cast<const std::uint8_t*>(b)), vld1q_u8(index + 16));
        vst1q_u8(static_cast<std::uint8_t*>(target), vorrq_u8(from_a, from_b));
    }
};

#include "simd_fallback.h"
