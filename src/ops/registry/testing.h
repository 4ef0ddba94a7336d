// For operator tests: runs an operator's reference and fast kernels on the same inputs, and makes random strided
// inputs.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "ops/core/operator.h"
#include "tensor/view.h"

namespace cairn::testing {

inline ValueType type_of(const TensorView& view) {
  ValueType type{view.dtype, {}, view.layout};
  for (std::int64_t dim : view.shape.dims()) type.shape.emplace_back(dim);
  return type;
}

inline std::vector<ValueType> types_of(const std::vector<TensorView>& views) {
  std::vector<ValueType> types;
  for (const TensorView& view : views) types.push_back(type_of(view));
  return types;
}

/// A tensor whose rows lie apart, its gaps and surroundings filled with nan.
class Padded {
 public:
  Padded(Shape shape, std::int64_t gap) : view_(make_view(nullptr, DType::f32, shape)) {
    view_.strides[0] = (shape.rank() > 1 ? contiguous_strides(shape)[0] : 1) + gap;
    storage_.assign(static_cast<std::size_t>(shape[0] * view_.strides[0] + gap + 32),
                    std::numeric_limits<float>::quiet_NaN());
    view_.data = reinterpret_cast<std::byte*>(storage_.data() + gap);
  }
  const TensorView& view() const { return view_; }
  /// Calls fill(element) on every element of the tensor.
  template <typename Fill>
  Padded& each(Fill fill) {
    std::int64_t row = view_.shape.rank() > 1 ? contiguous_strides(view_.shape)[0] : 1;
    for (std::int64_t i = 0; i < view_.dim(0); ++i)
      for (std::int64_t j = 0; j < row; ++j) fill(view_.as<float>()[i * view_.strides[0] + j]);
    return *this;
  }

