// Nodes, hash-consing, substitution and printing. The algebra is in ExprAlgebra.cpp.
#include "passes/infer/Expr.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"

using namespace ingot::infer;
using llvm::ArrayRef;

bool Expr::isAffine() const { return node && node->op == ExprOp::Affine; }

bool Expr::isLiteral() const { return asInteger() || asReal() || asBool(); }

std::optional<int64_t> Expr::asInteger() const {
  if (!isAffine() || !node->terms.empty()) return std::nullopt;
  return node->constant;
}

std::optional<double> Expr::asReal() const {
  if (!node || node->op != ExprOp::Real) return std::nullopt;
  return node->real;
}

std::optional<bool> Expr::asBool() const {
  if (!node || node->op != ExprOp::Bool) return std::nullopt;
  return node->constant != 0;
}

void ExprNode::Profile(llvm::FoldingSetNodeID &id) const {
  id.AddInteger(unsigned(op));
  id.AddInteger(code);
  id.AddInteger(constant);
  id.AddInteger(llvm::bit_cast<uint64_t>(real));
  id.AddPointer(table.getAsOpaquePointer());
  for (auto [variable, coefficient] : terms) id.AddInteger(variable), id.AddInteger(coefficient);
  for (Expr operand : operands) id.AddPointer(operand.get());
}

ExprContext::ExprContext() : names({"P", "S"}), bounds(2) {}

Variable ExprContext::newVariable(llvm::StringRef name, Expr bound) {
  names.push_back(name.str());
  bounds.push_back(bound);
  return names.size() - 1;
}

Expr ExprContext::intern(ExprNode &&candidate) {
  llvm::FoldingSetNodeID id;
  candidate.Profile(id);
  void *position = nullptr;
  if (ExprNode *known = unique.FindNodeOrInsertPos(id, position)) return known;
  candidate.id = nodes.size();
  nodes.push_back(std::move(candidate));
  unique.InsertNode(&nodes.back(), position);
  return &nodes.back();
}

Expr ExprContext::make(ExprOp op, ArrayRef<Expr> operands, unsigned code, mlir::Attribute table) {
  ExprNode node{};
  node.op = op, node.code = code, node.table = table;
  node.operands.assign(operands.begin(), operands.end());
  for (Expr operand : operands)
    if (operand->op == ExprOp::Undefined) return operand;
  return intern(std::move(node));
}

Expr ExprContext::makeAffine(int64_t constant, ArrayRef<std::pair<Variable, int64_t>> terms) {
  // Bounds that keep every later product of a coefficient and a gcd inside 64 bits (invariant 5).
  constexpr int64_t Limit = int64_t(1) << 60;
  bool wide = llvm::any_of(terms, [](auto term) { return term.second > Limit || term.second < -Limit; });
  if (wide || (!terms.empty() && (constant > Limit || constant < -Limit))) return undefined();
  ExprNode node{};
  node.op = ExprOp::Affine, node.constant = constant;
  node.terms.assign(terms.begin(), terms.end());
  return intern(std::move(node));
}

Expr ExprContext::variable(Variable v) { return makeAffine(0, {{v, 1}}); }
Expr ExprContext::integer(int64_t value) { return makeAffine(value, {}); }

Expr ExprContext::real(double value) {
  ExprNode node{};
  node.op = ExprOp::Real, node.real = value;
  return intern(std::move(node));
}

Expr ExprContext::boolean(bool value) {
  ExprNode node{};
  node.op = ExprOp::Bool, node.constant = value;
  return intern(std::move(node));
}

Expr ExprContext::undefined() {
  ExprNode node{};
  node.op = ExprOp::Undefined;
  return intern(std::move(node));
}

//===- rewriting
//---------------------------------------------------------------------------------------------------===//

Expr ExprContext::rebuild(Expr e, ArrayRef<Expr> x) {
  switch (e->op) {
  case ExprOp::AtMostZero:
    return lessEqual(x[0], integer(0));
  case ExprOp::IsZero:
    return equal(x[0], integer(0));
  case ExprOp::Less:
    return less(x[0], x[1]);
  case ExprOp::Equal:
    return equal(x[0], x[1]);
  case ExprOp::And:
    return logicalAnd(x[0], x[1]);
  case ExprOp::Or:
    return logicalOr(x[0], x[1]);
  case ExprOp::Not:
    return logicalNot(x[0]);
  case ExprOp::Select:
    return select(x[0], x[1], x[2]);
  case ExprOp::Add:
    return add(x[0], x[1]);
  case ExprOp::Sub:
    return sub(x[0], x[1]);
  case ExprOp::Mul:
    return mul(x[0], x[1]);
  case ExprOp::Div:
    return divide(x[0], x[1]);
  case ExprOp::FloorDiv:
    return floorDiv(x[0], *x[1].asInteger());
  case ExprOp::Mod:
    return mod(x[0], *x[1].asInteger());
  case ExprOp::ToReal:
    return toReal(x[0]);
  case ExprOp::Unary:
    return unary(e->code, x[0]);
  case ExprOp::Table:
    return table(e->table, x);
  case ExprOp::Read:
    return read(e->code, x);
  default:
    return e;
  }
}

Expr ExprContext::rewrite(Expr e, Rewrite leaf, llvm::DenseMap<const ExprNode *, Expr> &memo) {
  if (Expr replaced = leaf(e)) return replaced;
  if (e->operands.empty()) return e;
  if (auto known = memo.find(e.get()); known != memo.end()) return known->second;
  llvm::SmallVector<Expr, 3> operands;
  for (Expr operand : e->operands) operands.push_back(rewrite(operand, leaf, memo));
  Expr result = rebuild(e, operands);
  memo[e.get()] = result;
  return result;
}

