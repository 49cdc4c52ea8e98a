// The launch before attention: q, k and v of one linear, q/k norms, rope, and what append leaves in the cache's pages.
#include "compiler/kernels/cpu/KvLayout.h"
#include "compiler/weights/float16.h"
#include "test/unit/kernels_rows/LinearLaunchFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

// The whole of attn_in: norm, packed q|k|v, q/k norms, rope, append, for one head geometry.
struct Heads {
  size_t heads, kvHeads, dim, rotary;
  bool qkNorm, half, brain = false; // of the cache: f16 or bf16
};

class AttentionInput {
public:
  AttentionInput(Heads h, size_t k) : h(h), k(k) {
    q = h.heads * h.dim, kv = h.kvHeads * h.dim;
    unit = std::lcm<size_t>(16, h.dim);
    auto up = [&](size_t n) { return (n + unit - 1) / unit * unit; };
    keyAt = up(q), valueAt = keyAt + up(kv), columns = valueAt + up(kv);
  }
  std::string launch() const {
    std::string tk = tensor(k), ta = tensor(2 * h.rotary), tq = tensor(q), tv = tensor(kv), tc = tensor(columns);
    // What becomes of a part of q or k on its way: the text, and the last value's name.
    auto turned = [&](const std::string &to, std::string value, const std::string &t, size_t heads) {
      std::string text, count = std::to_string(heads);
      if (h.qkNorm) {
        text = to + "n = decoder.norm rms " + value + " {gain = @h, eps = 1.0e-6 : f32, groups = " + count + "} : (" +
               t + ") -> " + t + "\n";
        value = to + "n";
      }
      if (!h.rotary) return std::pair(text, value);
      text += to + " = decoder.rope " + value + ", %b {heads = " + count + "} : (" + t + ", " + ta + ") -> " + t + "\n";
      return std::pair(text, to);
    };
    auto [queryText, query] = turned("%q", "%p#0", tq, h.heads);
    auto [keyText, key] = turned("%k", "%p#1", tv, h.kvHeads);
    return "%r = decoder.launch @attn_in (%a = %x : " + tk + ", %b = %an : " + ta + ") -> (" + tq +
           ") {\n%n = decoder.norm rms %a {gain = @g, eps = 1.0e-5 : f32} : (" + tk + ") -> " + tk +
           "\n%l = decoder.linear %n, @w : (" + tk + ") -> " + tc + "\n%p:3 = decoder.split %l [" + std::to_string(q) +
           ", " + std::to_string(kv) + ", " + std::to_string(kv) + "] {align = " + std::to_string(unit) + "} : (" + tc +
           ") -> (" + tq + ", " + tv + ", " + tv + ")\n" + queryText + keyText + "decoder.append " + key +
           ", %p#2 {cache = @g1, layer = 1} : " + tv + ", " + tv + "\ndecoder.yield " + query + " : " + tq + "\n}";
  }
  std::string symbols() const {
    std::string type = h.half ? "f16" : h.brain ? "bf16" : "f32", dims = std::to_string(h.dim);
    auto group = [&](const std::string &name, const std::string &layers) {
      return "decoder.cache_group @" + name + " {layers = " + layers + ", kv_heads = " + std::to_string(h.kvHeads) +
             ", key_dim = " + dims + ", value_dim = " + dims + ", type = " + type + "}\n";
    };
    return group("g0", "1") + group("g1", "2") + LinearLaunchTest::recipe("g", {k}) + packed +
           LinearLaunchTest::recipe("h", {h.dim});
  }
  Heads h;
  size_t k, q, kv, unit, keyAt, valueAt, columns;
  std::string packed;
};

using AppendTest = LinearLaunchTest;

