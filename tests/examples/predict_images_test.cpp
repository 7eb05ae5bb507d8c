// predict, given images.
#include "tests/datasets/images_for_tests.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("a folder of images is predicted with the folders inside it, and images that cannot be read are all named") {
  TemporaryFolder folder;
  const auto write = [&](const std::string& name, uint8_t level) {
    folder.write(name, png(4, 4, PNG_FORMAT_GRAY, Pixels(16, level)));
  };
  for (int i = 0; i < 6; ++i)
    write(text("train/dark/", i, ".png"), static_cast<uint8_t>(10 + i)),
        write(text("train/li\xe9ght/", i, ".png"), static_cast<uint8_t>(200 + i));
  const std::string model = folder.file("m.safetensors");
  REQUIRE(run(folder, {MINIMA_TRAIN, "--data", folder.file("train"), "--model", "mlp:4", "--save", model}).status == 0);
  for (const char* name : {"new/a.png", "new/inside/b.png", "new/li\xe9ght/c.png"}) write(name, 220);
  folder.write("new/notes.txt", "not an image");
  const auto predict = [&] {
    return run(folder, {MINIMA_PREDICT, model, folder.file("new"), "--out", folder.file("p.csv")});
  };
  const Outcome predicted = predict();
  CHECK_MESSAGE(contains(predicted.output, "3 predictions: "), predicted.output);
  CHECK_MESSAGE(contains(predicted.output, "1 labels: accuracy 100.00%"), predicted.output);
  CHECK(lines_of(folder.file("p.csv")).size() == 4);
  for (const char* name : {"new/d.gif", "new/inside/e.WEBP"}) folder.write(name, "of another format");
  const Outcome refused = predict();
  CHECK(refused.status == 2);
  for (const char* part :
       {"2 problems", "d.gif", "an image in the format GIF", "e.WEBP", "an image in the format WebP"})
    CHECK_MESSAGE(contains(refused.output, part), refused.output);
  for (const char* name : {"new/d.gif", "new/inside/e.WEBP"}) std::filesystem::remove(folder.file(name));
  for (const char* name : {"new/f.png", "new/inside/g.png"}) folder.write(name, "");
  const Outcome empty = predict();
  for (const char* part : {"2 problems", "f.png", "g.png"}) CHECK_MESSAGE(contains(empty.output, part), empty.output);
  std::filesystem::create_directory(folder.file("none"));
  const Outcome none = run(folder, {MINIMA_PREDICT, model, folder.file("none"), "--out", folder.file("p.csv")});
  CHECK_MESSAGE(contains(none.output, "none] got a folder without an image"), none.output);
}
