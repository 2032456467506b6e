// bytes of a file that soma writes ↔ its seal: a SHA-256 of every other byte, in the file's own metadata.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "soma/error.h"
#include "soma/model.h"

namespace soma {

inline constexpr std::string_view kSealKey = "soma.sha256";
inline constexpr std::string_view kVersionKey = "soma.version";
/// What the header of a sealed safetensors file begins with; the digits are next.
inline constexpr std::string_view kSafetensorsSeal = R"({"__metadata__":{"soma.sha256":")";

/// The version written into sealed files, which no file without a seal carries: "0.1.0+sealed".
std::string sealed_version();

/// What an ONNX file of soma's ends with: its operator set, behind the metadata and their seal. So a file whose end is cut off
/// has no operator set, and is never taken for one whose metadata another program has dropped.
std::string onnx_end();

/// Where the digits of the seal stand in the file, if they do: before the end of an ONNX file, at the start of a safetensors
/// header. Nowhere else counts: a file in which they moved was written by another program.
std::optional<std::size_t> onnx_seal(std::string_view bytes);
std::optional<std::size_t> safetensors_seal(std::string_view bytes);

/// The digits that belong there: of all bytes but these.
std::string seal_of(std::string_view bytes, std::size_t seal);

/// Fails when the digits at `seal` are not those of all other bytes.
[[nodiscard]] Result<void> hold_seal(std::string_view bytes, std::size_t seal, std::string_view who);

/// The error for a file of soma's whose seal is gone.
Error seal_is_gone(std::string_view who);

}  // namespace soma
