// Vectors of AVX2 with FMA.
#pragma once

#include "simd_x86.h"

struct Float32 {
    using Real = float;
    using Vector = __m256;
    using Index = __m256i;
    static constexpr int lanes = 8;
    static constexpr bool fixed = false;
    static constexpr int index_bytes = lanes;

    static Vector load(const float* source) { return _mm256_loadu_ps(source); }
    static Vector load(const std::uint8_t* source) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(load8(source))); }
    static Vector load(const std::int8_t* source) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load8(source))); }
    static Vector load(const std::uint16_t* source) {
        return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(load16(source)));
    }
    static Vector load(const std::int16_t* source) { return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(load16(source))); }
    static Vector load(const Half* source) { return _mm256_cvtph_ps(load16(source)); }
    static Vector load(const BFloat16* source) {
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(source)), 16));
    }

    static void store(float* target, Vector v) { _mm256_storeu_ps(target, v); }
    // Past the cache, to an aligned address.
    static void stream(float* target, Vector v) { _mm256_stream_ps(target, v); }
    static void store(std::uint8_t* target, Vector v) {
        store8(target, _mm_packus_epi16(words(rounded(v, 255)), _mm_setzero_si128()));
    }
    static void store_two(std::uint8_t* target, Vector a, Vector b) {
        const __m256i halves = _mm256_packs_epi32(rounded(a, 255), rounded(b, 255));
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5);
        const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(halves, halves), order);
        store16(target, _mm256_castsi256_si128(bytes));
    }
    static void store(std::int8_t* target, Vector v) {
        store8(target, _mm_packs_epi16(words(rounded(v, 127)), _mm_setzero_si128()));
    }
    static void store(std::uint16_t* target, Vector v) {
        const __m256i level = rounded(v, 65535);
        store16(target, _mm_packus_epi32(_mm256_castsi256_si128(level), _mm256_extracti128_si256(level, 1)));
    }
    static void store(std::int16_t* target, Vector v) { store16(target, words(rounded(v, 32767))); }
    static void store(Half* target, Vector v) { store16(target, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT)); }
    static void store(BFloat16* target, Vector v) {
        const __m256i bits = _mm256_castps_si256(v), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
        const __m256i whole = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
        const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
        const __m256i made = _mm256_srli_epi32(_mm256_blendv_epi8(whole, quiet, nan), 16);
        store16(target, _mm_packus_epi32(_mm256_castsi256_si128(made), _mm256_extracti128_si256(made, 1)));
    }

    static Vector set(float x) { return _mm256_set1_ps(x); }
    static Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }
    static float multiply_add(float a, float b, float sum) { return std::fma(a, b, sum); }

    static void make_index(const std::uint8_t* lane, std::uint8_t* index) { std::memcpy(index, lane, lanes); }
    static Index index(const std::uint8_t* at) { return _mm256_cvtepu8_epi32(load8(at)); }
    static Index shifted(Index index, int places) { return _mm256_add_epi32(index, _mm256_set1_epi32(places)); }
    static Vector permute(Vector v, Index index) { return _mm256_permutevar8x32_ps(v, index); }
    static Vector permute_two(Vector low, Vector high, Index index) {
        const Vector from_high = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));  // by bit 3
        return _mm256_blendv_ps(permute(low, index), permute(high, index), from_high);
    }
    // In place of two vectors, their elements in turn.
    static void interleave(Vector& even, Vector& odd) {
        const Vector low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
        even = _mm256_permute2f128_ps(low, high, 0x20);
        odd = _mm256_permute2f128_ps(low, high, 0x31);
    }

private:
    // Lower numbers are limited by the packing that follows: the conversion makes the lowest integer of those out of range.
    static __m256i rounded(Vector v, float highest) { return _mm256_cvtps_epi32(_mm256_min_ps(v, set(highest))); }
    static __m128i words(__m256i v) { return _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)); }
    static __m128i load8(const void* source) { return _mm_loadl_epi64(static_cast<const __m128i*>(source)); }
    static __m128i load16(const void* source) { return _mm_loadu_si128(static_cast<const __m128i*>(source)); }
    static void store8(void* target, __m128i v) { _mm_storel_epi64(static_cast<__m128i*>(target), v); }
    static void store16(void* target, __m128i v) { _mm_storeu_si128(static_cast<__m128i*>(target), v); }
};

// Weighted sums of rows of bytes, two rows at a time, with 16-bit weights.
struct PairAccumulator {
    static constexpr int lanes = 32;

