# cmake --install into a folder of its own: the program runs from there, and a program of somebody
# else's builds against libdho by pkg-config alone.
. "$(dirname "$0")/lib.bash"
build=$(dirname "$DHO")
cmake --install "$build" --prefix "$work/usr" >"$work/log" 2>&1 || die "cmake --install"
"$work/usr/bin/dho" version >"$work/log" 2>&1 || die "the installed dho"
pass "$(cat "$work/log")"
(cd / && "$work/usr/bin/dho" table) >"$work/log" 2>&1 || die "the installed tables"
grep -q '^imagenet_semi ' "$work/log" || die "the installed dho does not find its tables"
(cd / && "$work/usr/bin/dho" table imagenet_semi) >"$work/log" 2>&1 || die "an installed table"
pass "the installed tables and their configurations are found from any folder"
cat >"$work/user.c" <<'EOF'
#include <dho/graph.h>
#include <dho/student.h>
#include <dho/trainer.h>
#include <stdio.h>

int main(void)
{
    dho_student student;
    const dho_student_options options = {
        .model = "resnet18", .width = 64, .image_size = 224, .classes = 1000};
    if (dho_student_create(&student, &options) != DHO_OK) {
        fprintf(stderr, "%s\n", dho_error_message());
        return 1;
    }
    /* Pulls in the whole library: MPI, BLIS, oneDNN, libjpeg ... */
    dho_config config;
    dho_comm *comm;
    if (dho_config_parse(&config, "data: {root: nowhere}", 21, "text", NULL, 0) != DHO_OK ||
        dho_comm_create_serial(&comm) != DHO_OK)
        return 1;
    config.method = DHO_METHOD_CE;
    if (dho_train(&config, comm, "never") != DHO_ERR_CONFIG) return 1; /* no such folder */
    dho_comm_destroy(&comm);
    dho_config_free(&config);
    printf("%d features\n", student.feature_dim);
    dho_student_destroy(&student);
    return 0;
}
EOF
config=$(find "$work/usr" -name pkgconfig -type d)
flags=$(PKG_CONFIG_PATH=$config pkg-config --static --cflags --libs dho 2>"$work/log") || die "pkg-config"
sanitize=
grep -q '^DHO_SANITIZE:BOOL=ON' "$build/CMakeCache.txt" && sanitize=-fsanitize=address,undefined
# shellcheck disable=SC2086
cc "$work/user.c" $sanitize $flags -o "$work/user" >"$work/log" 2>&1 || die "building a user's program"
[ "$("$work/user")" = "512 features" ] || die "running a user's program"
pass "a user's program builds by pkg-config --static and runs"
finish
