/* What compilers may use beyond the plainest processor of an architecture. Private to src/base.
 * X(name, the compiler's macro when it may use it, whether this processor has it)
 * No compiler uses AMX on its own: it has no macro here, and a build does not need it. */
#ifndef DHO_BASE_PROCESSOR_FEATURES_H
#define DHO_BASE_PROCESSOR_FEATURES_H

#if defined(__x86_64__)
#define DHO_PROCESSOR_FEATURES(X)                                                        \
    X("sse3", __SSE3__, __builtin_cpu_supports("sse3"))                                  \
    X("ssse3", __SSSE3__, __builtin_cpu_supports("ssse3"))                               \
    X("sse4.1", __SSE4_1__, __builtin_cpu_supports("sse4.1"))                            \
    X("sse4.2", __SSE4_2__, __builtin_cpu_supports("sse4.2"))                            \
    X("popcnt", __POPCNT__, __builtin_cpu_supports("popcnt"))                            \
    X("fma4", __FMA4__, __builtin_cpu_supports("fma4"))                                  \
    X("xop", __XOP__, __builtin_cpu_supports("xop"))                                     \
    X("avx", __AVX__, __builtin_cpu_supports("avx"))                                     \
    X("movbe", __MOVBE__, cpuid_ecx(1, 22))                                              \
    X("f16c", __F16C__, cpuid_ecx(1, 29))                                                \
    X("lzcnt", __LZCNT__, cpuid_ecx(0x80000001, 5))                                      \
    X("bmi", __BMI__, __builtin_cpu_supports("bmi"))                                     \
    X("bmi2", __BMI2__, __builtin_cpu_supports("bmi2"))                                  \
    X("fma", __FMA__, __builtin_cpu_supports("fma"))                                     \
    X("avx2", __AVX2__, __builtin_cpu_supports("avx2"))                                  \
    X("avx512f", __AVX512F__, __builtin_cpu_supports("avx512f"))                         \
    X("avx512cd", __AVX512CD__, __builtin_cpu_supports("avx512cd"))                      \
    X("avx512bw", __AVX512BW__, __builtin_cpu_supports("avx512bw"))                      \
    X("avx512dq", __AVX512DQ__, __builtin_cpu_supports("avx512dq"))                      \
    X("avx512vl", __AVX512VL__, __builtin_cpu_supports("avx512vl"))                      \
    X("avx512ifma", __AVX512IFMA__, __builtin_cpu_supports("avx512ifma"))                \
    X("avx512vbmi", __AVX512VBMI__, __builtin_cpu_supports("avx512vbmi"))                \
    X("avx512vnni", __AVX512VNNI__, __builtin_cpu_supports("avx512vnni"))                \
    X("avx512vbmi2", __AVX512VBMI2__, __builtin_cpu_supports("avx512vbmi2"))             \
    X("avx512bitalg", __AVX512BITALG__, __builtin_cpu_supports("avx512bitalg"))          \
    X("avx512vpopcntdq", __AVX512VPOPCNTDQ__, __builtin_cpu_supports("avx512vpopcntdq")) \
    X("avx512bf16", __AVX512BF16__, __builtin_cpu_supports("avx512bf16"))                \
    X("avx512fp16", __AVX512FP16__, avx512_and_cpuid_edx(7, 23))                         \
    X("amx-tile", DHO_NO_MACRO_1, cpuid_edx(7, 24))                                      \
    X("amx-bf16", DHO_NO_MACRO_2, cpuid_edx(7, 22))                                      \
    X("amx-int8", DHO_NO_MACRO_3, cpuid_edx(7, 25))
#elif defined(__aarch64__)
#define DHO_PROCESSOR_FEATURES(X)                                                               \
    X("crc32", __ARM_FEATURE_CRC32, (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0)                   \
    X("atomics", __ARM_FEATURE_ATOMICS, (getauxval(AT_HWCAP) & HWCAP_ATOMICS) != 0)             \
    X("fp16", __ARM_FEATURE_FP16_VECTOR_ARITHMETIC, (getauxval(AT_HWCAP) & HWCAP_ASIMDHP) != 0) \
    X("dotprod", __ARM_FEATURE_DOTPROD, (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0)             \
    X("i8mm", __ARM_FEATURE_MATMUL_INT8, (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0)             \
    X("bf16", __ARM_FEATURE_BF16, (getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0)                    \
    X("sve", __ARM_FEATURE_SVE, (getauxval(AT_HWCAP) & HWCAP_SVE) != 0)                         \
    X("sve2", __ARM_FEATURE_SVE2, (getauxval(AT_HWCAP2) & HWCAP2_SVE2) != 0)
#else
#define DHO_PROCESSOR_FEATURES(X)
#endif

/* One a feature: "1" where the library is compiled to use it, else the macro's own name. */
extern const char *const dho_processor_macros[];

#endif
