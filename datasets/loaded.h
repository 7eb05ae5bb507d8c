// SPDX-License-Identifier: MIT
// What is asked for and what comes back when data are loaded, whatever they are. Not here: where they come from
// (sources.h), what a table's columns become (preparation.h).
#pragma once

#include <optional>

#include "datasets/dataset.h"
#include "datasets/preparation.h"

namespace minima::datasets {

struct LoadOptions {
  // for a table
  std::string label{};      ///< the column to predict
  std::string task{};       ///< "classification", "regression", or "": by what the label holds
  std::string test{};       ///< another file, whose rows test; else a part of this one does:
  std::string group{};      ///< rows with the same value in this column stay together
  std::string time{};       ///< the latest rows by this column, a number or a date, test
  Words drop{};             ///< columns to leave out
  std::string directory{};  ///< for data in files: where they are; empty: the usual places
  int64_t image_size = 0;   ///< for images of a folder, pixels a side; 0: as they are if all agree, up to 256, else 64
  int64_t train_limit = 0;  ///< keep the first n training samples only; 0 keeps all
  /// For a table or a folder: of each class, of the groups, of the rows in order of time, or of all rows.
  double test_fraction = 0.2;
  uint64_t seed = 1;  ///< of a split that is drawn, or of synthetic data
};

/// Data, and how they became numbers: a table's columns, or the pixels of a folder's images.
struct Loaded {
  Split split{};
  std::optional<Preparation> table{};
  std::optional<ImagePreparation> images{};
  bool own_test_part = false;  ///< the test part is given, not drawn by a seed
  Words notes{};               ///< what a user should know, a sentence each
};

}  // namespace minima::datasets
