// Lab 2: optimizers on quadratics, the sum of h w^2 / 2 over weights w with curvatures h, in float64.
#pragma once

#include "examples/labs/lab.h"
#include "minima.h"

namespace minima::examples {

using Make = std::function<std::unique_ptr<optim::Optimizer>(std::vector<Variable>)>;
Make gradient_descent(const optim::Schedule& lr);
Make heavy_ball(double lr, double momentum);
Make nesterov(double lr, double momentum);
Make sam(double lr, double rho);
Make msam(double lr, double momentum, const optim::Schedule& rho);

/// |w| of every weight before the first step and after each; steps + 1 rows. All weights begin at `start`. With noise,
/// each step's gradient has an independent normal error of this standard deviation in every weight.
std::vector<std::vector<double>> descend(Lab& lab, const std::vector<double>& curvatures, const Make& make,
                                         int64_t steps, double start = 1, double noise = 0);

/// Where SAM and MSAM come to rest with a constant rho, against the closed forms: tables, figures, stated figures.
void show_rests(Lab& lab);

}  // namespace minima::examples
