// SPDX-License-Identifier: MIT
#include "datasets/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "core/file.h"
#include "core/ops.h"
#include "datasets/files.h"

namespace minima::datasets {
namespace {
constexpr size_t largest_file = size_t{1} << 34;
constexpr std::string_view magic = "\x93NUMPY";

struct NpyType {
  const char* code;
  DType dtype;
};
constexpr NpyType types[] = {{"<f4", DType::float32}, {"<f8", DType::float64}, {"<i4", DType::int32},
                             {"<i8", DType::int64},   {"|u1", DType::uint8},   {"|b1", DType::uint8}};

/// A little-endian number; the caller has checked that it is there.
uint64_t number_at(std::span<const uint8_t> bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{bytes[at + i]} << (8 * i);
  return value;
}

void append_number(std::string& out, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i) & 255);
}

/// What follows 'key': in the header, which is a dictionary as Python writes it.
std::string_view value_of(std::string_view header, const std::string& key, const std::string& name) {
  const size_t at = header.find("'" + key + "':");
  if (at == header.npos)
    fail(name, "a header without '" + key + "'", "descr, fortran_order and shape", "Is it damaged?");
  std::string_view value = header.substr(at + key.size() + 3);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  const size_t end = value.starts_with('(')    ? value.find(')')
                     : value.starts_with('\'') ? value.find('\'', 1)
                                               : value.find_first_of(",}");
  if (end == value.npos) fail(name, "a header that ends in '" + key + "'", "a whole one", "Is it truncated?");
  return value.starts_with('(') || value.starts_with('\'') ? value.substr(1, end - 1) : value.substr(0, end);
}

Shape shape_in(std::string_view words, const std::string& name) {
  Shape shape;
  uint64_t count = 1;
  while (!words.empty()) {
    int64_t extent = 0;
    const auto [end, problem] = std::from_chars(words.data(), words.data() + words.size(), extent);
    if (problem != std::errc() || extent < 0 || shape.rank() == core::max_rank ||
        (extent > 0 && count > static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / 8 / extent)))
      fail(name, "the shape (" + std::string(words) + ")",
           text("at most ", core::max_rank, " extents whose product fits"));
    count *= static_cast<uint64_t>(std::max<int64_t>(extent, 1));
    shape.push_back(extent);
    words.remove_prefix(static_cast<size_t>(end - words.data()));
    words.remove_prefix(std::min(words.find_first_not_of(", "), words.size()));
  }
  return shape;
}

Shape reversed(const Shape& shape) {
  Shape out;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) out.push_back(shape[axis]);
  return out;
}

/// Fortran order has the first axis innermost: the same bytes are the array with its axes reversed, in C order.
Tensor with_axes_reversed(const Tensor& stored) {
  std::vector<int> order;
  for (int axis = stored.rank() - 1; axis >= 0; --axis) order.push_back(axis);
  return core::permute(stored, order);
}

std::string npy_bytes(const Tensor& tensor) {
  const Tensor host = tensor.to(Device::cpu);
  const auto type =
      std::find_if(std::begin(types), std::end(types), [&](const NpyType& t) { return t.dtype == host.dtype(); });
  std::string header = text("{'descr': '", type->code, "', 'fortran_order': False, 'shape': (",
                            joined(host.shape(), ", "), host.shape().rank() == 1 ? "," : "", "), }");
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');  // so that the data are aligned
  std::string out(magic);
  out += '\1', out += '\0';
  append_number(out, header.size() + 1, 2);
  out += header + "\n";
  return out.append(reinterpret_cast<const char*>(host.raw()),
                    static_cast<size_t>(host.numel()) * size_of(host.dtype()));
}

/// CRC-32 of the zip format (ISO 3309).
uint32_t crc32(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}
}  // namespace

Tensor parse_npy(std::span<const uint8_t> bytes, const std::string& name) {
  if (bytes.size() < 12 || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
    fail(name, "a file that does not begin with NUMPY's mark", "a .npy file");
  const size_t length_size = bytes[6] == 1 ? 2 : 4, start = 8 + length_size;
  const uint64_t length = number_at(bytes, 8, length_size);
  if (bytes[6] < 1 || bytes[6] > 3) fail(name, text("version ", int{bytes[6]}), "1, 2 or 3");
  if (length > bytes.size() - start)
    fail(name, text("a header of ", length, " bytes"), text("at most the ", bytes.size() - start, " that follow"),
         "Is it truncated?");
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + start, length);
  const std::string code(value_of(header, "descr", name));
  const auto type = std::find_if(std::begin(types), std::end(types), [&](const NpyType& t) { return code == t.code; });
  if (type == std::end(types))
    fail(name, "elements of type " + code, "<f4, <f8, <i4, <i8, |u1 or |b1",
         "Convert them in NumPy: array.astype('<f4').");
  const bool fortran = value_of(header, "fortran_order", name).starts_with("True");
  Shape shape = shape_in(value_of(header, "shape", name), name);
  const size_t wanted = static_cast<size_t>(shape.numel()) * size_of(type->dtype),
               stored = bytes.size() - start - length;
  if (stored != wanted)
    fail(name, text(stored, " bytes of data"), text(wanted, ", as its header says: ", shape),
         "Is it truncated or damaged?");
  Tensor out = Tensor::empty(fortran ? reversed(shape) : shape, type->dtype);
  if (wanted > 0) std::memcpy(out.raw(), bytes.data() + start + length, wanted);
  return fortran ? with_axes_reversed(out) : out;
}

