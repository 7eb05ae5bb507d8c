// SPDX-License-Identifier: MIT
// Reading safetensors files: the header by nlohmann-json. What the header says is checked before it is believed.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "core/file.h"
#include "core/safetensors.h"
#include "core/safetensors_format.h"

namespace minima {
namespace {
using namespace core;
using Json = nlohmann::json;

constexpr int header_depth = 3;  // {tensor: {"shape": [...]}}
constexpr uint64_t largest_integer = std::numeric_limits<int64_t>::max();

/// A type of the format: what a tensor of it becomes here, and how its elements are read. All conversions are exact.
struct StoredType {
  const char* code;
  size_t size;
  DType dtype;
  int exponent = 0, mantissa = 0;  ///< bits of a floating type that is narrower than float32
  bool is_signed = false;          ///< of an integer that is narrower than the one that it becomes
};

constexpr StoredType stored_types[] = {{"F32", 4, DType::float32},
                                       {"F64", 8, DType::float64},
                                       {"I32", 4, DType::int32},
                                       {"I64", 8, DType::int64},
                                       {"U8", 1, DType::uint8},
                                       {"BOOL", 1, DType::uint8},
                                       {"F16", 2, DType::float32, 5, 10},
                                       {"BF16", 2, DType::float32, 8, 7},
                                       {"F8_E5M2", 1, DType::float32, 5, 2},
                                       {"F8_E4M3", 1, DType::float32, 4, 3},
                                       {"I8", 1, DType::int32, 0, 0, true},
                                       {"I16", 2, DType::int32, 0, 0, true},
                                       {"U16", 2, DType::int32},
                                       {"U32", 4, DType::int64},
                                       {"U64", 8, DType::int64}};

/// One tensor as the header describes it; begin and end count from the first byte after the header.
struct Entry {
  std::string name;
  const StoredType* type;
  Shape shape;
  uint64_t begin, end;
};

uint64_t little_endian(const char* bytes, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return value;
}

/// Goes through a header once before it is parsed: the parser would keep the last of two equal keys, and take any
/// depth. (Its own callback, made for this, takes a time that grows with the square of the number of tensors.)
class HeaderCheck : public nlohmann::json_sax<Json> {
 public:
  std::string got, expected;  ///< empty: nothing is wrong
  size_t at = 0;              ///< counted from 1

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return enter() && (keys_[depth_ - 1].clear(), true); }
  bool start_array(size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& key) override {
    return keys_[depth_ - 1].insert(key).second || refuse("the key " + Json(key).dump() + " twice", "every name once");
  }
  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    at = position;
    const bool is_number = error.id == 406;  // of the library's list of errors: out of the range of a double
    return refuse(is_number ? "a number that no double holds" : "a header that is not JSON", "JSON in UTF-8");
  }

 private:
  bool enter() {
    return ++depth_ <= header_depth || refuse("values nested too deep", "{name: {dtype, shape, data_offsets}}");
  }
  bool leave() { return --depth_ >= 0; }
  bool refuse(const std::string& what, const std::string& instead) {
    got = what, expected = instead;
    return false;
  }
  std::set<std::string> keys_[header_depth];
  int depth_ = 0;
};

/// Reads one file's header. Every complaint names the file and an offset in it.
class HeaderParser {
 public:
  HeaderParser(const char* bytes, size_t size, const std::string& file) : bytes_(bytes), size_(size), file_(file) {}

  std::vector<Entry> entries;  ///< in the order of their bytes
  std::map<std::string, std::string> metadata;
  size_t data_start = length_bytes;

  void parse() {
    data_start += read_length();
    const Json header = read_json();
    for (const auto& [name, value] : header.items())
      if (name == metadata_key)
        read_metadata(value);
      else
        entries.push_back(read_entry(name, value));
    check_layout();
  }

 private:
  [[noreturn]] void refuse(size_t offset, const std::string& got, const std::string& expected,
                           const std::string& hint = "") const {
    fail(text(file_, ", byte ", offset), got, expected, hint);
  }

