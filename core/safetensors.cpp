#include "core/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>

#include "core/json.h"

namespace minima {
namespace {

using detail::Json;
using detail::JsonError;

constexpr size_t length_bytes = 8;                // the header's length, little-endian, comes before it
constexpr uint64_t largest_header = 100'000'000;  // the format's own limit
constexpr int header_depth = 3;                   // {tensor: {"shape": [...]}}
constexpr const char* metadata_key = "__metadata__";

struct NamedDType {
  const char* name;
  DType dtype;
};
constexpr NamedDType dtypes[] = {{"F32", DType::float32},
                                 {"F64", DType::float64},
                                 {"I32", DType::int32},
                                 {"I64", DType::int64},
                                 {"U8", DType::uint8}};

const char* code_of(DType dtype) {
  for (const NamedDType& known : dtypes)
    if (known.dtype == dtype) return known.name;
  return "";
}

/// The names in a map, at most eight of them, for an error message.
template <class Map>
std::string names_in(const Map& map) {
  if (map.empty()) return "nothing";
  std::string out;
  int count = 0;
  for (const auto& [name, unused] : map) {
    if (++count > 8) return out + text(", ... (", map.size(), " in all)");
    out += (count > 1 ? ", " : "") + name;
  }
  return out;
}

/// One tensor as the header describes it; begin and end count from the first byte after the header.
struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  uint64_t begin, end;
};

/// Reads one file's header. Every complaint names the file and an offset in it.
class HeaderParser {
 public:
  HeaderParser(const char* bytes, size_t size, const std::string& file) : bytes_(bytes), size_(size), file_(file) {}

  std::vector<Entry> entries;  ///< in the order of their bytes
  std::map<std::string, std::string> metadata;
  size_t data_start = 0;

