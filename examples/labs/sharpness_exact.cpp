// Lab 4: is what is measured what the words say?
#include <cmath>

#include "examples/labs/sharpness.h"

namespace minima::examples {

namespace {

double largest_of(const Tensor& x) {
  double largest = 0;
  for (const double value : x.to_vector<double>()) largest = std::max(largest, std::abs(value));
  return largest;
}

Tensor minus(const Tensor& x, const Tensor& y) { return core::binary(core::BinaryOp::subtract, x, y); }
double relative_difference(const Tensor& got, const Tensor& expected) {
  return core::norm(minus(got, expected)).item() / core::norm(expected).item();
}

Tensor gradient_at(const optim::LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& weights,
                   double distance, const Tensor& direction) {
  Tensor there = weights.clone();
  core::add_scaled(there, distance, direction);
  optim::set_weights(parameters, there);
  Tensor gradient = optim::flat_gradient(loss, parameters);
  optim::set_weights(parameters, weights);
  return gradient;
}

/// H u, from the gradient at w + h u and w - h u: error of order h^2 where the loss is smooth.
Tensor central_difference(const optim::LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& u,
                          double h) {
  const Tensor w = optim::flat_weights(parameters);
  return times(1 / (2 * h), minus(gradient_at(loss, parameters, w, h, u), gradient_at(loss, parameters, w, -h, u)));
}

/// A tanh network of 200 weights (second derivatives exist everywhere) on 50 random samples.
struct SmallNetwork {
  nn::Sequential model{nn::Linear{9, 14}, nn::Tanh{}, nn::Linear{14, 4}};
  Tensor x, labels;

