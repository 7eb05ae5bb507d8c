// SPDX-License-Identifier: MIT
#include "nn/models.h"

#include <charconv>

namespace minima::nn {
namespace {
void check_image(const char* model, const Shape& input, int64_t least) {
  if (input.rank() != 3)
    fail(model, text("an input of shape ", input), "an image (height, width, channels)",
         input.rank() == 1 ? "It is a network for images; use an mlp for a table." : "");
  if (input[0] < least || input[1] < least)
    fail(model, text("images of ", input[0], " x ", input[1], " with ", input[2], " channels"),
         text("at least ", least, " x ", least),
         input[0] < input[2] ? "If the shape was meant as (channels, height, width), put the channels last."
                             : "resnet20 and mlp take images of any size.");
}

constexpr int64_t widest = 1 << 20;  // no layer that anyone means has more outputs

// "256,128" -> {256, 128}; empty when the text is anything but positive numbers with this separator between them.
std::vector<int64_t> numbers(const std::string& text, char separator) {
  std::vector<int64_t> found;
  const char *at = text.data(), *end = at + text.size();
  while (true) {
    int64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 1 || number > widest) return {};
    found.push_back(number);
    if (next == end) return found;
    if (*next != separator) return {};
    at = next + 1;
  }
}

Sequential mlp_with_hidden(const Shape& input, std::vector<int64_t> hidden, int64_t classes) {
  hidden.insert(hidden.begin(), input.numel());
  hidden.push_back(classes);
  return mlp(hidden);
}
}  // namespace

Sequential mlp(const std::vector<int64_t>& sizes) {
  if (sizes.size() < 2) fail("mlp", text(sizes.size(), " sizes"), "at least two: inputs and outputs");
  Sequential model{Flatten{}};
  for (size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (i > 0) model.add(ReLU{});
    model.add(Linear{sizes[i], sizes[i + 1]});
  }
  return model;
}

Sequential lenet(const Shape& input, int64_t classes) {
  check_image("lenet", input, 12);
  const auto after = [](int64_t extent) { return (extent / 2 - 4) / 2; };  // the padded convolution keeps the size
  return Sequential{Conv2d{input[2], 6, 5, {.padding = 2}},
                    ReLU{},
                    MaxPool2d{2},
                    Conv2d{6, 16, 5},
                    ReLU{},
                    MaxPool2d{2},
                    Flatten{},
                    Linear{16 * after(input[0]) * after(input[1]), 120},
                    ReLU{},
                    Linear{120, 84},
                    ReLU{},
                    Linear{84, classes}};
}

Sequential cnn(const Shape& input, int64_t classes) {
  check_image("cnn", input, 4);
  Sequential model;
  const auto add_conv = [&](int64_t in, int64_t out) {
    model.add(Conv2d{in, out, 3, {.padding = 1}}).add(BatchNorm2d{out}).add(ReLU{});
  };
  add_conv(input[2], 32);
  add_conv(32, 32);
  model.add(MaxPool2d{2});
  add_conv(32, 64);
  add_conv(64, 64);
  model.add(MaxPool2d{2});
  model.add(Flatten{}).add(Linear{64 * (input[0] / 4) * (input[1] / 4), classes});
  return model;
}

std::vector<std::string> model_names() {
  return {"mlp", "mlp_big", "mlp:256,256", "lenet", "cnn", "resnet20", "wrn16-4", "vit:4,64,4,4"};
}

AnyModule make_model(const std::string& name, const Shape& input, int64_t classes) {
  if ((input.rank() != 1 && input.rank() != 3) || input.numel() < 1)
    fail("make_model", text("an input of shape ", input), "(features,) or (height, width, channels), nothing empty");
  if (classes < 1) fail("make_model", text(classes, " classes"), "at least 1");

  if (name == "mlp") return mlp_with_hidden(input, {256, 128}, classes);
  if (name == "mlp_big") return mlp_with_hidden(input, {1024, 1024}, classes);
  if (name.starts_with("mlp:")) {
    const std::vector<int64_t> hidden = numbers(name.substr(4), ',');
    if (hidden.empty())
      fail("make_model", '"' + name + '"', text("hidden sizes from 1 to ", widest, ", as in mlp:256,256"));
    return mlp_with_hidden(input, hidden, classes);
  }
  if (name == "lenet") return lenet(input, classes);
  if (name == "cnn") return cnn(input, classes);
  if (name == "resnet20") {
    check_image("resnet20", input, 1);
    return ResNet{input[2], classes};
  }
  if (name.starts_with("wrn")) {
    const std::vector<int64_t> size = numbers(name.substr(3), '-');
    if (size.size() != 2) fail("make_model", '"' + name + '"', "a depth and a width, as in wrn16-4");
    check_image(name.c_str(), input, 1);
    return WideResNet{size[0], size[1], input[2], classes};
  }
  if (name.starts_with("vit:")) {
    const std::vector<int64_t> size = numbers(name.substr(4), ',');
    if (size.size() != 4)
      fail("make_model", '"' + name + '"', "a patch's extent, width, depth and number of heads, as in vit:4,64,4,4");
    check_image("vit", input, 1);
    return VisionTransformer{input, classes, size[0], {.width = size[1], .depth = size[2], .heads = size[3]}};
  }
  fail("make_model", '"' + name + '"', "one of " + joined(model_names()));
}

}  // namespace minima::nn