  void parse() {
    const uint64_t header_size = read_length();
    data_start = length_bytes + static_cast<size_t>(header_size);
    const Json header = read_json();
    for (const auto& [name, value] : header.members)
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

  uint64_t read_length() const {
    if (size_ < length_bytes) {
      refuse(0, text(size_, " bytes in the whole file"), "a safetensors file, which opens with an 8-byte header length",
             "Is the file truncated?");
    }
    uint64_t length = 0;
    for (size_t i = 0; i < length_bytes; ++i)
      length |= static_cast<uint64_t>(static_cast<unsigned char>(bytes_[i])) << (8 * i);
    if (length > largest_header)
      refuse(0, text("a header length of ", length), text("at most ", largest_header), "Is this a safetensors file?");
    if (length > size_ - length_bytes) {
      refuse(0, text("a header length of ", length), text("at most the ", size_ - length_bytes, " bytes that follow"),
             "Is the file truncated?");
    }
    return length;
  }

  Json read_json() const {
    const char* begin = bytes_ + length_bytes;
    const char* end = bytes_ + data_start;
    if (begin == end || *begin != '{') {
      refuse(length_bytes, begin == end ? "an empty header" : text("'", printable(*begin), "'"),
             "a JSON object that opens with '{'", "Is this a safetensors file?");
    }
    try {
      return detail::parse_json(begin, static_cast<size_t>(end - begin), header_depth);
    } catch (const JsonError& error) {
      refuse(length_bytes + error.offset, text("a header with ", error.what()),
             "JSON in UTF-8: {name: {dtype, shape, data_offsets}}", "Is the file damaged?");
    }
  }

  static std::string printable(char c) {
    return c >= ' ' && c <= '~' ? std::string(1, c) : text("byte ", int{static_cast<unsigned char>(c)});
  }

  void read_metadata(const Json& value) {
    if (value.kind != Json::object)
      refuse(length_bytes, text(metadata_key, " of type ", value.type_name()), "an object");
    for (const auto& [key, entry] : value.members) {
      if (entry.kind != Json::string)
        refuse(length_bytes, text(metadata_key, " entry \"", key, "\" of type ", entry.type_name()), "a string");
      metadata[key] = entry.text;
    }
  }

  /// The unsigned integers of an array member, each at most int64's largest.
  std::vector<uint64_t> read_integers(const std::string& tensor, const Json& value, const char* key) const {
    const Json* member = value.find(key);
    const auto wrong = [&](const std::string& got) {
      refuse(length_bytes, text("tensor \"", tensor, "\" with ", got), text("\"", key, "\": [non-negative integers]"));
    };
    if (!member) wrong(text("no \"", key, "\""));
    if (member->kind != Json::array) wrong(text("\"", key, "\" of type ", member->type_name()));
    std::vector<uint64_t> out;
    for (const auto& [unnamed, number] : member->members) {
      uint64_t parsed = 0;
      const char* end = number.text.data() + number.text.size();
      const auto [stop, problem] = std::from_chars(number.text.data(), end, parsed);
      if (number.kind != Json::number || stop != end || problem != std::errc() ||
          parsed > uint64_t{std::numeric_limits<int64_t>::max()})
        wrong(text("\"", key, "\" holding ", number.text));
      out.push_back(parsed);
    }
    return out;
  }

  DType read_dtype(const std::string& tensor, const Json& value) const {
    const Json* member = value.find("dtype");
    const std::string got = !member ? "no dtype" : member->kind == Json::string ? member->text : member->type_name();
    for (const NamedDType& known : dtypes)
      if (got == known.name) return known.dtype;
    refuse(length_bytes, text("tensor \"", tensor, "\" of dtype ", got), "F32, F64, I32, I64 or U8",
           "Convert it in the program that wrote the file.");
  }

  Entry read_entry(const std::string& name, const Json& value) const {
    if (value.kind != Json::object) {
      refuse(length_bytes, text("tensor \"", name, "\" described by a value of type ", value.type_name()),
             "an object with dtype, shape and data_offsets");
    }
    const DType dtype = read_dtype(name, value);
    const std::vector<uint64_t> extents = read_integers(name, value, "shape");
    if (extents.size() > size_t{core::max_rank})
      refuse(length_bytes, text("tensor \"", name, "\" of rank ", extents.size()), text("at most ", core::max_rank));
    Shape shape;
    bool zero_size = false;
    uint64_t bytes = size_of(dtype);
    for (const uint64_t extent : extents) {
      shape.push_back(static_cast<int64_t>(extent));
      zero_size |= extent == 0;
      if (extent > 0 && bytes > uint64_t{std::numeric_limits<int64_t>::max()} / extent) {
        refuse(length_bytes, text("tensor \"", name, "\" of shape [", joined(extents), "]"),
               "a size that fits in 63 bits");
      }
      bytes *= std::max<uint64_t>(extent, 1);
    }
    if (zero_size) bytes = 0;
    const std::vector<uint64_t> offsets = read_integers(name, value, "data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1]) {
      refuse(length_bytes, text("tensor \"", name, "\" with data_offsets ", value.find("data_offsets")->text),
             "[begin, end] with begin <= end");
    }
    const uint64_t available = size_ - data_start;
    if (offsets[1] > available) {
      refuse(data_start, text("tensor \"", name, "\" at bytes ", offsets[0], " to ", offsets[1], " of the data"),
             text("an end within the ", available, " bytes of data"), "Is the file truncated?");
    }
    if (offsets[1] - offsets[0] != bytes) {
      refuse(data_start + offsets[0], text("tensor \"", name, "\" with ", offsets[1] - offsets[0], " bytes"),
             text(bytes, " bytes for ", code_of(dtype), " ", shape));
    }
    return {name, dtype, shape, offsets[0], offsets[1]};
  }

  /// The tensors must cover the data from its first byte to its last, without gap or overlap.
  void check_layout() {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
    uint64_t covered = 0;
    for (const Entry& entry : entries) {
      if (entry.begin != covered) {
        refuse(data_start + entry.begin,
               text("tensor \"", entry.name, "\" beginning at byte ", entry.begin, " of the data"),
               text("byte ", covered, ", where the one before ends"),
               entry.begin < covered ? "Tensors must not overlap." : "There must be no gap.");
      }
      covered = entry.end;
    }
    if (covered != size_ - data_start) {
      refuse(data_start + covered, text(size_ - data_start, " bytes of data"),
             text(covered, " bytes, as the header says"), "Something was appended to the file.");
    }
  }

  const char* bytes_;
  const size_t size_;
  const std::string& file_;
};

std::string metadata_json(const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> entries;
  for (const auto& [key, value] : metadata)
    entries.push_back(detail::quoted_json(key) + ":" + detail::quoted_json(value));
  return "{" + joined(entries, ",") + "}";
}

/// A file descriptor that closes itself.
struct File {
  int descriptor;
  explicit File(int opened) : descriptor(opened) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

std::string read_file(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  if (file.descriptor < 0 || ::fstat(file.descriptor, &status) != 0)
    fail(path, std::strerror(errno), "a readable file");
  if (!S_ISREG(status.st_mode))
    fail(path, S_ISDIR(status.st_mode) ? "a directory" : "a device or pipe", "a regular file");
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::read(file.descriptor, &bytes[done], bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(text(path, ", byte ", done), std::strerror(errno), "a readable file");
    if (count == 0) break;  // shortened while being read: the parser says what is missing
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

/// Writes and flushes a new file; errno tells what went wrong when the answer is false.
bool write_new_file(const std::string& path, const char* bytes, size_t size) {
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.descriptor < 0) return false;
  while (size > 0) {
    const ssize_t count = ::write(file.descriptor, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes += count;
    size -= static_cast<size_t>(count);
  }
  return ::fsync(file.descriptor) == 0;
}

}  // namespace

const Tensor& Archive::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) fail("archive", text("no tensor \"", name, "\""), text("one of: ", names_in(tensors)));
  return found->second;
}

const std::string& Archive::entry(const std::string& name) const {
  const auto found = metadata.find(name);
  if (found == metadata.end())
    fail("archive", text("no metadata entry \"", name, "\""), text("one of: ", names_in(metadata)));
  return found->second;
}

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
    json += (json.size() > 1 ? "," : "") + detail::quoted_json(key) + ":" + value;
  };
  size_t offset = 0;
  try {
    if (!archive.metadata.empty()) add(metadata_key, metadata_json(archive.metadata));
    for (const auto& [name, tensor] : ordered) {
      const size_t end = offset + static_cast<size_t>(tensor.numel()) * size_of(tensor.dtype());
      add(name, text("{\"dtype\":\"", code_of(tensor.dtype()), "\",\"shape\":[", joined(tensor.shape(), ","),
                     "],\"data_offsets\":[", offset, ",", end, "]}"));
      offset = end;
    }
  } catch (const JsonError&) { fail(path, "a name or metadata entry that is not UTF-8", "UTF-8 text"); }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (json.size() > largest_header)
    fail(path, text("a header of ", json.size(), " bytes"), text("at most ", largest_header));

