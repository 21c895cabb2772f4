// Transposes a square block with as many rows as a vector has lanes.
#pragma once

template <class F>
inline void transpose(const typename F::Real* source, std::int64_t source_stride, typename F::Real* target,
                      std::int64_t target_stride) {
    constexpr int step = block_size<typename F::Real>;
    for (std::int64_t row = 0; row < F::lanes; row += step)
        for (std::int64_t column = 0; column < F::lanes; column += step)
            transpose_block(source + row * source_stride + column, source_stride, target + column * target_stride + row,
                 target_stride);
}
