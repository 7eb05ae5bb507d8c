// SPDX-License-Identifier: MIT
#include "optim/directions/composed.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/ops.h"
#include "optim/wrapper.h"

namespace minima::optim {

namespace {

using Parts = std::vector<std::vector<size_t>>;  // of an optimizer's parameters, by number

bool holds(const std::vector<Variable>& all, const Variable& one) {
  return std::any_of(all.begin(), all.end(), [&](const Variable& v) { return v.node() == one.node(); });
}

Tensor times(const Tensor& a, const Tensor& b) { return core::binary(core::BinaryOp::multiply, a, b); }
Tensor number(double value, Device device) { return Tensor::full({}, value, DType::float64, device); }

Parts numbered(const Scope& scope, const FlatLayout& layout) {
  std::unordered_map<const autograd::Node*, size_t> number_of;
  for (size_t i = 0; i < layout.parameters().size(); ++i) number_of[layout.parameters()[i].node().get()] = i;
  Parts parts;
  for (const std::vector<Variable>& part : scope.parts) {
    parts.emplace_back();
    for (const Variable& parameter : part) {
      const auto found = number_of.find(parameter.node().get());
      if (found == number_of.end())
        fail("direction", "a parameter of the scope " + scope.name + " that the optimizer does not have",
             "parameters of the optimizer", "Was the model moved or cloned after the scope was made?");
      parts.back().push_back(found->second);
    }
  }
  return parts;
}

/// d on the trainable parameters of the parts, and zero elsewhere; where there are several parts, each divided by its
/// norm.
Tensor within(const Parts& parts, const FlatLayout& layout, const Tensor& d) {
  Tensor kept = layout.zeros();
  for (const std::vector<size_t>& part : parts) {
    Tensor squares = number(0, d.device());
    for (const size_t i : part) {
      if (!layout.parameters()[i].requires_grad()) continue;
      const Tensor one = layout.part(d, i);
      layout.part(kept, i).copy_from(one);
      core::add_scaled(squares, 1, core::dot(one, one));
    }
    if (parts.size() == 1) break;
    const Tensor scale = detail::inverse_of_norm(core::unary(core::UnaryOp::sqrt, squares), d.dtype());
    for (const size_t i : part) {
      Tensor one = layout.part(kept, i), copy = one.clone();
      one.fill(0);
      core::add_scaled(one, 1, scale, copy);
    }
  }
  return kept;
}

/// The unit of the distance; undefined: 1.
Tensor unit_of(const Composition& c, const DirectionContext& now) {
  if (c.geometry == Geometry::euclidean) return {};
  const Tensor unit = core::unary(core::UnaryOp::affine, core::unary(core::UnaryOp::abs, now.weights()), 1, c.eta);
  if (c.geometry == Geometry::adaptive) return unit;
  const FlatLayout& layout = now.layout();
  const Tensor weights = now.weights();
  for (size_t i = 0; i < layout.parameters().size(); ++i) {
    const Shape& shape = layout.parameters()[i].shape();
    if (shape.rank() < 2 || shape.numel() == 0) continue;
    const Tensor rows = layout.part(weights, i).reshape({shape[0], -1});
    const Tensor norms =
        core::unary(core::UnaryOp::sqrt, core::reduce(core::ReduceOp::sum, times(rows, rows), 1, /*keep_dim=*/true));
    layout.part(unit, i)
        .reshape({shape[0], -1})
        .copy_from(core::broadcast_to(core::unary(core::UnaryOp::affine, norms, 1, c.eta), rows.shape()));
  }
  return unit;
}

double budget_of(const Composition& c, const DirectionContext& now) {
  const double budget = (*c.loss_budget)(now.step());
  if (!(budget >= 0 && std::isfinite(budget)))
    fail("direction", text("loss_budget = ", budget, " at step ", now.step(), " (counted from 0)"),
         "a finite number of at least 0");
  return budget;
}

/// max(1, rho |g| / budget): how much too long rho is. budget > 0.
Tensor excess(double budget, const DirectionContext& now, const Tensor& g) {
  const double ratio = std::min(std::abs(now.rho()) / budget, 1e300);  // times a gradient of 0 it is still 0
  Tensor long_by = number(0, g.device());
  core::add_scaled(long_by, ratio, now.norm(g));  // on a GPU its factor may change without a new graph
  return core::binary(core::BinaryOp::maximum, long_by, number(1, g.device()));
}

Heading head(const Composition& c, const DirectionContext& now) {
  Heading h = c.source.at(now);
  const double budget = c.loss_budget ? budget_of(c, now) : INFINITY;
  if (!h.flat.defined() || budget == 0) return Tensor();
  const Parts parts = numbered(c.scope, now.layout());
  const Tensor unit = unit_of(c, now);
  if (unit.defined()) h.flat = times(unit, h.flat);
  if (!parts.empty()) h.flat = within(parts, now.layout(), h.flat);
  if (unit.defined()) {
    h.norm = now.norm(h.flat);
    h.flat = times(unit, h.flat);
  }
  if (c.loss_budget) {
    const Tensor& g = c.source.needs_gradient ? now.gradient() : now.last_gradient();
    h.norm = times(h.norm.defined() ? h.norm : now.norm(h.flat), excess(budget, now, g));
  }
  return h;
}

}  // namespace

namespace scopes {

Scope norms(const Layers& layers) {
  if (layers.norms.empty())
    fail("scope", "a model without batch norm or layer norm", "one whose norm layers can be perturbed");
  return {"norms", {layers.norms}};
}

Scope weights(const Layers& layers) {
  std::vector<Variable> weights;
  for (const std::vector<Variable>& layer : layers.layers)
    for (const Variable& parameter : layer)
      if (!holds(layers.norms, parameter) && !holds(layers.biases, parameter)) weights.push_back(parameter);
  return {"weights", {weights}};
}

Scope each_layer(const Layers& layers) { return {"layers", layers.layers}; }

}  // namespace scopes

Direction composed(const Composition& composition) {
  const Composition& c = composition;
  const bool alone = c.scope.parts.empty() && c.geometry == Geometry::euclidean && !c.loss_budget;
  if (!c.source.normalised && !alone)
    fail("composed", c.source.name + " with a scope, a geometry or a budget", "a direction that is normalised",
         "Its length is its own, and not rho.");
  if (!(c.eta >= 0 && std::isfinite(c.eta))) fail("composed", text("eta = ", c.eta), "a finite number of at least 0");
  Direction direction = c.source;
  if (alone) return direction;
  if (!c.scope.parts.empty()) direction.name += "+" + c.scope.name;
  if (c.geometry != Geometry::euclidean) direction.name += c.geometry == Geometry::adaptive ? "+adaptive" : "+filters";
  if (c.loss_budget) direction.name += "+budget";
  if (c.loss_budget && !direction.needs_gradient) direction.needs_last_gradient = true;
  direction.at = [c](const DirectionContext& now) { return head(c, now); };
  return direction;
}

}  // namespace minima::optim
