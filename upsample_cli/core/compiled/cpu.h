// What this processor can do, and its operating system lets programs do.
#pragma once

namespace upsample {

bool has_avx2();    // with FMA
bool has_avx512();  // F, BW, DQ and VL

}  // namespace upsample
