// Scalar versions of the vector arithmetic, with the same results.
#pragma once

constexpr std::int64_t minimum(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
constexpr std::int64_t maximum(std::int64_t a, std::int64_t b) { return a < b ? b : a; }
constexpr std::int64_t clip(std::int64_t index, std::int64_t size) { return minimum(maximum(index, 0), size - 1); }

// Round half to even by adding a number so large that no fraction bits are left.
inline float rounded(float x) { return (x + 12582912.0f) - 12582912.0f; }                          // 1.5 * 2^23
inline double rounded(double x) { return (x + 6755399441055744.0) - 6755399441055744.0; }          // 1.5 * 2^52

template <class T, class Real>
T to_sample(Real x) {
    if constexpr (T(0.5) != T(0)) {
        return static_cast<T>(x);
    } else {
        const Real lowest = static_cast<Real>(std::numeric_limits<T>::min());
        const Real highest = static_cast<Real>(std::numeric_limits<T>::max());  // 2^63 for 64 bits
        if constexpr (sizeof(T) == 8)
            return x >= highest ? std::numeric_limits<T>::max() : static_cast<T>(std::nearbyint(x < lowest ? lowest : x));
        return static_cast<T>(rounded(x < lowest ? lowest : x > highest ? highest : x));
    }
}

// Fixed point with 7 fraction bits; weights have 15. Products are rounded half up.
inline std::int16_t blend_fixed(std::int16_t a, std::int16_t b, std::int16_t weight) {
    return static_cast<std::int16_t>(a + (((b - a) * weight + (1 << 14)) >> 15));
}
inline std::uint8_t to_level(std::int16_t x) { return static_cast<std::uint8_t>((x + 63 + ((x >> 7) & 1)) >> 7); }
