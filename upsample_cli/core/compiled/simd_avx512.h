// Vectors of AVX-512 (F, BW, DQ, VL).
#pragma once

#include "simd_x86.h"

struct Float32 {
    using Real = float;
    using Vector = __m512;
    using Index = __m512i;
    static constexpr int lanes = 16;
    static constexpr bool fixed = false;
    static constexpr int index_bytes = 64;

    static Vector load(const float* source) { return _mm512_loadu_ps(source); }
    static Vector load(const std::uint8_t* source) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load16(source))); }
    static Vector load(const std::int8_t* source) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load16(source))); }
    static Vector load(const std::uint16_t* source) {
        return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(load32(source)));
    }
    static Vector load(const std::int16_t* source) {
        return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(load32(source)));
    }
    static Vector load(const Half* source) { return _mm512_cvtph_ps(load32(source)); }
    static Vector load(const BFloat16* source) {
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load32(source)), 16));
    }

    static void store(float* target, Vector v) { _mm512_storeu_ps(target, v); }
    // Past the cache, to an aligned address.
    static void stream(float* target, Vector v) { _mm512_stream_ps(target, v); }
    static void store(std::uint8_t* target, Vector v) { store16(target, _mm512_cvtepi32_epi8(rounded(v, 0, 255))); }
    static void store(std::int8_t* target, Vector v) { store16(target, _mm512_cvtepi32_epi8(rounded(v, -128, 127))); }
    static void store(std::uint16_t* target, Vector v) {
        store32(target, _mm512_cvtepi32_epi16(rounded(v, 0, 65535)));
    }
    static void store(std::int16_t* target, Vector v) {
        store32(target, _mm512_cvtepi32_epi16(rounded(v, -32768, 32767)));
    }
    static void store(Half* target, Vector v) {
        store32(target, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    static void store(BFloat16* target, Vector v) {
        const __m512i bits = _mm512_castps_si512(v), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        const __m512i whole = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
        const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
        const __m512i made = _mm512_mask_mov_epi32(whole, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), quiet);
        store32(target, _mm512_cvtepi32_epi16(_mm512_srli_epi32(made, 16)));
    }

    static Vector set(float x) { return _mm512_set1_ps(x); }
    static Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }
    static float multiply_add(float a, float b, float sum) { return std::fma(a, b, sum); }

    static void make_index(const std::uint8_t* lane, std::uint8_t* index) {
        _mm512_storeu_si512(index, _mm512_cvtepu8_epi32(load16(lane)));
    }
    static Index index(const std::uint8_t* at) { return _mm512_loadu_si512(at); }
    static Index shifted(Index index, int places) { return _mm512_add_epi32(index, _mm512_set1_epi32(places)); }
    static Vector permute(Vector v, Index index) { return _mm512_permutexvar_ps(index, v); }
    static Vector permute_two(Vector low, Vector high, Index index) {
        return _mm512_permutex2var_ps(low, index, high);
    }
    // In place of two vectors, their elements in turn.
    static void interleave(Vector& even, Vector& odd) {
        const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const Vector first = _mm512_permutex2var_ps(even, low, odd);
        odd = _mm512_permutex2var_ps(even, _mm512_add_epi32(low, _mm512_set1_epi32(8)), odd);
        even = first;
    }

private:
    static __m512i rounded(Vector v, float lowest, float highest) {
        return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, set(lowest)), set(highest)));
    }
    static __m128i load16(const void* source) { return _mm_loadu_si128(static_cast<const __m128i*>(source)); }
    static __m256i load32(const void* source) { return _mm256_loadu_si256(static_cast<const __m256i*>(source)); }
    static void store16(void* target, __m128i v) { _mm_storeu_si128(static_cast<__m128i*>(target), v); }
    static void store32(void* target, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(target), v); }
};

// Weighted sums of rows of bytes, two rows at a time, with 16-bit weights.
struct PairAccumulator {
    static constexpr int lanes = 64;

