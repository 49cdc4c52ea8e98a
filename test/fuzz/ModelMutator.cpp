#include "ModelMutator.h"
#include <algorithm>
#include <random>
#include <vector>

namespace {

class Mutator {
public:
  Mutator(onnx::GraphProto &graph, std::minstd_rand &random) : graph(graph), random(random) {
    for (auto &value : graph.input()) names.push_back(value.name());
    for (auto &tensor : graph.initializer()) names.push_back(tensor.name());
    for (auto &node : graph.node()) {
      visible.push_back(names.size());
      names.insert(names.end(), node.output().begin(), node.output().end());
    }
  }

  void mutate() {
    size_t what = pick(12);
    if (what < 8 && graph.node_size()) return mutateNode(pick(graph.node_size()), what);
    if (what < 11 && graph.initializer_size())
      return mutateTensor(*graph.mutable_initializer(pick(graph.initializer_size())));
    auto *values = pick(4) ? graph.mutable_input() : graph.mutable_output();
    if (!values->empty()) mutateType(*values->Mutable(pick(values->size())));
  }

private:
  size_t pick(size_t count) { return random() % count; }

  int64_t anyInteger(int64_t old) {
    static constexpr int64_t edges[] = {0,  1,  -1,   2,       3,         4,         8,        16,
                                        32, 64, -100, 1 << 20, INT32_MAX, INT64_MIN, INT64_MAX};
    return pick(3) ? edges[pick(std::size(edges))] : int64_t(uint64_t(old) + pick(5) - 2);
  }

  float anyReal() {
    static constexpr float edges[] = {0, 1, -1, 0.5f, 2, 1e-5f, -1e38f, 1e-40f, __builtin_inff(), __builtin_nanf("")};
    return edges[pick(std::size(edges))];
  }

  void mutateNode(size_t at, size_t what) {
    auto &node = *graph.mutable_node(at);
    if (what == 0) return node.set_op_type(graph.node(pick(graph.node_size())).op_type());
    if (what == 1) return insertCopy(node);
    if (what == 2 && !pick(4)) return graph.mutable_node()->DeleteSubrange(at, 1);
    if (what > 4 && node.attribute_size()) return mutateAttribute(*node.mutable_attribute(pick(node.attribute_size())));
    if (!pick(16)) return node.add_input(anyBefore(at));
    if (!node.input_size()) return;
    if (!pick(16)) return node.mutable_input()->RemoveLast();
    size_t slot = pick(node.input_size());
    node.set_input(slot, pick(2) ? sameSlot(at, slot) : anyBefore(at));
  }

  /// A value made before node `at`, most often a near one.
  std::string anyBefore(size_t at) {
    size_t count = pick(32) ? visible[at] : names.size();
    if (!count) return "";
    return names[pick(2) ? count - 1 - pick(std::min<size_t>(count, 24)) : pick(count)];
  }

  /// What an earlier node of the same operator reads there: likely of the same type.
  std::string sameSlot(size_t at, size_t slot) {
    for (size_t k = at; k-- > 0;)
      if (auto &node = graph.node(k);
          node.op_type() == graph.node(at).op_type() && slot < size_t(node.input_size()) && pick(2))
        return node.input(slot);
    return anyBefore(at);
  }

  /// A copy of the node whose result some readers take instead: op(op(x)), or the same value twice.
  void insertCopy(const onnx::NodeProto &node) {
    onnx::NodeProto copy = node;
    if (!copy.output_size()) return;
    std::string made = copy.output(0) + "'";
    for (auto &output : *copy.mutable_output()) output += "'";
    if (copy.input_size() && pick(2)) copy.set_input(pick(copy.input_size()), node.output(0));
    for (auto &reader : *graph.mutable_node())
      for (auto &input : *reader.mutable_input())
        if (input == node.output(0) && pick(2)) input = made;
    *graph.add_node() = copy; // the importer sorts
  }

  void mutateAttribute(onnx::AttributeProto &attribute) {
    if (attribute.has_t()) return mutateTensor(*attribute.mutable_t());
    if (attribute.has_g()) return Mutator(*attribute.mutable_g(), random).mutate();
    if (attribute.ints_size() && !pick(4)) return attribute.add_ints(anyInteger(0));
    if (attribute.ints_size()) return attribute.set_ints(pick(attribute.ints_size()), anyInteger(1));
    if (attribute.has_i()) return attribute.set_i(anyInteger(attribute.i()));
    if (attribute.has_f()) return attribute.set_f(anyReal());
    attribute.clear_s();
  }

  void mutateTensor(onnx::TensorProto &tensor) {
    size_t what = pick(16);
    if (what == 0) return tensor.set_data_type(int(pick(24)));
    if (what == 1) return tensor.add_dims(pick(2) ? 1 : anyInteger(1));
    int rank = tensor.dims_size();
    if (what == 2 && rank) return tensor.set_dims(pick(rank), anyInteger(1));
    if (what < 6 && rank) return tensor.mutable_dims()->SwapElements(pick(rank), 0);
    mutateElement(tensor);
  }

  void mutateElement(onnx::TensorProto &tensor) {
    std::string &raw = *tensor.mutable_raw_data();
    int64_t integer = anyInteger(1);
    float real = anyReal();
    const void *bytes = tensor.data_type() == onnx::TensorProto::FLOAT ? (const void *)&real : (const void *)&integer;
    size_t width = tensor.data_type() == onnx::TensorProto::INT64 ? 8 : 4;
    if (raw.size() >= width) raw.replace(pick(raw.size() / width) * width, width, (const char *)bytes, width);
  }

  void mutateType(onnx::ValueInfoProto &value) {
    auto &type = *value.mutable_type()->mutable_tensor_type();
    if (!pick(4)) return type.set_elem_type(int(pick(24)));
    auto &dims = *type.mutable_shape()->mutable_dim();
    if (dims.empty() || !pick(6)) return dims.Add()->set_dim_value(anyInteger(1));
    if (!pick(6)) return dims.RemoveLast();
    if (pick(2)) return dims.SwapElements(pick(dims.size()), 0);
    dims[pick(dims.size())].set_dim_value(anyInteger(1));
  }

  onnx::GraphProto &graph;
  std::minstd_rand &random;
  std::vector<std::string> names; ///< of inputs, of initializers, of nodes in their order
  std::vector<size_t> visible;    ///< how many of them lie before a node
};

} // namespace

void mutateModel(onnx::ModelProto &model, uint32_t seed) {
  std::minstd_rand random(seed);
  random.discard(3); // neighbouring seeds begin alike
  for (size_t count = 1 + random() % 6 / 3; count--;) Mutator(*model.mutable_graph(), random).mutate();
}
