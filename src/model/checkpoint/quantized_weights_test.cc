// Quantized safetensors weights: values against an independent script's, and files that are not what they should be.
#include "model/checkpoint/quantized_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/mapped_file.h"
#include "model/checkpoint/describe.h"
#include "model/checkpoint/test_files.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

using nlohmann::json;
using test::expect_error;

std::string data(const std::string& name) {
  return std::string(CAIRN_SOURCE_DIR) + "/tests/reference/data/quantized/" + name;
}

std::vector<std::byte> rows_of(const TensorView& view, std::int64_t begin, std::int64_t count) {
  std::vector<std::byte> rows(static_cast<std::size_t>(count * row_bytes(view.dtype, view.dim(1))));
  view.source->read(begin, count, rows.data());
  return rows;
}

struct Case {
  const char* name;
  std::vector<DType> dtypes;  // of the quantized weights
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class QuantizedFolder : public ::testing::TestWithParam<Case> {};

TEST_P(QuantizedFolder, HasTheValuesOfItsFormat) {
  auto checkpoint = Checkpoint::open(data(GetParam().name));
  MappedFile products(data(GetParam().name) + "/products.f64");
  const auto* expected = reinterpret_cast<const double*>(products.bytes().data());
  std::map<std::string, const TensorEntry*> quantized;
  for (const TensorEntry& tensor : checkpoint->tensors())
    if (tensor.view.source) quantized.emplace(tensor.name, &tensor);
  std::size_t at = 0;
  std::set<DType> dtypes;
  for (const auto& [name, tensor] : quantized) {
    const TensorView& view = tensor->view;
    dtypes.insert(view.dtype);
    const std::int64_t n = view.dim(0), k = view.dim(1);
    std::vector<float> row(static_cast<std::size_t>(k));
    const std::vector<std::byte> rows = rows_of(view, 0, n);
    for (std::int64_t i = 0; i < n; ++i, ++at) {
      decode_row(view.dtype, rows.data() + i * row_bytes(view.dtype, k), row);
      double sum = 0, most = 0;
      for (std::int64_t j = 0; j < k; ++j) {
        const double term =
            static_cast<double>(row[static_cast<std::size_t>(j)]) * static_cast<double>(37 * j % 101 - 50) / 64;
        sum += term;
        most += std::abs(term);
      }
      // Codes times 16-bit scales are exact in f32; f32 scales round.
      ASSERT_NEAR(sum, expected[at], most * 0x1p-24 + 1e-12) << name << " row " << i;
    }
    for (std::int64_t begin : {std::int64_t{0}, n / 3, n - 1}) {
      const std::vector<std::byte> part = rows_of(view, begin, std::min<std::int64_t>(3, n - begin));
      EXPECT_EQ(std::memcmp(part.data(), rows.data() + begin * row_bytes(view.dtype, k), part.size()), 0);
    }
    checkpoint->drop(*tensor);
  }
  EXPECT_EQ(at * 8, products.bytes().size());
  EXPECT_EQ(dtypes, std::set<DType>(GetParam().dtypes.begin(), GetParam().dtypes.end()));
  EXPECT_NE(describe(*checkpoint).find(name(GetParam().dtypes[0])), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    EveryFormat, QuantizedFolder,
    ::testing::Values(Case{"ct-int8", {DType::i8_channel}}, Case{"ct-int4-g32", {DType::i4_bf16_g32}},
                      Case{"ct-uint4-g128", {DType::u4_f16_g128}}, Case{"ct-float8", {DType::f8_channel}},
                      Case{"fp8-blocks", {DType::f8_channel, DType::f8_g128}}, Case{"gptq-g128", {DType::i4_f16_g128}},
                      Case{"gptq-g32", {DType::u4_bf16_g32}}, Case{"gptq-v2-g64", {DType::u4_f16_g64}},
                      Case{"awq-g64", {DType::u4_f16_g64}}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

class JoinQuantizedWeights : public ::testing::Test {
 protected:
  Tensor& put(const std::string& part, DType dtype, Shape shape) {
    auto [entry, fresh] = tensors_.insert_or_assign("m." + part, Tensor(dtype, shape));
    return entry->second;
  }
  std::vector<TensorEntry> join() {
    std::vector<TensorEntry> entries;
    for (const auto& [name, tensor] : tensors_) entries.push_back({name, name, tensor.view()});
    rows_ = join_quantized_weights(config_, entries);
    return entries;
  }
  void refused(ErrorKind kind, const std::vector<std::string>& parts) {
    expect_error(kind, parts, [&] { join(); });
  }
  void put_packed() {
    config_.method = QuantizationMethod::compressed_tensors;
    put("weight_packed", DType::i32, {24, 16});
    put("weight_scale", DType::bf16, {24, 4});
    auto* shape = put("weight_shape", DType::i64, {2}).as<std::int64_t>();
    shape[0] = 24, shape[1] = 128;
  }
  void put_gptq() {
    config_ = {QuantizationMethod::gptq, 1};
    put("qweight", DType::i32, {16, 24});
    put("qzeros", DType::i32, {2, 3});
    put("scales", DType::f16, {2, 24});
    auto* index = put("g_idx", DType::i32, {128}).as<std::int32_t>();
    for (int i = 0; i < 128; ++i) index[i] = i / 64;
  }
  void put_float8() {
    config_.method = QuantizationMethod::fp8;
    put("weight", DType::f8_e4m3, {200, 256});
    put("weight_scale_inv", DType::f32, {2, 2});
  }

  QuantizationConfig config_;
  std::map<std::string, Tensor> tensors_;
  std::vector<std::unique_ptr<QuantizedRows>> rows_;
};

TEST_F(JoinQuantizedWeights, LeavesOtherTensorsAsTheyAre) {
  put_packed();
  put("bias", DType::bf16, {24});
  const std::vector<TensorEntry> entries = join();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "m.bias");
  EXPECT_EQ(entries[1].name, "m.weight");
  EXPECT_EQ(entries[1].view.dtype, DType::i4_bf16_g32);
  EXPECT_EQ(entries[1].view.shape, Shape({24, 128}));
}

TEST_F(JoinQuantizedWeights, BlocksOf128By128HaveAScaleEach) {
  put_float8();
  std::memset(tensors_["m.weight"].as<char>(), 0x38, 200 * 256);  // 1
  for (int i = 0; i < 4; ++i) tensors_["m.weight_scale_inv"].as<float>()[i] = static_cast<float>(i + 1);
  const TensorView view = join()[0].view;
  EXPECT_EQ(view.dtype, DType::f8_g128);
  std::vector<float> row(256);
  for (std::int64_t n : {0, 127, 128, 199}) {
    decode_row(view.dtype, rows_of(view, n, 1).data(), row);
    for (std::size_t k = 0; k < 256; ++k) ASSERT_EQ(row[k], (n < 128 ? 1 : 3) + (k < 128 ? 0 : 1)) << n << ", " << k;
  }
}

TEST_F(JoinQuantizedWeights, ANanAmongTheCodesMakesItsScaleNan) {
  put_float8();
  tensors_["m.weight"].as<std::uint8_t>()[130 * 256 + 5] = 0xFF;
  for (int i = 0; i < 4; ++i) tensors_["m.weight_scale_inv"].as<float>()[i] = 1;
  const TensorView view = join()[0].view;
  std::vector<float> row(256);
  decode_row(view.dtype, rows_of(view, 130, 1).data(), row);
  for (std::size_t k = 0; k < 256; ++k) EXPECT_EQ(std::isnan(row[k]), k < 128) << k;
}

TEST_F(JoinQuantizedWeights, NamesWhatIsMissing) {
  put_packed();
  for (const char* part : {"m.weight_scale", "m.weight_shape"}) {
    auto taken = tensors_.extract(part);
    refused(ErrorKind::not_found, {part});
    tensors_.insert(std::move(taken));
  }
  put_gptq();
  for (const char* part : {"m.scales", "m.qzeros"}) {
    auto taken = tensors_.extract(part);
    refused(ErrorKind::not_found, {part});
    tensors_.insert(std::move(taken));
  }
}

TEST_F(JoinQuantizedWeights, RefusesPackedWeightsOfOtherShapesAndTypes) {
  put_packed();
  put("weight_scale", DType::bf16, {24, 3});
  refused(ErrorKind::unsupported, {"3 scales for 128 columns", "32, 64 or 128"});
  put("weight_scale", DType::bf16, {24, 8});
  refused(ErrorKind::unsupported, {"8 scales"});
  put("weight_scale", DType::bf16, {24, 0});
  refused(ErrorKind::unsupported, {"0 scales"});
  put("weight_scale", DType::bf16, {23, 4});
  refused(ErrorKind::invalid_argument, {"m.weight_scale", "[23, 4]", "[24, 4]"});
  put("weight_scale", DType::bf16, {96});
  refused(ErrorKind::invalid_argument, {"m.weight_scale", "[96]"});
  put("weight_scale", DType::f32, {24, 4});
  refused(ErrorKind::unsupported, {"m.weight_scale", "f32", "f16, bf16"});
  put_packed();
  tensors_["m.weight_shape"].as<std::int64_t>()[1] = 127;
  refused(ErrorKind::invalid_argument, {"m.weight_shape", "[24, 127]", "[24, 128]"});
  put_packed();
  put("weight_zero_point", DType::i32, {24, 4});
  refused(ErrorKind::invalid_argument, {"m.weight_zero_point", "[24, 4]", "[3, 4]"});
  tensors_.erase("m.weight_zero_point");
  put("weight", DType::bf16, {24, 128});
  refused(ErrorKind::invalid_argument, {"twice", "m.weight"});
  tensors_.erase("m.weight");
  put("weight_packed", DType::i32, {24, 0});
  refused(ErrorKind::unsupported, {"0 columns"});
  put("weight_packed", DType::i32, {24});
  refused(ErrorKind::invalid_argument, {"m.weight_packed", "a matrix"});
}

TEST_F(JoinQuantizedWeights, RefusesReorderedColumns) {
  put_gptq();
  join();
  tensors_["m.g_idx"].as<std::int32_t>()[3] = 1;
  refused(ErrorKind::unsupported, {"m.g_idx", "column 3", "desc_act"});
  put("g_idx", DType::i32, {127});
  refused(ErrorKind::invalid_argument, {"m.g_idx", "[127]", "[128]"});
  put_packed();
  put("weight_g_idx", DType::i32, {128});
  tensors_.erase("m.qweight");
  refused(ErrorKind::unsupported, {"m.weight_g_idx", "column 32"});
}

TEST_F(JoinQuantizedWeights, RefusesGptqAndAwqOfOtherShapes) {
  put_gptq();
  put("qzeros", DType::i32, {3, 2});
  refused(ErrorKind::invalid_argument, {"m.qzeros", "[3, 2]", "[2, 3]"});
  put_gptq();
  put("scales", DType::f16, {2, 25});
  refused(ErrorKind::invalid_argument, {"m.scales", "[2, 25]"});
  config_.method = QuantizationMethod::awq;
  put("qweight", DType::i32, {100, 3});
  put("scales", DType::f16, {2, 24});
  refused(ErrorKind::unsupported, {"2 scales for 100 columns"});
}

TEST_F(JoinQuantizedWeights, RefusesEightBitWeightsOfOtherShapes) {
  put_float8();
  put("weight_scale_inv", DType::f32, {2, 3});
  refused(ErrorKind::invalid_argument, {"m.weight_scale_inv", "[2, 3]", "[200, 1]"});
  put("weight_scale_inv", DType::i32, {2, 2});
  refused(ErrorKind::unsupported, {"m.weight_scale_inv", "i32"});
  put("weight_scale_inv", DType::f32, {2, 2});
  put("weight", DType::f8_e4m3, {200, 200});
  refused(ErrorKind::unsupported, {"m.weight", "[200, 200]", "a multiple of 128"});
  config_.method = QuantizationMethod::compressed_tensors;
  put("weight", DType::i8, {200, 256});
  refused(ErrorKind::invalid_argument, {"m.weight_scale_inv", "[2, 2]", "[200, 1]"});
  tensors_.erase("m.weight_scale_inv");
  put("weight_scale", DType::f32, {200, 1});
  put("weight_zero_point", DType::i8, {200, 1});
  refused(ErrorKind::unsupported, {"m.weight_zero_point"});
}

json compressed(const char* format, json weights) {
  return {{"quant_method", "compressed-tensors"},
          {"format", format},
          {"config_groups", {{"group_0", {{"weights", std::move(weights)}}}}}};
}

void config_refused(const json& quantization, const std::vector<std::string>& parts) {
  expect_error(ErrorKind::unsupported, parts, [&] { parse_quantization({{"quantization_config", quantization}}); });
}

TEST(QuantizationConfig, NamesKeyValueAndWhatIsSupported) {
  config_refused({{"quant_method", "bitsandbytes"}}, {"quant_method", "bitsandbytes", "gptq", "awq", "fp8"});
  config_refused({{"bits", 4}}, {"quant_method", "missing"});
  const json gptq = {{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 128}};
  EXPECT_EQ(parse_quantization({{"quantization_config", gptq}}).zero_point_offset, 1);
  for (const auto& [key, value] : std::vector<std::pair<const char*, json>>{
           {"bits", 3}, {"group_size", -1}, {"checkpoint_format", "marlin"}, {"dynamic", {{"+:x", {{"bits", 8}}}}}}) {
    json changed = gptq;
    changed[key] = value;
    config_refused(changed, {"quantization_config", key, value.dump()});
  }
  config_refused({{"quant_method", "awq"}, {"bits", 4}, {"group_size", 128}, {"version", "gemv"}}, {"version", "gemv"});
  config_refused({{"quant_method", "fp8"}, {"fmt", "e5m2"}}, {"fmt", "e5m2", "e4m3"});
  config_refused({{"quant_method", "fp8"}, {"weight_block_size", {64, 64}}}, {"weight_block_size", "[128,128]"});
  config_refused(compressed("nvfp4-pack-quantized", {{"num_bits", 4}}), {"group_0", "nvfp4", "pack-quantized"});
  config_refused(compressed("pack-quantized", {{"num_bits", 8}, {"strategy", "group"}}), {"weights", "num_bits", "8"});
  config_refused(compressed("pack-quantized", {{"num_bits", 4}, {"strategy", "group"}, {"group_size", 16}}),
                 {"group_size", "16", "32, 64, 128"});
  config_refused(compressed("int-quantized", {{"num_bits", 8}, {"strategy", "channel"}, {"symmetric", false}}),
                 {"symmetric", "false"});
  json group = compressed("int-quantized", {{"num_bits", 8}, {"strategy", "channel"}});
  parse_quantization({{"quantization_config", group}});
  group["config_groups"]["group_0"]["input_activations"] = {
      {"num_bits", 8}, {"strategy", "tensor"}, {"dynamic", false}};
  config_refused(group, {"input_activations", "dynamic", "false", "true"});
  group["kv_cache_scheme"] = {{"num_bits", 8}};
  config_refused(group, {"kv_cache_scheme"});
}

TEST(QuantizedFolderErrors, WeightsOfIntegersNeedAQuantizationConfig) {
  test::TempFolder folder;
  json config = json::parse(read_text_file(data("ct-int8") + "/config.json"));
  config.erase("quantization_config");
  folder.write("config.json", config.dump());
  folder.write("model.safetensors", read_text_file(data("ct-int8") + "/model.safetensors"));
  expect_error(ErrorKind::unsupported, {"q_proj.weight", "i8", "quantization_config"},
               [&] { Checkpoint::open(folder.path()); });
}

}  // namespace
}  // namespace cairn