  size_t read_length() const {
    if (size_ < length_bytes)
      refuse(0, text(size_, " bytes in the whole file"), "a safetensors file, which opens with an 8-byte header length",
             "Is the file truncated?");
    const uint64_t length = little_endian(bytes_, length_bytes);
    if (length > largest_header)
      refuse(0, text("a header length of ", length), text("at most ", largest_header), "Is this a safetensors file?");
    if (length > size_ - length_bytes)
      refuse(0, text("a header length of ", length), text("at most the ", size_ - length_bytes, " bytes that follow"),
             "Is the file truncated?");
    return static_cast<size_t>(length);
  }

  Json read_json() const {
    const char *begin = bytes_ + length_bytes, *end = bytes_ + data_start;
    if (begin == end || *begin != '{')
      refuse(length_bytes, begin == end ? "an empty header" : text("byte ", int{static_cast<unsigned char>(*begin)}),
             "a JSON object that opens with '{'", "Is this a safetensors file?");
    HeaderCheck check;
    if (!Json::sax_parse(begin, end, &check))
      refuse(length_bytes + std::max<size_t>(check.at, 1) - 1, check.got, check.expected, "Is the file damaged?");
    return Json::parse(begin, end);
  }

  void read_metadata(const Json& value) {
    if (!value.is_object()) refuse(length_bytes, text(metadata_key, " of type ", value.type_name()), "an object");
    for (const auto& [key, entry] : value.items()) {
      if (!entry.is_string())
        refuse(length_bytes, text(metadata_key, " entry \"", key, "\" of type ", entry.type_name()), "a string");
      metadata[key] = entry.get<std::string>();
    }
  }

  Entry read_entry(const std::string& name, const Json& value) const {
    const auto wrong = [&](const std::string& got, const std::string& expected, const std::string& hint = "") {
      refuse(length_bytes, text("tensor \"", name, "\" ", got), expected, hint);
    };
    if (!value.is_object())
      wrong(text("described by a value of type ", value.type_name()), "an object with dtype, shape and data_offsets");
    // The numbers of an array member, each at most int64's largest.
    const auto integers = [&](const char* key) {
      const std::string expected = text("\"", key, "\": [non-negative integers]");
      if (!value.contains(key)) wrong(text("with no \"", key, "\""), expected);
      if (!value[key].is_array()) wrong(text("with \"", key, "\" of type ", value[key].type_name()), expected);
      for (const Json& number : value[key])
        if (!number.is_number_unsigned() || number.get<uint64_t>() > largest_integer)
          wrong(text("with \"", key, "\" holding ", number.dump()), expected);
      return value[key].get<std::vector<uint64_t>>();
    };
    const auto code = value.find("dtype");
    const std::string got = code == value.end() ? "no dtype"
                            : code->is_string() ? code->get<std::string>()
                                                : code->dump();
    const auto known = std::find_if(std::begin(stored_types), std::end(stored_types),
                                    [&](const StoredType& type) { return got == type.code; });
    if (known == std::end(stored_types)) {
      std::vector<std::string> codes;
      for (const StoredType& type : stored_types) codes.push_back(type.code);
      wrong("of dtype " + got, "one of " + joined(codes), "Convert it in the program that wrote the file.");
    }

    const std::vector<uint64_t> extents = integers("shape"), offsets = integers("data_offsets");
    if (extents.size() > size_t{max_rank}) wrong(text("of rank ", extents.size()), text("at most ", max_rank));
    Shape shape;
    uint64_t bytes = known->size;  // an extent of 0 set aside, so that the others are checked beside it, too
    for (const uint64_t extent : extents) {
      shape.push_back(static_cast<int64_t>(extent));
      if (extent > 0 && bytes > largest_integer / extent)
        wrong(text("of shape [", joined(extents), "]"), "a size that fits in 63 bits");
      bytes *= std::max<uint64_t>(extent, 1);
    }
    if (std::count(extents.begin(), extents.end(), 0u) > 0) bytes = 0;

    if (offsets.size() != 2 || offsets[0] > offsets[1])
      wrong("with data_offsets " + value["data_offsets"].dump(), "[begin, end] with begin <= end");
    const uint64_t available = size_ - data_start, stored = offsets[1] - offsets[0];
    if (offsets[1] > available)
      refuse(data_start, text("tensor \"", name, "\" at bytes ", offsets[0], " to ", offsets[1], " of the data"),
             text("an end within the ", available, " bytes of data"), "Is the file truncated?");
    if (stored != bytes)
      refuse(data_start + offsets[0], text("tensor \"", name, "\" with ", stored, " bytes"),
             text(bytes, " bytes for ", known->code, " ", shape));
    return {name, known, shape, offsets[0], offsets[1]};
  }

