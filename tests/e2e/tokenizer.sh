# CLIP's tokenizer against open_clip's on 10,000 lines of many scripts, every named HTML reference
# and every code point; from OpenAI's vocabulary and from Hugging Face's form of it.
. "$(dirname "$0")/lib.bash"
oracle=$here/tests/golden/tokenizer_oracle.py
vocabulary=$here/../shared/data/clip/bpe_simple_vocab_16e6.txt.gz
python=${DHO_PYTHON:-python3}
if [ ! -f "$vocabulary" ] || ! "$python" -c 'import open_clip' 2>/dev/null; then
    echo "skipped: no $vocabulary, or $python has no open_clip (set DHO_PYTHON)"
    finish
    exit 0
fi
"$python" "$oracle" compare "$vocabulary" "$DHO_TOOLS/tokenize" >"$work/log" 2>&1 || die "comparison"
pass "open_clip: $(tail -n 1 "$work/log")"
"$python" "$oracle" folder "$vocabulary" "$work" >"$work/log" 2>&1 || die "vocab.json"
printf '\x0c\0\0\0A photo of a' >"$work/record"
for path in "$vocabulary" "$work"; do
    "$DHO_TOOLS/tokenize" "$path" 77 <"$work/record" >>"$work/rows" 2>"$work/log" || die "$path"
done
cmp -s <(head -c 308 "$work/rows") <(tail -c 308 "$work/rows") || die "vocab.json gives other ids"
pass "vocab.json and merges.txt give the same ids"
finish
