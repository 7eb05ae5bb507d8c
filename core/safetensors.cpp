// SPDX-License-Identifier: MIT
#include "core/safetensors.h"

#include <algorithm>

#include "core/safetensors_format.h"
#include "core/utf8.h"

namespace minima {
namespace {
using namespace core;

/// The value of a name; where there is none, an error that shows at most eight names.
template <class Map>
const auto& find(const Map& map, const char* what, const std::string& name) {
  if (const auto found = map.find(name); found != map.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, unused] : map)
    if (names.size() < 8) names.push_back(known);
  if (map.size() > 8) names.push_back(text("... (", map.size(), " in all)"));
  fail("archive", text("no ", what, " \"", name, '"'), text("one of: ", map.empty() ? "nothing" : joined(names)));
}

/// A string as JSON, with its quotes.
std::string quoted(const std::string& text, const std::string& path) {
  static const char digits[] = "0123456789abcdef";
  if (!is_utf8(text)) fail(path, "a name or metadata entry that is not UTF-8", "UTF-8 text");
  std::string out = "\"";
  for (const char c : text) {
    if (const auto byte = static_cast<unsigned char>(c); byte < 0x20)
      out += {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
    else if (c == '"' || c == '\\')
      out += {'\\', c};
    else
      out += c;
  }
  return out + '"';
}

size_t bytes_of(const Tensor& tensor) { return static_cast<size_t>(tensor.numel()) * size_of(tensor.dtype()); }
}  // namespace

const Tensor& Archive::tensor(const std::string& name) const { return find(tensors, "tensor", name); }
const std::string& Archive::entry(const std::string& name) const { return find(metadata, "metadata entry", name); }

void Archive::insert(const std::string& prefix, const Archive& other) {
  const auto copy_in = [&](auto& to, const auto& from) {
    for (const auto& [name, value] : from)
      if (!to.emplace(prefix + name, value).second)
        fail("archive", text("a second \"", prefix, name, "\""), "every name once");
  };
  copy_in(tensors, other.tensors);
  copy_in(metadata, other.metadata);
}

Archive Archive::extract(const std::string& prefix) const {
  Archive out;
  const auto copy_out = [&](auto& to, const auto& from) {
    for (auto it = from.lower_bound(prefix); it != from.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it)
      to.emplace(it->first.substr(prefix.size()), it->second);
  };
  copy_out(out.tensors, tensors);
  copy_out(out.metadata, metadata);
  return out;
}

void save_safetensors(const Archive& archive, const std::string& path) {
  // Larger elements first, so that every tensor lies at a multiple of its element size.
  std::vector<std::pair<std::string, Tensor>> ordered;
  for (const auto& [name, tensor] : archive.tensors) {
    if (!tensor.defined()) fail(path, text("the undefined tensor \"", name, "\""), "a tensor with elements to save");
    if (name == metadata_key)
      fail(path, text("a tensor named ", metadata_key), "another name", "The format reserves it.");
    ordered.emplace_back(name, tensor.to(Device::cpu));
  }
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return size_of(a.second.dtype()) > size_of(b.second.dtype()); });

  std::string json = "{";
  const auto add = [&](const std::string& key, const std::string& value) {
    json += (json.size() > 1 ? "," : "") + quoted(key, path) + ":" + value;
  };
  if (!archive.metadata.empty()) {
    std::vector<std::string> entries;
    for (const auto& [key, value] : archive.metadata) entries.push_back(quoted(key, path) + ":" + quoted(value, path));
    add(metadata_key, "{" + joined(entries, ",") + "}");
  }
  size_t offset = 0;
  for (const auto& [name, tensor] : ordered) {
    const size_t end = offset + bytes_of(tensor);
    add(name, text("{\"dtype\":\"", dtype_codes[static_cast<int>(tensor.dtype())], "\",\"shape\":[",
                   joined(tensor.shape(), ","), "],\"data_offsets\":[", offset, ",", end, "]}"));
    offset = end;
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (json.size() > largest_header)
    fail(path, text("a header of ", json.size(), " bytes"), text("at most ", largest_header));

  std::string file;
  file.reserve(length_bytes + json.size() + offset);
  for (size_t i = 0; i < length_bytes; ++i) file.push_back(static_cast<char>(json.size() >> (8 * i) & 0xff));
  file += json;
  for (const auto& [name, tensor] : ordered) file.append(reinterpret_cast<const char*>(tensor.raw()), bytes_of(tensor));
  write_file_atomically(path, file.data(), file.size());
}

}  // namespace minima