  std::string file;
  file.reserve(length_bytes + json.size() + offset);
  for (size_t i = 0; i < length_bytes; ++i) file.push_back(static_cast<char>(json.size() >> (8 * i) & 0xff));
  file += json;
  for (const auto& [name, tensor] : ordered) {
    file.append(reinterpret_cast<const char*>(tensor.raw()),
                static_cast<size_t>(tensor.numel()) * size_of(tensor.dtype()));
  }
  write_file_atomically(path, file.data(), file.size());
}

Archive parse_safetensors(const char* bytes, size_t size, const std::string& name) {
  HeaderParser header(bytes, size, name);
  header.parse();
  Archive archive;
  archive.metadata = std::move(header.metadata);
  for (const Entry& entry : header.entries) {
    Tensor tensor = Tensor::empty(entry.shape, entry.dtype);
    if (entry.end > entry.begin)
      std::memcpy(tensor.raw(), bytes + header.data_start + entry.begin, static_cast<size_t>(entry.end - entry.begin));
    archive.tensors.emplace(entry.name, std::move(tensor));
  }
  return archive;
}

Archive load_safetensors(const std::string& path) {
  const std::string bytes = read_file(path);
  return parse_safetensors(bytes.data(), bytes.size(), path);
}

void write_file_atomically(const std::string& path, const char* bytes, size_t size) {
  const std::string part = path + ".part";
  if (!write_new_file(part, bytes, size) || std::rename(part.c_str(), path.c_str()) != 0) {
    const int reason = errno;
    ::unlink(part.c_str());
    fail(path, text("\"", std::strerror(reason), "\" while writing ", size, " bytes"), "a place that can be written",
         "Nothing was left there; an earlier file of that name is unchanged.");
  }
  // The rename itself must survive a power cut. A file system that cannot flush a folder has written the file all the
  // same.
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const File directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.descriptor >= 0) ::fsync(directory.descriptor);
}

}  // namespace minima
