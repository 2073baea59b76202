# What a person would see of a page, asked of headless Chromium.
chromium=
for name in chromium chromium-browser google-chrome; do
    command -v $name >/dev/null && chromium=$name && break
done

# browser PAGE WIDTH [light|dark]: prints a line for each fault of the page at that width: a console
# error, a sideways scroll, a chart without a mark or a name, text that leaves its chart, a box that
# scrolls and that the keyboard cannot reach, an image without a text. Opens all <details>.
browser() {
    local page=$1 width=$2 scheme=${3:-light} place scheme_setting
    place=$(mktemp -d "$work/browser.XXXXXX")
    sed 's|</body>|<script src="look.js"></script></body>|' "$page" >"$place/page.html"
    cp "$here/tests/e2e/browser.js" "$place/look.js"
    cat >"$place/frame.html" <<END
<!DOCTYPE html><meta charset="utf-8"><body style="margin:0"><pre id="found">nothing was heard</pre>
<iframe src="page.html" style="border:0;width:${width}px;height:900px"></iframe>
<script>addEventListener("message", e => document.getElementById("found").textContent = e.data)</script>
END
    scheme_setting=$([ "$scheme" = dark ] && echo 0 || echo 1)
    timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
        --user-data-dir="$place/profile" --window-size=1500,1000 --virtual-time-budget=10000 --enable-logging=stderr \
        --blink-settings=preferredColorScheme="$scheme_setting" --dump-dom "file://$place/frame.html" \
        >"$place/dom" 2>"$place/errors" || die "$chromium failed on $page"
    awk '/<pre id="found">/ { on = 1; sub(/.*<pre id="found">/, "") }
        on { at = index($0, "</pre>"); if (at) { print substr($0, 1, at - 1); exit } print }' "$place/dom"
    grep -E 'CONSOLE.*(rror|arning)' "$place/errors" || true
}

look() { # PAGE, in $work: no fault at a phone's width and a desk's, in light and in dark
    local width faults
    [ -n "$chromium" ] || {
        skip_part "pages in a browser (no Chromium)"
        return 0
    }
    for width in "390 light" "390 dark" "1400 light"; do
        # shellcheck disable=SC2086
        faults=$(browser "$work/$1" $width)
        [ -z "$faults" ] || { echo "$faults" >&2; die "$1 at $width, in $chromium"; }
    done
    pass "$1 in $chromium at 390 and 1400 px: every chart has marks and a name, nothing is cut or out of reach"
}
