# shellcheck shell=bash
# What benchmarks make of numbers and of folders of images; to be sourced.

# median [FILE]: of numbers, a line each
median() { sort -g "$@" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'; }

# some_of FOLDER MOST: at most so many of its files, evenly out of all
some_of() {
    find "$1" -type f | LC_ALL=C sort | awk -v most="$2" '
        { line[NR] = $0 } END { n = NR < most ? NR : most; for (i = 0; i < n; i++) print line[int(i * NR / n) + 1] }'
}

# images_per_second FILE SKIP: of a run's metrics.jsonl, the median of the steps after so many
images_per_second() { grep -o '"images_per_second":[0-9.e+-]*' "$1" | cut -d: -f2 | tail -n +$(($2 + 1)) | median; }