    void add(const std::uint8_t* a, const std::uint8_t* b, std::int32_t weights) {
        const __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b), zero = _mm512_setzero_si512();
        const __m512i low = _mm512_unpacklo_epi8(x, y), high = _mm512_unpackhi_epi8(x, y);
        const __m512i w = _mm512_set1_epi32(weights);
        sums_[0] = _mm512_add_epi32(sums_[0], _mm512_madd_epi16(_mm512_unpacklo_epi8(low, zero), w));
        sums_[1] = _mm512_add_epi32(sums_[1], _mm512_madd_epi16(_mm512_unpackhi_epi8(low, zero), w));
        sums_[2] = _mm512_add_epi32(sums_[2], _mm512_madd_epi16(_mm512_unpacklo_epi8(high, zero), w));
        sums_[3] = _mm512_add_epi32(sums_[3], _mm512_madd_epi16(_mm512_unpackhi_epi8(high, zero), w));
    }
    // The sums in memory, in an order of their own.
    void load(const void* source) {
        for (int i = 0; i < 4; ++i) sums_[i] = _mm512_loadu_si512(static_cast<const __m512i*>(source) + i);
    }
    void save(void* target) const {
        for (int i = 0; i < 4; ++i) _mm512_storeu_si512(static_cast<__m512i*>(target) + i, sums_[i]);
    }
    template <class O>
    void store(O* target, float scale) const {  // each accumulator holds four of sixteen elements, four times
        const __m512i even01 = _mm512_shuffle_i32x4(sums_[0], sums_[1], 0x88);
        const __m512i odd01 = _mm512_shuffle_i32x4(sums_[0], sums_[1], 0xdd);
        const __m512i even23 = _mm512_shuffle_i32x4(sums_[2], sums_[3], 0x88);
        const __m512i odd23 = _mm512_shuffle_i32x4(sums_[2], sums_[3], 0xdd);
        store_scaled(target, _mm512_shuffle_i32x4(even01, even23, 0x88), scale);
        store_scaled(target + 16, _mm512_shuffle_i32x4(odd01, odd23, 0x88), scale);
        store_scaled(target + 32, _mm512_shuffle_i32x4(even01, even23, 0xdd), scale);
        store_scaled(target + 48, _mm512_shuffle_i32x4(odd01, odd23, 0xdd), scale);
    }

private:
    template <class O>
    static void store_scaled(O* target, __m512i sum, float scale) {
        Float32::store(target, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(scale)));
    }

    __m512i sums_[4] = {};
};

struct Float64 {
    using Real = double;
    using Vector = __m512d;
    using Index = __m512i;
    static constexpr int lanes = 8;
    static constexpr bool fixed = false;
    static constexpr int index_bytes = 64;

    static Vector load(const double* source) { return _mm512_loadu_pd(source); }
    static Vector load(const float* source) { return _mm512_cvtps_pd(_mm256_loadu_ps(source)); }
    static Vector load(const std::uint16_t* source) {
        return _mm512_cvtepi32_pd(_mm256_cvtepu16_epi32(load16(source)));
    }
    static Vector load(const std::int16_t* source) { return _mm512_cvtepi32_pd(_mm256_cvtepi16_epi32(load16(source))); }
    static Vector load(const std::int32_t* source) {
        return _mm512_cvtepi32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
    }
    static Vector load(const std::uint32_t* source) {
        return _mm512_cvtepu32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
    }
    static Vector load(const std::int64_t* source) { return _mm512_cvtepi64_pd(_mm512_loadu_si512(source)); }