  SmallNetwork() {
    Generator random{7};
    model.to(DType::float64);
    for (Variable& parameter : parameters())
      Tensor(parameter.value()).copy_from(random.normal(parameter.shape(), 0, 0.5, DType::float64));
    x = random.normal({50, 9}, 0, 1, DType::float64);
    std::vector<int64_t> classes;
    for (int i = 0; i < 50; ++i) classes.push_back(static_cast<int64_t>(random.below(4)));
    labels = Tensor::from(classes);
  }
  std::vector<Variable> parameters() { return model.parameters(); }
  optim::LossFunction loss() {
    return [this] { return nn::cross_entropy(model(x), labels); };
  }
  void to(DType dtype) { model.to(dtype), x = x.to(dtype); }
};

/// H v with H made column by column from differences of gradients, four points each: error of order h^4.
Tensor dense_product(SmallNetwork& network, const Tensor& v) {
  const double h = 1e-3;
  const std::vector<double> weights_of_columns = v.to_vector<double>();
  Tensor product = Tensor::zeros(v.shape(), DType::float64);
  for (int64_t i = 0; i < v.numel(); ++i) {
    std::vector<double> unit(static_cast<size_t>(v.numel()), 0);
    unit[static_cast<size_t>(i)] = 1;
    const Tensor e = Tensor::from(unit);
    const double c = weights_of_columns[static_cast<size_t>(i)];
    core::add_scaled(product, c * 4 / 3, central_difference(network.loss(), network.parameters(), e, h));
    core::add_scaled(product, -c / 3, central_difference(network.loss(), network.parameters(), e, 2 * h));
  }
  return product;
}

void check_products(Lab& lab) {
  SmallNetwork network;
  const auto n = optim::flat_weights(network.parameters()).numel();
  Generator random{11};
  const Tensor u = random.normal({n}, 0, 1, DType::float64), v = random.normal({n}, 0, 1, DType::float64);
  const Tensor dense = dense_product(network, v);
  const auto error_of = [&](const Tensor& product) {
    return largest_of(minus(product.to(DType::float64), dense)) / largest_of(dense);
  };
  const auto product = [&](const Tensor& x) {
    return optim::hessian_vector_product(network.loss(), network.parameters(), x);
  };
  const Tensor hu = product(u), hv = product(v);
  const double error64 = error_of(hv);
  const double asymmetry =
      std::abs(core::dot(u, hv).item() - core::dot(v, hu).item()) / (core::norm(u).item() * core::norm(hv).item());
  network.to(DType::float32);
  const Tensor u32 = u.to(DType::float32), v32 = v.to(DType::float32);
  const Tensor hu32 = product(u32), hv32 = product(v32);
  const double error32 = error_of(hv32);
  const double asymmetry32 = std::abs(core::dot(u32, hv32).item() - core::dot(v32, hu32).item()) /
                             (core::norm(u32).item() * core::norm(hv32).item());
  lab.say(text("A tanh network of ", n,
               " weights, small enough to have its Hessian written out column by column: H v by automatic "
               "differentiation differs from the matrix times v by ",
               short_number(error64), " (float64) and ", short_number(error32), " (float32) of its largest element."));
  lab.expect("H v against the dense Hessian of 200 weights, float64", error64, at_most(1e-10));
  lab.expect("H v against the dense Hessian of 200 weights, float32", error32, at_most(1e-5));
  lab.expect("u.Hv - v.Hu over |u| |Hv|, float64", asymmetry, at_most(1e-14));
  lab.expect("u.Hv - v.Hu over |u| |Hv|, float32", asymmetry32, at_most(1e-6));
}

void check_spectrum(Lab& lab) {
  // q(w) = sum of h_i r_i^2 / 2 with r = w - 2 (d.w) d, a reflection: eigenvalues h, but no diagonal matrix.
  const std::vector<double> known{16, 9, 8, 4, 2};
  std::vector<double> h = known;
  for (int i = 0; i < 195; ++i) h.push_back(1.0 * i / 195 - 0.25);
  double trace = 0;
  for (const double value : h) trace += value;
  Tensor d = Generator{3}.normal({200}, 0, 1, DType::float64);
  d = times(1 / core::norm(d).item(), d);
  const Variable w(Generator{4}.normal({200}, 0, 1, DType::float64), requires_grad), spectrum(Tensor::from(h)), axis(d);
  const auto loss = [&] { return sum(spectrum * square(w - 2 * sum(axis * w) * axis)) / 2; };
  const auto pairs = optim::top_eigenvalues(loss, {w}, 5, {.tolerance = 1e-6});
  double error = 0;
  for (size_t i = 0; i < known.size(); ++i) error = std::max(error, std::abs(pairs[i].value / known[i] - 1));
  const auto estimate = optim::hessian_trace(loss, {w});
  lab.say(text("A quadratic with the eigenvalues 16, 9, 8, 4, 2 and 195 small ones: Lanczos finds the five to ",
               short_number(error), "; its trace is ", fixed(trace, 2), ", Hutchinson's estimate ",
               fixed(estimate.value, 2), " with standard error ", fixed(estimate.standard_error, 2), "."));
  lab.expect("top five eigenvalues of a quadratic with a known spectrum, largest relative error", error, at_most(1e-6));
  lab.expect("Hutchinson's trace of it: distance from the true one in standard errors",
             std::abs(estimate.value - trace) / estimate.standard_error, at_most(3));
}

}  // namespace

void check_exactness(Lab& lab) {
  lab.heading("Are the numbers exact?");
  check_products(lab);
  check_spectrum(lab);
}

void compare_with_differences(Lab& lab, const Problem& problem, const Trained& trained) {
  lab.heading("A Hessian-vector product against differences of gradients");
  nn::AnyModule model = make_model(problem);
  put(*model, trained.weights(), problem);
  const datasets::Batch sample = evenly_spaced(problem.train, 500).all();
  model->to(DType::float64);
  const std::vector<Variable> parameters = model->parameters();
  const Tensor x = sample.x.to(DType::float64);
  const auto loss = [&] { return nn::cross_entropy((*model)(x), sample.y); };
  const Tensor u = optim::top_eigenvalues(loss, parameters, 1)[0].vector;
  const Tensor exact = optim::hessian_vector_product(loss, parameters, u);

  Table table{{"h", "u.Hu by differences", "|difference| / |Hu|"}};
  Series curve{.label = "", .style = "sgd", .draw = Series::Draw::line_and_points};
  double narrow = NAN, usual = NAN;
  for (const double h : {1e-1, 5e-2, 1e-2, 5e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7}) {
    const Tensor differences = central_difference(loss, parameters, u, h);
    const double error = relative_difference(differences, exact);
    table.push_back({number_text(h), fixed(core::dot(u, differences).item(), 4), short_number(error)});
    curve.x.push_back(h), curve.y.push_back(error);
    if (h == 5e-3) usual = error;
    if (h == 1e-7) narrow = error;
    lab.record("differences", {{"h", h}, {"uhu", core::dot(u, differences).item()}, {"relative_difference", error}});
  }
  lab.table(
      text("The weights of ", trained.name(), " on 500 training images, in float64; u is the top eigenvector, u.Hu = ",
           fixed(core::dot(u, exact).item(), 4), " by automatic differentiation."),
      table);
  lab.say(
      "Between its kinks a ReLU network is smooth, and there the two agree. But a step of h = 0.005 crosses many "
      "kinks, "
      "and each is a jump of the gradient that no second derivative sees: the exact Hessian leaves out curvature that "
      "the loss has at every distance one would ever step. So on a ReLU network \"the largest eigenvalue\" by "
      "differences and by automatic differentiation are two quantities; this lab means the second.");
  lab.figure("differences",
             line_figure("differences", "Which curvature does a ReLU network have?",
                         {{.title = "H u by central differences against automatic differentiation",
                           .x_title = "h, half the width of the difference",
                           .y_title = "relative difference",
                           .log_x = true,
                           .log_y = true,
                           .series = {curve},
                           .rules = {{Rule::Along::x, 5e-3, "h = 0.005, as usual"}}}},
                         1, "500 images, float64. The gap closes where no kink lies between w - h u and w + h u."),
             "Central differences and exact products agree only where no unit switches on or off in between.");
  lab.expect("H u by central differences with h = 1e-7 (no kink in between), relative difference", narrow,
             at_most(1e-5));
  lab.expect("H u by central differences with h = 5e-3 (kinks in between), relative difference", usual, at_most(0.35));
}

}  // namespace minima::examples
