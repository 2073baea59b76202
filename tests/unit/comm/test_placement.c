/* Warnings about the places of ranks, over made-up machines. */
#define _GNU_SOURCE
#include "comm/placement.h"
#include "dho/file.h"
#include "folder_fixture.h"

#include <stdlib.h>
#include <string.h>

enum { NODE_CPUS = 8 }; /* two sockets of four */

/* A rank on the CPUs first ... first + count - 1 of a node. */
static comm_place place(int node, int first, int count, int threads)
{
    comm_place out = {.threads = threads};
    out.machine.pool = (uint64_t)node;
    for (int cpu = first; cpu < first + count; cpu++) {
        out.machine.cpus[0] |= (uint64_t)1 << cpu;
        out.topology.used_sockets |= (uint64_t)1 << cpu / (NODE_CPUS / 2);
    }
    out.topology.allowed_sockets = 3;
    out.topology.allowed_cpus = NODE_CPUS;
    snprintf(out.host, sizeof out.host, "node%d", node);
    return out;
}

typedef bool (*finder)(const comm_place *places, int ranks, char *out, size_t bytes);

/* expected: the beginning of the line; NULL: nothing is wrong. */
static void check(finder find, const comm_place *places, int ranks, const char *expected)
{
    char text[320] = "";
    ck_assert_int_eq(find(places, ranks, text, sizeof text), expected != NULL);
    if (expected != NULL && strncmp(text, expected, strlen(expected)) != 0)
        ck_abort_msg("%s\nis not\n%s", text, expected);
    ck_assert_uint_lt(strlen(text), sizeof text - 1);
}

START_TEST(test_crowd)
{
    const comm_place good[] = {place(1, 0, 4, 4), place(1, 4, 4, 4), place(2, 0, 4, 4)};
    check(comm_find_crowd, good, 3, NULL);
    /* The third's many CPUs do not help the first two. */
    const comm_place pair[] = {place(1, 0, 1, 1), place(1, 0, 1, 1), place(1, 1, 7, 1)};
    check(comm_find_crowd, pair, 3, "node1: 2 ranks with 2 threads are bound to 1 CPU,");
    const comm_place other_node[] = {place(1, 0, 1, 1), place(2, 0, 1, 1)};
    check(comm_find_crowd, other_node, 2, NULL);
    const comm_place threads[] = {place(1, 0, 4, 4), place(2, 2, 1, 6)};
    check(comm_find_crowd, threads, 2, "node2: 1 rank with 6 threads is bound to 1 CPU,");
    const comm_place overlap[] = {place(1, 0, 2, 2), place(1, 1, 2, 2), place(1, 0, 3, 1)};
    check(comm_find_crowd, overlap, 3, "node1: 3 ranks with 5 threads are bound to 3 CPUs,");
    const comm_place unknown[] = {place(1, 0, 0, 4)};
    check(comm_find_crowd, unknown, 1, NULL);
}
END_TEST

START_TEST(test_idle_socket)
{
    const comm_place both[] = {place(1, 0, 4, 4), place(1, 4, 4, 4)};
    check(comm_find_idle_socket, both, 2, NULL);
    const comm_place one[] = {place(1, 0, 8, 8), place(2, 0, 2, 2), place(2, 2, 2, 2)};
    check(comm_find_idle_socket, one, 3, "node2: no rank is on 1 of the 2 sockets,");
    const comm_place small[] = {place(1, 0, 1, 1)}; /* a try of one thread */
    check(comm_find_idle_socket, small, 1, NULL);
    comm_place half = place(1, 0, 4, 4); /* the job has one socket of the node */
    half.topology.allowed_sockets = 1;
    half.topology.allowed_cpus = 4;
    check(comm_find_idle_socket, &half, 1, NULL);
    half.topology = (dho_topology){0}; /* nothing could be read */
    check(comm_find_idle_socket, &half, 1, NULL);
}
END_TEST

START_TEST(test_small_pages)
{
    comm_place places[] = {place(1, 0, 4, 4), place(2, 0, 4, 4)};
    check(comm_find_small_pages, places, 2, NULL);
    places[1].topology.huge_pages_off = true;
    check(comm_find_small_pages, places, 2, "node2: transparent huge pages are off");
}
END_TEST

START_TEST(test_topology)
{
    dho_topology found;
    uint64_t cpus[DHO_MACHINE_MASK_WORDS] = {0x3};
    dho_topology_look(&found, fixture_root, cpus);
    ck_assert(found.used_sockets == 0 && found.allowed_sockets == 0 && !found.huge_pages_off);
    for (int cpu = 0; cpu < NODE_CPUS; cpu++) {
        char path[128];
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/physical_package_id",
                 cpu);
        fixture_write(path, cpu < NODE_CPUS / 2 ? "0\n" : "1\n");
    }
    fixture_write("sys/devices/system/cpu/online", "0-7\n");
    fixture_write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    dho_topology_look(&found, fixture_root, cpus);
    ck_assert_uint_eq(found.used_sockets, 1);
    ck_assert_uint_eq(found.allowed_sockets, 3);
    ck_assert_int_eq(found.allowed_cpus, NODE_CPUS);
    ck_assert(!found.huge_pages_off);
    fixture_write("proc/self/cgroup", "0::/job_7\n");
    fixture_write("sys/fs/cgroup/job_7/cpuset.cpus.effective", "0-1,3\n");
    fixture_write("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
    dho_topology_look(&found, fixture_root, cpus);
    ck_assert_uint_eq(found.allowed_sockets, 1);
    ck_assert_int_eq(found.allowed_cpus, 3);
    ck_assert(found.huge_pages_off);
    /* A step without a list of its own is in its job's. */
    fixture_write("proc/self/cgroup", "0::/job_7/step_0\n");
    dho_topology_look(&found, fixture_root, cpus);
    ck_assert_int_eq(found.allowed_cpus, 3);
    /* Version 1. */
    fixture_write("proc/self/cgroup", "5:cpuset:/slurm/job_8\n4:cpu,cpuacct:/\n");
    fixture_write("sys/fs/cgroup/cpuset/slurm/job_8/cpuset.effective_cpus", "2,4-7\n");
    dho_topology_look(&found, fixture_root, cpus);
    ck_assert_int_eq(found.allowed_cpus, 5);
    ck_assert_uint_eq(found.allowed_sockets, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("placement");
    TCase *tests = tcase_create("placement");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_crowd);
    tcase_add_test(tests, test_idle_socket);
    tcase_add_test(tests, test_small_pages);
    tcase_add_test(tests, test_topology);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
