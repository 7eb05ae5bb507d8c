// Lab 4: the counter-example of Dinh et al. (2017), and what it spares.
#include <cmath>

#include "examples/labs/sharpness.h"

namespace minima::examples {

namespace {

constexpr double sam_radius = 0.05, asam_radius = 0.5, slice_alpha = 0.5;

/// What one says of sharpness at one point.
struct Measured {
  double a = 1;
  double loss = 0, largest_change = 0;  ///< of the function: largest change of a logit, relative to the largest logit
  double lambda = 0, residual = 0, gradient_norm = 0;
  double sam = 0;       ///< rise at distance 0.05 along the gradient
  double asam = 0;      ///< rise at e = 0.5 w^2 g / ||w| g|: ASAM with eta = 0
  double filtered = 0;  ///< mean rise at alpha = 0.5 along five filter-normalised random directions
};

class Rescaling {
 public:
  Rescaling(const Problem& problem, const Trained& trained) : model_(make_model(problem)) {
    put(*model_, trained.weights(), problem);
    sample_ = evenly_spaced(problem.train, 2000).all();
    parameters_ = model_->parameters();
    weights_ = trained.weights();
    logits_ = (*model_)(sample_.x).value();
  }

  /// One factor an element: a for layer 1 (its bias as well), 1 / a for the weight of layer 2, 1 for the rest.
  Tensor factors(double a) const {
    std::vector<Tensor> parts;
    for (size_t i = 0; i < parameters_.size(); ++i)
      parts.push_back(Tensor::full({parameters_[i].numel()}, i < 2 ? a : i == 2 ? 1 / a : 1));
    return core::concatenate(parts, 0);
  }

  Measured at(double a) {
    optim::set_weights(parameters_, times(factors(a), weights_));
    const Tensor w = optim::flat_weights(parameters_), g = optim::flat_gradient(loss(), parameters_);
    Measured m{.a = a, .loss = loss()().item(), .gradient_norm = core::norm(g).item()};
    m.largest_change = largest_change();
    const auto top = optim::largest_eigenvalue(loss(), parameters_);
    m.lambda = top.value, m.residual = top.residual;
    m.sam = rise(w, times(sam_radius / m.gradient_norm, g));
    const Tensor w_g = times(w, g);  // |w| g but for signs, which its norm and w (w g) do not notice
    m.asam = rise(w, times(asam_radius / core::norm(w_g).item(), times(w, w_g)));
    for (uint64_t seed = 1; seed <= 5; ++seed)
      m.filtered += rise(w, times(slice_alpha, optim::filter_normalised_direction(parameters_, seed))) / 5;
    return m;
  }

  /// The largest eigenvalue with every parameter but these standing still, at a = 1.
  double lambda_of_part(const std::vector<size_t>& part) {
    optim::set_weights(parameters_, weights_);
    std::vector<Variable> moving;
    for (const size_t i : part) moving.push_back(parameters_[i]);
    return optim::largest_eigenvalue(loss(), moving).value;
  }

  /// How far H(D w) D u is from D^-1 H(w) u, relative, for the top eigenvector u at w: the chain rule, exactly.
  double transformation_error(double a) {
    optim::set_weights(parameters_, weights_);
    const Tensor u = optim::top_eigenvalues(loss(), parameters_, 1)[0].vector;
    const Tensor expected = times(factors(1 / a), optim::hessian_vector_product(loss(), parameters_, u));
    optim::set_weights(parameters_, times(factors(a), weights_));
    Tensor got = optim::hessian_vector_product(loss(), parameters_, times(factors(a), u));
    core::add_scaled(got, -1, expected);
    return core::norm(got).item() / core::norm(expected).item();
  }

 private:
  optim::LossFunction loss() {
    return [this] { return nn::cross_entropy((*model_)(sample_.x), sample_.y); };
  }
  double rise(const Tensor& w, const Tensor& e) {
    const std::vector<double> losses = optim::losses_along(loss(), parameters_, w, e, {0, 1});
    return losses[1] - losses[0];
  }
  double largest_change() {
    NoGrad evaluating;
    const std::vector<double> before = logits_.to_vector<double>(),
                              now = (*model_)(sample_.x).value().to_vector<double>();
    double change = 0, size = 0;
    for (size_t i = 0; i < now.size(); ++i)
      change = std::max(change, std::abs(now[i] - before[i])), size = std::max(size, std::abs(before[i]));
    return change / size;
  }

