// Shared by AVX2 and AVX-512: transposition of 256-bit blocks, and byte shuffles.
#pragma once

inline void transpose_block(const float* source, std::int64_t source_stride, float* target, std::int64_t target_stride) {
    __m256 half[8], pair[8];
    for (int i = 0; i < 4; ++i) {  // rows i and i + 4: left halves, then right halves
        const float *const upper = source + i * source_stride, *const lower = source + (i + 4) * source_stride;
        half[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(upper)), _mm_loadu_ps(lower), 1);
        half[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(upper + 4)), _mm_loadu_ps(lower + 4), 1);
    }
    for (int i = 0; i < 8; i += 4) {
        pair[i] = _mm256_unpacklo_ps(half[i], half[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(half[i], half[i + 1]);
        pair[i + 2] = _mm256_unpacklo_ps(half[i + 2], half[i + 3]);
        pair[i + 3] = _mm256_unpackhi_ps(half[i + 2], half[i + 3]);
    }
    for (int i = 0; i < 8; i += 4) {
        float* const to = target + i * target_stride;
        _mm256_storeu_ps(to, _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44));
        _mm256_storeu_ps(to + target_stride, _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee));
        _mm256_storeu_ps(to + 2 * target_stride, _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44));
        _mm256_storeu_ps(to + 3 * target_stride, _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee));
    }
}

inline void transpose_block(const double* source, std::int64_t source_stride, double* target, std::int64_t target_stride) {
    __m256d half[4];
    for (int i = 0; i < 2; ++i) {
        const double *const upper = source + i * source_stride, *const lower = source + (i + 2) * source_stride;
        half[i] = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(upper)), _mm_loadu_pd(lower), 1);
        half[i + 2] = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(upper + 2)), _mm_loadu_pd(lower + 2), 1);
    }
    for (int i = 0; i < 4; i += 2) {
        _mm256_storeu_pd(target + i * target_stride, _mm256_unpacklo_pd(half[i], half[i + 1]));
        _mm256_storeu_pd(target + (i + 1) * target_stride, _mm256_unpackhi_pd(half[i], half[i + 1]));
    }
}

// Rows and columns of the blocks.
template <class Real>
constexpr int block_size = 32 / sizeof(Real);

// Fetch a line of memory that will soon be written.
inline void prefetch(const void* address) { _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0); }

// Makes stores that went past the cache visible to other threads.
inline void end_streaming() { _mm_sfence(); }

struct Bytes {
    static constexpr bool can_merge = true;
    static constexpr std::uint8_t none = 0x80;

    static void shuffle(const std::uint8_t* source, const std::uint8_t* index, std::uint8_t* target) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
        const __m128i i = _mm_loadu_si128(reinterpret_cast<const __m128i*>(index));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(target), _mm_shuffle_epi8(v, i));
    }
    // Each byte is one of `a` by the first 16 numbers of the index, or of `b` by the others, of which one is `none`.
    static void merge(const void* a, const void* b, const std::uint8_t* index, void* target) {
        const auto shuffled = [](const void* source, const std::uint8_t* numbers) {
            return _mm_shuffle_epi8(_mm_loadu_si128(static_cast<const __m128i*>(source)),
                                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(numbers)));
        };
        _mm_storeu_si128(static_cast<__m128i*>(target), _mm_or_si128(shuffled(a, index), shuffled(b, index + 16)));
    }
};