  /// The tensors must cover the data from its first byte to its last, without gap or overlap.
  void check_layout() {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    uint64_t covered = 0;
    for (const Entry& entry : entries) {
      if (entry.begin != covered)
        refuse(data_start + entry.begin,
               text("tensor \"", entry.name, "\" beginning at byte ", entry.begin, " of the data"),
               text("byte ", covered, ", where the one before ends"),
               entry.begin < covered ? "Tensors must not overlap." : "There must be no gap.");
      covered = entry.end;
    }
    if (covered != size_ - data_start)
      refuse(data_start + covered, text(size_ - data_start, " bytes of data"),
             text(covered, " bytes, as the header says"), "Something was appended to the file.");
  }

  const char* bytes_;
  const size_t size_;
  const std::string& file_;
};

/// A number of one sign bit, an exponent and a mantissa. In E4M3 the largest exponent has numbers as well, and NaN
/// alone is special; in the others it stands for infinity and NaN, as in IEEE 754.
float narrow_float(uint64_t bits, const StoredType& type) {
  const int exponent_mask = (1 << type.exponent) - 1, mantissa_mask = (1 << type.mantissa) - 1;
  const int exponent = static_cast<int>(bits >> type.mantissa) & exponent_mask,
            mantissa = static_cast<int>(bits) & mantissa_mask;
  const float sign = bits >> (type.exponent + type.mantissa) & 1 ? -1.0f : 1.0f;
  const int bias = exponent_mask / 2;
  if (exponent == exponent_mask && type.exponent == 4) {
    if (mantissa == mantissa_mask) return std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == exponent_mask) {
    return mantissa ? std::numeric_limits<float>::quiet_NaN() : sign * std::numeric_limits<float>::infinity();
  }
  const int whole = exponent == 0 ? mantissa : mantissa + mantissa_mask + 1;
  return sign * std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - bias - type.mantissa);
}

/// Elements of a type that has no DType of its own.
void convert(const Entry& entry, const char* from, const std::string& file, Tensor& to) {
  const StoredType& type = *entry.type;
  for (int64_t i = 0; i < to.numel(); ++i, from += type.size) {
    const uint64_t bits = little_endian(from, type.size);
    const auto whole = static_cast<int64_t>(bits);
    const int64_t wrap = int64_t{1} << (8 * std::min<size_t>(type.size, 4));
    if (type.exponent > 0)
      to.mutable_data<float>()[i] = narrow_float(bits, type);
    else if (type.dtype == DType::int32)
      to.mutable_data<int32_t>()[i] = static_cast<int32_t>(type.is_signed && whole >= wrap / 2 ? whole - wrap : whole);
    else if (whole >= 0)
      to.mutable_data<int64_t>()[i] = whole;
    else
      fail(file, text("tensor \"", entry.name, "\" with the U64 element ", bits), text("at most ", largest_integer));
  }
}
}  // namespace

bool can_load_safetensors() { return true; }

Archive parse_safetensors(const char* bytes, size_t size, const std::string& name) {
  HeaderParser header(bytes, size, name);
  header.parse();
  Archive archive;
  archive.metadata = std::move(header.metadata);
  for (const Entry& entry : header.entries) {
    Tensor tensor = Tensor::empty(entry.shape, entry.type->dtype);
    const char* from = bytes + header.data_start + entry.begin;
    const bool as_is = entry.type->exponent == 0 && entry.type->size == size_of(entry.type->dtype) &&
                       entry.type->code != std::string("U64");
    if (!as_is)
      convert(entry, from, name, tensor);
    else if (entry.end > entry.begin)
      std::memcpy(tensor.raw(), from, static_cast<size_t>(entry.end - entry.begin));
    archive.tensors.emplace(entry.name, std::move(tensor));
  }
  return archive;
}

Archive load_safetensors(const std::string& path) {
  const std::vector<uint8_t> bytes = core::read_file(path, std::numeric_limits<size_t>::max() / 2);
  return parse_safetensors(reinterpret_cast<const char*>(bytes.data()), bytes.size(), path);
}

}  // namespace minima
