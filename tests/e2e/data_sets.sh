# What people's data sets have in them: names, formats, links, pipes, byte-order marks, odd tars.
. "$(dirname "$0")/lib.bash"
golden=$here/tests/golden/image
"$DHO" synth --out "$work/synth" --train 3 --val 1 --test 1 >"$work/log" 2>&1 || die "synth"

config() { # ROOT: a configuration of a short run on it
    cat >"$work/c.yaml" <<EOF
method: ce
out: $work/run
data: {root: $1, labels: all, image_size: 32}
student: {model: resnet18, width: 8}
train: {shards: 2, batch_labelled: 4, batch_unlabelled: 4, steps: 2, log_every: 1}
eval: {sets: [{name: v, root: $1}], select_on: v}
EOF
    rm -rf "$work/run"
}
tars=(--set data.format=shards --set eval.sets=[] --set 'eval.select_on=""')

dho() { # EXIT_CODE TEXT RANKS COMMAND ARGUMENT ...: ends soon, one error at most, says TEXT
    local code=$1 text=$2 ranks=$3 status=0
    shift 3
    timeout 60 "$here/launch/mpirun.sh" "$ranks" "$DHO" "$@" -c "$work/c.yaml" >"$work/log" 2>&1 || status=$?
    [ $status = "$code" ] || die "exit code $status, not $code: $*"
    [ "$(grep -c '^dho: error: ' "$work/log")" = $((code != 0)) ] || die "not one line of error: $*"
    grep -q -- "$text" "$work/log" || die "does not say $text: $*"
    [ "$(grep -c '^dho: warning: ' "$work/log")" -le 2 ] || die "a warning of each rank: $*"
    pass "$(grep -m 1 -- "$text" "$work/log" | sed "s|$work/||g")"
}

plain() { # FOLDER: class folders a and b with three images each
    mkdir -p "$1/a" "$1/b"
    cp "$work"/synth/train/arrow/*.jpg "$1/a"
    cp "$work"/synth/train/*/*00001.jpg "$1/b"
    (cd "$1/b" && ls | tail -n +4 | xargs rm -f)
}

# --- names that are not UTF-8 ---
latin=$(printf 'caf\xe9')
plain "$work/latin"
mv "$work/latin/a" "$work/latin/$latin"
config "$work/latin"
dho 2 'latin: the name "caf\\xe9" is not UTF-8: rename it' 2 train
dho 1 'PROBLEM: .*"caf\\xe9" is not UTF-8' 2 data check
plain "$work/file"
mv "$work/file/a/arrow_00000.jpg" "$work/file/a/$latin.jpg"
config "$work/file"
dho 2 'the name "a/caf\\xe9.jpg" is not UTF-8' 2 train
printf 'a\n%s\n' "$latin" >"$work/classes"
config "$work/synth/train"
dho 2 'classes:2: the byte \\xe9 is not UTF-8' 2 train --set data.class_file="$work/classes"
printf '# %s\narrow_00000.jpg\n' "$latin" >"$work/list"
dho 2 'list:1: the byte \\xe9 is not UTF-8' 2 train --set data.labels=file --set data.label_file="$work/list"
printf '{"train": [["a.jpg", 0, "%s"]]}' "$latin" >"$work/split.json"
dho 2 'split.json: .*0xe9' 2 train --set data.format=coop --set data.split_file="$work/split.json" \
    --set 'eval.sets=[]' --set 'eval.select_on=""'
mkdir "$work/latin_tar"
(cd "$work" && cp "$golden/grey.jpg" "$latin.jpg" && echo 0 >"$latin.cls" &&
    tar -cf latin_tar/a.tar "$latin.jpg" "$latin.cls")
dho 2 'a.tar: the name "caf\\xe9.[a-z]*" is not UTF-8' 2 train "${tars[@]}" --set data.root="$work/latin_tar"
mv "$work/latin/$latin" "$work/latin/$(printf 'caf\xc3\xa9')" # in UTF-8 it is a name like others
config "$work/latin"
dho 0 "6 images of 2 classes" 2 train
dho 0 "resumed from" 2 train --set train.steps=4
dho 0 "v " 2 eval
"$DHO" export --checkpoint "$work/run" --out "$work/x.safetensors" >"$work/log" 2>&1 || die "export"

# --- what is passed over ---
plain "$work/web"
cp "$golden"/{lossy.webp,rgb.bmp,lzw.tif,plain.gif,binary.ppm} "$work/web/a"
cp "$golden/grey.jpg" "$work/web/a/y.jfif"
cp "$golden/grey.jpg" "$work/web/a/Z.JPG"
mkdir -p "$work/web/b/more/deep"
cp "$golden"/baseline_4*.jpg "$work/web/b/more"
cp "$golden/grey.png" "$work/web/b/more/deep"
config "$work/web"
dho 0 "training: .* 17 images of 2 classes" 2 data check --decode
grep -q "no problems" "$work/log" || die "a folder of the web's formats has a problem"
dho 0 "17 images of 2 classes" 2 train
grep -q "not used" "$work/log" && die "something is not used"
touch "$work/web/a/x.avif" "$work/web/a/y.HEIC" "$work/web/a/.z.jpg" "$work/web/a/._Z.JPG" "$work/web/.DS_Store" \
    "$work/web/top.jpg" "$work/web/README"
