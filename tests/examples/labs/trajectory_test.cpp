// The path of a training on a plane.
#include "examples/labs/trajectory.h"

#include "autograd/ops.h"
#include "core/random.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

namespace {

Tensor vector_of(const std::vector<double>& values) { return Tensor::from(values); }
Variable leaf(const std::vector<double>& values) { return Variable(vector_of(values), requires_grad); }

}  // namespace

TEST_CASE("a path in a plane is projected without distance, and plane and truth show equal losses") {
  for (const DType dtype : {DType::float64, DType::float32}) {
    CAPTURE(name_of(dtype));
    const double rounding = dtype == DType::float64 ? 1e-14 : 1e-6;
    Generator random{3};
    const Tensor centre = random.normal({50}, 0, 1, dtype), p = random.normal({50}, 0, 1, dtype),
                 q = random.normal({50}, 0, 1, dtype);
    std::vector<Tensor> points;
    for (int t = 0; t < 8; ++t) {
      points.push_back(centre.clone());
      core::add_scaled(points.back(), std::cos(t), p);
      core::add_scaled(points.back(), 0.2 * t, q);
    }
    const Variable w(centre.clone(), requires_grad);
    const auto loss = [&] { return sum(square(square(w)) + sin(w)); };
    const optim::Plane plane = trajectory_plane(points);
    CHECK_CLOSE(core::norm(plane.u).item(), 1.0, {.rtol = rounding});
    CHECK_CLOSE(core::norm(plane.v).item(), 1.0, {.rtol = rounding});
    CHECK_CLOSE(core::dot(plane.u, plane.v).item(), 0.0, {.atol = 20 * rounding});
    CHECK_SAME_BITS(plane.origin, points.back());
    const auto path = losses_of_path(loss, {w}, plane, points);
    REQUIRE(path.size() == 8);
    for (size_t i = 0; i < path.size(); ++i) {
      CHECK(path[i].distance < 30 * rounding);
      CHECK_CLOSE(path[i].plane_loss, path[i].loss, {.rtol = 10 * rounding});
      const double length = std::hypot(path[i].alpha, path[i].beta);
      Tensor difference = points[i].clone();
      core::add_scaled(difference, -1, points.back());
      CHECK_CLOSE(length, core::norm(difference).item(), {.rtol = 10 * rounding, .atol = rounding});
    }
    CHECK(path.back().distance == 0);
    CHECK(path.back().plane_loss == path.back().loss);
  }
}

TEST_CASE("a path off the plane shows its distance, and the true loss beside the plane's") {
  const Variable w = leaf({0, 0, 0});
  const auto loss = [&] { return sum(square(w)); };
  const optim::Plane plane = trajectory_plane({vector_of({9, 0, 0}), vector_of({-9, 0, 0}), vector_of({0, 4, 0.3}),
                                               vector_of({0, -4, 0.3}), vector_of({0, 0, 0})});
  CHECK_CLOSE(std::abs(plane.u.at(0)), 1.0, {.rtol = 1e-12});  // most of the path first
  CHECK_CLOSE(std::abs(plane.v.at(1)), 1.0, {.rtol = 1e-12});
  const auto at = losses_of_path(loss, {w}, plane, {vector_of({1, 2, 3})})[0];
  CHECK_CLOSE(at.distance, 3.0, {.rtol = 1e-12});
  CHECK_CLOSE(std::abs(at.alpha), 1.0, {.rtol = 1e-12});
  CHECK_CLOSE(at.plane_loss, 5.0, {.rtol = 1e-12});
  CHECK_CLOSE(at.loss, 14.0, {.rtol = 1e-12});
}

TEST_CASE("projection finds the nearest point also where the plane's directions are neither unit nor orthogonal") {
  const optim::Plane plane{vector_of({1, 1, 1}), vector_of({2, 0, 0}), vector_of({3, 3, 0})};
  const auto [alpha, beta, distance] = project(plane, vector_of({1 + 2 * 5 + 3 * -2, 1 + 3 * -2, 1 + 7}));
  CHECK_CLOSE(alpha, 5.0, {.rtol = 1e-14});
  CHECK_CLOSE(beta, -2.0, {.rtol = 1e-14});
  CHECK_CLOSE(distance, 7.0, {.rtol = 1e-14});
}

TEST_CASE("points that span no plane, and planes that are none, are refused") {
  const Tensor v = vector_of({1, 1}), zero = vector_of({0, 0}), shorter = vector_of({1});
  CHECK_ERROR(trajectory_plane({v, zero}), "[trajectory_plane] got 2 points, expected at least 3");
  CHECK_ERROR(trajectory_plane({v, zero, vector_of({2, 2})}), "got points on a line");
  CHECK_ERROR(trajectory_plane({v, v, v}), "got points on a line");
  CHECK_ERROR(trajectory_plane({v, shorter, v}), "got point 1 of float64 (1,), expected float64 (2,)");
  CHECK_ERROR(project({zero, v, v}, zero), "a plane whose directions are parallel");
  CHECK_ERROR(project({zero, v, v}, shorter), "[project] got a point of float64 (1,)");
}
