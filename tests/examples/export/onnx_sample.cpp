// Writes models as ONNX, an input for each, and what minima computes: for onnx_check.py.
#include <cstdio>

#include "autograd/mode.h"
#include "core/random.h"
#include "datasets/npy.h"
#include "examples/export/onnx.h"
#include "nn/batch_norm.h"
#include "nn/layers.h"
#include "nn/models.h"

using namespace minima;

namespace {

void write(const std::string& folder, std::string name, nn::Module& model, const Shape& input) {
  for (char& c : name) c = c == ':' || c == ',' ? '_' : c;
  Shape batch{5};
  for (const int64_t extent : input) batch.push_back(extent);
  Generator random{.seed = 7};
  // Running statistics that are not those of a new model.
  model.train();
  for (int i = 0; i < 3; ++i) (void)model(random.normal(batch, 0.3, 1.5));
  model.eval();
  NoGrad no_grad;
  const Tensor x = random.normal(batch, 0, 1);
  examples::save_onnx(model, input, folder + "/" + name + ".onnx");
  datasets::save_npy(x, folder + "/" + name + ".x.npy");
  datasets::save_npy(model(x).value(), folder + "/" + name + ".y.npy");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("onnx_sample FOLDER\n", stderr), 2;
  for (const std::string& name : nn::model_names()) {
    manual_seed(1);
    nn::AnyModule model = nn::make_model(name, {28, 28, 3}, 10);
    write(argv[1], name, *model, {28, 28, 3});
  }
  nn::AnyModule table = nn::make_model("mlp:20,10", {7}, 3);
  write(argv[1], "table", *table, {7});
  nn::Sequential layers{nn::Conv2d{3, 8, 3, {.stride = 2, .padding = 1}},
                        nn::BatchNorm2d{8},
                        nn::GELU{},
                        nn::AvgPool2d{3, {.stride = 2, .padding = 1}},
                        nn::Residual{nn::Sequential{nn::Conv2d{8, 8, 3, {.padding = 1, .bias = false}}, nn::Tanh{}}},
                        nn::MaxPool2d{3, {.stride = 1, .padding = 1}},
                        nn::Flatten{},
                        nn::Linear{8 * 4 * 4, 12},
                        nn::LayerNorm{12},
                        nn::Sigmoid{},
                        nn::Dropout{0.5},
                        nn::Linear{12, 4, {.bias = false}}};
  write(argv[1], "layers", layers, {16, 16, 3});
  nn::Sequential larger{nn::ConvTranspose2d{3, 4, 3, {.stride = 2, .padding = 1, .output_padding = 1}},
                        nn::ConvTranspose2d{4, 2, 2, {.bias = false}}, nn::Flatten{}};
  write(argv[1], "larger", larger, {5, 4, 3});
  nn::Sequential images{nn::Conv2d{3, 4, 3}, nn::LayerNorm{4}, nn::Linear{4, 2}, nn::ConvTranspose2d{2, 3, 3}};
  write(argv[1], "images", images, {5, 4, 3});  // which ends in images
  nn::Sequential sequence{nn::Linear{5, 8}, nn::TransformerBlock{8, 2}, nn::Linear{8, 3, {.bias = false}}};
  write(argv[1], "sequence", sequence, {6, 5});
  return 0;
}
