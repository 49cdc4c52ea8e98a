// ld and st in every space, vectors included. Cache hints, orderings and scopes are recognised and change nothing:
// memory is coherent here.
#include "access.h"
#include "assembler.h"
#include <algorithm>

namespace ingot::emulator {

namespace {

enum MemorySpace : uint8_t { generic, global, shared, local, parameter };

// Fields of a memory instruction: `x` vector length, `y` element bytes, `flags` bits below; places of the data in
// `list`.
constexpr uint8_t narrow_address = 1, wide_data = 2, signed_data = 4, non_coherent = 8;
// `c` of a load: bits of the destination registers.

template <class T, int N, bool Wide>
inline void fetch(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint64_t base) {
  using Slot = std::conditional_t<Wide, uint64_t, uint32_t>;
  const uint32_t *places = &w.cta->program->lists[i.list];
  for (int k = 0; k < N; ++k) {
    Slot *d = w.at<Slot>(places[k]);
    if (s.contiguous) {
      const T *from = reinterpret_cast<const T *>(base + s.low) + k;
      INGOT_LANES
      for (int l = 0; l < 32; ++l) d[l] = from[l * N];
    } else if (s.uniform) {
      Slot v = reinterpret_cast<const T *>(base + s.low)[k];
      for (int l = 0; l < 32; ++l) d[l] = v;
    } else {
      each_lane(mask, [&](uint32_t l) { d[l] = reinterpret_cast<const T *>(base + s.at[l])[k]; });
    }
  }
}

template <class T, int N, bool Wide>
inline void put(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint64_t base) {
  using Slot = std::conditional_t<Wide, uint64_t, uint32_t>;
  const uint32_t *places = &w.cta->program->lists[i.list];
  for (int k = 0; k < N; ++k) {
    const Slot *d = w.at<Slot>(places[k]);
    if (s.contiguous) {
      T *to = reinterpret_cast<T *>(base + s.low) + k;
      INGOT_LANES
      for (int l = 0; l < 32; ++l) to[l * N] = T(d[l]);
    } else {
      each_lane(mask, [&](uint32_t l) { reinterpret_cast<T *>(base + s.at[l])[k] = T(d[l]); });
    }
  }
}

// Signed loads: from `i.y` bytes to the `i.c` bits of the registers.
void extend(const Instr &i, Warp &w, uint32_t mask) {
  const uint32_t *places = &w.cta->program->lists[i.list];
  uint32_t up = 64 - i.y * 8;
  for (uint32_t k = 0; k < i.x; ++k)
    each_lane(mask, [&](uint32_t l) {
      if (i.c == 64) {
        uint64_t &d = w.at<uint64_t>(places[k])[l];
        d = uint64_t(int64_t(d << up) >> up);
      } else {
        uint32_t &d = w.at<uint32_t>(places[k])[l];
        d = uint32_t(int64_t(uint64_t(d) << up) >> up) & (i.c == 16 ? 0xffffu : ~0u);
      }
    });
}

template <bool Store, class T, int N, bool Wide>
Next access_space(const Instr &i, Warp &w, uint32_t mask, Addresses &s, MemorySpace space) {
  constexpr uint32_t bytes = sizeof(T) * N;
  measure(s, mask, bytes);
  uint64_t base = 0;
  if (space == global) {
    if (!check_global(i, w, mask, s, bytes, Store)) return Next::fault;
    if (!Store && (i.flags & non_coherent) && !check_constant(i, w, mask, s, bytes)) return Next::fault;
  } else if (space == shared) {
    if (!check_shared(i, w, mask, s, bytes, Store)) return Next::fault;
    base = reinterpret_cast<uint64_t>(w.cta->shared.data());
  } else if (space == parameter) {
    if (!check_window(i, w, mask, s, bytes, w.cta->launch->parameters.size(), "parameter")) return Next::fault;
    base = reinterpret_cast<uint64_t>(w.cta->launch->parameters.data()); // loads only
  } else {
    if (!check_window(i, w, mask, s, bytes, w.cta->program->entry->local_bytes, "local")) return Next::fault;
    base = reinterpret_cast<uint64_t>(w.cta->local.data());
    size_t size = w.cta->program->entry->local_bytes;
    each_lane(mask, [&](uint32_t l) { s.at[l] += (w.index * 32 + l) * size; });
    s.contiguous = s.uniform = false;
  }
  if constexpr (Store)
    put<T, N, Wide>(i, w, mask, s, base);
  else
    fetch<T, N, Wide>(i, w, mask, s, base);
  return Next::step;
}

template <bool Store, class T, int N, bool Wide, MemorySpace Space>
Next access(const Instr &i, Warp &w, uint32_t mask) {
  Addresses s;
  read_addresses(i, w, i.flags & narrow_address, s);
  const uint32_t all = mask;
  if constexpr (Space == generic) {
    uint32_t in_shared = take_window(s, mask, shared_window), in_local = take_window(s, mask, local_window);
    if (in_shared && access_space<Store, T, N, Wide>(i, w, in_shared, s, shared) == Next::fault) return Next::fault;
    if (in_local && access_space<Store, T, N, Wide>(i, w, in_local, s, local) == Next::fault) return Next::fault;
    mask &= ~in_shared & ~in_local;
    if (mask && access_space<Store, T, N, Wide>(i, w, mask, s, global) == Next::fault) return Next::fault;
  } else {
    if (access_space<Store, T, N, Wide>(i, w, mask, s, Space) == Next::fault) return Next::fault;
  }
  if (!Store && (i.flags & signed_data)) extend(i, w, all);
  return Next::step;
}

// Kernel parameters are the same for every lane, and inside the block by the decoder's check.
Next load_parameter(const Instr &i, Warp &w, uint32_t mask) {
  const uint32_t *places = &w.cta->program->lists[i.list];
  const uint8_t *from = w.cta->launch->parameters.data() + i.imm;
  for (uint32_t k = 0; k < i.x; ++k) {
    uint64_t v = 0;
    memcpy(&v, from + k * i.y, i.y);
    each_lane(mask, [&](uint32_t l) {
      if (i.flags & wide_data)
        w.at<uint64_t>(places[k])[l] = v;
      else
        w.at<uint32_t>(places[k])[l] = uint32_t(v);
    });
  }
  if (i.flags & signed_data) extend(i, w, mask);
  return Next::step;
}

template <bool Store, class T, int N, bool Wide> Run by_space(MemorySpace space) {
  switch (space) {
  case generic:
    return access<Store, T, N, Wide, generic>;
  case global:
    return access<Store, T, N, Wide, global>;
  case shared:
    return access<Store, T, N, Wide, shared>;
  case local:
    return access<Store, T, N, Wide, local>;
  case parameter:
    return access<false, T, N, Wide, parameter>;
  }
  return nullptr;
}
template <bool Store, class T, bool Wide> Run by_count(uint32_t n, MemorySpace space) {
  if (n == 1) return by_space<Store, T, 1, Wide>(space);
  if (n == 2) return by_space<Store, T, 2, Wide>(space);
  return n == 4 && sizeof(T) * 4 <= 16 ? by_space<Store, T, 4, Wide>(space) : nullptr;
}
template <bool Store> Run by_type(uint32_t bytes, bool wide, uint32_t n, MemorySpace space) {
  switch (bytes) {
  case 1:
    return wide ? by_count<Store, uint8_t, true>(n, space) : by_count<Store, uint8_t, false>(n, space);
  case 2:
    return wide ? by_count<Store, uint16_t, true>(n, space) : by_count<Store, uint16_t, false>(n, space);
  case 4:
    return wide ? by_count<Store, uint32_t, true>(n, space) : by_count<Store, uint32_t, false>(n, space);
  }
  return by_count<Store, uint64_t, true>(n, space);
}

struct Form {
  bool parameter = false, constant = false, policy = false, non_coherent = false;
  MemorySpace space = generic;
  uint32_t count = 1, bytes = 0;
  bool is_signed = false;
};

bool parse_type(std::string_view m, Form &f) {
  if (m.size() < 2) return false;
  for (uint32_t bits : {8, 16, 32, 64})
    if (m.substr(1) == std::to_string(bits) && std::string_view("busf").find(m[0]) != std::string_view::npos) {
      f.bytes = bits / 8;
      f.is_signed = m[0] == 's';
      return m[0] != 'f' || bits >= 32;
    }
  return false;
}

bool parse_modifier(std::string_view m, Form &f) {
  static const char *without_effect[] = {"weak",
                                         "volatile",
                                         "relaxed",
                                         "acquire",
                                         "release",
                                         "cta",
                                         "cluster",
                                         "gpu",
                                         "sys",
                                         "mmio",
                                         "ca",
                                         "cg",
                                         "cs",
                                         "lu",
                                         "cv",
                                         "wb",
                                         "wt",
                                         "L1::evict_normal",
                                         "L1::evict_unchanged",
                                         "L1::evict_first",
                                         "L1::evict_last",
                                         "L1::no_allocate",
                                         "L2::64B",
                                         "L2::128B",
                                         "L2::256B",
                                         "L2::evict_first",
                                         "L2::evict_last",
                                         "L2::evict_normal"};
  if (std::find(std::begin(without_effect), std::end(without_effect), m) != std::end(without_effect)) return true;
  if (m == "global")
    f.space = global;
  else if (m == "const")
    f.space = global, f.constant = true;
  else if (m == "shared" || m == "shared::cta")
    f.space = shared;
  else if (m == "local")
    f.space = local;
  else if (m == "param" || m == "param::entry")
    f.parameter = true;
  else if (m == "L2::cache_hint")
    f.policy = true;
  else if (m == "nc")
    f.non_coherent = true;
  else if (m == "v2")
    f.count = 2;
  else if (m == "v4")
    f.count = 4;
  else
    return parse_type(m, f);
  return true;
}

Status decode_parameter(Assembler &a, const Statement &s, Instr &i, const Form &f) {
  const Operand &o = s.operands[1];
  const Symbol *p = o.kind == Operand::address ? a.symbol(o.text) : nullptr;
  i.op_class = OpClass::parameter;
  if (!p && o.kind == Operand::address && a.find_register(o.text)) { // mov.b64 %rd1, p0; ld.param.f32 %f1, [%rd1+4]
    bool narrow;
    INGOT_TRY(a.address(s, o, &i.a, &i.imm, &narrow));
    i.flags |= narrow ? narrow_address : 0;
    i.run = by_type<false>(f.bytes, i.flags & wide_data, f.count, parameter);
    return i.run ? Status() : a.unknown(s);
  }
  if (!p || p->kind != Symbol::parameter) return a.error(s, "the name of a parameter expected");
  uint64_t size = uint64_t(f.bytes) * f.count;
  if (o.bits > p->size || size > p->size - o.bits)
    return a.error(s, "outside of the parameter's %llu bytes", static_cast<unsigned long long>(p->size));
  if ((p->offset + o.bits) % size) return a.error(s, "a misaligned parameter access");
  i.imm = int64_t(p->offset + o.bits);
  i.run = load_parameter;
  return {};
}

// The data operand: one register or a vector of them.
Status data_places(Assembler &a, const Statement &s, Instr &i, const Form &f, const Operand &o, bool store) {
  std::vector<Operand> single{o};
  const std::vector<Operand> &parts = o.kind == Operand::vector ? o.parts : single;
  if ((o.kind == Operand::vector) != (f.count > 1) || parts.size() != f.count)
    return a.error(s, "%zu registers for %u elements", parts.size(), f.count);
  std::vector<uint32_t> places;
  uint32_t widest = 0;
  for (const Operand &part : parts) {
    uint32_t place, width;
    bool sunk = part.kind == Operand::name && part.text == "_";
    INGOT_TRY(store ? a.source(s, part, f.bytes * 8, &place, true, &width)
                    : a.destination(s, part, f.bytes * 8, &place, true, &width));
    if (!sunk && widest && width != widest) return a.error(s, "registers of different widths");
    if (!sunk) widest = width;
    places.push_back(place);
  }
  if (!widest) widest = f.bytes * 8;
  i.list = uint32_t(a.program.lists.size());
  a.program.lists.insert(a.program.lists.end(), places.begin(), places.end());
  i.c = widest;
  if (widest == 64) i.flags |= wide_data;
  if (f.is_signed && !store && f.bytes * 8 < widest) i.flags |= signed_data;
  return {};
}

Status decode_access(Assembler &a, const Statement &s, Instr &i) {
  auto modifiers = s.modifiers();
  bool store = modifiers[0] == "st";
  Form f;
  for (size_t k = 1; k < modifiers.size(); ++k) {
    if (f.bytes || !parse_modifier(modifiers[k], f)) return a.unknown(s);
  }
  if (!f.bytes || (store && (f.parameter || f.constant || f.non_coherent))) return a.unknown(s);
  if (f.non_coherent && f.space != global) return a.unknown(s);
  INGOT_TRY(a.count(s, 2 + f.policy, 2 + f.policy));
  i.x = f.count;
  i.y = f.bytes;
  INGOT_TRY(data_places(a, s, i, f, s.operands[store ? 1 : 0], store));
  if (f.parameter) return decode_parameter(a, s, i, f);
  bool narrow;
  INGOT_TRY(a.address(s, s.operands[store ? 0 : 1], &i.a, &i.imm, &narrow));
  if (narrow && f.space != shared && f.space != local) return a.error(s, "a 32-bit address of memory that needs 64");
  if (narrow) i.flags |= narrow_address;
  if (f.non_coherent) i.flags |= non_coherent;
  uint32_t policy;
  if (f.policy) INGOT_TRY(a.source(s, s.operands[2], 64, &policy));
  bool wide = i.flags & wide_data;
  i.run = store ? by_type<true>(f.bytes, wide, f.count, f.space) : by_type<false>(f.bytes, wide, f.count, f.space);
  i.op_class = f.space == shared ? OpClass::shared : OpClass::global;
  return i.run ? Status() : a.unknown(s);
}

} // namespace

void add_memory(Table &t) { t.decoders["ld"] = t.decoders["st"] = decode_access; }

} // namespace ingot::emulator
