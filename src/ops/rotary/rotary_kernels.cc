#include "ops/rotary/rotary_kernels.h"

#include "backends/cpu/vec.h"

namespace cairn::CAIRN_ISA {
namespace {

constexpr std::int64_t kMaxPairs = kMaxRotaryDim / 2;

// Sine and cosine of n f32 angles, in double precision so that the f32 results are right to 1 ulp. Plain loops: the
// compiler turns them into this instruction set's vectors. Source: Cody-Waite reduction by pi/2 in two parts, then the
// Taylor-like minimax polynomials of fdlibm's kernel sine and cosine.
void sine_cosine(const float* angles, float* sine, float* cosine, std::int64_t n) {
  constexpr double kTwoOverPi = 0.63661977236758134308, kHigh = 1.57079632673412561417e+00,
                   kLow = 6.07710050650619224932e-11;
  constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to a whole number
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(angles[i]);
    const double shifted = x * kTwoOverPi + kMagic;
    std::int64_t quadrant;
    __builtin_memcpy(&quadrant, &shifted, sizeof(quadrant));
    const double turns = shifted - kMagic;
    const double r = (x - turns * kHigh) - turns * kLow, z = r * r;
    const double s = r + r * z *
                             (-1.66666666666666324348e-01 +
                              z * (8.33333333332248946124e-03 +
                                   z * (-1.98412698298579493134e-04 +
                                        z * (2.75573137070700676789e-06 + z * -2.50507602534068634195e-08))));
    const double c =
        1.0 - 0.5 * z +
        z * z *
            (4.16666666666666019037e-02 +
             z * (-1.38888888888741095749e-03 + z * (2.48015872894767294178e-05 + z * -2.75573143513906633035e-07)));
    const double sin_part = quadrant & 1 ? c : s, cos_part = quadrant & 1 ? s : c;
    sine[i] = static_cast<float>(quadrant & 2 ? -sin_part : sin_part);
    cosine[i] = static_cast<float>((quadrant + 1) & 2 ? -cos_part : cos_part);
  }
}

void rotate_halves(const float* __restrict x, const float* __restrict sine, const float* __restrict cosine,
                   float* __restrict out, std::int64_t pairs) {
  for (std::int64_t i = 0; i < pairs; ++i) {
    const float a = x[i], b = x[i + pairs];
    out[i] = a * cosine[i] - b * sine[i];
    out[i + pairs] = b * cosine[i] + a * sine[i];
  }
}

void rotate_neighbours(const float* __restrict x, const float* __restrict sine, const float* __restrict cosine,
                       float* __restrict out, std::int64_t pairs) {
  for (std::int64_t i = 0; i < pairs; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    out[2 * i] = a * cosine[i] - b * sine[i];
    out[2 * i + 1] = b * cosine[i] + a * sine[i];
  }
}

void compute_angles(const AngleArgs& args) {
  alignas(64) float frequencies[kMaxPairs], angles[kMaxPairs];
  const std::int64_t pairs = args.rotary_dim / 2;
  for (std::int64_t i = 0; i < pairs; ++i)
    frequencies[i] = args.frequency_factors ? args.frequencies[i] / args.frequency_factors[i] : args.frequencies[i];
  for (std::int64_t t = 0; t < args.tokens; ++t) {
    const auto position = static_cast<float>(args.positions[t]);
    for (std::int64_t i = 0; i < pairs; ++i) angles[i] = position * frequencies[i];
    sine_cosine(angles, args.sine + t * pairs, args.cosine + t * pairs, pairs);
  }
}

void rotate(const RotaryArgs& args, std::int64_t begin, std::int64_t end) {
  const std::int64_t pairs = args.rotary_dim / 2;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t angle = row / args.x.inner * pairs;
    const float* x = args.x.row(row);
    float* out = args.out.row(row);
    (args.interleaved ? rotate_neighbours : rotate_halves)(x, args.sine + angle, args.cosine + angle, out, pairs);
    for (std::int64_t i = args.rotary_dim; i < args.x.columns; ++i) out[i] = x[i];
  }
}

}  // namespace

extern const RotaryTable kRotaryTable;
const RotaryTable kRotaryTable = {compute_angles, rotate};

}  // namespace cairn::CAIRN_ISA