 private:
  std::vector<float> storage_;
  TensorView view_;
};

inline Padded random_padded(std::mt19937& random, Shape shape, float scale = 1.0f) {
  Padded padded(shape, static_cast<std::int64_t>(random() % 3) * 16 + static_cast<std::int64_t>(random() % 2));
  std::normal_distribution<float> normal(0, scale);
  padded.each([&](float& x) { x = normal(random); });
  return padded;
}

inline std::vector<TensorView> views_of(const std::vector<Tensor>& tensors) {
  std::vector<TensorView> views;
  for (const Tensor& tensor : tensors) views.push_back(tensor.view());
  return views;
}

/// Fresh outputs filled with bytes that are nan in f32; an aliased output is a copy of its input.
inline std::vector<Tensor> make_outputs(const Operator& op, const std::vector<TensorView>& inputs,
                                        const Attributes& attributes) {
  std::vector<Tensor> outputs;
  const std::vector<ValueType> types = types_of(inputs);
  for (const ValueType& type : op.infer({types, attributes})) {
    std::vector<std::int64_t> dims;
    for (const Dim& dim : type.shape) dims.push_back(dim.value);
    outputs.emplace_back(type.dtype, Shape(dims));
    const auto bytes = static_cast<std::size_t>(byte_size(type.dtype, Shape(dims)));
    const std::size_t i = outputs.size() - 1;
    if (i < op.alias.size() && op.alias[i] >= 0)
      std::memcpy(outputs[i].as<std::byte>(), inputs[static_cast<std::size_t>(op.alias[i])].data, bytes);
    else
      std::memset(outputs[i].as<std::byte>(), 0xFF, bytes);
  }
  return outputs;
}

/// Outputs as kernels see them: aliased ones stand for the inputs too.
inline std::vector<TensorView> with_aliases(const Operator& op, std::vector<TensorView> inputs,
                                            const std::vector<Tensor>& outputs) {
  for (std::size_t i = 0; i < op.alias.size(); ++i)
    if (op.alias[i] >= 0) inputs[static_cast<std::size_t>(op.alias[i])] = outputs[i].view();
  return inputs;
}

inline std::vector<Tensor> run_reference(const Operator& op, const std::vector<TensorView>& inputs,
                                         const Attributes& attributes = {}) {
  std::vector<Tensor> outputs = make_outputs(op, inputs, attributes);
  op.reference(with_aliases(op, inputs, outputs), views_of(outputs), attributes);
  return outputs;
}

/// Runs the fast kernel with `workers` workers, one after the other within each phase.
inline std::vector<Tensor> run_fast(const Operator& op, const std::vector<TensorView>& inputs,
                                    const Attributes& attributes, Isa isa, int workers = 1) {
  std::vector<Tensor> outputs = make_outputs(op, inputs, attributes);
  const std::vector<ValueType> types = types_of(inputs), output_types = types_of(views_of(outputs));
  auto kernel = op.prepare({types, output_types, attributes, isa});
  const std::vector<TensorView> seen = with_aliases(op, inputs, outputs), results = views_of(outputs);
  const std::int64_t bytes = kernel->workspace_bytes(seen, workers);
  Tensor workspace(DType::u8, {bytes + 64});
  std::memset(workspace.as<std::byte>(), 0xFF, static_cast<std::size_t>(bytes + 64));
  for (int phase = 0; phase < kernel->phases(); ++phase)
    for (int w = workers - 1; w >= 0; --w) kernel->run(seen, results, workspace.as<std::byte>(), phase, {w, workers});
  for (std::int64_t i = bytes; i < bytes + 64; ++i)
    EXPECT_EQ(std::to_integer<int>(workspace.as<std::byte>()[i]), 0xFF) << "workspace overrun";
  return outputs;
}

inline ::testing::AssertionResult same_bits(const Tensor& a, const Tensor& b) {
  const auto bytes = static_cast<std::size_t>(byte_size(a.view().dtype, a.view().shape));
  if (!(a.view().shape == b.view().shape))
    return ::testing::AssertionFailure() << to_string(a.view().shape) << " and " << to_string(b.view().shape);
  if (std::memcmp(a.as<std::byte>(), b.as<std::byte>(), bytes) == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "bits differ";
}

/// `op` with the attribute dtype (Operator::converts) against `op` and QuantizeActivation after it: the same bits, in
/// its other outputs too. `attributes` are those without dtype; `to` is a8, a8x2 or bf16.
inline ::testing::AssertionResult converts_as_two_steps(const Operator& op, const Operator& quantize,
                                                        const std::vector<TensorView>& inputs, Attributes attributes,
                                                        const std::string& to, Isa isa, int workers) {
  std::vector<Tensor> expected = run_fast(op, inputs, attributes, isa);
  expected[0] = std::move(run_fast(quantize, {expected[0].view()}, {{"dtype", to}}, isa)[0]);
  attributes.set("dtype", to);
  const std::vector<Tensor> actual = run_fast(op, inputs, attributes, isa, workers);
  for (std::size_t i = 0; i < actual.size(); ++i)
    if (!same_bits(actual[i], expected[i]))
      return ::testing::AssertionFailure() << op.name << " to " << to << ": output " << i << " differs";
  return ::testing::AssertionSuccess();
}

/// Every f32 element within `relative` of the other's magnitude plus `absolute`; nan matches nan, infinities
/// themselves.
inline ::testing::AssertionResult near(const Tensor& actual, const Tensor& expected, double relative, double absolute) {
  for (std::int64_t i = 0; i < expected.view().shape.elements(); ++i) {
    const float a = actual.as<float>()[i], e = expected.as<float>()[i];
    if ((std::isnan(a) && std::isnan(e)) || a == e) continue;
    if (!(std::abs(static_cast<double>(a) - e) <= relative * std::abs(static_cast<double>(e)) + absolute))
      return ::testing::AssertionFailure() << "element " << i << " is " << a << ", expected " << e;
  }
  return ::testing::AssertionSuccess();
}

/// A test suite that runs on every instruction set of this machine.
class EveryIsa : public ::testing::TestWithParam<Isa> {
 protected:
  std::mt19937 random{7};
};
inline std::string isa_name(const ::testing::TestParamInfo<Isa>& info) { return std::string(to_string(info.param)); }

}  // namespace cairn::testing
