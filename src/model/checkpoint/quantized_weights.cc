#include "model/checkpoint/quantized_weights.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "base/error.h"

namespace cairn {
namespace {

constexpr std::array<std::uint8_t, 8> kInOrder = {0, 1, 2, 3, 4, 5, 6, 7}, kAwqOrder = {0, 4, 1, 5, 2, 6, 3, 7};
constexpr std::int64_t kBlock = 128;                  // side of the blocks of 8-bit floats that share a scale
constexpr std::int64_t kAll = std::int64_t{1} << 48;  // of any matrix's rows or columns
constexpr std::array<DType, 2> kHalves = {DType::f16, DType::bf16};
constexpr std::array<DType, 3> kFloats = {DType::f32, DType::f16, DType::bf16};

// The tensors of one module while its weight is put together.
class Module {
 public:
  Module(std::string name, const std::map<std::string, const TensorEntry*>& all, std::set<std::string>& used)
      : name_(std::move(name)), all_(all), used_(used) {}

  const std::string& name() const { return name_; }
  bool has(const char* part) const { return all_.contains(full(part)); }

  const TensorView& take(const char* part, std::span<const DType> accepted) {
    auto found = all_.find(full(part));
    if (found == all_.end())
      fail(ErrorKind::not_found, "tensor '{}' is missing beside the other tensors of '{}'", full(part), name_);
    const TensorView& view = found->second->view;
    if (std::find(accepted.begin(), accepted.end(), view.dtype) == accepted.end()) {
      std::string names;
      for (DType dtype : accepted) names += (names.empty() ? "" : ", ") + std::string(cairn::name(dtype));
      fail(ErrorKind::unsupported, "tensor '{}' is {}; supported: {}", full(part), cairn::name(view.dtype), names);
    }
    used_.insert(full(part));
    return view;
  }
  const TensorView& take(const char* part, DType accepted, const Shape& shape) {
    return expect_shape(part, take(part, {&accepted, 1}), shape);
  }
  const TensorView& take_matrix(const char* part, DType accepted) {
    const TensorView& view = take(part, {&accepted, 1});
    if (view.shape.rank() != 2)
      fail_invalid("tensor '{}' is {}; a matrix is expected", full(part), to_string(view.shape));
    return view;
  }
  const TensorView& expect_shape(const char* part, const TensorView& view, const Shape& shape) const {
    if (!(view.shape == shape))
      fail_invalid("tensor '{}' is {}; beside the other tensors of '{}' {} is expected", full(part),
                   to_string(view.shape), name_, to_string(shape));
    return view;
  }
  void leave_out(const char* part) {
    if (has(part)) used_.insert(full(part));
  }
  std::string full(const char* part) const { return name_ + "." + part; }

