// PNG and JPEG, and the EXIF block that says how a photograph is held.
#include "datasets/image_file.h"
#include "tests/fuzz/fuzz.h"

using namespace minima::datasets::detail;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return minima::test::read_or_refuse([&] {
    const std::vector<uint8_t> bytes(data, data + size);
    const ImageFormat format = image_format("fuzzed", bytes);
    if (format.width < 1 || format.height < 1) minima::fail("fuzzed", "no pixels", "some");
    if (int64_t{format.width} * format.height > 1 << 20) return;  // is read, and takes a while
    for (const bool colour : {false, true}) decode_image("fuzzed", bytes, colour);
  });
}
