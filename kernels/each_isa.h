// Includes VK_BODY once for each instruction set, so that one source gives the AVX-512, the AVX2 and
// the portable kernels. A body names its functions VK(name) and ends with no table: the file that
// includes this one lists them with VK_TABLE.
#include "kernels.h"
#include <math.h>
#if defined(__x86_64__)
#include <immintrin.h>
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#define VK_ISA 512
#include "vec.h"
#include VK_BODY
#undef VK_ISA
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define VK_ISA 2
#include "vec.h"
#include VK_BODY
#undef VK_ISA
#pragma GCC pop_options
#endif
#define VK_ISA 0
#include "vec.h"
#include VK_BODY
#undef VK_ISA
#if defined(__x86_64__)
#define VK_TABLE(name) {name##_portable, name##_avx2, name##_avx512}
#else
#define VK_TABLE(name) {name##_portable, 0, 0}
#endif
