#include "docs/playground/formula.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "autograd/ops.h"

namespace minima::playground {

namespace {

using ExpressionPointer = std::shared_ptr<const Formula::Expression>;

/// The shortest decimal that reads back as the same double, as C++ writes a double.
std::string number_in_cpp(double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.15g", value);
  if (std::strtod(digits, nullptr) != value) std::snprintf(digits, sizeof digits, "%.17g", value);
  return digits;
}

struct Function {
  std::string cpp;  ///< its name in minima
  Variable (*of_variable)(const Variable&);
  double (*of_number)(double);
};

const std::map<std::string, Function>& functions() {
  static const std::map<std::string, Function> all{
      {"abs", {"abs", minima::abs, std::fabs}},
      {"cos", {"cos", minima::cos, std::cos}},
      {"erf", {"erf", minima::erf, std::erf}},
      {"exp", {"exp", minima::exp, std::exp}},
      {"log", {"log", minima::log, std::log}},
      {"relu", {"relu", minima::relu, [](double v) { return v > 0 ? v : 0; }}},
      {"sigmoid", {"sigmoid", minima::sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); }}},
      {"sin", {"sin", minima::sin, std::sin}},
      {"softplus", {"softplus", minima::softplus, [](double v) { return std::log1p(std::exp(v)); }}},
      {"sqrt", {"sqrt", minima::sqrt, std::sqrt}},
      {"square", {"square", minima::square, [](double v) { return v * v; }}},
      {"tanh", {"tanh", minima::tanh, std::tanh}},
  };
  return all;
}

}  // namespace

/// A tree without constant parts: what consists of numbers alone has been computed.
struct Formula::Expression {
  enum class Kind : uint8_t { number, w1, w2, add, subtract, multiply, divide, power, negate, call, maximum, minimum };
  Kind kind;
  double number = 0;  ///< the number; of a power, the exponent
  ExpressionPointer a{}, b{};
  const Function* function = nullptr;

  bool is_number() const { return kind == Kind::number; }
  bool is(double value) const { return is_number() && number == value; }

  Variable value(const Variable& w1, const Variable& w2) const;
  std::string cpp(int outer) const;
};

namespace {

using Expression = Formula::Expression;
using Kind = Expression::Kind;

ExpressionPointer make(Expression expression) { return std::make_shared<const Expression>(std::move(expression)); }
ExpressionPointer number(double value) { return make({.kind = Kind::number, .number = value}); }

double of_numbers(Kind kind, double a, double b) {
  switch (kind) {
    case Kind::add: return a + b;
    case Kind::subtract: return a - b;
    case Kind::multiply: return a * b;
    case Kind::divide: return a / b;
    case Kind::maximum: return std::max(a, b);
    default: return std::min(a, b);
  }
}

ExpressionPointer combine(Kind kind, ExpressionPointer a, ExpressionPointer b) {
  if (a->is_number() && b->is_number()) return number(of_numbers(kind, a->number, b->number));
  return make({.kind = kind, .a = std::move(a), .b = std::move(b)});
}

ExpressionPointer negated(ExpressionPointer a) {
  return a->is_number() ? number(-a->number) : make({.kind = Kind::negate, .a = std::move(a)});
}

ExpressionPointer called(const Function& function, ExpressionPointer a) {
  if (a->is_number()) return number(function.of_number(a->number));
  return make({.kind = Kind::call, .a = std::move(a), .function = &function});
}

// ------------------------------------------------------------------------------------------------------ reading

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  ExpressionPointer all() {
    ExpressionPointer result = sum();
    if (at_ < text_.size()) refuse("an operator or the end");
    return result;
  }

 private:
  /// Counts what is open, so that no text can exhaust the stack.
  struct Deeper {
    int& depth;
    explicit Deeper(Reader& reader) : depth(reader.depth_) {
      if (++depth > Formula::deepest) reader.refuse("less within each other", "Write it with fewer parentheses.");
    }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    ~Deeper() { --depth; }
  };

  ExpressionPointer sum() {
    ExpressionPointer result = product();
    for (;;) {
      if (take('+'))
        result = combine(Kind::add, result, product());
      else if (take('-'))
        result = combine(Kind::subtract, result, product());
      else
        return result;
    }
  }

