# Tar shards by and for webdataset, and tars of each form of Python's tarfile.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python webdataset
small_data
base="$work/base.yaml"
packed=(--set data.format=shards --set data.root="$work/packed" --set 'eval.sets=[]' --set 'eval.select_on=""')
run 2 pack -c "$base" --out "$work/packed" --shards 8 >"$work/log" 2>&1 || die "packing"
run 2 train -c "$base" --out "$work/folder" --set train.steps=12 >"$work/log" 2>&1 || die "training"
"$python" - "$work" <<'EOF' >"$work/log" 2>&1 || die "webdataset"
import glob, sys, tarfile
import webdataset
work = sys.argv[1]
tars = sorted(glob.glob(work + "/packed/*.tar"))
classes = open(work + "/packed/classes.txt").read().split("\n")[:-1]
samples = list(webdataset.WebDataset(tars, shardshuffle=False).to_tuple("__key__", "jpg", "cls"))
assert len(samples) == 240, len(samples)
for key, image, label in samples:
    assert open(work + "/data/train/" + key + ".jpg", "rb").read() == image
    assert key.split("/")[0] == classes[int(label)]
assert sum(len(tarfile.open(t).getmembers()) for t in tars) == 480
with webdataset.ShardWriter(work + "/foreign-%06d.tar", maxcount=100) as writer:
    for key, image, label in sorted(samples):
        writer.write({"__key__": key, "jpg": image, "cls": int(label), "json": {"k": key}})
for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
    tar = tarfile.open(work + "/form%d.tar" % form, "w", format=form)
    for key, image, label in samples[:3]:
        for name in (key + ".jpg",):
            tar.add(work + "/data/train/" + name, arcname="x" * 90 + "/" + name)
            info = tarfile.TarInfo("x" * 90 + "/" + key + ".cls")
            info.size = len(label)
            import io
            tar.addfile(info, io.BytesIO(label))
    tar.close()
EOF
pass "webdataset and tarfile read the tars: every byte, every label"
mkdir "$work/foreign" && mv "$work"/foreign-*.tar "$work/foreign/"
cp "$work/packed/classes.txt" "$work/foreign/"
run 2 train -c "$base" --out "$work/from_foreign" --set train.steps=12 "${packed[@]}" \
    --set data.root="$work/foreign" >"$work/log" 2>&1 || die "training from webdataset's tars"
cmp -s "$work"/{folder,from_foreign}/checkpoints/step-00000012/model.safetensors ||
    die "webdataset's tars in the folder's order train to other bits"
pass "webdataset's tars in the folder's order: the same fingerprint, the same bits"
for form in 0 1 2; do
    mkdir "$work/form$form" && mv "$work/form$form.tar" "$work/form$form/"
    run 1 data check -c "$base" --decode "${packed[@]}" --set data.root="$work/form$form" \
        --set data.labels=all --set method=ce --set teacher.cache='""' >"$work/log" 2>&1 || die "tarfile's form $form"
    grep -q "3 images" "$work/log" || die "tarfile's form $form: not 3 images"
done
pass "tarfile's ustar, GNU and pax tars are read"
finish