    static void store(double* target, Vector v) { _mm512_storeu_pd(target, v); }
    static void stream(double* target, Vector v) { _mm512_stream_pd(target, v); }
    static void store(float* target, Vector v) { _mm256_storeu_ps(target, _mm512_cvtpd_ps(v)); }
    static void store(std::uint16_t* target, Vector v) {
        store16(target, _mm256_cvtepi32_epi16(rounded(v, 0, 65535)));
    }
    static void store(std::int16_t* target, Vector v) {
        store16(target, _mm256_cvtepi32_epi16(rounded(v, -32768, 32767)));
    }
    static void store(std::int32_t* target, Vector v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), rounded(v, -2147483648.0, 2147483647.0));
    }
    static void store(std::uint32_t* target, Vector v) {
        const Vector limited = _mm512_min_pd(_mm512_max_pd(v, set(0)), set(4294967295.0));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), _mm512_cvtpd_epu32(limited));
    }
    static void store(std::int64_t* target, Vector v) {  // overflow converts to the lowest number
        const __mmask8 above = _mm512_cmp_pd_mask(v, set(9223372036854775808.0), _CMP_GE_OQ);
        const __m512i highest = _mm512_set1_epi64(std::numeric_limits<std::int64_t>::max());
        _mm512_storeu_si512(target, _mm512_mask_mov_epi64(_mm512_cvtpd_epi64(v), above, highest));
    }

    static Vector set(double x) { return _mm512_set1_pd(x); }
    static Vector multiply(Vector a, Vector b) { return _mm512_mul_pd(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm512_fmadd_pd(a, b, sum); }
    static double multiply_add(double a, double b, double sum) { return std::fma(a, b, sum); }

    static void make_index(const std::uint8_t* lane, std::uint8_t* index) {
        const __m128i lanes8 = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(lane));
        _mm512_storeu_si512(index, _mm512_cvtepu8_epi64(lanes8));
    }
    static Index index(const std::uint8_t* at) { return _mm512_loadu_si512(at); }
    static Index shifted(Index index, int places) { return _mm512_add_epi64(index, _mm512_set1_epi64(places)); }
    static Vector permute(Vector v, Index index) { return _mm512_permutexvar_pd(index, v); }
    static Vector permute_two(Vector low, Vector high, Index index) {
        return _mm512_permutex2var_pd(low, index, high);
    }
    static void interleave(Vector& even, Vector& odd) {
        const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
        const Vector first = _mm512_permutex2var_pd(even, low, odd);
        odd = _mm512_permutex2var_pd(even, _mm512_add_epi64(low, _mm512_set1_epi64(4)), odd);
        even = first;
    }

private:
    static __m256i rounded(Vector v, double lowest, double highest) {
        return _mm512_cvtpd_epi32(_mm512_min_pd(_mm512_max_pd(v, set(lowest)), set(highest)));
    }
    static __m128i load16(const void* source) { return _mm_loadu_si128(static_cast<const __m128i*>(source)); }
    static void store16(void* target, __m128i v) { _mm_storeu_si128(static_cast<__m128i*>(target), v); }
};

// 16-bit fixed point with 7 fraction bits.
struct Fixed16 {
    using Real = std::int16_t;
    using Vector = __m512i;
    using Index = __m512i;
    static constexpr int lanes = 32;
    static constexpr bool fixed = true;
    static constexpr int index_bytes = 64;

    static Vector load(const Real* source) { return _mm512_loadu_si512(source); }
    static Vector load(const std::uint8_t* source) {
        return _mm512_slli_epi16(_mm512_cvtepu8_epi16(load32(source)), 7);
    }
    static void store(Real* target, Vector v) { _mm512_storeu_si512(target, v); }
    static void store(std::uint8_t* target, Vector v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), _mm512_cvtepi16_epi8(level(v)));
    }
    static void store_pairs(std::uint8_t* target, Vector even, Vector odd) {
        _mm512_storeu_si512(target, _mm512_or_si512(level(even), _mm512_slli_epi16(level(odd), 8)));
    }
    static Vector set(Real x) { return _mm512_set1_epi16(x); }
    static Vector blend(Vector a, Vector b, Vector weight) {
        return _mm512_add_epi16(a, _mm512_mulhrs_epi16(_mm512_sub_epi16(b, a), weight));
    }
    static void make_index(const std::uint8_t* lane, std::uint8_t* index) {
        _mm512_storeu_si512(index, _mm512_cvtepu8_epi16(load32(lane)));
    }
    static Index index(const std::uint8_t* at) { return _mm512_loadu_si512(at); }
    static Index shifted(Index index, int places) {
        return _mm512_add_epi16(index, _mm512_set1_epi16(static_cast<short>(places)));
    }
    static Vector permute(Vector v, Index index) { return _mm512_permutexvar_epi16(index, v); }
    static Vector permute_two(Vector low, Vector high, Index index) {
        return _mm512_permutex2var_epi16(low, index, high);
    }

private:
    static Vector level(Vector v) {
        const Vector odd = _mm512_and_si512(_mm512_srli_epi16(v, 7), set(1));
        return _mm512_srli_epi16(_mm512_add_epi16(_mm512_add_epi16(v, set(63)), odd), 7);
    }
    static __m256i load32(const void* source) { return _mm256_loadu_si256(static_cast<const __m256i*>(source)); }
};
