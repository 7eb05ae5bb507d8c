#include "examples/export/onnx.h"

#include <cmath>
#include <functional>

#include "autograd/mode.h"
#include "core/file.h"
#include "core/ops.h"
#include "nn/batch_norm.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/resnet.h"
#include "nn/transformer.h"

namespace minima::examples {
namespace {

using namespace nn;

// ---- protocol buffers, as ONNX uses them: fields of a number and a value, one after the other

/// One message: https://protobuf.dev/programming-guides/encoding. The numbers of the fields are those of onnx.proto.
struct Message {
  std::string bytes;

  void number(int field, int64_t value) { key(field, 0), varint(static_cast<uint64_t>(value)); }
  void text(int field, const std::string& value) { key(field, 2), varint(value.size()), bytes += value; }
  void message(int field, const Message& value) { text(field, value.bytes); }
  void real(int field, float value) {
    key(field, 5);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

 private:
  void key(int field, int type) { varint(static_cast<uint64_t>(field << 3 | type)); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
  }
};

enum : int { onnx_float = 1, onnx_int64 = 7 };  // TensorProto.DataType

/// An attribute of a node: an integer, several, or a number.
Message attribute(const std::string& name, int value) {
  Message out;
  out.text(1, name), out.number(3, value), out.number(20, 2);
  return out;
}

Message attribute(const std::string& name, const std::vector<int64_t>& values) {
  Message out;
  out.text(1, name), out.number(20, 7);
  for (const int64_t value : values) out.number(8, value);
  return out;
}

Message attribute(const std::string& name, double value) {
  Message out;
  out.text(1, name), out.real(2, static_cast<float>(value)), out.number(20, 1);
  return out;
}

Message value_info(const std::string& name, const Shape& sample) {
  Message dimensions, tensor, type, out;
  Message batch;
  batch.text(2, "batch");
  dimensions.message(1, batch);
  for (const int64_t extent : sample) {
    Message dimension;
    dimension.number(1, extent);
    dimensions.message(1, dimension);
  }
  tensor.number(1, onnx_float), tensor.message(2, dimensions);
  type.message(1, tensor);
  out.text(1, name), out.message(2, type);
  return out;
}

// ---- the graph

/// Adds nodes, and hands on the name of each one's output. Images are [batch, channels, height, width] inside.
class Graph {
 public:
  Message graph;
  int axes;  ///< of what the nodes until now make: 4 of images, 3 of sequences, 2 of rows

  explicit Graph(int axes) : axes(axes) {}

  std::string node(const std::string& op, const std::vector<std::string>& inputs,
                   const std::vector<Message>& attributes = {}) {
    Message out;
    const std::string name = text(op, "_", ++count_);
    for (const std::string& input : inputs) out.text(1, input);
    out.text(2, name), out.text(3, name), out.text(4, op);
    for (const Message& each : attributes) out.message(5, each);
    graph.message(1, out);
    return name;
  }

  std::string constant(const Tensor& tensor) {
    const Tensor host = tensor.to(Device::cpu).to(DType::float32);
    return initializer(onnx_float, host.shape(), host.data<float>(), 4);
  }
  std::string constant(const std::vector<int64_t>& values) {
    return initializer(onnx_int64, {static_cast<int64_t>(values.size())}, values.data(), 8);
  }

  std::string add(Module& module, const std::string& x);
  std::string transpose(const std::string& x, const std::vector<int64_t>& order) {
    return node("Transpose", {x}, {attribute("perm", order)});
  }

 private:
  std::string initializer(int type, const Shape& shape, const void* data, size_t each) {
    Message out;
    const std::string name = text("constant_", ++count_);
    for (const int64_t extent : shape) out.number(1, extent);
    out.number(2, type), out.text(8, name);
    out.text(9, std::string(static_cast<const char*>(data), static_cast<size_t>(shape.numel()) * each));
    graph.message(5, out);
    return name;
  }