    void add(const std::uint8_t* a, const std::uint8_t* b, std::int32_t weights) {
        const __m256i x = bytes(a), y = bytes(b), zero = _mm256_setzero_si256();
        const __m256i low = _mm256_unpacklo_epi8(x, y), high = _mm256_unpackhi_epi8(x, y);
        const __m256i w = _mm256_set1_epi32(weights);
        sums_[0] = _mm256_add_epi32(sums_[0], _mm256_madd_epi16(_mm256_unpacklo_epi8(low, zero), w));
        sums_[1] = _mm256_add_epi32(sums_[1], _mm256_madd_epi16(_mm256_unpackhi_epi8(low, zero), w));
        sums_[2] = _mm256_add_epi32(sums_[2], _mm256_madd_epi16(_mm256_unpacklo_epi8(high, zero), w));
        sums_[3] = _mm256_add_epi32(sums_[3], _mm256_madd_epi16(_mm256_unpackhi_epi8(high, zero), w));
    }
    // The sums in memory, in an order of their own.
    void load(const void* source) {
        for (int i = 0; i < 4; ++i) sums_[i] = _mm256_loadu_si256(static_cast<const __m256i*>(source) + i);
    }
    void save(void* target) const {
        for (int i = 0; i < 4; ++i) _mm256_storeu_si256(static_cast<__m256i*>(target) + i, sums_[i]);
    }
    template <class O>
    void store(O* target, float scale) const {  // each accumulator holds four of sixteen elements, twice
        store_scaled(target, _mm256_permute2x128_si256(sums_[0], sums_[1], 0x20), scale);
        store_scaled(target + 8, _mm256_permute2x128_si256(sums_[2], sums_[3], 0x20), scale);
        store_scaled(target + 16, _mm256_permute2x128_si256(sums_[0], sums_[1], 0x31), scale);
        store_scaled(target + 24, _mm256_permute2x128_si256(sums_[2], sums_[3], 0x31), scale);
    }

private:
    static __m256i bytes(const std::uint8_t* source) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
    }
    template <class O>
    static void store_scaled(O* target, __m256i sum, float scale) {
        Float32::store(target, _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(scale)));
    }

    __m256i sums_[4] = {};
};

struct Float64 {
    using Real = double;
    using Vector = __m256d;
    using Index = __m256i;  // of 32-bit halves: AVX2 cannot permute doubles by a variable index
    static constexpr int lanes = 4;
    static constexpr bool fixed = false;
    static constexpr int index_bytes = 2 * lanes;

    static Vector load(const double* source) { return _mm256_loadu_pd(source); }
    static Vector load(const float* source) { return _mm256_cvtps_pd(_mm_loadu_ps(source)); }
    static Vector load(const std::uint16_t* source) { return _mm256_cvtepi32_pd(_mm_cvtepu16_epi32(load8(source))); }
    static Vector load(const std::int16_t* source) { return _mm256_cvtepi32_pd(_mm_cvtepi16_epi32(load8(source))); }
    static Vector load(const std::int32_t* source) {
        return _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
    }
    static Vector load(const std::uint32_t* source) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
        return _mm256_add_pd(_mm256_cvtepi32_pd(_mm_xor_si128(v, top_bit())), set(2147483648.0));
    }
    static Vector load(const std::int64_t* source) {  // AVX2 has no conversion
        return _mm256_set_pd(static_cast<double>(source[3]), static_cast<double>(source[2]),
                             static_cast<double>(source[1]), static_cast<double>(source[0]));
    }

    static void store(double* target, Vector v) { _mm256_storeu_pd(target, v); }
    static void stream(double* target, Vector v) { _mm256_stream_pd(target, v); }
    static void store(float* target, Vector v) { _mm_storeu_ps(target, _mm256_cvtpd_ps(v)); }
    static void store(std::uint16_t* target, Vector v) {
        store8(target, _mm_packus_epi32(rounded(v, 0, 65535), _mm_setzero_si128()));
    }
    static void store(std::int16_t* target, Vector v) {
        store8(target, _mm_packs_epi32(rounded(v, -32768, 32767), _mm_setzero_si128()));
    }
    static void store(std::int32_t* target, Vector v) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(target), rounded(v, -2147483648.0, 2147483647.0));
    }
    static void store(std::uint32_t* target, Vector v) {
        const Vector whole = _mm256_round_pd(_mm256_min_pd(_mm256_max_pd(v, set(0)), set(4294967295.0)),
                                             _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        const __m128i made = _mm256_cvtpd_epi32(_mm256_sub_pd(whole, set(2147483648.0)));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(target), _mm_xor_si128(made, top_bit()));
    }
    static void store(std::int64_t* target, Vector v) {
        double lane[lanes];
        store(lane, v);
        for (int i = 0; i < lanes; ++i) target[i] = to_sample<std::int64_t>(lane[i]);
    }

    static Vector set(double x) { return _mm256_set1_pd(x); }
    static Vector multiply(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm256_fmadd_pd(a, b, sum); }
    static double multiply_add(double a, double b, double sum) { return std::fma(a, b, sum); }

    static void make_index(const std::uint8_t* lane, std::uint8_t* index) {
        for (int i = 0; i < lanes; ++i) {
            index[2 * i] = static_cast<std::uint8_t>(2 * lane[i]);
            index[2 * i + 1] = static_cast<std::uint8_t>(2 * lane[i] + 1);
        }
    }
    static Index index(const std::uint8_t* at) { return _mm256_cvtepu8_epi32(load8(at)); }
    static Index shifted(Index index, int places) { return _mm256_add_epi32(index, _mm256_set1_epi32(2 * places)); }
    static Vector permute(Vector v, Index index) {
        return _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(v), index));
    }
    static Vector permute_two(Vector low, Vector high, Index index) {
        const Vector from_high = _mm256_castsi256_pd(_mm256_slli_epi64(index, 60));  // by bit 3
        return _mm256_blendv_pd(permute(low, index), permute(high, index), from_high);
    }
    static void interleave(Vector& even, Vector& odd) {
        const Vector low = _mm256_unpacklo_pd(even, odd), high = _mm256_unpackhi_pd(even, odd);
        even = _mm256_permute2f128_pd(low, high, 0x20);
        odd = _mm256_permute2f128_pd(low, high, 0x31);
    }