 private:
  std::string name_;
  const std::map<std::string, const TensorEntry*>& all_;
  std::set<std::string>& used_;
};

struct Joined {
  DType dtype;
  Shape shape;
  TensorView stored;  // the largest part
  std::unique_ptr<QuantizedRows> rows;
};

template <typename T>
std::int64_t number_at(const TensorView& view, std::int64_t i) {
  T value;
  std::memcpy(&value, view.data + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

// Reordered columns (act-order) would need x reordered.
void check_group_index(Module& module, const char* part, std::int64_t k, std::int64_t group) {
  if (!module.has(part)) return;
  const TensorView& index = module.take(part, DType::i32, {k});
  for (std::int64_t i = 0; i < k; ++i)
    if (number_at<std::int32_t>(index, i) != i / group)
      fail(ErrorKind::unsupported,
           "tensor '{}' puts column {} into group {} of {} columns: reordered columns (desc_act, actorder group) are "
           "not supported; quantize without reordering",
           module.full(part), i, number_at<std::int32_t>(index, i), group);
}

std::int64_t check_group(const Module& module, std::int64_t k, std::int64_t groups) {
  const std::int64_t group = groups > 0 && k % groups == 0 ? k / groups : 0;
  if (group != 32 && group != 64 && group != 128)
    fail(ErrorKind::unsupported, "the weight of '{}' has {} scales for {} columns; supported: groups of 32, 64 or 128",
         module.name(), groups, k);
  return group;
}

DType int4_dtype(bool zero_points, DType scale, std::int64_t group) {
  for (int i = static_cast<int>(DType::i4_f16_g32); i <= static_cast<int>(DType::u4_bf16_g128); ++i) {
    const DTypeInfo& type = info(static_cast<DType>(i));
    if (type.codes == (zero_points ? Codes::u4 : Codes::i4) && type.scale == scale && type.block_elements == group)
      return static_cast<DType>(i);
  }
  fail(ErrorKind::internal, "no int4 type has groups of {}", group);
}

// Zero points that are all 8 are none: symmetric weights need not read them.
bool all_are_8(const PackedNibbles& zero_points, int offset) {
  const std::uint32_t symmetric = 0x11111111u * static_cast<std::uint32_t>(8 - offset);
  for (std::int64_t i = 0; i < zero_points.stored.shape.elements(); ++i)
    if (number_at<std::uint32_t>(zero_points.stored, i) != symmetric) return false;
  return true;
}

Joined join_int4(std::int64_t n, std::int64_t k, std::int64_t group, Int4Parts parts) {
  if (parts.zero_points.stored.data && all_are_8(parts.zero_points, parts.zero_point_offset))
    parts.zero_points.stored = {};
  const DType dtype = int4_dtype(parts.zero_points.stored.data != nullptr, parts.scales.dtype, group);
  return {dtype, {n, k}, parts.codes.stored, std::make_unique<Int4Rows>(dtype, k, parts)};
}

Joined join_packed(Module& module) {
  const TensorView& packed = module.take_matrix("weight_packed", DType::i32);
  const TensorView& scales = module.take("weight_scale", kHalves);
  const std::int64_t n = packed.dim(0), k = 8 * packed.dim(1);
  if (scales.shape.rank() != 2) module.expect_shape("weight_scale", scales, {n, k / kBlock});
  const std::int64_t groups = scales.dim(1), group = check_group(module, k, groups);
  module.expect_shape("weight_scale", scales, {n, groups});
  const TensorView& shape = module.take("weight_shape", DType::i64, {2});
  if (number_at<std::int64_t>(shape, 0) != n || number_at<std::int64_t>(shape, 1) != k)
    fail_invalid("tensor '{}' says [{}, {}], but '{}' holds [{}, {}]", module.full("weight_shape"),
                 number_at<std::int64_t>(shape, 0), number_at<std::int64_t>(shape, 1), module.full("weight_packed"), n,
                 k);
  check_group_index(module, "weight_g_idx", k, group);
  Int4Parts parts;
  parts.codes = {packed, false, k / 8, 1, kInOrder.data()};
  parts.scales = scales;
  parts.scale_row = groups, parts.scale_group = 1;
  if (module.has("weight_zero_point"))
    parts.zero_points = {module.take("weight_zero_point", DType::i32, {(n + 7) / 8, groups}), true, groups, 1,
                         kInOrder.data()};
  return join_int4(n, k, group, parts);
}

// GPTQ and AWQ: scales and zero points lie with outputs side by side, GPTQ's codes too.
Joined join_transposed(Module& module, const QuantizationConfig& config) {
  const bool awq = config.method == QuantizationMethod::awq;
  const TensorView& packed = module.take_matrix("qweight", DType::i32);
  const std::int64_t k = packed.dim(0) * (awq ? 1 : 8), n = packed.dim(1) * (awq ? 8 : 1);
  const TensorView& scales = module.take("scales", kHalves);
  if (n % 8 != 0 || scales.shape.rank() != 2) module.expect_shape("scales", scales, {k / kBlock, n / 8 * 8});
  const std::int64_t groups = scales.dim(0), group = check_group(module, k, groups);
  module.expect_shape("scales", scales, {groups, n});
  check_group_index(module, "g_idx", k, group);
  const std::uint8_t* place = (awq ? kAwqOrder : kInOrder).data();
  Int4Parts parts;
  parts.codes = awq ? PackedNibbles{packed, true, 1, n / 8, place} : PackedNibbles{packed, false, 1, n, place};
  parts.zero_points = {module.take("qzeros", DType::i32, {groups, n / 8}), true, 1, n / 8, place};
  parts.zero_point_offset = config.zero_point_offset;
  parts.scales = scales;
  parts.scale_row = 1, parts.scale_group = n;
  return join_int4(n, k, group, parts);
}

Joined join_eight_bit(Module& module, DType codes_dtype) {
  const TensorView& codes = module.take_matrix("weight", codes_dtype);
  const char* part = module.has("weight_scale_inv") ? "weight_scale_inv" : "weight_scale";
  const TensorView& scales = module.take(part, kFloats);
  const std::int64_t n = codes.dim(0), k = codes.dim(1), count = scales.shape.elements();
  if (module.has("weight_zero_point"))
    fail(ErrorKind::unsupported, "tensor '{}': 8-bit weights with zero points are not supported",
         module.full("weight_zero_point"));
  for (const char* of_activations : {"input_scale", "activation_scale"}) module.leave_out(of_activations);
  const Shape blocks{(n + kBlock - 1) / kBlock, (k + kBlock - 1) / kBlock};
  DType dtype = codes_dtype == DType::i8 ? DType::i8_channel : DType::f8_channel;
  ScaleGrid grid;
  if (count == 1) {
    grid = {scales, kAll, kAll, 1};
  } else if (scales.shape == Shape{n, 1} || scales.shape == Shape{n}) {
    grid = {scales, 1, kAll, 1};
  } else if (codes_dtype == DType::f8_e4m3 && scales.shape == blocks) {
    grid = {scales, kBlock, kBlock, blocks[1]};
    dtype = DType::f8_g128;
  } else {
    module.expect_shape(part, scales, {n, 1});
  }
  if (k % info(dtype).block_elements != 0)
    fail(ErrorKind::unsupported, "tensor '{}' is {}; its columns must be a multiple of {}", module.full("weight"),
         to_string(codes.shape), info(dtype).block_elements);
  return {dtype, codes.shape, codes, std::make_unique<EightBitRows>(dtype, codes, grid)};
}

// The part by which a quantized module is known, of a method.
const char* leading_part(const QuantizationConfig& config, const TensorEntry& tensor) {
  const bool transposed = config.method == QuantizationMethod::gptq || config.method == QuantizationMethod::awq;
  const DType dtype = tensor.view.dtype;
  if (transposed) return tensor.name.ends_with(".qweight") ? "qweight" : nullptr;
  if (tensor.name.ends_with(".weight_packed") && config.method == QuantizationMethod::compressed_tensors)
    return "weight_packed";
  const bool codes =
      dtype == DType::f8_e4m3 || (dtype == DType::i8 && config.method == QuantizationMethod::compressed_tensors);
  return codes && tensor.name.ends_with(".weight") ? "weight" : nullptr;
}

}  // namespace

std::vector<std::unique_ptr<QuantizedRows>> join_quantized_weights(const QuantizationConfig& config,
                                                                   std::vector<TensorEntry>& tensors) {
  if (config.method == QuantizationMethod::none) return {};
  std::map<std::string, const TensorEntry*> all;
  for (const TensorEntry& tensor : tensors) all.emplace(tensor.name, &tensor);
  std::set<std::string> used;
  std::vector<TensorEntry> joined;
  std::vector<std::unique_ptr<QuantizedRows>> sources;
  for (const TensorEntry& tensor : tensors) {
    const std::string part = leading_part(config, tensor) ? leading_part(config, tensor) : "";
    if (part.empty()) continue;
    Module module(tensor.name.substr(0, tensor.name.size() - part.size() - 1), all, used);
    if (part != "weight" && module.has("weight"))
      fail_invalid("'{}' is there twice: as '{}' and as '{}'", module.name(), tensor.name, module.full("weight"));
    Joined weight = part == "qweight"         ? join_transposed(module, config)
                    : part == "weight_packed" ? join_packed(module)
                                              : join_eight_bit(module, tensor.view.dtype);
    TensorView view = make_view(weight.stored.data, weight.dtype, weight.shape);
    view.source = weight.rows.get();
    joined.push_back({module.full("weight"), tensor.stored_name, view});
    sources.push_back(std::move(weight.rows));
  }
  std::erase_if(tensors, [&](const TensorEntry& tensor) { return used.contains(tensor.name); });
  tensors.insert(tensors.end(), joined.begin(), joined.end());
  return sources;
}

}  // namespace cairn
