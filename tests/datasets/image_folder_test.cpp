// Folders of images: what comes out is what was written, and what does not fit is refused by name.
#include "datasets/image_folder.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "datasets/image_file.h"
#include "datasets/sources.h"
#include "tests/check.h"
#include "tests/datasets/files_for_tests.h"
#include "tests/datasets/images_for_tests.h"

using namespace minima;
using namespace minima::datasets;
using Folder = test::TemporaryFolder;
using test::jpg, test::Pixels, test::png;

namespace {

Pixels noise(int width, int height, int channels, uint64_t seed) {
  Generator random{.seed = seed};
  Pixels pixels(static_cast<size_t>(width) * height * channels);
  for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(random.below(256));
  return pixels;
}

std::string gray_png(uint64_t seed, int width = 5, int height = 3) {
  return png(width, height, PNG_FORMAT_GRAY, noise(width, height, 1, seed));
}

/// Two classes of `count` gray images each.
void fill(const Folder& folder, int count = 4) {
  for (int i = 0; i < count; ++i) {
    folder.write(text("data/cat/", i, ".png"), gray_png(10 + i));
    folder.write(text("data/dog/", i, ".png"), gray_png(50 + i));
  }
}

void check_refused(const std::function<void(const Folder&)>& change, const std::vector<std::string>& parts) {
  Folder folder;
  fill(folder);
  change(folder);
  const std::string message = test::error_of([&] { load_image_folder(folder.file("data")); });
  for (const std::string& part : parts) CHECK_MESSAGE(test::contains(message, part), "message was: " << message);
}

/// The values of one image, normalised.
std::vector<double> sample(const Dataset& data, int64_t position) {
  return data.batch({position}).x.to_vector<double>();
}

}  // namespace

TEST_CASE("a folder of gray images has one channel, its folders' names as classes, and a stratified seeded split") {
  Folder folder;
  fill(folder, 10);
  const auto [train, test] = load_image_folder(folder.file("data")).split;
  CHECK(train.input_shape() == Shape{3, 5, 1});
  CHECK(train.class_names() == std::vector<std::string>{"cat", "dog"});
  CHECK(train.size() == 16);
  CHECK(test.size() == 4);
  const auto labels = test.labels();
  CHECK(std::count(labels.begin(), labels.end(), 0) == 2);

  const auto [again, unused] = load_image_folder(folder.file("data")).split;
  CHECK_SAME_BITS(train.all().x, again.all().x);
  const auto [other, unused_too] = load_image_folder(folder.file("data"), {.seed = 2}).split;
  CHECK(train.labels().size() == other.labels().size());
  CHECK_FALSE(train.all().x.to_vector<double>() == other.all().x.to_vector<double>());
}

TEST_CASE("training images are normalised to mean 0 and deviation 1 over all pixels, and keep their pixels' ratios") {
  Folder folder;
  fill(folder, 10);
  const auto [train, test] = load_image_folder(folder.file("data")).split;
  double sum = 0, squares = 0;
  for (const double value : train.all().x.to_vector<double>()) sum += value, squares += value * value;
  const double count = static_cast<double>(train.size()) * 15;
  CHECK_CLOSE(sum / count, 0, {.atol = 1e-6});
  CHECK_CLOSE(squares / count, 1, {.rtol = 1e-5});

  // The images that were written, found again by their pixels: (p - p0) is proportional to (x - x0).
  int found = 0;
  for (int i = 0; i < 10; ++i) {
    const Pixels written = noise(5, 3, 1, 10 + i);
    for (const Dataset* part : {&train, &test}) {
      for (int64_t position = 0; position < part->size(); ++position) {
        const std::vector<double> x = sample(*part, position);
        const double scale = (x[1] - x[0]) / (written[1] - written[0]);
        double worst = 0;
        for (size_t k = 0; k < x.size(); ++k)
          worst = std::max(worst, std::abs(x[k] - x[0] - scale * (written[k] - written[0])));
        found += worst < 1e-4 && part->labels()[static_cast<size_t>(position)] == 0;
      }
    }
  }
  CHECK(found == 10);
}

