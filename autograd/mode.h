// SPDX-License-Identifier: MIT
// Scopes that change how the calling thread records and trains. Each lasts until its closing brace and nests.
#pragma once

namespace minima {

namespace autograd::detail {
inline thread_local bool recording = true;
inline thread_local bool batch_statistics_frozen = false;

class ScopedFlag {
 public:
  ScopedFlag(bool& flag, bool value) : flag_(flag), before_(flag) { flag = value; }
  ~ScopedFlag() { flag_ = before_; }
  ScopedFlag(const ScopedFlag&) = delete;
  ScopedFlag& operator=(const ScopedFlag&) = delete;

 private:
  bool& flag_;
  bool before_;
};
}  // namespace autograd::detail

/// Whether ops are recorded for a later backward pass.
inline bool grad_enabled() { return autograd::detail::recording; }

/// Nothing is recorded inside: for evaluation and for changing weights.
struct NoGrad : private autograd::detail::ScopedFlag {
  NoGrad() : ScopedFlag(autograd::detail::recording, false) {}
};

/// Records again inside a NoGrad scope.
struct EnableGrad : private autograd::detail::ScopedFlag {
  explicit EnableGrad(bool enabled = true) : ScopedFlag(autograd::detail::recording, enabled) {}
};

/// Batch-norm layers leave their running statistics alone inside: a second pass over the same batch (SAM) must not
/// count twice. Normalisation itself still uses the batch.
struct BatchStatisticsFrozen : private autograd::detail::ScopedFlag {
  BatchStatisticsFrozen() : ScopedFlag(autograd::detail::batch_statistics_frozen, true) {}
  static bool active() { return autograd::detail::batch_statistics_frozen; }
};

}  // namespace minima