  std::string add(Linear& m, const std::string& x) {
    if (axes > 2) return on_channels(x, [&](const std::string& rows) { return each_token(m, rows); });
    std::vector<std::string> inputs{x, constant(m.weight.value())};
    if (m.bias.defined()) inputs.push_back(constant(m.bias.value()));
    return node("Gemm", inputs, {attribute("transB", 1)});
  }
  std::string add(Conv2d& m, const std::string& x) {
    std::vector<std::string> inputs{x, constant(core::permute(m.weight.value(), {0, 3, 1, 2}))};
    if (m.bias.defined()) inputs.push_back(constant(m.bias.value()));
    return node("Conv", inputs, window(m.weight.size(1), m.stride, m.padding));
  }
  std::string add(BatchNorm& m, const std::string& x) {
    return node(
        "BatchNormalization",
        {x, constant(m.weight.value()), constant(m.bias.value()), constant(m.running_mean), constant(m.running_var)},
        {attribute("epsilon", m.epsilon)});
  }
  std::string add(ConvTranspose2d& m, const std::string& x) {
    std::vector<std::string> inputs{x, constant(core::permute(m.weight.value(), {0, 3, 1, 2}))};
    if (m.bias.defined()) inputs.push_back(constant(m.bias.value()));
    std::vector<Message> attributes = window(m.weight.size(1), m.stride, m.padding);
    attributes.push_back(attribute("output_padding", std::vector<int64_t>{m.output_padding, m.output_padding}));
    return node("ConvTranspose", inputs, attributes);
  }
  std::string pool(const char* op, const core::Window& w, const std::string& x) {
    std::vector<Message> attributes = window(w.kernel_h, w.stride, w.padding);
    if (op == std::string("AveragePool")) attributes.push_back(attribute("count_include_pad", 1));
    return node(op, {x}, attributes);
  }
  std::vector<Message> window(int64_t kernel, int64_t stride, int64_t padding) {
    return {attribute("kernel_shape", std::vector<int64_t>{kernel, kernel}),
            attribute("strides", std::vector<int64_t>{stride, stride}),
            attribute("pads", std::vector<int64_t>{padding, padding, padding, padding})};
  }
  std::string flatten(const std::string& x) {
    axes = 2;
    return node("Flatten", {x});
  }
  std::string global_pool(const std::string& x) { return flatten(node("GlobalAveragePool", {x})); }
  std::string relu(const std::string& x) { return node("Relu", {x}); }

  std::string add(BasicBlock& m, const std::string& x) {
    const std::string y = add(m.bn2, add(m.conv2, relu(add(m.bn1, add(m.conv1, x)))));
    std::string shortcut = x;
    if (m.stride != 1)
      shortcut =
          node("Slice",
               {shortcut, constant(std::vector<int64_t>{0, 0}), constant(std::vector<int64_t>{INT32_MAX, INT32_MAX}),
                constant(std::vector<int64_t>{2, 3}), constant(std::vector<int64_t>{m.stride, m.stride})});
    const int64_t before = (m.out - m.in) / 2, after = m.out - m.in - before;
    if (m.in != m.out)
      shortcut = node("Pad", {shortcut, constant(std::vector<int64_t>{0, before, 0, 0, 0, after, 0, 0})});
    return relu(node("Add", {y, shortcut}));
  }
  std::string add(WideBlock& m, const std::string& x) {
    const std::string h = relu(add(m.bn1, x)), y = add(m.conv2, relu(add(m.bn2, add(m.conv1, h))));
    return node("Add", {y, m.shortcut ? add(*m.shortcut, h) : x});
  }
  std::string add(ResNet& m, const std::string& x) {
    return add(m.fc, global_pool(in_order(m.layer3,
                                          in_order(m.layer2, in_order(m.layer1, relu(add(m.bn1, add(m.conv1, x))))))));
  }
  std::string add(WideResNet& m, const std::string& x) {
    return add(
        m.fc,
        global_pool(relu(add(m.bn1, in_order(m.layer3, in_order(m.layer2, in_order(m.layer1, add(m.conv1, x))))))));
  }
  // Transformers: x is [batch, tokens, width]. In the shapes of Reshape 0 stands for the extent that is there.
  std::string reshape(const std::string& x, const std::vector<int64_t>& shape) {
    return node("Reshape", {x, constant(shape)});
  }
  /// A layer of the last axis. That of images is their channels, which come second inside.
  std::string on_channels(const std::string& x, const std::function<std::string(const std::string&)>& layer) {
    if (axes != 4) return layer(x);
    return transpose(layer(transpose(x, {0, 2, 3, 1})), {0, 3, 1, 2});
  }
  std::string each_token(const Tensor& weight, const Variable& bias, const std::string& x) {
    const std::string y = node("MatMul", {x, constant(core::permute(weight, {1, 0}))});
    return bias.defined() ? node("Add", {y, constant(bias.value())}) : y;
  }
  std::string each_token(Linear& m, const std::string& x) { return each_token(m.weight.value(), m.bias, x); }
  std::string add(MultiheadAttention& m, const std::string& x) {
    if (m.causal) fail("save_onnx", m.describe(), "attention that is not causal", "Its mask would be needed.");
    const int64_t width = m.in_proj_weight.size(1), per_head = width / m.heads;
    const auto projected = [&](int64_t part, const std::vector<int64_t>& order) {
      const int64_t begin = part * width, end = begin + width;
      const std::string y =
          each_token(m.in_proj_weight.value().slice(begin, end), Variable(m.in_proj_bias.value().slice(begin, end)), x);
      return transpose(reshape(y, {0, 0, m.heads, per_head}), order);
    };
    const std::string scale = constant(Tensor::full({}, 1 / std::sqrt(static_cast<double>(per_head))));
    const std::string queries = node("Mul", {projected(0, {0, 2, 1, 3}), scale});
    const std::string scores = node("MatMul", {queries, projected(1, {0, 2, 3, 1})});
    const std::string mixed = node("MatMul", {node("Softmax", {scores}), projected(2, {0, 2, 1, 3})});
    return each_token(m.out_proj, reshape(transpose(mixed, {0, 2, 1, 3}), {0, 0, width}));
  }
  std::string add(TransformerBlock& m, const std::string& x);
  std::string add(VisionTransformer& m, const std::string& x) {
    const std::string grid = reshape(add(m.patches, x), {0, 0, m.positions.size(0)});
    const std::string tokens = node("Add", {transpose(grid, {0, 2, 1}), constant(m.positions.value())});
    axes = 3;
    const std::string y = add(static_cast<Module&>(m.norm), in_order(m.blocks, tokens));
    axes = 2;  // of the mean
    return add(m.head, node("ReduceMean", {y}, {attribute("axes", std::vector<int64_t>{1}), attribute("keepdims", 0)}));
  }
  std::string in_order(Sequential& m, std::string x) {
    for (AnyModule& child : m) x = add(*child, x);
    return x;
  }