TEST_CASE("colours are planes, channel after channel, alike from png and, within what its compression loses, jpg") {
  const Pixels red_then_blue{255, 0, 0, 0, 0, 255}, green{0, 255, 0, 0, 255, 0};
  for (const std::string format : {"png", "jpg"}) {
    const auto encoded = [&](const Pixels& pixels) {
      return format == "png" ? png(2, 1, PNG_FORMAT_RGB, pixels) : jpg(2, 1, TJPF_RGB, pixels);
    };
    Folder folder;
    for (int i = 0; i < 2; ++i) {
      folder.write(text("data/a/", i, ".", format), encoded(red_then_blue));
      folder.write(text("data/b/", i, ".", format), encoded(green));
    }
    const auto [train, test] = load_image_folder(folder.file("data")).split;
    CHECK(train.input_shape() == Shape{1, 2, 3});
    // A third of all values is at the upper level: mean 1/3, deviation sqrt(2)/3.
    const double low = -1 / std::sqrt(2.0), high = std::sqrt(2.0);
    const int64_t of_a = train.labels()[0] == 0 ? 0 : 1;
    const std::vector<double> expected_a{high, low, low, low, low, high}, expected_b{low, high, low, low, high, low};
    CHECK_CLOSE(sample(train, of_a), expected_a, {.atol = format == "png" ? 1e-6 : 0.15});
    CHECK_CLOSE(sample(train, 1 - of_a), expected_b, {.atol = format == "png" ? 1e-6 : 0.15});
  }
}

TEST_CASE("a gray jpg has one channel, and its ending may be .JPG or .jpeg") {
  Folder folder;
  for (int i = 0; i < 2; ++i) {
    folder.write(text("data/dark/", i, ".JPG"), jpg(8, 8, TJPF_GRAY, Pixels(64, 40)));
    folder.write(text("data/light/", i, ".jpeg"), jpg(8, 8, TJPF_GRAY, Pixels(64, 200)));
  }
  const auto [train, test] = load_image_folder(folder.file("data")).split;
  CHECK(train.input_shape() == Shape{8, 8, 1});
  // Two levels, symmetric about their mean: normalised, -1 and 1.
  for (int64_t i = 0; i < train.size(); ++i)
    for (const double value : sample(train, i)) CHECK_CLOSE(value, train.labels()[i] == 0 ? -1 : 1, {.atol = 0.05});
}

