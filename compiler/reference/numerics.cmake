# The numerics contract as scalar code: plain C++20, no MLIR, so that kernel tests may link it alone.
# FMA and F16C are the floor of every CPU we run on (level v3); with them std::fma is an instruction.
add_library(ingot_numerics STATIC
  ${CMAKE_CURRENT_LIST_DIR}/numerics_math.cpp ${CMAKE_CURRENT_LIST_DIR}/numerics_rows.cpp
  ${CMAKE_CURRENT_LIST_DIR}/numerics_linear.cpp ${CMAKE_CURRENT_LIST_DIR}/numerics_attention.cpp)
ingot_flags(ingot_numerics)
target_compile_options(ingot_numerics PRIVATE -O2 -mavx2 -mfma -mf16c)