private:
    static __m128i top_bit() { return _mm_set1_epi32(static_cast<int>(0x80000000u)); }
    static __m128i rounded(Vector v, double lowest, double highest) {
        // max first; lanes are never NaN, because only integers are rounded
        return _mm256_cvtpd_epi32(_mm256_min_pd(_mm256_max_pd(v, set(lowest)), set(highest)));
    }
    static __m128i load8(const void* source) { return _mm_loadl_epi64(static_cast<const __m128i*>(source)); }
    static void store8(void* target, __m128i v) { _mm_storel_epi64(static_cast<__m128i*>(target), v); }
};

// 16-bit fixed point with 7 fraction bits.
struct Fixed16 {
    using Real = std::int16_t;
    using Vector = __m256i;
    using Index = __m256i;  // byte indices within a vector
    static constexpr int lanes = 16;
    static constexpr bool fixed = true;
    static constexpr int index_bytes = 2 * lanes;

    static Vector load(const Real* source) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)); }
    static Vector load(const std::uint8_t* source) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
        return _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 7);
    }
    static void store(Real* target, Vector v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), v); }
    static void store(std::uint8_t* target, Vector v) {
        const Vector words = level(v);
        const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(target), bytes);
    }
    static void store_pairs(std::uint8_t* target, Vector even, Vector odd) {
        const Vector bytes = _mm256_or_si256(level(even), _mm256_slli_epi16(level(odd), 8));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), bytes);
    }
    static Vector set(Real x) { return _mm256_set1_epi16(x); }
    static Vector blend(Vector a, Vector b, Vector weight) {
        return _mm256_add_epi16(a, _mm256_mulhrs_epi16(_mm256_sub_epi16(b, a), weight));
    }
    static void make_index(const std::uint8_t* lane, std::uint8_t* index) {
        for (int i = 0; i < lanes; ++i) {
            index[2 * i] = static_cast<std::uint8_t>(2 * lane[i]);
            index[2 * i + 1] = static_cast<std::uint8_t>(2 * lane[i] + 1);
        }
    }
    static Index index(const std::uint8_t* at) { return load(reinterpret_cast<const Real*>(at)); }
    static Index shifted(Index index, int places) {
        return _mm256_add_epi8(index, _mm256_set1_epi8(static_cast<char>(2 * places)));
    }
    static Vector permute(Vector v, Index index) {
        return _mm256_or_si256(part<0x44>(v, index, 0), part<0xee>(v, index, 16));
    }
    static Vector permute_two(Vector low, Vector high, Index index) {
        return _mm256_or_si256(_mm256_or_si256(part<0x44>(low, index, 0), part<0xee>(low, index, 16)),
                               _mm256_or_si256(part<0x44>(high, index, 32), part<0xee>(high, index, 48)));
    }

private:
    static Vector level(Vector v) {
        const Vector odd = _mm256_and_si256(_mm256_srli_epi16(v, 7), set(1));
        return _mm256_srli_epi16(_mm256_add_epi16(_mm256_add_epi16(v, set(63)), odd), 7);
    }
    // The lanes whose index is in [begin, begin + 16), taken from one half of `v`; zero elsewhere.
    template <int Half>
    static Vector part(Vector v, Index index, int begin) {
        const Vector local = _mm256_sub_epi8(index, _mm256_set1_epi8(static_cast<char>(begin)));
        const Vector bytes = _mm256_permute4x64_epi64(v, Half);
        return _mm256_shuffle_epi8(bytes, _mm256_adds_epu8(local, _mm256_set1_epi8(0x70)));  // bit 7 for indices above 15
    }
};