Expr ExprContext::substitute(Expr e, const Substitution &map) {
  llvm::DenseMap<const ExprNode *, Expr> memo;
  auto leaf = [&](Expr x) -> Expr {
    if (x->op != ExprOp::Affine) return {};
    Expr sum = integer(x->constant);
    for (auto [v, coefficient] : x->terms) {
      auto replacement = map.find(v);
      sum = add(sum, mul(integer(coefficient), replacement == map.end() ? variable(v) : replacement->second));
    }
    return sum;
  };
  return rewrite(e, leaf, memo);
}

Expr ExprContext::replace(Expr e, Expr from, Expr to) {
  llvm::DenseMap<const ExprNode *, Expr> memo;
  return rewrite(e, [&](Expr x) { return x == from ? to : Expr(); }, memo);
}

Expr ExprContext::decide(Expr e, Expr atom, bool truth) { return replace(e, atom, boolean(truth)); }

unsigned ExprContext::newOrigin(llvm::StringRef name) {
  origins.push_back(name.str());
  return origins.size() - 1;
}

Expr ExprContext::read(unsigned origin, ArrayRef<Expr> indices) { return make(ExprOp::Read, indices, origin); }

llvm::SmallVector<Expr, 2> ExprContext::reads(Expr e) {
  llvm::SmallPtrSet<const ExprNode *, 16> seen;
  llvm::SmallVector<Expr> work{e};
  llvm::SmallVector<Expr, 2> found;
  while (!work.empty()) {
    Expr x = work.pop_back_val();
    if (!seen.insert(x.get()).second) continue;
    if (x->op == ExprOp::Read) found.push_back(x);
    work.append(x->operands.begin(), x->operands.end());
  }
  return found;
}

bool ExprContext::mentions(Expr e, Variable v) {
  llvm::SmallPtrSet<const ExprNode *, 16> seen;
  llvm::SmallVector<Expr> work{e};
  while (!work.empty()) {
    Expr x = work.pop_back_val();
    if (!seen.insert(x.get()).second) continue;
    if (llvm::any_of(x->terms, [&](auto term) { return term.first == v; })) return true;
    work.append(x->operands.begin(), x->operands.end());
  }
  return false;
}

//===- printing
//----------------------------------------------------------------------------------------------------===//

static const char *infix(ExprOp op) {
  switch (op) {
  case ExprOp::Less:
    return " < ";
  case ExprOp::Equal:
    return " == ";
  case ExprOp::And:
    return " and ";
  case ExprOp::Or:
    return " or ";
  case ExprOp::Add:
    return " + ";
  case ExprOp::Sub:
    return " - ";
  case ExprOp::Mul:
    return " * ";
  case ExprOp::Div:
    return " / ";
  case ExprOp::FloorDiv:
    return " // ";
  case ExprOp::Mod:
    return " % ";
  default:
    return nullptr;
  }
}

static void printAffine(Expr e, const std::vector<std::string> &names, llvm::raw_ostream &os) {
  bool first = true;
  for (auto [v, coefficient] : e->terms) {
    os << (coefficient < 0 ? "-" : first ? "" : "+");
    uint64_t magnitude = coefficient < 0 ? -uint64_t(coefficient) : uint64_t(coefficient);
    if (magnitude != 1) os << magnitude << '*';
    os << names[v];
    first = false;
  }
  if (first)
    os << e->constant;
  else if (e->constant)
    os << (e->constant > 0 ? "+" : "") << e->constant;
}

/// Messages are cut there; a shared term is printed where it is used, which may be exponentially often.
static constexpr size_t maxPrinted = 200;

static constexpr size_t PrintedLength = 200;

void ExprContext::print(Expr e, llvm::raw_ostream &os) {
  if (os.tell() > maxPrinted) return;
  if (os.tell() > PrintedLength) return; // a graph of shared nodes may be huge as a tree
  auto list = [&](ArrayRef<Expr> operands) { llvm::interleave(operands, os, [&](Expr x) { print(x, os); }, ", "); };
  switch (e->op) {
  case ExprOp::Affine:
    return printAffine(e, names, os);
  case ExprOp::Real:
    os << llvm::format("%g", e->real);
    return;
  case ExprOp::Bool:
    os << (e->constant ? "true" : "false");
    return;
  case ExprOp::Undefined:
    os << "undefined";
    return;
  case ExprOp::AtMostZero:
    print(e->operands[0], os);
    os << " <= 0";
    return;
  case ExprOp::IsZero:
    print(e->operands[0], os);
    os << " == 0";
    return;
  case ExprOp::Not:
    os << "not ";
    break;
  case ExprOp::Select:
    os << "select";
    break;
  case ExprOp::ToReal:
    return print(e->operands[0], os);
  case ExprOp::Unary:
    os << 'f' << e->code;
    break;
  case ExprOp::Read:
    os << origins[e->code];
    if (e->operands.empty()) return;
    os << '[';
    list(e->operands);
    os << ']';
    return;
  case ExprOp::Table: {
    // A named array by its name, a literal array by a word: its elements would drown the message.
    if (auto symbol = llvm::dyn_cast<mlir::SymbolRefAttr>(e->table))
      os << symbol;
    else
      os << "table";
    os << '[';
    list(e->operands);
    os << ']';
    return;
  }
  default:
    break;
  }
  if (const char *sign = infix(e->op)) {
    os << '(';
    print(e->operands[0], os);
    os << sign;
    print(e->operands[1], os);
    os << ')';
    return;
  }
  os << '(';
  list(e->operands);
  os << ')';
}

std::string ExprContext::print(Expr e) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (e)
    print(e, os);
  else
    os << "no closed form";
  if (text.size() > maxPrinted) text = text.substr(0, maxPrinted - 3) + "...";
  return text;
}