mkdir "$work/web/__MACOSX" "$work/web/.git"
ln -s /mnt/not-mounted/c "$work/web/c" # a class that vanished
ln -s ../more "$work/web/b/more/again" # leads back
mkfifo "$work/web/b/pipe.png"
dho 0 "warning: .*web: 12 not used: 2 in formats that dho does not read, 1 dead link, 1 folder that leads back" 2 train
[ "$(grep -c 'not used' "$work/log")" = 1 ] || die "not said once"
dho 1 "PROBLEM: not used: 1 dead link$" 2 data check
for text in "PROBLEM: not used: 2 in formats" "    a/x.avif" "    a/y.HEIC" "PROBLEM: .*beside class folders or tars)" "^    top.jpg" \
    "PROBLEM: .*hidden image" "^    a/.z.jpg" "PROBLEM: .*device" "^    b/pipe.png" "  not used: 4 of the operating system" \
    "  not used: 1 not an image by its name" "^    README"; do
    grep -q -- "$text" "$work/log" || die "data check does not say $text"
done
pass "data check lists what is not used"
plain "$work/escape"
mv "$work/escape/a" "$work/escape/$(printf 'a\033[31m')"
config "$work/escape"
dho 0 'class names: names ("a.x1b\[31m"' 1 data check
! grep -q $'\033' "$work/log" || die "control characters of a name reach the terminal"
plain "$work/empty"
mkdir "$work/empty/c"
config "$work/empty"
dho 2 "empty/c: class folder without an image (it is empty)" 2 train
touch "$work/empty/c/1.avif"
dho 2 "without an image (not used: 1 in a format that dho does not read)" 2 train
ln -s "$work/not/there" "$work/gone"
config "$work/gone"
dho 2 "gone: is a link that leads nowhere" 2 train
(cd "$work" && config web_missing && cd / && dho 2 "web_missing: no such folder in /, the folder that dho was started in" 2 train)

# --- byte-order marks ---
bom=$(printf '\xef\xbb\xbf')
plain "$work/set"
config "$work/set"
printf '%sa\r\nb\r\n' "$bom" >"$work/classes"
dho 0 "classes: those of" 1 data check --set data.class_file="$work/classes"
printf '%sa/arrow_00000.jpg\nb/%s\n' "$bom" "$(ls "$work/set/b" | head -n 1)" >"$work/list"
dho 0 "2 labelled" 2 train --set data.labels=file --set data.label_file="$work/list"
config "$work/set"
printf '%s{"train": [["a/arrow_00000.jpg", 0, "a"], ["b/%s", 1, "b"]]}' "$bom" "$(ls "$work/set/b" | head -n 1)" \
    >"$work/split.json"
dho 0 "2 images of 2 classes" 2 train --set data.format=coop --set data.split_file="$work/split.json" \
    --set 'eval.sets=[]' --set 'eval.select_on=""'
printf '%s' "$bom" | cat - "$work/c.yaml" >"$work/bom.yaml" && mv "$work/bom.yaml" "$work/c.yaml"
dho 0 "no problems" 1 data check
"$DHO" pack -c "$work/c.yaml" --out "$work/packed" --shards 2 >"$work/log" 2>&1 || die "pack"
rm "$work/packed/shards.index"
printf '%sa\nb\n' "$bom" >"$work/packed/classes.txt"
dho 0 'class names: names ("a"' 1 data check "${tars[@]}" --set data.root="$work/packed"
iconv -f UTF-8 -t UTF-16 <"$work/list" >"$work/wide"
dho 2 "wide: is UTF-16 text: save it as UTF-8" 2 train --set data.labels=file --set data.label_file="$work/wide"

# --- pipes, sockets and devices in the place of files ---
mkfifo "$work/pipe"
config "$work/set"
for key in data.class_file student.init student.head_init; do
    dho 2 "pipe.* is a pipe (FIFO), not a regular file" 2 train --set $key="$work/pipe"
done
dho 2 "pipe: is a pipe (FIFO)" 2 train --set data.labels=file --set data.label_file="$work/pipe"
dho 2 "is a pipe (FIFO), not a folder" 2 train --set data.root="$work/pipe"
dho 2 "null: is a device, not a regular file" 2 train --set data.class_file=/dev/null
dho 2 "pipe: is a pipe (FIFO)" 2 train --set data.format=coop --set data.split_file="$work/pipe" \
    --set 'eval.sets=[]' --set 'eval.select_on=""'
