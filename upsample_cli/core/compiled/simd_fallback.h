// Operations left to the compiler where an instruction set has none of its own.

inline void prefetch(const void*) {}
inline void end_streaming() {}

// Weighted sums of rows of bytes, two rows at a time, with 16-bit weights.
struct PairAccumulator {
    static constexpr int lanes = 2 * Float32::lanes;

    void add(const std::uint8_t* a, const std::uint8_t* b, std::int32_t weights) {
        const std::int32_t first = static_cast<std::int16_t>(weights), second = weights >> 16;
        for (int i = 0; i < lanes; ++i) sums_[i] += first * a[i] + second * b[i];
    }
    void load(const void* source) { std::memcpy(sums_, source, sizeof sums_); }
    void save(void* target) const { std::memcpy(target, sums_, sizeof sums_); }
    template <class O>
    void store(O* target, float scale) const {
        float scaled[lanes];
        for (int i = 0; i < lanes; ++i) scaled[i] = static_cast<float>(sums_[i]) * scale;
        for (int i = 0; i < lanes; i += Float32::lanes) Float32::store(target + i, Float32::load(scaled + i));
    }

private:
    std::int32_t sums_[lanes] = {};
};

template <class Real>
inline void transpose_block(const Real* source, std::int64_t source_stride, Real* target, std::int64_t target_stride) {
    for (int row = 0; row < 2; ++row)
        for (int column = 0; column < 2; ++column)
            target[column * target_stride + row] = source[row * source_stride + column];
}

template <class Real>
constexpr int block_size = 2;  // rows and columns of a transposed block
