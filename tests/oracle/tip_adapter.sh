# Tip-Adapter and Tip-Adapter-F against PyTorch; its own files of keys and values.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python torch safetensors
small_data
oracle=$here/tests/golden/tip_adapter_oracle.py
mkdir "$work/torch"
read -ra options < <("$python" "$oracle" make "$work/torch")
cd "$work/torch"
for of in shots adapter keys; do
    from=(--shots $of.safetensors)
    [ $of != keys ] || from=(--shots keys_16shots.pt --values values_16shots.pt)
    run 2 teacher tip-adapter --head "$work/torch/head.safetensors" "${from[@]}" --search "$work/torch/search.safetensors" \
        --test "$work/torch/test.safetensors" "${options[@]}" --out "$work/torch/$of.out" \
        >"$work/log" 2>&1 || die "tip-adapter on $of"
done
cd "$here"
cmp "$work"/torch/{adapter,keys}.out || die "keys_16shots.pt and values_16shots.pt say something else"
pass "Tip-Adapter's own two files, read without Python: the same head"
"$python" "$oracle" check "$work/torch" "$work/torch/shots.out" >"$work/log" 2>&1 || die "PyTorch"
pass "$(cat "$work/log")"
refuse 2 "embeddings of 48 values" teacher tip-adapter -c "$work/base.yaml" --out "$work/x" \
    --search "$work/torch/search.safetensors"
refuse 2 "a head of \[7, 48\]" train -c "$work/base.yaml" --out "$work/x" \
    --set teacher.head="$work/torch/shots.out"
finish
