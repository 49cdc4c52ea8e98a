# The tables of the goals from what gpu.sh printed: awk -f gpu_tables.awk decoders.txt speed.txt steps.txt
#
# decoders.txt says name, layers, heads and size of a head of every model, the others hold ingot-bench's tables behind
# lines "== NAME" and "== NAME depth N". Where a number was not measured, "-" stands.
function remember(list, seen, key) { if (!(key in seen)) { seen[key] = 1; list[++list[0]] = key } }
function ratio(a, b, digits) { return b > 0 && a > 0 ? sprintf("%." digits "f", a / b) : "-" }

FILENAME ~ /decoders.txt$/ { heads[$1] = $3; size[$1] = $4; next }
$1 == "==" { model = $2; depth = $3 == "depth" ? $4 : 0; remember(models, seen_model, model); next }
/^==== / { model = ""; next }
model == "" { next }

# ingot-bench's speeds: kind threads batch tokens depth tok/s least .. most [read] host
$1 == "decode" && NF == 11 {
  remember(speeds, seen_speed, model " " $3 " " $5)
  tokens_s[model, $3, $5] = $6; read_part[model, $3, $5] = $10; host[model, $3, $5] = $11
}
$1 == "prefill" && NF == 10 { remember(prompts, seen_prompt, model " " $4 " " $5); prompt_s[model, $4, $5] = $6 }

# --steps: rows kernel part launches us [GB/s read [Gmac/s peak]]
/multiplies and adds/ { for (i = 2; i <= NF; ++i) if ($i == "T/s") limit[model] = $(i - 1) * 1e12 }
$3 == "main" || $3 == "prepare" || $3 == "finish" {
  count = split($2, words, "_"); name = ""
  for (i = 1; i < count; ++i) if (length(words[i]) != 16) name = name (name == "" ? "" : "_") words[i]
  time = $4 * $5; rows = $1; key = model SUBSEP rows SUBSEP depth
  if (name == "attend") {
    attend_us[key] += time
    if ($3 == "main") attend_macs[key] = $4 * 2 * heads[model] * size[model] * rows * (depth + (rows + 1) / 2)
    remember(attends, seen_attend, key)
  } else if (name ~ /^(attn_in|attn_out|mlp_in|mlp_out|lm_head)$/ || NF >= 9) {
    linear_us[key] += time
    if (NF >= 9) linear_macs[key] += $4 * $8 * 1e3 * $5
    if (name != "lm_head") body_us[key] += time
    remember(linears, seen_linear, key)
  }
}

END {
  print "b1 decode: tokens a second, part of the measured read bandwidth, processor's time a step in us"
  for (i = 1; i <= speeds[0]; ++i) {
    split(speeds[i], at, " ")
    if (at[2] == 1) printf "%-20s depth %5d %9.1f tok/s  read %5.2f  host %7.1f us\n", at[1], at[3],
      tokens_s[at[1], 1, at[3]], read_part[at[1], 1, at[3]], host[at[1], 1, at[3]]
  }
  print "\nprompts: tokens a second"
  for (i = 1; i <= prompts[0]; ++i) {
    split(prompts[i], at, " ")
    printf "%-20s tokens %5d depth %5d %10.1f tok/s\n", at[1], at[2], at[3], prompt_s[at[1], at[2], at[3]]
  }
  print "\nbatches: tokens a second of all sequences, times one alone"
  for (i = 1; i <= speeds[0]; ++i) {
    split(speeds[i], at, " ")
    if (at[3] == 0) printf "%-20s batch %3d %10.1f tok/s  %6s  host %7.1f us\n", at[1], at[2],
      tokens_s[at[1], at[2], 0], ratio(tokens_s[at[1], at[2], 0], tokens_s[at[1], 1, 0], 2), host[at[1], at[2], 0]
  }
  print "\nlinears of a step: us (with their prepare), part of the measured mma peak, speed against bf16's (without the head)"
  for (i = 1; i <= linears[0]; ++i) {
    split(linears[i], at, SUBSEP); plain = at[1]
    sub(/-(int4-w16|int4|int8|bf16)$/, "-bf16", plain)
    printf "%-20s rows %5d depth %5d %10.1f us  peak %5s  x bf16 %5s\n", at[1], at[2], at[3], linear_us[linears[i]],
      ratio(linear_macs[linears[i]], linear_us[linears[i]] * limit[at[1]] / 1e6, 3),
      ratio(body_us[plain SUBSEP at[2] SUBSEP at[3]], body_us[linears[i]], 2)
  }
  print "\nattention of a step: us of all layers, part of the measured mma peak"
  for (i = 1; i <= attends[0]; ++i) {
    split(attends[i], at, SUBSEP)
    printf "%-20s rows %5d depth %5d %10.1f us  peak %5s\n", at[1], at[2], at[3], attend_us[attends[i]],
      ratio(attend_macs[attends[i]], attend_us[attends[i]] * limit[at[1]] / 1e6, 3)
  }
}
