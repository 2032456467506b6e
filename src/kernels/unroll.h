// this build → how far loops over registers are unrolled.
#pragma once

namespace soma {

#if defined(SOMA_SANITIZED)
inline constexpr int kUnroll = 1;  // every access is instrumented: unrolling would only make minutes of compilation
#else
inline constexpr int kUnroll = 32;  // all of them: only then are arrays of vectors registers
#endif

}  // namespace soma
