// A build without libpng and libjpeg-turbo.
#include "datasets/sources.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;

TEST_CASE("without its libraries an image is refused by name, with what to install") {
  test::TemporaryFolder folder;
  for (const char* name : {"cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"}) folder.write(name, "pixels");
  CHECK_ERROR(datasets::load(folder.path.string()),
              "cat/0.png] got an image, but this build cannot read images, expected a build with libpng");
}