  int count_ = 0;
};

/// Exact: x * (1 + erf(x / sqrt 2)) / 2; the operator Gelu is younger than the set used here.
std::string gelu(Graph& graph, const std::string& x) {
  const auto number = [&](double value) { return graph.constant(Tensor::full({}, value)); };
  const std::string erf = graph.node("Erf", {graph.node("Div", {x, number(1.4142135623730951)})});
  return graph.node("Mul", {graph.node("Mul", {x, number(0.5)}), graph.node("Add", {erf, number(1)})});
}

std::string Graph::add(TransformerBlock& m, const std::string& x) {
  const std::string h = node("Add", {x, add(m.self_attn, add(static_cast<Module&>(m.norm1), x))});
  const std::string hidden = gelu(*this, each_token(m.linear1, add(static_cast<Module&>(m.norm2), h)));
  return node("Add", {h, each_token(m.linear2, hidden)});
}

std::string Graph::add(Module& module, const std::string& x) {
  if (auto* m = dynamic_cast<Linear*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<Conv2d*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<ConvTranspose2d*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<BatchNorm*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<Sequential*>(&module)) return in_order(*m, x);
  if (auto* m = dynamic_cast<BasicBlock*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<WideBlock*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<ResNet*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<WideResNet*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<MultiheadAttention*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<TransformerBlock*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<VisionTransformer*>(&module)) return add(*m, x);
  if (auto* m = dynamic_cast<MaxPool2d*>(&module)) return pool("MaxPool", m->window, x);
  if (auto* m = dynamic_cast<AvgPool2d*>(&module)) return pool("AveragePool", m->window, x);
  if (auto* m = dynamic_cast<Residual*>(&module)) return node("Add", {add(*m->body, x), add(*m->shortcut, x)});
  if (auto* m = dynamic_cast<LayerNorm*>(&module))
    return on_channels(x, [&](const std::string& rows) {
      return node("LayerNormalization", {rows, constant(m->weight.value()), constant(m->bias.value())},
                  {attribute("epsilon", m->epsilon)});
    });
  if (dynamic_cast<GlobalAvgPool*>(&module)) return global_pool(x);
  if (dynamic_cast<Flatten*>(&module)) return flatten(x);
  if (dynamic_cast<ReLU*>(&module)) return relu(x);
  if (dynamic_cast<GELU*>(&module)) return gelu(*this, x);
  if (dynamic_cast<Tanh*>(&module)) return node("Tanh", {x});
  if (dynamic_cast<Sigmoid*>(&module)) return node("Sigmoid", {x});
  if (dynamic_cast<Identity*>(&module) || dynamic_cast<Dropout*>(&module)) return x;
  fail("save_onnx", "the layer " + module.describe(), "one that can be written as ONNX",
       "Its nodes must be added in examples/export/onnx.cpp.");
}
}  // namespace

void save_onnx(Module& model, const Shape& input, const std::string& path) {
  const bool was_training = model.training;
  Graph nodes(input.rank() + 1);
  std::string at = "input";
  if (input.rank() == 3) at = nodes.transpose(at, {0, 3, 1, 2});
  at = nodes.add(model, at);
  if (nodes.axes == 4) at = nodes.transpose(at, {0, 2, 3, 1});

  Shape batch{1};
  for (const int64_t extent : input) batch.push_back(extent);
  NoGrad no_grad;
  model.eval();
  const Shape out = model(Tensor::zeros(batch)).shape();
  model.train(was_training);
  Shape sample;
  for (int axis = 1; axis < out.rank(); ++axis) sample.push_back(out[axis]);

  Message last, opset, file;
  last.text(1, at), last.text(2, "output"), last.text(4, "Identity");
  nodes.graph.message(1, last);
  nodes.graph.text(2, "minima");
  nodes.graph.message(11, value_info("input", input));
  nodes.graph.message(12, value_info("output", sample));
  opset.text(1, ""), opset.number(2, 17);
  file.number(1, 8), file.text(2, "minima"), file.message(7, nodes.graph), file.message(8, opset);
  write_file_atomically(path, file.bytes.data(), file.bytes.size());
}

}  // namespace minima::examples
