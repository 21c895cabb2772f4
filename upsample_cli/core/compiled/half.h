// 16-bit floating-point samples, and their conversion for instruction sets that lack it.
#pragma once

struct Half {
    std::uint16_t bits;
};
struct BFloat16 {
    std::uint16_t bits;
};

inline std::uint32_t bits_of(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}
inline float float_of(std::uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

inline float to_float(BFloat16 x) { return float_of(static_cast<std::uint32_t>(x.bits) << 16); }

inline float to_float(Half x) {
    const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000) << 16, rest = x.bits & 0x7fff;
    if (rest >= 0x7c00) return float_of(sign | 0x7f800000 | (rest & 0x3ff) << 13);  // infinity or NaN
    // With the exponent in place, the value is too small by 2^112; the product is exact, also of subnormal numbers.
    return float_of(sign | bits_of(float_of(rest << 13) * 5.192296858534828e33f));
}

// Rounds half to even.
inline BFloat16 to_bfloat16(float x) {
    const std::uint32_t bits = bits_of(x);
    if (x != x) return {static_cast<std::uint16_t>(bits >> 16 | 0x40)};
    return {static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

inline Half to_half(float x) {
    const std::uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
    std::uint32_t made;
    if (rest > 0x7f800000)
        made = 0x7e00 | (rest >> 13 & 0x3ff);  // NaN
    else if (rest >= 0x477ff000)
        made = 0x7c00;  // rounds to infinity
    else if (rest < 0x38800000)
        made = bits_of(float_of(rest) + 0.5f) - bits_of(0.5f);  // subnormal: 0.5 has its unit in the last place
    else
        made = (rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13;
    return {static_cast<std::uint16_t>(sign | made)};
}
