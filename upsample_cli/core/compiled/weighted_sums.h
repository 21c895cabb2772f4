// Weighted sums. All versions add the taps in order by fused multiply-add, so their results are equal to the bit.
#pragma once

template <class F, class Weight, class Sample>
inline typename F::Vector sum(std::int64_t count, Weight weight, Sample sample) {
    if constexpr (F::fixed) {
        const typename F::Vector a = sample(0);
        return count == 1 ? a : F::blend(a, sample(1), weight(1));
    } else {
        typename F::Vector total = F::multiply(weight(0), sample(0));
        for (std::int64_t j = 1; j < count; ++j) total = F::multiply_add(weight(j), sample(j), total);
        return total;
    }
}

// Scalar version; the samples of consecutive taps are `step` samples apart.
template <class F>
inline typename F::Real sum_one(std::int64_t count, const typename F::Real* weights, const typename F::Real* samples,
                                std::int64_t step) {
    if constexpr (F::fixed) {
        return count == 1 ? samples[0] : blend_fixed(samples[0], samples[step], weights[1]);
    } else {
        typename F::Real total = weights[0] * samples[0];
        for (std::int64_t j = 1; j < count; ++j) total = F::multiply_add(weights[j], samples[j * step], total);
        return total;
    }
}

// Call make(i) at the start of every vector of `size` elements; the last one overlaps the one before it. Fewer
// elements than lanes are handled by make_short().
template <class F, class Make, class MakeShort>
inline void for_vectors(std::int64_t size, Make make, MakeShort make_short) {
    if (size < F::lanes) {
        make_short();
        return;
    }
    std::int64_t i = 0;
    for (; i + F::lanes <= size; i += F::lanes) make(i);
    if (i < size) make(size - F::lanes);
}

template <class F, class T>
inline typename F::Vector load_short(const T* source, std::int64_t size) {
    T samples[F::lanes] = {};
    std::memcpy(samples, source, static_cast<std::size_t>(size) * sizeof(T));
    return F::load(samples);
}

template <class F, class T>
inline void store_short(T* target, typename F::Vector v, std::int64_t size) {
    T samples[F::lanes];
    F::store(samples, v);
    std::memcpy(target, samples, static_cast<std::size_t>(size) * sizeof(T));
}

// Whether two vectors are converted to samples together, faster than one after the other.
template <class F, class T, class = void>
struct StoresTwo : std::false_type {};
template <class F, class T>
struct StoresTwo<F, T, std::void_t<decltype(F::store_two(static_cast<T*>(nullptr), F::set(0), F::set(0)))>>
    : std::true_type {};

// target = weighted sum of `Taps` rows, or of `count` rows if Taps is 0.
template <int Taps, class F, class T, class O>
inline void blend_rows_of(const T* const* any_rows, const typename F::Real* any_weights, std::int64_t any_count,
                          O* target, std::int64_t size) {
    constexpr bool known = Taps > 0;
    const std::int64_t count = known ? Taps : any_count;
    const T* rows[known ? Taps : 1] = {};  // local copies, so the compiler knows that they do not alias
    typename F::Vector weights[known ? Taps : 1] = {};
    for (int j = 0; j < Taps; ++j) {
        rows[j] = any_rows[j];
        weights[j] = F::set(any_weights[j]);
    }
    const auto row = [&](std::int64_t j) { return known ? rows[j] : any_rows[j]; };
    const auto weight = [&](std::int64_t j) { return known ? weights[j] : F::set(any_weights[j]); };
    const auto make = [&](std::int64_t i) {
        F::store(target + i, sum<F>(count, weight, [&](std::int64_t j) { return F::load(row(j) + i); }));
    };
    for_vectors<F>(size, make, [&] {
        const auto sample = [&](std::int64_t j) { return load_short<F>(row(j), size); };
        store_short<F>(target, sum<F>(count, weight, sample), size);
    });
}

template <class F, class T, class O>
void blend_rows(const T* const* rows, const typename F::Real* weights, std::int64_t count, O* target,
                std::int64_t size) {
    if (count == 2)
        blend_rows_of<2, F>(rows, weights, count, target, size);
    else if (count == 4)
        blend_rows_of<4, F>(rows, weights, count, target, size);
    else
        blend_rows_of<0, F>(rows, weights, count, target, size);
}
