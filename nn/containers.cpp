// SPDX-License-Identifier: MIT
#include "nn/containers.h"

#include <typeinfo>

#include "nn/layers.h"

namespace minima::nn {

ModuleList& ModuleList::add(AnyModule child) {
  if (!child) fail(describe(), "an empty AnyModule", "a module");
  children_.push_back(std::move(child));
  moved_ = {};
  return *this;
}

void ModuleList::require_items() const {
  if (moved_.from) fail(describe(), "one that was moved from", "the one that it was moved to");
}

Module& ModuleList::operator[](int64_t i) {
  if (i < 0 || i >= size()) fail(describe(), text("child ", i), text("an index below ", size()));
  return *children_[static_cast<size_t>(i)];
}

Variable ModuleList::forward(const Variable&) {
  fail("ModuleList", "a call of forward()", "a call of one of its items", "Use Sequential to apply them in order.");
}

Variable Sequential::forward(const Variable& x) {
  require_items();
  Variable y = x;
  for (int64_t i = 0; i < size(); ++i) {
    const Module* next = i + 1 < size() ? &(*this)[i + 1] : nullptr;
    const bool then_relu = next && typeid(*next) == typeid(ReLU);
    y = (*this)[i](y, then_relu ? Activation::relu : Activation::none);
    i += then_relu;
  }
  return y;
}

void ModuleList::visit(Visitor& visitor) {
  for (size_t i = 0; i < children_.size(); ++i) visitor(std::to_string(i), *children_[i]);
}

Residual::Residual(AnyModule body, AnyModule shortcut) : body(std::move(body)), shortcut(std::move(shortcut)) {
  if (!this->body || !this->shortcut)
    fail("Residual", "an empty AnyModule", "a module", "nn::Identity{} is the default shortcut.");
}

Variable Residual::forward(const Variable& x) {
  Variable y = (*body)(x), skipped = (*shortcut)(x);
  if (y.shape() != skipped.shape())
    fail("Residual", text("a body that gives ", y.shape(), " and a shortcut that gives ", skipped.shape()),
         "equal shapes", "Give it a shortcut that changes the shape alike, such as a 1x1 convolution.");
  return y + skipped;
}

}  // namespace minima::nn
