# CLIP's tokenizer against open_clip's, ftfy included, on 10,000 lines of many scripts, every HTML
# reference, every code point and ImageNet's prompts; from OpenAI's vocabulary and from Hugging
# Face's form of it. What ftfy would replace must be refused, all else must have the same ids.
# One process of one thread.
. "$(dirname "$0")/../e2e/lib.bash"
oracle=$here/tests/golden/tokenizer_oracle.py
needs_python ftfy open_clip
vocabulary=$(clip_vocabulary)
"$python" "$oracle" compare "$vocabulary" "$DHO_TOOLS/tokenize" "$work" >"$work/log" 2>&1 ||
    die "comparison"
while read -r line; do pass "$line"; done <"$work/log"
finish
