// SAM and MSAM over SGD as a student writes them from the papers, right or with one of fourteen planted faults. Nine of
// the kinds were met in published code, which `where` names; the other five follow from the same bookkeeping. For lab 9
// and the course: use optim/sam.h and optim/msam.h for anything else.
// Not here: how a fault is found (fault_bench.h).
#pragma once

#include <string>
#include <vector>

#include "minima.h"

namespace minima::examples {

constexpr int fault_count = 14;
constexpr int no_fault = 0;

/// One of the fourteen, and where it shows.
struct Fault {
  std::string what;   ///< what is wrong in the code
  std::string shows;  ///< what the instruments say of it
  std::string where;  ///< published code in which this kind was met, or that it is constructed
};
/// number 1 .. fault_count
const Fault& fault(int number);

struct TextbookOptions {
  optim::Schedule lr, rho;
  double momentum = 0.9, weight_decay = 0;
  int fault = no_fault;
};

/// MSAM in its authors' order of operations: the weights are kept at the perturbed point w - rho * v / |v| and have to
/// be moved back before anything else looks at them.
class TextbookMsam {
 public:
  TextbookMsam(std::vector<Variable> parameters, TextbookOptions options);

  void step(const optim::Closure& closure);
  /// From the perturbed point to the weights that are evaluated and saved.
  void move_back();
  /// After the last step.
  void finish();

  const std::vector<Tensor>& velocity() const { return velocity_; }

  /// What a checkpoint holds beside the model.
  struct State {
    std::vector<Tensor> velocity;
    std::vector<double> factors;
    int64_t steps;
  };
  State save() const;
  void load(const State& state);

 private:
  std::vector<double> factors(double rho) const;
  void add(const std::vector<double>& factors, double sign);

  std::vector<Variable> parameters_;
  TextbookOptions options_;
  std::vector<Tensor> velocity_;
  std::vector<double> factors_;  // by which velocity_ is in the weights: rho / |v|, one for each tensor
  int64_t steps_ = 0;
};

/// SAM, with the weights clean between steps.
class TextbookSam {
 public:
  TextbookSam(std::vector<Variable> parameters, TextbookOptions options);

  void step(const optim::Closure& closure);
  /// How many it says it took.
  int64_t gradient_evaluations() const { return gradient_evaluations_; }

 private:
  std::vector<Variable> parameters_;
  TextbookOptions options_;
  std::vector<Tensor> velocity_;
  int64_t steps_ = 0, gradient_evaluations_ = 0;
};

/// 0 during the first fifth of the steps, rho until three fifths, then half a cosine down to rho / 4.
optim::Schedule rho_schedule(double rho, int64_t steps, int fault = no_fault);

}  // namespace minima::examples