Tensor load_npy(const std::string& path) { return parse_npy(detail::read_file(path, largest_file), path); }

void save_npy(const Tensor& tensor, const std::string& path) {
  const std::string bytes = npy_bytes(tensor);
  write_file_atomically(path, bytes.data(), bytes.size());
}

Arrays load_npz(const std::string& path) {
  const std::vector<uint8_t> file = core::read_file(path, largest_file);
  const std::span<const uint8_t> bytes(file);
  const auto damaged = [&](const std::string& what) { fail(path, what, "a whole .npz file", "Get it again."); };
  // The end of the archive says where its list of files is; what the files say of themselves may be incomplete.
  size_t end = bytes.size() < 22 ? 0 : bytes.size() - 22;
  const size_t earliest = end > 65535 ? end - 65535 : 0;
  while (end > earliest && number_at(bytes, end, 4) != 0x06054b50) --end;
  if (bytes.size() < 22 || number_at(bytes, end, 4) != 0x06054b50) damaged("a file without a zip archive's end");
  const uint64_t count = number_at(bytes, end + 10, 2);
  size_t at = number_at(bytes, end + 16, 4);
  Arrays out;
  for (uint64_t i = 0; i < count; ++i) {
    if (at > bytes.size() || bytes.size() - at < 46 || number_at(bytes, at, 4) != 0x02014b50)
      damaged("a damaged list of files");
    const uint64_t method = number_at(bytes, at + 10, 2), sum = number_at(bytes, at + 16, 4);
    const uint64_t packed = number_at(bytes, at + 20, 4), unpacked = number_at(bytes, at + 24, 4);
    const size_t name_size = number_at(bytes, at + 28, 2),
                 skipped = number_at(bytes, at + 30, 2) + number_at(bytes, at + 32, 2);
    const size_t local = number_at(bytes, at + 42, 4);
    if (bytes.size() - at - 46 < name_size) damaged("a damaged list of files");
    std::string name(reinterpret_cast<const char*>(bytes.data()) + at + 46, name_size);
    at += 46 + name_size + skipped;
    if (packed == 0xffffffff || unpacked == 0xffffffff || local == 0xffffffff)
      fail(path, "an array of more than 4 GiB", "smaller ones", "Save it as .npy.");
    if (local > bytes.size() || bytes.size() - local < 30 || number_at(bytes, local, 4) != 0x04034b50)
      damaged("a damaged file header");
    const size_t data = local + 30 + number_at(bytes, local + 26, 2) + number_at(bytes, local + 28, 2);
    if (data > bytes.size() || bytes.size() - data < packed) damaged("the end of the file within " + name);
    if (method != 0 && method != 8) fail(path, text(name, " packed by method ", method), "stored or deflated");
    std::vector<uint8_t> inflated;
    std::span<const uint8_t> content = bytes.subspan(data, packed);
    if (method == 8) content = inflated = detail::inflate(path, content, detail::Packing::zip, unpacked);
    if (content.size() != unpacked || crc32({reinterpret_cast<const char*>(content.data()), content.size()}) != sum)
      damaged(name + " with a wrong check sum");
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    out.insert_or_assign(name, parse_npy(content, path + ", " + name));
  }
  return out;
}

void save_npz(const Arrays& arrays, const std::string& path) {
  std::string files, list;
  for (const auto& [key, tensor] : arrays) {
    const std::string name = key + ".npy", content = npy_bytes(tensor);
    if (files.size() + content.size() > 0xf0000000)
      fail(path, "arrays of more than 4 GiB", "smaller ones", "Use .npy.");
    std::string common;  // of the header before the content and of the list at the end
    append_number(common, 20, 2), append_number(common, 0, 2), append_number(common, 0, 2);  // version, flags, stored
    append_number(common, 0, 2), append_number(common, 33, 2);                               // 1980-01-01
    append_number(common, crc32(content), 4);
    append_number(common, content.size(), 4), append_number(common, content.size(), 4);
    append_number(common, name.size(), 2), append_number(common, 0, 2);
    append_number(list, 0x02014b50, 4), append_number(list, 20, 2);
    list += common;
    append_number(list, 0, 2), append_number(list, 0, 2), append_number(list, 0, 2), append_number(list, 0, 4);
    append_number(list, files.size(), 4);
    list += name;
    append_number(files, 0x04034b50, 4);
    files += common + name + content;
  }
  const size_t start = files.size();
  files += list;
  append_number(files, 0x06054b50, 4), append_number(files, 0, 4);
  append_number(files, arrays.size(), 2), append_number(files, arrays.size(), 2);
  append_number(files, list.size(), 4), append_number(files, start, 4), append_number(files, 0, 2);
  write_file_atomically(path, files.data(), files.size());
}

}  // namespace minima::datasets
