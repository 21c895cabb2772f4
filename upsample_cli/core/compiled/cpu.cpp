#include "cpu.h"

#if defined(UPSAMPLE_X86) && defined(_MSC_VER) && !defined(__clang__)

#include <intrin.h>

namespace upsample {
namespace {

bool bit(int word, int number) { return (word >> number) & 1; }

// Whether the operating system saves the registers of these XCR0 bits.
bool system_keeps(unsigned long long registers) {
    int leaf1[4];
    __cpuid(leaf1, 1);
    return bit(leaf1[2], 27) && (_xgetbv(0) & registers) == registers;
}

}  // namespace

bool has_avx2() {
    int leaf1[4], leaf7[4];
    __cpuid(leaf1, 1);
    __cpuidex(leaf7, 7, 0);
    return system_keeps(0x6) && bit(leaf1[2], 12) && bit(leaf1[2], 29) && bit(leaf7[1], 5);
}

bool has_avx512() {
    int leaf7[4];
    __cpuidex(leaf7, 7, 0);
    const int ebx = leaf7[1];
    return has_avx2() && system_keeps(0xe6) && bit(ebx, 16) && bit(ebx, 17) && bit(ebx, 30) && bit(ebx, 31);
}

}  // namespace upsample

#elif defined(UPSAMPLE_X86)

#include <cpuid.h>

namespace upsample {

bool has_avx2() {
    unsigned eax, ebx, ecx, edx;
    const bool has_f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
    return has_f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace upsample

#else

namespace upsample {

bool has_avx2() { return false; }
bool has_avx512() { return false; }

}  // namespace upsample

#endif
