#!/bin/sh
# The committed example: the miniature's long-tail, zero-shot and sweep reports, in reports/example. Everything else stays in OUTPUT.
set -eu
: "${BIN:=.venv/bin}" "${OUTPUT:=reports/build}" "${EXAMPLE:=reports/example}"
"$BIN/reaudio-eval" longtail --model re-audioldm-l --output "$OUTPUT/longtail" --players 48
"$BIN/reaudio-eval" zeroshot --model re-audioldm-l --output "$OUTPUT/longtail" --players 60
"$BIN/reaudio-eval" sweep --model re-audioldm-s --over k=0,1,3 --over retrieval=none,audio,audio+text --over guidance=1,3,5 \
  --over steps=4,8,12 --output "$OUTPUT/sweep" --players 40
mkdir -p "$EXAMPLE"
cp "$OUTPUT/longtail/longtail.html" "$OUTPUT/longtail/zeroshot.html" "$OUTPUT/sweep/sweep.html" "$EXAMPLE/"
