// a loop over registers → that loop unrolled, so that arrays of vectors are registers; left as it is where a sanitizer
// instruments every access, and unrolling would only make minutes of compilation.
#pragma once

#if defined(__has_feature)
#define SOMA_HAS_FEATURE(x) __has_feature(x)
#else
#define SOMA_HAS_FEATURE(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || SOMA_HAS_FEATURE(address_sanitizer) || \
    SOMA_HAS_FEATURE(thread_sanitizer)
#define SOMA_UNROLL
#else
#define SOMA_UNROLL _Pragma("GCC unroll 32")
#endif
