#!/bin/sh
# The README's demonstration: seven published systems and the real audio on 48 AudioCaps prompts where that data is at
# hand (REAL_DATA), otherwise the same command on clips synthesised here, scored by a network with random weights.
set -eu
: "${BIN:=.venv/bin}" "${OUTPUT:=reports/longtail}" "${REAL_DATA:=../shared/data}"
if [ -d "$REAL_DATA/systems48" ]; then
  clips=$REAL_DATA/systems48
  exec "$BIN/reaudio-eval" longtail --dataset audiocaps --data-root "$REAL_DATA/audiocaps" \
    --references "$clips/reference" --clip-manifest "$clips/manifest.csv" \
    --clips "AudioGen=$clips/AudioGen" --clips "AudioLDM=$clips/AudioLDM" --clips "AudioLDM2=$clips/AudioLDM2" \
    --clips "Make-An-Audio=$clips/Make-An-Audio" --clips "Make-An-Audio-2=$clips/Make-An-Audio-2" \
    --clips "Tango=$clips/Tango" --clips "AudioLCM=$clips/AudioLCM" \
    --embedder efficientat --checkpoint "efficientat=$REAL_DATA/../weights/efficientat/mn04_as_mAP_432.pt" \
    --output "$OUTPUT" "$@"
fi
echo "No real data at $REAL_DATA: using synthesised clips and a network with random weights. The numbers mean nothing." >&2
"$BIN/python" tests/helpers/synthesise.py "$OUTPUT/synthetic"
exec "$BIN/reaudio-eval" longtail --dataset folder --data-root "$OUTPUT/synthetic" \
  --references "$OUTPUT/synthetic/reference" --clips "good=$OUTPUT/synthetic/good" --clips "poor=$OUTPUT/synthetic/poor" \
  --embedder efficientat --checkpoint "efficientat=$OUTPUT/synthetic/random_mn04.safetensors" --output "$OUTPUT" "$@"
