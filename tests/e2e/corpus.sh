# Odd and broken image files: none may crash the decoder. tests/oracle/pixels.sh compares the pixels.
# One process of one thread.
. "$(dirname "$0")/lib.bash"
corpus=$here/../shared/data/jpeg/jpeg_corpus.tar
dump=$DHO_TOOLS/dump_image
[ -r "$corpus" ] || skip "$corpus is not there"
tar -xf "$corpus" -C "$work"

# One process for each file, so that a crash is seen and named.
failed=0 decoded=0 refused=0
while IFS= read -r file; do
    code=0
    printf '%s\n' "$file" | timeout 60 "$dump" eval 256 224 bilinear >"$work/out" 2>"$work/err" ||
        code=$?
    lines=$(wc -l <"$work/err")
    if [ "$code" -ne 0 ] || [ "$lines" -gt 1 ]; then
        echo "FAILED ${file#"$work"/}: exit code $code, $lines lines of messages"
        head -5 "$work/err"
        failed=$((failed + 1))
    elif [ "$lines" -eq 1 ]; then
        refused=$((refused + 1))
        case $(cat "$work/err") in
        "$file: "?*) ;;
        *) echo "FAILED ${file#"$work"/}: the message does not name the file"
           failed=$((failed + 1)) ;;
        esac
    else
        decoded=$((decoded + 1))
    fi
done < <(find "$work/ok" "$work/crash" -type f | sort)
[ "$failed" = 0 ] || die "$failed files"
pass "$decoded files decoded, $refused refused with one line"
finish