  ExpressionPointer product() {
    ExpressionPointer result = signed_power();
    for (;;) {
      if (take('*'))
        result = combine(Kind::multiply, result, signed_power());
      else if (take('/'))
        result = combine(Kind::divide, result, signed_power());
      else if (begins_operand())
        result = combine(Kind::multiply, result, power());
      else
        return result;
    }
  }

  ExpressionPointer signed_power() {
    if (take('-')) {
      Deeper deeper(*this);
      return negated(signed_power());
    }
    if (take('+')) {
      Deeper deeper(*this);
      return signed_power();
    }
    return power();
  }

  ExpressionPointer power() {
    ExpressionPointer base = operand();
    if (!take('^')) return base;
    Deeper deeper(*this);
    const size_t place = at_;
    ExpressionPointer exponent = signed_power();
    if (exponent->is_number()) return power_of(base, exponent->number);
    if (!base->is_number() || !(base->number > 0)) {
      at_ = place;
      refuse("a number as the exponent", "Or write exp(... log(...)).");
    }
    return called(functions().at("exp"), combine(Kind::multiply, exponent, number(std::log(base->number))));
  }

  static ExpressionPointer power_of(ExpressionPointer base, double exponent) {
    if (base->is_number()) return number(std::pow(base->number, exponent));
    if (exponent == 0) return number(1);
    if (exponent == 1) return base;
    if (exponent == 2) return called(functions().at("square"), base);
    return make({.kind = Kind::power, .number = exponent, .a = std::move(base)});
  }

