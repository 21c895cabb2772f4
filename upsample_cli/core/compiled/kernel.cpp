// The kernel, compiled once per instruction set (UPSAMPLE_SET, with matching compiler flags). All names are in the
// namespace of the set, so the linker cannot mix code of different sets. For the same reason, no inline function of
// the standard library is used that could be emitted out of line.
#if defined(UPSAMPLE_AVX2) || defined(UPSAMPLE_AVX512)
#include <immintrin.h>
#elif defined(UPSAMPLE_NEON)
#include <arm_neon.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#include "problem.h"

namespace upsample {
namespace UPSAMPLE_SET {

#include "memory.h"
#include "scalar.h"
#include "half.h"
#if defined(UPSAMPLE_AVX2)
#include "simd_avx2.h"
#elif defined(UPSAMPLE_AVX512)
#include "simd_avx512.h"
#elif defined(UPSAMPLE_NEON)
#include "simd_neon.h"
#else
#include "simd_baseline.h"
#endif
#include "row_cursor.h"
#include "weighted_sums.h"
#include "paired_weights.h"
#include "transpose.h"

#include "tables.h"

#include "streamed_sums.h"

#include "doubled_rows.h"

#include "resampler.h"

#include "nearest.h"

#include "formula.h"

template <class F, class T>
Plan* make_sum(const Problem& problem) {
    if (problem.fast.formula.taps) return new FormulaResampler<F, T>(problem);
    return new Resampler<F, T>(problem);
}

Plan* make_plan(const Problem& problem) {
    if (problem.arithmetic == Arithmetic::copy && problem.fast.formula.taps) return new FormulaCopier(problem);
    if (problem.arithmetic == Arithmetic::copy) return new NearestResampler(problem);
    if (problem.arithmetic == Arithmetic::fixed)
        return problem.sample == Sample::uint8 ? make_sum<Fixed16, std::uint8_t>(problem) : nullptr;
    const bool single = problem.arithmetic == Arithmetic::float32;
    switch (problem.sample) {
        case Sample::uint8: return single ? make_sum<Float32, std::uint8_t>(problem) : nullptr;
        case Sample::int8: return single ? make_sum<Float32, std::int8_t>(problem) : nullptr;
        case Sample::uint16:
            if (single) return make_sum<Float32, std::uint16_t>(problem);
            return make_sum<Float64, std::uint16_t>(problem);
        case Sample::int16:
            if (single) return make_sum<Float32, std::int16_t>(problem);
            return make_sum<Float64, std::int16_t>(problem);
        case Sample::int32: return single ? nullptr : make_sum<Float64, std::int32_t>(problem);
        case Sample::uint32: return single ? nullptr : make_sum<Float64, std::uint32_t>(problem);
        case Sample::int64: return single ? nullptr : make_sum<Float64, std::int64_t>(problem);
        case Sample::float16: return single ? make_sum<Float32, Half>(problem) : nullptr;
        case Sample::bfloat16: return single ? make_sum<Float32, BFloat16>(problem) : nullptr;
        case Sample::float32:
            if (single) return make_sum<Float32, float>(problem);
            return make_sum<Float64, float>(problem);
        case Sample::float64: return single ? nullptr : make_sum<Float64, double>(problem);
    }
    return nullptr;
}

}  // namespace UPSAMPLE_SET

#define UPSAMPLE_JOIN(a, b, c) a##b##c
#define UPSAMPLE_MAKER(set) UPSAMPLE_JOIN(make_, set, _plan)
Plan* UPSAMPLE_MAKER(UPSAMPLE_SET)(const Problem& problem) { return UPSAMPLE_SET::make_plan(problem); }

}  // namespace upsample