  nn::AnyModule model_;
  datasets::Batch sample_;
  std::vector<Variable> parameters_;
  Tensor weights_, logits_;
};

double relative_change(double now, double before) { return std::abs(now / before - 1); }

void draw(Lab& lab, const std::vector<Measured>& measured, double of_layer_1, double of_layer_2) {
  Series lambda{.label = "lambda_1", .style = "sgd", .draw = Series::Draw::line_and_points};
  Series sam{.label = "rise at SAM's radius", .style = "sam", .draw = Series::Draw::line_and_points};
  Series asam{.label = "rise at ASAM's radius", .style = "asam", .draw = Series::Draw::line_and_points};
  Series filtered{.label = "rise along filter-normalised directions",
                  .style = "along-random",
                  .draw = Series::Draw::line_and_points};
  Series bound{.label = "least possible lambda_1: the larger of the two layers' own",
               .style = "sgd",
               .draw = Series::Draw::dashed};
  const Measured& one = measured[measured.size() / 2];
  for (const Measured& m : measured) {
    for (Series* series : {&lambda, &sam, &asam, &filtered, &bound}) series->x.push_back(m.a);
    lambda.y.push_back(m.lambda / one.lambda), sam.y.push_back(m.sam / one.sam);
    asam.y.push_back(m.asam / one.asam), filtered.y.push_back(m.filtered / one.filtered);
    bound.y.push_back(std::max(m.a * m.a * of_layer_2, of_layer_1 / (m.a * m.a)) / one.lambda);
  }
  lab.figure("rescaling",
             line_figure("rescaling", "One function, as sharp as you like",
                         {{.title = "layer 1 times a, layer 2 divided by a",
                           .x_title = "a",
                           .y_title = "measure, relative to a = 1",
                           .log_x = true,
                           .log_y = true,
                           .series = {bound, lambda, sam, asam, filtered}}},
                         1, "Every point of the figure is the same network: its outputs do not depend on a."),
             "Curvature and SAM's sharpness follow the rescaling of two layers; ASAM's and filter-normalised ones do "
             "not.");
}

}  // namespace

void rescale_layers(Lab& lab, const Problem& problem, const Trained& trained) {
  lab.heading("The counter-example: rescaled layers");
  Rescaling rescaling(problem, trained);
  std::vector<Measured> measured;
  Table table{{"a", "loss", "change of outputs", "lambda_1", "|gradient|", "SAM rise", "ASAM rise", "filtered rise"}};
  for (const double a : {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0}) {
    measured.push_back(rescaling.at(a));
    const Measured& m = measured.back();
    table.push_back({number_text(a), fixed(m.loss, 6), short_number(m.largest_change), fixed(m.lambda, 3),
                     short_number(m.gradient_norm), short_number(m.sam), fixed(m.asam, 5), fixed(m.filtered, 5)});
    lab.record("rescaling", {{"method", trained.name()},
                             {"a", m.a},
                             {"loss", m.loss},
                             {"change_of_outputs", m.largest_change},
                             {"lambda_1", m.lambda},
                             {"residual", m.residual},
                             {"gradient_norm", m.gradient_norm},
                             {"sam_rise", m.sam},
                             {"asam_rise", m.asam},
                             {"filter_normalised_rise", m.filtered}});
  }
  const double of_layer_1 = rescaling.lambda_of_part({0, 1}), of_layer_2 = rescaling.lambda_of_part({2});
  const Measured &smallest = measured.front(), &one = measured[3], &largest = measured.back();
  lab.table(text("ReLU(a x) = a ReLU(x) for a > 0, so layer 1 (weight and bias) times a and the weight of layer 2 "
                 "divided by a leave the network of ",
                 trained.name(), " as it is. 2,000 training images; SAM rise: at distance ", sam_radius,
                 " along the gradient; ASAM rise: at e = ", asam_radius,
                 " w^2 g / ||w| g|; filtered: alpha = ", slice_alpha, ", mean of five directions."),
            table);
  const double factor = largest.a * largest.a * of_layer_2 / one.lambda;
  lab.say(
      text("With D = the factors (a, 1 / a or 1) of each weight, loss(D w) = loss(w) for all w, hence the Hessian at "
           "D w is D^-1 H D^-1: the block of layer 2 grows by a^2. Alone it has the largest eigenvalue ",
           fixed(of_layer_2, 3), " at a = 1, so at a = 10 lambda_1 must be at least 100 times that, ", fixed(factor, 1),
           " times the ", fixed(one.lambda, 3), " from before. It is: ", fixed(largest.lambda / one.lambda, 1),
           " times. A number called flatness that a student can multiply by a hundred without changing a single "
           "prediction proves nothing by itself. ASAM's perturbation, each weight by its own size, goes through the "
           "rescaling unchanged, biases included: D w + D e is the rescaled w + e. That holds for eta = 0 in "
           "T = |w| + eta; ASAM's usual eta = 0.01 breaks it a little."));
  draw(lab, measured, of_layer_1, of_layer_2);

  double change = 0, asam = 0, filtered = 0;
  for (const Measured& m : measured) {
    change = std::max(change, m.largest_change);
    asam = std::max(asam, relative_change(m.asam, one.asam));
    filtered = std::max(filtered, relative_change(m.filtered, one.filtered));
  }
  lab.expect_always("rescaling by a = 0.1 to 10: largest change of an output, relative", change, at_most(1e-5));
  lab.expect_always("Hessian at D w times D u against D^-1 H u, a = 10, relative", rescaling.transformation_error(10),
                    at_most(1e-4));
  lab.expect("lambda_1 at a = 10 over 100 times that of layer 2 alone at a = 1", largest.lambda / (100 * of_layer_2),
             within(1, 0.03));
  lab.expect("lambda_1 at a = 0.1 over 100 times that of layer 1 alone at a = 1", smallest.lambda / (100 * of_layer_1),
             within(1, 0.03));
  lab.expect_always("ASAM's sharpness: largest relative change over a = 0.1 to 10", asam, at_most(1e-3));
  lab.expect_always("filter-normalised sharpness: largest relative change over a = 0.1 to 10", filtered, at_most(1e-3));
  lab.expect("SAM's sharpness at a = 10 over a = 1: not invariant", largest.sam / one.sam, at_least(2));
}

}  // namespace minima::examples