TEST_P(AppendTest, RopeAndAppendIntoPages) {
  for (Heads h : {Heads{8, 4, 8, 4, false, false},
                  {3, 1, 64, 32, false, true},
                  {4, 2, 16, 8, true, true},
                  {2, 1, 20, 5, false, false},
                  {3, 3, 8, 4, true, false},
                  {2, 2, 64, 0, false, false},
                  {2, 1, 24, 0, true, true},
                  {4, 2, 32, 16, false, false, true},
                  {2, 1, 20, 5, false, false, true}}) {
    SCOPED_TRACE(std::to_string(h.heads) + "/" + std::to_string(h.kvHeads) + " x " + std::to_string(h.dim));
    AttentionInput in(h, 48);
    in.packed = packedRecipe("w", in.columns, in.k, kF32);
    if (!generate(parse(in.symbols(), "%x : " + tensor(in.k) + ", %an : " + tensor(2 * h.rotary), in.launch())))
      continue;
    Weight w(kF32, in.columns, in.k, 11);
    auto gain = randomVector(in.k, 2), headGain = randomVector(h.dim, 3);
    Rows x = Rows::random(kRows, in.k, 4), angles = Rows::random(kRows, 2 * h.rotary, 5, 0.5f);
    Matrix input = dense(x);
    for (size_t r = 0; r < kRows; ++r) numerics::rmsNorm(&input[r * in.k], in.k, gain.data(), 1e-5f, &input[r * in.k]);
    Matrix linear = w.apply(input, false);
    for (size_t r = 0; r < kRows; ++r)
      for (size_t head = 0; head < h.heads + h.kvHeads; ++head) {
        float *at = &linear[r * in.columns] + (head < h.heads ? head * h.dim : in.keyAt + (head - h.heads) * h.dim);
        if (h.qkNorm) numerics::rmsNorm(at, h.dim, headGain.data(), 1e-6f, at);
        numerics::rope(at, angles[r], h.rotary, false);
      }

    // Two sequences in scattered pages; row 4 is a pad.
    std::vector<int32_t> segment = {0, 0, 0, 0, -1, 1, 1, 1, 1}, position = {30, 31, 32, 33, 0, 0, 1, 14, 70};
    std::vector<uint32_t> table = {5, 2, 0, 1, 4, 3};
    KvLayout layout{1, 2, h.kvHeads, h.dim, h.dim, h.half || h.brain ? 2u : 4u, h.brain};
    std::vector<uint8_t> pool(6 * layout.pageBytes());
    ingot_kv_view views[2] = {{}, {pool.data(), table.data(), 3}};
    batch.segment = segment.data(), batch.position = position.data(), batch.kv = views;

    for (const KernelVariant &v : kernels.main)
      for (size_t rows : {size_t(1), size_t(4), size_t(7), kRows}) {
        if (rows > v.maxRows) continue;
        std::fill(pool.begin(), pool.end(), 0xCD);
        Rows y(rows, in.q);
        if (h.qkNorm)
          bind(rows, x[0], angles[0], gain.data(), w.data(), headGain.data(), y[0]);
        else
          bind(rows, x[0], angles[0], gain.data(), w.data(), y[0]);
        unsigned prepared = h.qkNorm ? 6 : 5;
        arguments.slot[prepared + 1] = 1; // layer
        run(rows, v, prepared);
        size_t written = 0;
        for (size_t r = 0; r < rows; ++r) {
          EXPECT_TRUE(sameBits(&linear[r * in.columns], y[r], in.q)) << v.kernel << " row " << r;
          if (segment[r] < 0) continue;
          size_t page = table[segment[r] * 3 + position[r] / kPageTokens], t = position[r] % kPageTokens;
          for (size_t head = 0; head < h.kvHeads; ++head)
            for (size_t d = 0; d < h.dim; ++d) {
              size_t base = page * layout.pageBytes() + layout.layerBytes() + head * layout.headBytes();
              auto stored = [&](size_t offset) {
                written += layout.elementBytes;
                if (h.brain) return floatFromBfloat(*reinterpret_cast<uint16_t *>(&pool[base + offset]));
                if (!h.half) return *reinterpret_cast<float *>(&pool[base + offset]);
                return float(*reinterpret_cast<_Float16 *>(&pool[base + offset]));
              };
              auto round = [&](float f) {
                if (h.brain) return floatFromBfloat(bfloatFromFloat(f));
                return h.half ? numerics::roundToHalf(f) : f;
              };
              const float *row = &linear[r * in.columns] + head * h.dim + d;
              float key = stored(((t / 16 * h.dim + d) * 16 + t % 16) * layout.elementBytes);
              float value = stored((kPageTokens * h.dim + t * h.dim + d) * layout.elementBytes);
              EXPECT_EQ(round(row[in.keyAt]), key) << v.kernel << " row " << r << " head " << head << " d " << d;
              EXPECT_EQ(round(row[in.valueAt]), value) << v.kernel << " row " << r << " head " << head << " d " << d;
            }
        }
        // Nothing else was touched: the pad above all.
        EXPECT_GE(pool.size() - std::count(pool.begin(), pool.end(), 0xCD), written / 2);
        EXPECT_LE(pool.size() - std::count(pool.begin(), pool.end(), 0xCD), written);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, AppendTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
