#!/usr/bin/env bash
# Tip-Adapter and Tip-Adapter-F on real CLIP ViT-B/32 features of Caltech-101, 16 shots a class.
#   launch/tip_adapter.sh SOURCE [RANKS]
#
# SOURCE holds caltech101_fewshot16_clip_vitb32.safetensors (keys, values, prototypes) and
# caltech101_{val,test}_clip_vitb32.safetensors. alpha and beta are chosen on every second val image;
# the others and the test images are only measured on. Writes runs/tip_adapter/tip_adapter_f.safetensors,
# a head that teacher.head takes. docs/tip-adapter.md shows what it prints.
set -eu
if [ $# -lt 1 ]; then
    sed -n '2,3p' "$0" | cut -c3- >&2
    exit 2
fi
source=$(cd "$1" && pwd)/caltech101
ranks=${2:-2}
cd "$(dirname "$0")/.."
launch/build.sh
dho=build/release/dho
mkdir -p runs/tip_adapter
launch/mpirun.sh "$ranks" "$dho" teacher tip-adapter \
    --head "${source}_fewshot16_clip_vitb32.safetensors" \
    --shots "${source}_fewshot16_clip_vitb32.safetensors" \
    --search "${source}_val_clip_vitb32.safetensors" --search-every 2 --search-scale 12,5 \
    --test "${source}_test_clip_vitb32.safetensors" \
    --fine-tune --out runs/tip_adapter/tip_adapter_f.safetensors
