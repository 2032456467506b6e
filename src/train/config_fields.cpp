// the members of Config → the list of every key a config may hold.
#include "train/config_fields.h"

#include <type_traits>

namespace soma {
namespace {

struct Lister {
  std::string prefix;
  std::vector<std::string>& keys;

  template <class T>
  void operator()(std::string_view key, T&& member) {
    using Member = std::remove_cvref_t<T>;
    const std::string dotted = prefix + std::string(key);
    keys.push_back(dotted);
    Lister inside{dotted + ".", keys};
    if constexpr (std::is_same_v<Member, std::vector<PreprocessSpec>>) {
      PreprocessSpec entry;
      fields(entry, inside);
    } else if constexpr (std::is_same_v<Member, Init> || is_config_section<Member>) {
      fields(member, inside);
    }
  }
};

}  // namespace

std::vector<std::string> config_keys() {
  std::vector<std::string> keys;
  Config config;
  fields(config, Lister{"", keys});
  keys.insert(keys.end(), {"layer.type", "layer.name", "layer.inputs", "layer.init"});
  for (Layer layer : layer_prototypes())
    std::visit([&keys, kind = layer_kind(layer)](auto& known) { fields(known, Lister{kind + ".", keys}); }, layer);
  return keys;
}

}  // namespace soma
