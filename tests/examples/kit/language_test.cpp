// How well a language model foretells a text, against numbers worked out by hand.
#include "examples/kit/language.h"

#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

namespace {

/// Says that the character after 0 is 1 and the other way round, with this probability.
struct Alternating : nn::Module {
  double probability;

  explicit Alternating(double probability) : probability(probability) {}
  Variable forward(const Variable& x) override {
    std::vector<double> logits;
    for (const int64_t now : x.value().to_vector<int64_t>())
      for (const int64_t next : {0, 1}) logits.push_back(std::log(next == now ? 1 - probability : probability));
    return Variable(Tensor::from(logits, {x.size(0), x.size(1), 2}));
  }
};

}  // namespace

TEST_CASE("a language model needs as many bits for a character as its probability says") {
  // Windows of 4 from the beginning; what is left behind the last is no window.
  const datasets::Text text("abababababa");
  Alternating sure(0.75), wrong(0.25);
  CHECK_CLOSE(foretelling_of(sure, text, 4).bits, -std::log2(0.75), {.rtol = 1e-12});
  CHECK(foretelling_of(sure, text, 4).accuracy == 1);
  CHECK_CLOSE(foretelling_of(wrong, text, 4).bits, 2, {.rtol = 1e-12});
  CHECK(foretelling_of(wrong, text, 4).accuracy == 0);
  const auto [x, y] = text.all_windows(4);
  CHECK_CLOSE(bits_per_character(wrong, x, y).item(), 2, {.rtol = 1e-12});
}

TEST_CASE("characters that are not foretold count with their share") {
  const datasets::Text text("ababaababaababa");  // a is followed by a once in five
  Alternating model(0.75);
  const Foretelling f = foretelling_of(model, text, 14);
  CHECK_CLOSE(f.accuracy, 12.0 / 14, {.rtol = 1e-12});
  CHECK_CLOSE(f.bits, (-12 * std::log2(0.75) + 2 * 2) / 14, {.rtol = 1e-12});
}

TEST_CASE("a model that was training is training again after it was judged") {
  const datasets::Text text("abab");
  Alternating model(0.75);
  model.train();
  foretelling_of(model, text, 3);
  CHECK(model.training);
  model.eval();
  foretelling_of(model, text, 100);  // longer windows than the text has
  CHECK_FALSE(model.training);
}
