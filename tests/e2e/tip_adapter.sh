# Tip-Adapter: a head from the cache's labelled images, the same on 1 and 2 ranks; training with
# teacher.head; a changed head is noticed at resuming.
. "$(dirname "$0")/lib.bash"
small_data
tip=(teacher tip-adapter -c "$work/base.yaml")
make() { # RANKS FILE ARGUMENT ...
    local ranks=$1 file=$2
    shift 2
    run "$ranks" "${tip[@]}" --out "$work/$file" "$@" >"$work/log" 2>&1 || die "making $file"
}
f=(--fine-tune --epochs 3 --batch 16 --hold-out 1 --search-steps 20,10)
make 1 one.safetensors "${f[@]}"
grep -q "^Tip-Adapter-F, chosen .*\]$" "$work/log" || die "no table"
make 2 two.safetensors "${f[@]}"
cmp "$work"/{one,two}.safetensors || die "1 and 2 ranks make different heads"
pass "a fine-tuned head is the same file on 1 and 2 ranks: $(tail -n 1 "$work/log")"
make 1 plain.safetensors --alpha 2 --beta 3
grep -q "Tip-Adapter head of 40 keys crc32 .*, alpha 2, beta 3" "$work/log" || die "no last line"

short=(--set train.steps=4 --set train.checkpoint_every=2 --set train.log_every=1)
train 1 own
train 1 tip1 --set teacher.head="$work/one.safetensors"
grep -q "teacher.head: .*: Tip-Adapter head of 40 keys" "$work/log" || die "the head is not named"
train 4 tip4 --set teacher.head="$work/two.safetensors"
weights=checkpoints/step-00000004/model.safetensors
cmp -s "$work"/{tip1,tip4}/$weights || die "1 and 4 ranks end with different bits"
cmp -s "$work"/{tip1,own}/$weights && die "teacher.head changes nothing"
pass "training with teacher.head, the same bits on 1 and 4 ranks"

rm -r "$work"/tip1/checkpoints/step-00000004
ranks=2 refuse 2 "differs in .*Tip-Adapter head of 40 keys crc32" train -c "$work/base.yaml" --out "$work/tip1" \
    "${short[@]}" --set teacher.head="$work/plain.safetensors"
cp "$work/two.safetensors" "$work/elsewhere.safetensors"
train 2 tip1 --set teacher.head="$work/elsewhere.safetensors"
cmp -s "$work"/{tip1,tip4}/$weights || die "a resumed run ends with different bits"
pass "resumed with the same head from another file"

# Class means of the same embeddings.
"$DHO" teacher prototypes --shots "$work/plain.safetensors" --per-class 1 --out "$work/means.safetensors" >"$work/log" 2>&1 ||
    die "teacher prototypes"
grep -q "means.safetensors: linear head crc32 .*, 20 classes" "$work/log" || die "no word about the class means"
train 1 means --set teacher.head="$work/means.safetensors"
cmp -s "$work"/{means,own}/$weights && die "class means change nothing"
pass "class means as a teacher's head"

refuse 2 "usage: dho teacher" teacher
refuse 2 "no such file" teacher prototypes --shots "$work/nowhere" --out "$work/x"
refuse 2 "per-class" teacher prototypes --shots "$work/plain.safetensors" --per-class 0 --out "$work/x"
refuse 2 "few-shot embeddings" teacher tip-adapter --out "$work/x"
refuse 2 "head: is missing" teacher tip-adapter --shots x --out "$work/x"
refuse 2 "needs --shots" "${tip[@]}" --out "$work/x" --values y
refuse 2 "choose one" "${tip[@]}" --out x --search y --hold-out 1
refuse 2 "need --fine-tune" "${tip[@]}" --out x --epochs 3
refuse 2 "needs --search" "${tip[@]}" --out x --search-every 2
refuse 2 "expected BETA,ALPHA" "${tip[@]}" --out x --hold-out 1 --search-scale 7
refuse 2 "2 held out none is left" "${tip[@]}" --out "$work/x" --hold-out 2
refuse 2 "no such file" "${tip[@]}" --out "$work/x" --search "$work/nowhere"
refuse 2 "no tensor \"features\"" "${tip[@]}" --out "$work/x" --search "$work/cache/head.safetensors"
refuse 2 "teacher.head: .*no such file" train -c "$work/base.yaml" --out "$work/x" \
    --set teacher.head="$work/nowhere"
refuse 1 "data check: 1 problem" data check -c "$work/base.yaml" --set teacher.head="$work/nowhere"
head -c 5000 "$work/one.safetensors" >"$work/short.safetensors"
refuse 2 "short.safetensors" train -c "$work/base.yaml" --out "$work/x" \
    --set teacher.head="$work/short.safetensors"
[ ! -e "$work/x" ] || die "a refused command left a file"

finish
