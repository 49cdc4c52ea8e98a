// Einsum as transposes, sums, one matmul a pair of operands and reshapes. A product with a weight of the model is
// decoder.linear like any other.
#include "compiler/import/Linear.h"
#include "compiler/import/OpTable.h"
#include "compiler/import/ScaledDotProduct.h"

using namespace mlir;
using namespace ingot;
using graph::ReduceKind;

namespace {

using Labels = std::string; // a character a dim

struct Term {
  Labels labels;
  Value value;
};

class Einsum {
public:
  explicit Einsum(NodeImporter &n) : n(n) {}
  Value run();

private:
  bool parse(std::string equation);
  bool readTerm(StringRef text, Labels &labels, int64_t rank, unsigned &dots);
  Term sumAway(Term term, const Labels &kept);
  Term multiply(const Term &a, const Term &b, const Labels &kept);
  Value ordered(const Term &term, const Labels &order);
  Value merged(Value value, ArrayRef<Labels> groups);
  Value split(Value value, const Labels &batch, const Labels &left, const Labels &right);

  NodeImporter &n;
  std::vector<Term> terms;
  Labels output;
  std::map<char, Value> extents; // i64[1] by label
};

// Labels of a term; the dims of an ellipsis are control characters, counted from the last.
bool Einsum::readTerm(StringRef text, Labels &labels, int64_t rank, unsigned &dots) {
  size_t letters = llvm::count_if(text, [](char c) { return llvm::isAlpha(c); });
  for (size_t i = 0; i < text.size(); ++i) {
    if (llvm::isAlpha(text[i])) {
      labels += text[i];
    } else if (text.substr(i).starts_with("...")) {
      if (rank >= 0) dots = unsigned(std::max<int64_t>(0, rank - int64_t(letters)));
      for (unsigned k = dots; k > 0; --k) labels += char(k);
      i += 2;
    } else {
      return n.require(false, "its equation is not understood");
    }
  }
  Labels sorted = labels;
  llvm::sort(sorted);
  n.require(rank < 0 || int64_t(labels.size()) == rank, "its equation does not fit its operands' ranks");
  n.require(std::unique(sorted.begin(), sorted.end()) == sorted.end(),
            "a repeated label (a diagonal) is not supported");
  return !n.failed();
}

bool Einsum::parse(std::string equation) {
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  auto [left, right] = StringRef(equation).split("->");
  SmallVector<StringRef> texts;
  left.split(texts, ',');
  unsigned dots = 0, most = 0;
  if (!n.require(texts.size() == n.inputCount() && equation.size() <= 256, "its equation does not fit its operands"))
    return false;
  for (size_t i = 0; i < texts.size(); ++i) {
    Term term;
    term.value = n.input(i);
    if (n.failed() || !n.require(n.rank(term.value) <= 16, "has too many dims")) return false;
    if (!readTerm(texts[i], term.labels, n.rank(term.value), dots)) return false;
    most = std::max(most, texts[i].contains("...") ? dots : 0);
    for (size_t d = 0; d < term.labels.size(); ++d) {
      auto [known, fresh] = extents.try_emplace(term.labels[d], Value());
      if (fresh || n.dim(term.value, int64_t(d)) != 1) known->second = extentOf(n, term.value, int64_t(d));
    }
    terms.push_back(std::move(term));
  }
  if (equation.find("->") != std::string::npos) {
    dots = most;
    return readTerm(right, output, -1, dots) &&
           n.require(llvm::all_of(output, [&](char c) { return extents.count(c); }), "its result has an unknown label");
  }
  for (unsigned k = most; k > 0; --k) output += char(k); // implicit: the ellipsis, then labels seen once, in order
  for (auto &[label, extent] : extents) {
    size_t seen = llvm::count_if(terms, [&](const Term &t) { return t.labels.find(label) != Labels::npos; });
    if (seen == 1 && llvm::isAlpha(label)) output += label;
  }
  return !n.failed();
}

Term Einsum::sumAway(Term term, const Labels &kept) {
  SmallVector<int64_t> axes;
  Labels labels;
  for (size_t d = 0; d < term.labels.size(); ++d) {
    if (kept.find(term.labels[d]) == Labels::npos)
      axes.push_back(int64_t(d));
    else
      labels += term.labels[d];
  }
  if (axes.empty() || n.failed()) return term;
  return {labels, n.create<graph::ReduceOp>(ReduceKind::sum, term.value, ArrayRef(axes), false)};
}

Value Einsum::ordered(const Term &term, const Labels &order) {
  SmallVector<int64_t> permutation;
  for (char label : order) permutation.push_back(int64_t(term.labels.find(label)));
  bool identity = llvm::is_sorted(permutation);
  return identity ? term.value : n.create<graph::TransposeOp>(term.value, ArrayRef(permutation));
}

// Each group of dims but the first (the batch, which stays) as one dim.
Value Einsum::merged(Value value, ArrayRef<Labels> groups) {
  SmallVector<int64_t> fresh;
  int64_t axis = int64_t(groups[0].size());
  bool single = true;
  for (const Labels &group : groups.drop_front()) single &= group.size() == 1;
  if (single || n.failed()) return value;
  bool onlyMissing = llvm::all_of(groups.drop_front(), [](const Labels &group) { return group.size() <= 1; });
  if (onlyMissing) {
    for (const Labels &group : groups.drop_front()) {
      if (group.empty()) fresh.push_back(axis);
      ++axis;
    }
    return n.unsqueeze(value, fresh);
  }
  SmallVector<int64_t> dims;
  bool fixed = n.type(value).hasStaticShape();
  SmallVector<Value> parts;
  int64_t at = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    int64_t end = at + int64_t(groups[g].size());
    if (g == 0) {
      for (; at < end; ++at) dims.push_back(n.dim(value, at));
      if (end > 0) parts.push_back(n.create<graph::ShapeOp>(value, 0, end));
      continue;
    }
    int64_t product = 1;
    for (int64_t d = at; d < end; ++d) product *= fixed ? n.dim(value, d) : 1;
    dims.push_back(product);
    Value part = at == end ? n.integerVector({1}) : n.create<graph::ShapeOp>(value, at, end);
    parts.push_back(n.create<graph::ReduceOp>(ReduceKind::prod, part, ArrayRef<int64_t>{0}, true));
    at = end;
  }
  if (n.failed()) return {};
  return n.reshape(value, fixed ? n.integerVector(dims) : n.create<graph::ConcatOp>(ValueRange(parts), 0));
}

