#!/usr/bin/env bash
# Every function that a header declares is used by another file than the one that defines it (examples/
# count), and no two files of src/ and tools/ define functions of the same name. Run from the repository's root.
set -euo pipefail

# Functions that only tests, fuzzers or programs of others use. The list only shrinks.
allowed="
dho_alloc_fail_at                                           what tests look at
dho_mt19937_u32 dho_pcg64_u64                               the published sequences are tested by the word
dho_tokenizer_open_memory dho_text_unpack                   fuzzers and tests read from memory
dho_head_file_parse dho_torch_file_open_memory              so do these
dho_tar_scan_memory dho_table_spec_parse                  so do these
cache_header_bytes                                          fuzzers set a shard's header right
dho_tar_set_member dho_tar_set_touched                  tests: what a virtual shard opens
dho_cache_read_shots                                        tests: a head from a cache alone
dho_cache_finish                                            public, with its pair dho_cache_write_shard
dho_resize_center_crop_geometry                             a half of dho_image_eval_transform
dho_compute_scratch dho_winograd_fits dho_winograd_pays     tests of kernels
dho_winograd_plan                                           so do these
dho_smooth dho_metrics_parse dho_student_t975               tested alone
"
allowed=$(sed 's/   .*//' <<<"$allowed")

headers=$(find include src tools -name '*.h' | sort)
sources=$(find src tools examples -name '*.c' | sort; find include -name '*_rows.h')
# shellcheck disable=SC2086
declared=$(grep -ohE '^[a-z][A-Za-z0-9_ *]*[ *][a-z][a-z0-9_]*\(' $headers | grep -vE '^(static|typedef) ' |
    sed -E 's/.*[ *]([a-z][a-z0-9_]*)\($/\1/' | sort -u)

# shellcheck disable=SC2086
awk -v declared="$declared" -v allowed="$allowed" '
BEGIN {
    n = split(declared, list); for (i = 1; i <= n; i++) wanted[list[i]] = 1
    n = split(allowed, list); for (i = 1; i <= n; i++) exempt[list[i]] = 1
}
FNR == 1 { comment = 0; blocks = 0 }
{
    line = $0
    gsub(/"([^"\\]|\\.)*"/, "", line)
    text = ""
    while (line != "") { # without comments
        if (comment) {
            at = index(line, "*/")
            if (at == 0) break
            line = substr(line, at + 2); comment = 0
        } else {
            at = index(line, "/*")
            if (at == 0) { text = text line; break }
            text = text substr(line, 1, at - 1); line = substr(line, at + 2); comment = 1
        }
    }
    if (text ~ /^[a-z][A-Za-z0-9_ *]*[ *][a-z][a-z0-9_]*\(/ && text !~ /^(static|typedef|return|else) / && text !~ /;$/) {
        name = text; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
        if (name in wanted) {
            if (name in home && home[name] != FILENAME) {
                print name ": in " home[name] " and in " FILENAME; bad++
            }
            home[name] = FILENAME
        }
    }
    gsub(/[^A-Za-z0-9_]+/, " ", text)
    n = split(text, words, " ")
    for (i = 1; i <= n; i++)
        if ((words[i] in wanted) && !((words[i], FILENAME) in seen)) {
            seen[words[i], FILENAME] = 1
            users[words[i]]++
        }
}
END {
    for (name in wanted) {
        if (name in home) users[name]-- # a macro may have pasted the name together
        if (users[name] > 0 && (name in exempt)) { print name ": is used: take it off the list"; bad++ }
        if (users[name] < 1 && !(name in exempt)) {
            print name ": only its own file uses it: make it static, or remove it"; bad++
        }
    }
    for (name in exempt) if (!(name in wanted)) { print name ": is gone: take it off the list"; bad++ }
    if (bad) { print bad " functions"; exit 1 }
    print "unused: every declared function has a user"
}' $sources
