// Where data come from: the embedded digits, the MNIST family from files, tables in CSV, synthetic problems, and
// `load`, which finds any of them by name. Nothing is ever downloaded. Not here: the byte-level parsers (idx.h, csv.h),
// folders of images (image_folder.h).
#pragma once

#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace minima::datasets {

/// Handwritten digits, 1797 images (8, 8, 1) in 10 classes, part of the library: needs no file. The first 1437 in the
/// published order are for training, the last 360 for testing. Normalised by the training images' mean and deviation.
/// Source: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository.
Split digits();

struct ImageOptions {
  std::string directory;    ///< where the files are; empty: the usual places
  bool normalise = true;    ///< by the training images' published mean and deviation; false: pixels in [0, 1]
  int64_t train_limit = 0;  ///< keep the first n training images only; 0 keeps all
  bool verify = false;      ///< compare the SHA-256 of the decompressed files with the published bytes (Fashion-MNIST)
};

/// 60,000 + 10,000 images (28, 28, 1) in 10 classes, from the four published IDX files, gz or not.
/// Looked for in `directory`, else in MINIMA_DATA, ./data, $XDG_DATA_HOME/minima (~/.local/share/minima) and
/// /usr/share/datasets; in each both directly, in fashion-mnist/ or mnist/, and in torchvision's FashionMNIST/raw/ or
/// MNIST/raw/. A missing, damaged or surprising file is an error that says where and what.
/// Sources: Xiao, Rasul, Vollgraf, 2017 (Fashion-MNIST); LeCun, Cortes, Burges (MNIST).
Split fashion_mnist(const ImageOptions& options = {});
Split mnist(const ImageOptions& options = {});

struct CsvOptions {
  std::string label;           ///< the column to predict: text or numbers, each value one class
  double test_fraction = 0.2;  ///< of each class
  uint64_t seed = 1;           ///< of the split
};

/// A table with a header row, gz or not: every column but the label is a number. Classes are the label's values, sorted
/// (as numbers if they all are); features are standardised by the training part's mean and deviation, a constant column
/// becomes 0. Anything that does not fit is an error naming file, line, column and the text found.
Split csv(const std::string& path, const CsvOptions& options);

struct SyntheticOptions {
  int64_t train = 1000, test = 1000;  ///< samples, classes taking turns
  double noise = -1;                  ///< standard deviation of the scatter; negative: each problem's own default
  int64_t classes = 3;                ///< spirals and blobs; two moons are two
  uint64_t seed = 1;
};

/// Two interleaved half circles in the plane; default noise 0.15.
Split two_moons(const SyntheticOptions& options = {});
/// One spiral arm per class, three quarters of a turn around the origin; default noise 0.05.
Split spirals(const SyntheticOptions& options = {});
/// Normal clouds around one centre per class, centres evenly on a circle of radius 2; default noise 0.6.
Split blobs(const SyntheticOptions& options = {});

struct LoadOptions {
  std::string label;           ///< for a CSV file
  std::string directory;       ///< for data in files: where they are; empty: the usual places
  int64_t train_limit = 0;     ///< keep the first n training samples only; 0 keeps all
  double test_fraction = 0.2;  ///< for a CSV file or a folder
  uint64_t seed = 1;           ///< of a split or of synthetic data
};

/// digits, fashion-mnist, mnist, two-moons, spirals, blobs, the path of a .csv or .csv.gz file, or that of a directory
/// with a folder of images for each class (image_folder.h).
Split load(const std::string& name_or_file, const LoadOptions& options = {});
/// The names that load knows.
std::vector<std::string> names();
/// Whether this is one of them: such data have a test part of their own, others are split.
bool is_named(const std::string& name);

}  // namespace minima::datasets