// [batch.., L, R] with its merged dims apart again.
Value Einsum::split(Value value, const Labels &batch, const Labels &left, const Labels &right) {
  if (left.size() == 1 && right.size() == 1) return value;
  SmallVector<Value> parts;
  for (const Labels &group : {batch, left, right})
    for (char label : group) parts.push_back(extents[label]);
  if (n.failed()) return {};
  Value shape = parts.empty() ? n.integerVector({}) : n.create<graph::ConcatOp>(ValueRange(parts), 0);
  return n.reshape(value, shape);
}

Term Einsum::multiply(const Term &a, const Term &b, const Labels &kept) {
  Labels batch, left, right, inner;
  for (char c : a.labels) {
    bool shared = b.labels.find(c) != Labels::npos;
    (shared ? kept.find(c) != Labels::npos ? batch : inner : left) += c;
  }
  for (char c : b.labels)
    if (a.labels.find(c) == Labels::npos) right += c;
  Value x = merged(ordered(a, batch + left + inner), {batch, left, inner});
  Value y = merged(ordered(b, batch + inner + right), {batch, inner, right});
  if (n.failed()) return {};
  auto product = [&]() -> Value {
    if (inner.empty()) return n.binary(graph::BinaryKind::mul, x, y); // an outer product: [.., L, 1] by [.., 1, R]
    return batch.empty() ? project(n, x, y, false, {}, 1, n.inputCount()) : n.create<graph::MatmulOp>(x, y);
  };
  return {batch + left + right, split(product(), batch, left, right)};
}

Value Einsum::run() {
  if (!parse(n.text("equation", ""))) return {};
  Term result;
  for (size_t i = 0; i < terms.size() && !n.failed(); ++i) {
    Labels kept = output;
    for (size_t later = i + 1; later < terms.size(); ++later) kept += terms[later].labels;
    result = i ? multiply(result, sumAway(terms[i], kept + result.labels), kept) : terms[i];
    result = sumAway(std::move(result), kept);
  }
  return n.failed() ? Value() : ordered(result, output);
}

} // namespace

void ingot::addEinsumOps(OpTable &table) {
  table.add("", "Einsum", [](NodeImporter &n) { n.set(0, Einsum(n).run()); }, 12);
}
