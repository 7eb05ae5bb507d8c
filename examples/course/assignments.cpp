#include "examples/course/assignments.h"

#include "core/error.h"

namespace minima::examples::course {

namespace {

/// A gap in a function that returns something: compiled, and refused when it is called.
std::string refusing(const std::string& task, const std::string& name) {
  return task + "\nfail(\"" + name + "\", \"a gap\", \"your code\");";
}

}  // namespace

std::vector<Assignment::Unit> Assignment::units() const {
  std::vector<Unit> units;
  for (const std::string& path : compiled_instead) units.push_back({path, false});
  for (const GapFile& file : files)
    if (file.path.ends_with(".cpp")) units.push_back({file.path, true});
  return units;
}

const std::vector<Assignment>& assignments() {
  static const std::vector<Assignment> all{
      {1,
       "1-an-op",
       "An op and its backward rule",
       60,
       {{"autograd/ops_elementwise.cpp",
         {refusing("// The product x * y: record it with its rule. Save what the rule reads, and no more.", "multiply"),
          refusing("// tanh(x): the rule can be written with the output alone.", "tanh"),
          refusing("// softplus(x) = log(1 + exp(x)): which function is its derivative?", "softplus")}}}},
      {2,
       "2-backward",
       "The driver of backward()",
       120,
       {{"autograd/backward.cpp",
         {refusing("// Add grad to leaf.grad, or set it where nothing was accumulated yet (leaf.grad_empty). Where\n"
                   "// leaf.grad_bound, write into the memory of leaf.grad instead of replacing it.",
                   "accumulate"),
          refusing("// Add grad to what this node has gathered, in notes_[node.mark.place].gradient.", "gather"),
          refusing(
              "// Fill order_ with every node that the outputs depend on, each once, descending ids. No recursion.\n"
              "// Mark a visited node with node->mark.traversal = id_. Leave out ids below `lowest`. An op that is\n"
              "// freed is an error.",
              "find"),
          refusing(
              "// Go through order_. A leaf accumulates; an op that leads on runs its rule (propagate), then frees\n"
              "// its graph unless it is to be kept.",
              "run")}}}},
      {3,
       "3-sgd",
       "SGD, momentum and Nesterov",
       60,
       {{"core/update_rules.h",
         {"// SGD with momentum: change velocity, then weight.", "// Nesterov in PyTorch's form.",
          "// Plain gradient descent."}}},
       {"optim/sgd.cpp"}},
      {4,
       "4-adam",
       "Adam and AdamW",
       75,
       {{"core/update_rules.h", {"// Adam, and with `decoupled` AdamW: change m, s and weight."}},
        {"optim/adam.cpp", {refusing("// The numbers of this step. The first step has t = 1.", "adam_rule")}}}},
      {5,
       "5-sam",
       "SAM",
       75,
       {{"examples/labs/textbook_sam.cpp",
         {refusing("// The gradient at w is in parameters_[i].grad(). Everything else of the step is yours.",
                   "TextbookSam::step")}}}},
      {6,
       "6-msam",
       "MSAM",
       90,
       {{"examples/labs/textbook_msam.cpp",
         {refusing(
              "// The gradient at the perturbed point is in parameters_[i].grad(). Undo the perturbation, take the\n"
              "// step of SGD with momentum, and perturb for the next one.",
              "TextbookMsam::step"),
          refusing("// rho / |v| for each tensor of velocity_, with one norm over all.", "TextbookMsam::factors"),
          refusing("// Make the weights the clean ones.", "TextbookMsam::move_back"),
          refusing("// Training is over.", "TextbookMsam::finish"),
          refusing("// Everything as it was when `state` was saved.", "TextbookMsam::load"),
          "// Half a cosine from rho (share 0) down to rho / 4 (share 1).\nreturn 0 * share;"}}}},
      {7,
       "7-hessian",
       "The largest eigenvalue of the Hessian",
       90,
       {{"autograd/hessian.cpp",
         {refusing(
             "// H v is the gradient of (gradient . v). reached[i] is a recorded gradient, seeds[i] its part of v.\n"
             "// Put one tensor a parameter into `product`.",
             "Hessian")}},
        {"optim/analysis/curvature.cpp",
         {refusing("// Take from `vector` its part along each vector of the basis (they have length 1).",
                   "orthogonalise"),
          refusing("// value = u . H u, residual = |H u - value u| / |value|, for the unit vector u.",
                   "measured_pair")}}}},
      {8,
       "8-batch-norm",
       "Batch norm under SAM",
       75,
       {{"nn/batch_norm.cpp",
         {refusing("// Normalise by the batch. Let the running statistics follow, but not in SAM's second pass.",
                   "BatchNorm::forward"),
          refusing("// running_mean, running_var (unbiased) and num_batches_tracked follow this batch.",
                   "BatchNorm::track"),
          refusing("// Plain averages over all batches, at the present weights.", "recalibrate_batch_norm")}}}},
      {9,
       "9-a-comparison",
       "A comparison of your own",
       120,
       {{"examples/course/own_comparison.cpp",
         {refusing("// Which two settings, and why: your design.", "design"),
          refusing("// Train with this setting and seed; the test loss at the end.", "test_loss_of"),
          refusing("// Mean and half-width of the 95% interval of a[i] - b[i].", "paired_interval"),
          refusing("// \"first lower\", \"second lower\" or \"not separated\".", "verdict")}}}},
  };
  return all;
}

const Assignment& assignment(const std::string& number) {
  std::string known;
  for (const Assignment& a : assignments()) {
    if (std::to_string(a.number) == number) return a;
    known += text("\n  ", a.number, "  ", a.title);
  }
  fail("course", "assignment \"" + number + "\"", "one of:" + known);
}

const Assignment& assignment(int number) { return assignment(std::to_string(number)); }

std::string page_of(const Assignment& assignment) { return "docs/course/" + assignment.folder + ".md"; }

}  // namespace minima::examples::course