TEST_CASE("16 bits are rounded to the 8 bits of the same scale") {
  // Written by libpng's full interface: the simple one takes 16 bits for linear light.
  const auto image = [](uint16_t low, uint16_t high) {
    png_structp writer = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop info = png_create_info_struct(writer);
    std::string bytes;
    png_set_write_fn(
        writer, &bytes,
        [](png_structp to, png_bytep data, size_t size) {
          static_cast<std::string*>(png_get_io_ptr(to))->append(reinterpret_cast<const char*>(data), size);
        },
        nullptr);
    png_set_IHDR(writer, info, 2, 1, 16, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(writer, info);
    Pixels row{static_cast<uint8_t>(low >> 8), static_cast<uint8_t>(low), static_cast<uint8_t>(high >> 8),
               static_cast<uint8_t>(high)};
    png_write_row(writer, row.data());
    png_write_end(writer, info);
    png_destroy_write_struct(&writer, &info);
    return bytes;
  };
  Folder wide, narrow;
  for (const char* name : {"a/0", "a/1", "b/0", "b/1"}) {
    const uint8_t low = name[0] == 'a' ? 10 : 100, high = 220;
    wide.write(text("data/", name, ".png"), image(low * 257 + 120, high * 257 - 120));
    narrow.write(text("data/", name, ".png"), png(2, 1, PNG_FORMAT_GRAY, {low, high}));
  }
  CHECK_SAME_BITS(load_image_folder(wide.file("data")).split.train.all().x,
                  load_image_folder(narrow.file("data")).split.train.all().x);
}

TEST_CASE("where gray and colour images meet, gray ones have three equal channels") {
  Folder folder;
  fill(folder);
  folder.write("data/dog/colour.png", png(5, 3, PNG_FORMAT_RGBA, noise(5, 3, 4, 7)));
  const auto [train, test] = load_image_folder(folder.file("data")).split;
  CHECK(train.input_shape() == Shape{3, 5, 3});
  int gray = 0;
  for (const Dataset* part : {&train, &test}) {
    for (int64_t i = 0; i < part->size(); ++i) {
      const std::vector<double> x = sample(*part, i);
      bool equal = true;
      for (size_t pixel = 0; pixel < 45; pixel += 3) equal &= x[pixel] == x[pixel + 1] && x[pixel] == x[pixel + 2];
      gray += equal;
    }
  }
  CHECK(gray == 8);
  CHECK(train.size() + test.size() == 9);
}

TEST_CASE("hidden files, what systems leave, and a text beside the class folders are passed over") {
  Folder folder;
  fill(folder);
  folder.write("data/README.txt", "about these images");
  folder.write("data/cat/.DS_Store", "x");
  folder.write("data/.cache/thumbnail", "x");
  folder.write("data/cat/Thumbs.db", "x");
  folder.write("data/dog/desktop.ini", "x");
  folder.write("data/__MACOSX/cat/._0.png", "x");
  const auto [train, test] = load_image_folder(folder.file("data")).split;
  CHECK(train.size() + test.size() == 8);
}

TEST_CASE("images of different sizes get one: the shorter side resized, the centre kept, and it is said") {
  Folder folder;
  fill(folder);
  folder.write("data/dog/wide.png", gray_png(1, 90, 30));
  const Loaded usual = load_image_folder(folder.file("data"));
  CHECK(usual.split.train.input_shape() == Shape{64, 64, 1});
  CHECK(test::contains(joined(usual.notes), "3 to 90 pixels a side: the shorter side is resized to 64"));
  const Loaded small = load_image_folder(folder.file("data"), {.image_size = 8});
  CHECK(small.split.train.input_shape() == Shape{8, 8, 1});
  CHECK_ERROR(load_image_folder(folder.file("data"), {.image_size = 5000}), "[--image-size] got 5000");
}

TEST_CASE("resizing keeps a flat image flat, averages where it shrinks, and takes the centre") {
  using datasets::detail::centre_square;
  CHECK(centre_square(Pixels(7 * 5, 77), 7, 5, 1, 3) == Pixels(9, 77));
  CHECK(centre_square(Pixels(7 * 5, 77), 7, 5, 1, 20) == Pixels(400, 77));
  const Pixels whole = noise(6, 6, 3, 1);
  CHECK(centre_square(whole, 6, 6, 3, 6) == whole);
  // Black and white columns in turn become gray; a wide image loses both ends.
  Pixels stripes(64 * 64);
  for (size_t i = 0; i < stripes.size(); ++i) stripes[i] = i % 2 ? 255 : 0;
  for (const uint8_t pixel : centre_square(stripes, 64, 64, 1, 8)) CHECK(std::abs(pixel - 127.5) < 5);
  Pixels wide(12 * 4, 0);
  for (size_t y = 0; y < 4; ++y)
    for (size_t x = 4; x < 8; ++x) wide[y * 12 + x] = 200;
  CHECK(centre_square(wide, 12, 4, 1, 4) == Pixels(16, 200));
}

TEST_CASE("what is transparent is blended with white, and that is said") {
  Folder folder;
  // Black, opaque; black, transparent; black, half; white, transparent.
  for (int i = 0; i < 4; ++i)
    folder.write(text("data/", i % 2 ? "a" : "b", "/", i, ".png"),
                 png(2, 2, PNG_FORMAT_GA, {0, 255, 0, 0, 0, 128, 255, 0}));
  const Loaded images = load_image_folder(folder.file("data"));
  CHECK(test::contains(joined(images.notes), "4 images have transparent parts, blended with white."));
  const std::vector<double> x = sample(images.split.train, 0);
  const auto pixel = [&](size_t i) { return 255 * (x[i] * images.images->deviation + images.images->mean); };
  CHECK_CLOSE((std::vector<double>{pixel(0), pixel(1), pixel(2), pixel(3)}), (std::vector<double>{0, 255, 127, 255}),
              {.atol = 1e-3});
}

TEST_CASE("images that could be transparent and are not are not called so") {
  Folder folder;
  const Pixels opaque{0, 255, 10, 255, 20, 255, 255, 255};
  for (const char* name : {"a/0", "a/1", "b/0", "b/1"})
    folder.write(text("data/", name, ".png"), png(2, 2, PNG_FORMAT_GA, opaque));
  CHECK_FALSE(test::contains(joined(load_image_folder(folder.file("data")).notes), "transparent"));
  folder.write("data/b/1.png", png(2, 2, PNG_FORMAT_GA, {0, 255, 10, 254, 20, 255, 255, 255}));
  CHECK(test::contains(joined(load_image_folder(folder.file("data")).notes), "1 image has transparent parts"));
}

TEST_CASE("a camera's note which way is up is followed, in all eight ways and both byte orders") {
  const Pixels stored{1, 2, 3, 4, 5, 6};  // 3 wide, 2 high
  const std::vector<Pixels> expected{{1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
                                     {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3}, {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int orientation = 1; orientation <= 8; ++orientation)
    CHECK(datasets::detail::upright(stored, 3, 2, 1, orientation) == expected[static_cast<size_t>(orientation - 1)]);
  const std::string plain = jpg(16, 8, TJPF_GRAY, Pixels(128, 100));
  for (const bool little : {false, true}) {
    const std::string exif = little ? std::string(
                                          "\xff\xe1\0\x22"
                                          "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0",
                                          36)
                                    : std::string(
                                          "\xff\xe1\0\x22"
                                          "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
                                          36);
    Folder folder;
    for (const char* name : {"a/0", "a/1", "b/0", "b/1"})
      folder.write(
          text("data/", name, ".jpg"),
          plain.substr(0, 2) + exif + jpg(16, 8, TJPF_GRAY, noise(16, 8, 1, static_cast<uint64_t>(name[2]))).substr(2));
    const Loaded images = load_image_folder(folder.file("data"));
    CHECK(images.split.train.input_shape() == Shape{16, 8, 1});
    CHECK(test::contains(joined(images.notes), "4 images were turned upright"));
  }
}

TEST_CASE("a jpg whose spectral selection is unusual is read as every viewer reads it") {
  std::string bytes = jpg(16, 8, TJPF_GRAY, noise(16, 8, 1, 3));
  const size_t scan = bytes.find("\xff\xda");
  REQUIRE(scan != std::string::npos);
  bytes[scan + 8] = 0;  // the last coefficient: 63 in a baseline file
  Folder folder;
  fill(folder);
  folder.write("data/dog/phone.jpg", bytes);
  CHECK(load_image_folder(folder.file("data"), {.image_size = 8}).split.train.size() == 7);
}

TEST_CASE("folders train and test inside are the two parts") {
  Folder folder;
  for (int i = 0; i < 3; ++i) {
    folder.write(text("data/Train/cat/", i, ".png"), gray_png(10 + i));
    folder.write(text("data/Train/dog/", i, ".png"), gray_png(50 + i));
  }
  folder.write("data/test/dog/0.png", gray_png(90));
  const Loaded images = load_image_folder(folder.file("data"));
  CHECK(images.split.train.size() == 6);
  CHECK(images.split.test.labels() == std::vector<int64_t>{1});
  CHECK(test::contains(joined(images.notes), "No test sample is of class \"cat\""));
  CHECK_FALSE(test::contains(joined(images.notes), "Folder"));
  folder.write("data/val/cat/0.png", gray_png(92)), folder.write("data/.git/x", ""), folder.write("data/readme", "");
  CHECK(test::contains(joined(load_image_folder(folder.file("data")).notes),
                       "Folder \"val\" beside \"Train\" and \"test\" is not read."));
  folder.write("data/extra/1.png", gray_png(93));
  CHECK(test::contains(joined(load_image_folder(folder.file("data")).notes),
                       "Folders \"extra\", \"val\" beside \"Train\" and \"test\" are not read."));
  folder.write("data/test/bird/0.png", gray_png(91));
  CHECK_ERROR(load_image_folder(folder.file("data")),
              "a class that the training images do not have, expected one of cat, dog");
}

TEST_CASE("all that is wrong with a folder is in one message") {
  Folder folder;
  fill(folder);
  folder.write("data/dog/notes.txt", "x"), folder.write("data/cat/a.png", "not a picture");
  folder.write("data/loose.png", gray_png(1));
  const std::string message = test::error_of([&] { load_image_folder(folder.file("data")); });
  for (const char* part : {"3 problems", "data/dog/notes.txt] got a file that is no image",
                           "data/cat/a.png] got what cannot", "data/loose.png] got an image outside"})
    CHECK_MESSAGE(test::contains(message, part), message);
}

TEST_CASE("an image without a format does not hide one whose pixels are damaged") {
  check_refused(
      [](const Folder& folder) {
        folder.write("data/cat/empty.png", "");
        folder.write("data/dog/cut.png", gray_png(7, 40, 40).substr(0, 200));
      },
      {"2 problems", "empty.png", "it is empty", "cut.png"});
}

TEST_CASE("links that lead in circles are followed once") {
  Folder folder;
  fill(folder, 2);
  for (const char* link : {"data/again", "data/cat/up"})
    std::filesystem::create_directory_symlink(folder.file("data"), folder.file(link));
  CHECK(images_at(folder.file("data")).size() == 4);
}

TEST_CASE("one image can be read as the model that was trained on a folder takes it") {
  Folder folder;
  fill(folder);
  const Loaded images = load_image_folder(folder.file("data"));
  const std::vector<float> one = read_image(folder.file("data/cat/0.png"), *images.images);
  int found = 0;
  for (const Dataset& part : {images.split.train, images.split.test})
    for (int64_t i = 0; i < part.size(); ++i) {
      const std::vector<double> x = sample(part, i);
      double worst = 0;
      for (size_t k = 0; k < x.size(); ++k) worst = std::max(worst, std::abs(x[k] - one[k]));
      found += worst < 1e-5;
    }
  CHECK(found == 1);
}

TEST_CASE("an image of another format is refused with its format and how to convert it, by its ending or its bytes") {
  for (const auto& [ending, format] : std::map<std::string, std::string>{
           {"gif", "GIF"}, {"webp", "WebP"}, {"BMP", "BMP"}, {"tif", "TIFF"}, {"heic", "HEIC"}, {"avif", "AVIF"}})
    check_refused([&](const Folder& f) { f.write("data/dog/a." + ending, "x"); },
                  {"data/dog/a." + ending + "]", "got an image in the format " + format + ", expected PNG or JPEG",
                   "mogrify -format png FILE"});
  using namespace std::string_literals;
  for (const auto& [bytes, format] : std::map<std::string, std::string>{{"GIF89a..", "GIF"},
                                                                        {"RIFF\x10\0\0\0WEBPVP8 "s, "WebP"},
                                                                        {"BM\x46\0\0\0\0\0\0\0\x36\0"s, "BMP"},
                                                                        {"II*\0\x08"s, "TIFF"},
                                                                        {"MM\0*\0"s, "TIFF"},
                                                                        {"\0\0\0\x18"
                                                                         "ftypheic"s,
                                                                         "HEIC or AVIF"}})
    check_refused([&](const Folder& f) { f.write("data/dog/a.jpg", bytes); },  // as they come from the web
                  {"data/dog/a.jpg]", "got an image in the format " + format + ",", "mogrify -format png FILE"});
  for (const std::string& bytes : {"RIFF"s, "BM, a text"s,
                                   "\0\0\0\x18"
                                   "ftypmp42"s})
    check_refused([&](const Folder& f) { f.write("data/dog/a.png", bytes); }, {"of neither kind"});
}

TEST_CASE("files that are no image are refused by name, by their ending or by their bytes") {
  check_refused([](const Folder& f) { f.write("data/dog/notes.txt", "x"); },
                {"data/dog/notes.txt]", "no image by its name", "move it elsewhere"});
  check_refused([](const Folder& f) { f.write("data/dog/a.png", "not a picture"); },
                {"data/dog/a.png]", "cannot be read as an image", "of neither kind"});
  check_refused([](const Folder& f) { f.write("data/dog/empty.png", ""); },
                {"data/dog/empty.png]", "cannot be read as an image", "it is empty"});
  check_refused([](const Folder& f) { f.write("data/dog/cut.png", gray_png(1).substr(0, 45)); },
                {"data/dog/cut.png]", "cannot be read as an image"});
  const std::string whole = jpg(5, 3, TJPF_GRAY, noise(5, 3, 1, 1));
  check_refused([&](const Folder& f) { f.write("data/dog/cut.jpg", whole.substr(0, whole.size() - 9)); },
                {"data/dog/cut.jpg]", "cannot be read as an image", "Premature end"});
  Folder folder;
  fill(folder);
  folder.write("data/dog/noted.jpg", whole.substr(0, whole.size() - 2) + "a note\xff\xd9");  // before the last marker
  CHECK(load_image_folder(folder.file("data")).split.train.input_shape() == Shape{3, 5, 1});
  check_refused([](const Folder& f) { f.write("data/dog/print.jpg", jpg(5, 3, TJPF_CMYK, Pixels(60, 9))); },
                {"data/dog/print.jpg]", "colours of print (CMYK)", "mogrify -colorspace sRGB"});
}

TEST_CASE("folders that are not one per class are refused with what to do") {
  check_refused([](const Folder& f) { std::filesystem::remove_all(f.file("data/dog")); },
                {"/data]", "one class only, \"cat\""});
  check_refused([](const Folder& f) { std::filesystem::create_directory(f.file("data/bird")); },
                {"data/bird]", "no images", "remove the folder"});
  check_refused([](const Folder& f) { f.write("data/dog/small/a.png", gray_png(1)); },
                {"data/dog/small]", "a folder inside the class folder", "train and test"});
  check_refused([](const Folder& f) { f.write("data/loose.png", gray_png(1)); },
                {"data/loose.png]", "outside the class folders"});
  Folder flat;
  flat.write("data/a.txt", "x");
  CHECK_ERROR(load_image_folder(flat.file("data")), "no class folders");
  CHECK_ERROR(load_image_folder(flat.file("nowhere")), "No such file or directory");
}

TEST_CASE("images that are all alike are refused") {
  Folder folder;
  for (const char* name : {"a/0.png", "a/1.png", "b/0.png", "b/1.png"})
    folder.write(text("data/", name), png(2, 2, PNG_FORMAT_GRAY, Pixels(4, 9)));
  CHECK_ERROR(load_image_folder(folder.file("data")).split, "one and the same colour");
}

TEST_CASE("a folder that may not be read is refused with the system's reason") {
  Folder folder;
  fill(folder);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {  // without root's rights, which ignore permissions
    std::filesystem::permissions(folder.path, std::filesystem::perms::all);
    std::filesystem::permissions(folder.path / "data/dog", std::filesystem::perms::none);
    if (geteuid() == 0 && setuid(65534) != 0) _exit(1);
    const std::string message = test::error_of([&] { load_image_folder(folder.file("data")); });
    _exit(write(ends[1], message.data(), message.size()) == static_cast<ssize_t>(message.size()) ? 0 : 1);
  }
  close(ends[1]);
  char buffer[1000];
  const ssize_t size = read(ends[0], buffer, sizeof buffer);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  std::filesystem::permissions(folder.path / "data/dog", std::filesystem::perms::owner_all);
  const std::string message(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  CHECK_MESSAGE(test::contains(message, "data/dog] got Permission denied"), "message was: " << message);
}

TEST_CASE("damaged images are accepted or refused, and do no other harm") {
  Folder folder;
  fill(folder, 2);
  const Pixels pixels = noise(5, 3, 3, 3);
  const std::map<std::string, std::string> whole{{"png", png(5, 3, PNG_FORMAT_RGB, pixels)},
                                                 {"jpg", jpg(5, 3, TJPF_RGB, pixels)}};
  for (const auto& [format, bytes] : whole) {
    const std::string name = "data/dog/x." + format;
    const auto attempt = [&](const std::string& damaged) {
      folder.write(name, damaged);
      (void)load_image_folder(folder.file("data")).split;
    };
    CHECK(test::accepted_damage(bytes, 300, std::string("\0\xff\x7f\x80\x01", 5), attempt) > 0);
    std::filesystem::remove(folder.file(name));
  }
}

TEST_CASE("a jpg whose table of codes is longer than any is refused") {
  std::string bytes = jpg(5, 3, TJPF_GRAY, noise(5, 3, 1, 1));
  const size_t table = bytes.find("\xff\xc4");
  REQUIRE(table != std::string::npos);
  bytes.replace(table + 5, 16, std::string(16, '\xff'));  // counts of codes of 1 to 16 bits
  check_refused([&](const Folder& f) { f.write("data/dog/x.jpg", bytes); },
                {"data/dog/x.jpg]", "cannot be read as an image", "Huffman"});
}

TEST_CASE("load takes a folder of images by its path, and refuses a label column for it") {
  Folder folder;
  fill(folder);
  CHECK(load(folder.file("data")).train.classes() == 2);
  CHECK(load(folder.file("data") + "/", {.test_fraction = 0.5}).test.size() == 4);
  CHECK_ERROR(load(folder.file("data"), {.label = "species"}), "the names of the folders inside are the classes");
}