mkdir "$work/pipe_tar" && ln -s "$work/pipe" "$work/pipe_tar/a.tar"
dho 2 "a.tar: is a pipe (FIFO)" 2 train "${tars[@]}" --set data.root="$work/pipe_tar"
ln -s "$work/pipe" "$work/set/a/x.jpg"
ln -s /dev/zero "$work/set/a/y.jpg"
rm -rf "$work/run"
dho 1 "[xy].jpg: is a [a-z() FIO]*, not a regular file" 2 train
dho 1 "x.jpg: is a pipe (FIFO)" 2 data check
dho 1 "y.jpg: is a device" 2 data check --decode
rm "$work/set/a/x.jpg" "$work/set/a/y.jpg"
cp "$work/c.yaml" "$work/keep" && rm "$work/c.yaml" && mkfifo "$work/c.yaml"
dho 2 "c.yaml: is a pipe (FIFO)" 2 train
rm "$work/c.yaml" && cp "$work/keep" "$work/c.yaml"
rm -rf "$work/run" && mkdir "$work/run" && mkfifo "$work/run/metrics.jsonl"
dho 1 "metrics.jsonl: is a pipe (FIFO)" 2 train
"$DHO" export --checkpoint "$work/run" --out /dev/null >"$work/log" 2>&1 && die "export to a device"
[ -c /dev/null ] || die "/dev/null was replaced"

# --- tars ---
mkdir "$work/tar" "$work/dotted" "$work/gz" "$work/gaps"
image="$golden/grey.jpg"
(cd "$work/tar" && for i in 0 1 2; do
    cp "$image" "img$i.jpg" && echo 0 >"img$i.cls" && cp "$image" "0.$i.jpg" && echo 1 >"0.$i.cls"
done
tar -cf ../dotted/a.tar img0.* img1.* img2.* 0.0.* 0.1.* 0.2.*)
config "$work/set"
dho 0 "training: .* 6 images of 2 classes, 3 to 3 a class" 2 data check --decode "${tars[@]}" --set data.root="$work/dotted"
rm -rf "$work/run"
dho 0 "warning: .*images with a dot in their names: 3, used, though webdataset cannot" 2 train "${tars[@]}" \
    --set data.root="$work/dotted"
(cd "$work/tar" && cp "$image" 0.mask.png && echo '{}' >img0.json && ln img1.jpg hard.jpg && echo 1 >hard.cls &&
    tar -cf ../dotted/a.tar img0.* 0.0.* img1.jpg img1.cls hard.jpg)
dho 1 "PROBLEM: not used: 1 link in a tar" 1 data check "${tars[@]}" --set data.root="$work/dotted"
(cd "$work/tar" && tar -cf ../dotted/a.tar img0.jpg img0.cls 0.0.jpg)
dho 2 '"0.0.jpg" has no label: no member "0.0.cls"' 2 train "${tars[@]}" --set data.root="$work/dotted"
for form in gz bz2 xz; do
    rm -rf "$work/gz"/* "$work/run"
    (cd "$work/tar" && tar -caf "../gz/a.tar.$form" img0.jpg img0.cls 0.1.jpg 0.1.cls)
    dho 0 "2 images of 2 classes" 2 train "${tars[@]}" --set data.root="$work/gz"
done
mv "$work/gz/a.tar.xz" "$work/gz/a.tar" # the name does not matter
dho 0 "decoded 2 images: 0 cannot be read" 2 data check --decode "${tars[@]}" --set data.root="$work/gz"
"$DHO" pack --index "$work/gz" >"$work/log" 2>&1 && die "an index of a compressed tar"
grep -q "a.tar: is compressed: an index is of plain tars" "$work/log" || die "what is wrong with the tar"
head -c 300 "$work/gz/a.tar" >"$work/gz/b.tar"
dho 2 "b.tar: " 2 train "${tars[@]}" --set data.root="$work/gz"
(cd "$work/tar" && cp "$image" k7.jpg && echo 7 >k7.cls && tar -cf ../gaps/a.tar img0.jpg img0.cls k7.jpg k7.cls)
dho 0 "2 images of 8 classes, 6 of them without an image" 1 data check "${tars[@]}" --set data.root="$work/gaps"
rm -rf "$work/run"
dho 0 "warning: .*8 classes, 6 of them without an image" 2 train "${tars[@]}" --set data.root="$work/gaps"
cp -r "$work/dotted" "$work/extra" && (cd "$work/tar" && tar -cf ../extra/a.tar img0.jpg img0.cls)
"$DHO" pack --index "$work/extra" >"$work/log" 2>&1 || die "pack --index"
cp "$work/extra/a.tar" "$work/extra/later.tar"
dho 1 "PROBLEM: not used: 1 tar that shards.index does not name" 1 data check "${tars[@]}" \
    --set data.root="$work/extra"
plain "$work/break"
mv "$work/break/a" "$work/break/$(printf 'a\nb')"
config "$work/break"
dho 2 'class "a\\x0ab": has a line break in it' 2 pack --out "$work/p" --shards 2
finish