  ExpressionPointer operand() {
    if (take('(')) return closed();
    skip_space();
    if (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.')) return literal();
    const size_t place = at_;
    const std::string name = known_name();
    if (name.empty()) refuse("a number, w1, w2, a function or \"(\"");
    if (name == "pi") return number(3.14159265358979323846);
    if (name == "w1" || name == "x") return make({.kind = Kind::w1});
    if (name == "w2" || name == "y") return make({.kind = Kind::w2});
    if (!take('(')) at_ = place, refuse("\"(\" after " + name);
    if (name != "max" && name != "min") return called(functions().at(name), closed());
    Deeper deeper(*this);
    ExpressionPointer first = sum();
    if (!take(',')) refuse("a comma: " + name + " takes two values");
    ExpressionPointer second = sum();
    if (!take(')')) refuse("\")\"");
    return combine(name == "max" ? Kind::maximum : Kind::minimum, first, second);
  }

  /// What stands before the next closing parenthesis.
  ExpressionPointer closed() {
    Deeper deeper(*this);
    ExpressionPointer inside = sum();
    if (!take(')')) refuse("\")\"");
    return inside;
  }

  ExpressionPointer literal() {
    double value = 0;
    char* end = nullptr;
    const size_t length = std::min(text_.find_first_not_of("0123456789.", at_), text_.size()) - at_;
    std::string digits = text_.substr(at_, length);
    const size_t exponent = at_ + length;  // 1e-3, but not the e of exp
    if (exponent + 1 < text_.size() && (text_[exponent] == 'e' || text_[exponent] == 'E')) {
      size_t last = exponent + 1;
      if (text_[last] == '-' || text_[last] == '+') ++last;
      const size_t first_digit = last;
      while (last < text_.size() && is_digit(text_[last])) ++last;
      if (last > first_digit) digits = text_.substr(at_, last - at_);
    }
    value = std::strtod(digits.c_str(), &end);
    if (*end != '\0' || !std::isfinite(value)) refuse("a number such as 0.5 or 1e-3");
    at_ += digits.size();
    return number(value);
  }

  /// The longest name that begins here, so that "xy" is x y and "w1w2" is w1 w2; empty where there is none.
  std::string known_name() {
    skip_space();
    std::string longest;
    const auto consider = [&](const std::string& name) {
      if (name.size() > longest.size() && text_.compare(at_, name.size(), name) == 0) longest = name;
    };
    for (const char* name : {"pi", "w1", "w2", "x", "y", "max", "min"}) consider(name);
    for (const auto& [name, function] : functions()) consider(name);
    at_ += longest.size();
    return longest;
  }

  bool begins_operand() {
    skip_space();
    if (at_ == text_.size()) return false;
    const char next = text_[at_];
    return is_digit(next) || next == '.' || next == '(' || (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z');
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  bool take(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  [[noreturn]] void refuse(const std::string& expected, const std::string& hint = "") {
    skip_space();
    const std::string got = at_ == text_.size() ? "the end" : "\"" + text_.substr(at_, 12) + "\"";
    fail("formula", minima::text(got, " at character ", at_ + 1), expected, hint);
  }

  const std::string& text_;
  size_t at_ = 0;
  int depth_ = 0;
};

Variable constant_like(double value) { return Variable(Tensor::full({1}, value, DType::float64)); }

}  // namespace

// ----------------------------------------------------------------------------------------------- computing

Variable Formula::Expression::value(const Variable& w1, const Variable& w2) const {
  const auto of = [&](const ExpressionPointer& part) { return part->value(w1, w2); };
  switch (kind) {
    case Kind::number: return constant_like(number);
    case Kind::w1: return w1;
    case Kind::w2: return w2;
    case Kind::negate: return -of(a);
    case Kind::call: return function->of_variable(of(a));
    case Kind::power: return pow(of(a), number);
    case Kind::maximum: return minima::maximum(of(a), of(b));
    case Kind::minimum: return minima::minimum(of(a), of(b));
    case Kind::add: return b->is_number() ? of(a) + b->number : a->is_number() ? a->number + of(b) : of(a) + of(b);
    case Kind::subtract: return b->is_number() ? of(a) - b->number : a->is_number() ? a->number - of(b) : of(a) - of(b);
    case Kind::multiply: return b->is_number() ? of(a) * b->number : a->is_number() ? a->number * of(b) : of(a) * of(b);
    case Kind::divide: return b->is_number() ? of(a) / b->number : a->is_number() ? a->number / of(b) : of(a) / of(b);
  }
  fail("formula", "an unknown kind of expression", "one of those above");
}

/// `outer` is how tightly what stands around it binds: 0 nothing, 1 a sum, 2 a difference's right side or a product, 3
/// a quotient's right side or a sign.
std::string Formula::Expression::cpp(int outer) const {
  const auto enclosed = [&](int own, const std::string& text) { return own < outer ? "(" + text + ")" : text; };
  switch (kind) {
    case Kind::number: return number < 0 ? "(" + number_in_cpp(number) + ")" : number_in_cpp(number);
    case Kind::w1: return "w1";
    case Kind::w2: return "w2";
    case Kind::negate: return enclosed(1, "-" + a->cpp(3));
    case Kind::call: return function->cpp + "(" + a->cpp(0) + ")";
    case Kind::power: return "pow(" + a->cpp(0) + ", " + number_in_cpp(number) + ")";
    case Kind::maximum:
    case Kind::minimum: {
      const auto argument = [](const ExpressionPointer& part) {
        return part->is_number() ? "Tensor::full({1}, " + number_in_cpp(part->number) + ", DType::float64)"
                                 : part->cpp(0);
      };
      return (kind == Kind::maximum ? "maximum(" : "minimum(") + argument(a) + ", " + argument(b) + ")";
    }
    case Kind::add: return enclosed(1, a->cpp(1) + " + " + b->cpp(2));
    case Kind::subtract: return enclosed(1, a->cpp(1) + " - " + b->cpp(2));
    case Kind::multiply: return enclosed(2, a->cpp(2) + " * " + b->cpp(3));
    case Kind::divide: return enclosed(2, a->cpp(2) + " / " + b->cpp(3));
  }
  return {};
}

Formula::Formula(const std::string& text) {
  if (text.size() > longest)
    fail("formula", minima::text(text.size(), " characters"), minima::text("at most ", longest));
  root_ = Reader(text).all();
  if (root_->is_number()) fail("formula", "the number " + number_in_cpp(root_->number), "w1 or w2 in the formula");
}

Variable Formula::operator()(const Variable& w1, const Variable& w2) const {
  Variable result = root_->value(w1, w2);
  return result;
}

std::string Formula::cpp() const { return root_->cpp(0); }

}  // namespace minima::playground
