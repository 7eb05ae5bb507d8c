// SPDX-License-Identifier: MIT
// Where data come from: the embedded digits, MNIST and CIFAR from files, synthetic problems, and `load`, which finds
// any data by name or path. Nothing is ever downloaded. Not here: tables (table.h), folders of images (image_folder.h).
#pragma once

#include <string>
#include <vector>

#include "datasets/loaded.h"

namespace minima::datasets {

/// Handwritten digits, 1797 images (8, 8, 1) in 10 classes, part of the library: needs no file. The first 1437 in the
/// published order are for training, the last 360 for testing. Normalised by the training images' mean and deviation.
/// Source: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository.
Split digits();

/// 60,000 + 10,000 images (28, 28, 1) in 10 classes, from the four published IDX files, gz or not, normalised by the
/// training images' published mean and deviation.
/// Looked for in `directory`, if it is named, else in MINIMA_DATA, ./data, $XDG_DATA_HOME/minima
/// (~/.local/share/minima) and /usr/share/datasets; in each both directly, in fashion-mnist/ or mnist/, and in
/// torchvision's FashionMNIST/raw/ or MNIST/raw/. A missing, damaged or surprising file is an error that says where and
/// what. Sources: Xiao, Rasul, Vollgraf, 2017 (Fashion-MNIST); LeCun, Cortes, Burges (MNIST).
Split fashion_mnist(const std::string& directory = "");
Split mnist(const std::string& directory = "");

/// 50,000 + 10,000 images (32, 32, 3) in 10 or 100 classes, from the files of the published binary version, normalised
/// by the training images' mean and deviation over all pixels. Looked for in the same places, each with
/// cifar-10-batches-bin or cifar-100-binary first. CIFAR-100 has the fine labels. Source: Krizhevsky, 2009.
Split cifar10(const std::string& directory = "");
Split cifar100(const std::string& directory = "");

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

/// digits, fashion-mnist, mnist, cifar-10, cifar-100, two-moons, spirals, blobs, the path of a table (.csv, .tsv, .txt,
/// .data, each in any case and with .gz or not), or that of a folder of images (image_folder.h).
Loaded load_all(const std::string& name_or_path, const LoadOptions& options = {});
/// The same without what is said about them.
Split load(const std::string& name_or_path, const LoadOptions& options = {});
/// The names that load knows.
std::vector<std::string> names();
/// Whether this is one of them.
bool is_named(const std::string& name);

}  // namespace minima::datasets
