// Instruction sets that the processor has and the operating system enables.
#pragma once

namespace upsample {

bool has_avx2();    // with FMA
bool has_avx512();  // F, BW, DQ and VL

}  // namespace upsample
