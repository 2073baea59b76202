/* What a process may use of its machine, read from made-up proc and sys folders; the checks of an
 * allocation; a thread's CPUs. */
#define _GNU_SOURCE
#include "folder_fixture.h"

#include "base/cgroup.h"
#include "base/machine.h"
#include "base/thread.h"
#include "dho/file.h"

#include <sched.h>

static dho_cgroup_limits limits(void)
{
    dho_cgroup_limits out;
    dho_cgroup_read(&out, fixture_root);
    return out;
}

static void check_limits(double cpus, int64_t memory)
{
    const dho_cgroup_limits found = limits();
    ck_assert_double_eq_tol(found.cpus, cpus, 1e-9);
    ck_assert_int_eq(found.memory, memory);
    ck_assert(found.id != 0 || cpus == 0);
}

START_TEST(test_no_limit)
{
    check_limits(0, INT64_MAX); /* nothing there */
    fixture_write("proc/self/cgroup", "0::/a/b\n");
    check_limits(0, INT64_MAX);
    fixture_write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    fixture_write("sys/fs/cgroup/a/b/memory.max", "max\n");
    fixture_write("sys/fs/cgroup/a/b/memory.current", "5000\n");
    check_limits(0, INT64_MAX);
    fixture_write("proc/self/cgroup", "nonsense\n0\n:\n1:\n0:cpu\n");
    check_limits(0, INT64_MAX);
    fixture_write("sys/fs/cgroup/cpu.max", "-5 x");
    fixture_write("proc/self/cgroup", "0::/");
    check_limits(0, INT64_MAX);
}
END_TEST

/* The tightest of a group and those above it; files in memory can be had back. */
START_TEST(test_version_2)
{
    fixture_write("proc/self/cgroup", "0::/job/step\n");
    fixture_write("sys/fs/cgroup/job/cpu.max", "150000 100000\n");
    fixture_write("sys/fs/cgroup/job/step/cpu.max", "400000 100000\n");
    fixture_write("sys/fs/cgroup/job/memory.max", "10000000000\n");
    fixture_write("sys/fs/cgroup/job/memory.current", "9000000000\n");
    fixture_write("sys/fs/cgroup/job/memory.stat",
                  "anon 1000\ninactive_file 500000000\nactive_file 7\n");
    fixture_write("sys/fs/cgroup/job/step/memory.max", "8000000000\n");
    fixture_write("sys/fs/cgroup/job/step/memory.current", "1\n");
    check_limits(1.5, 1500000007);
    fixture_write("sys/fs/cgroup/job/step/cpu.max", "20000 100000\n");
    fixture_write("sys/fs/cgroup/job/step/memory.current", "9000000000\n");
    check_limits(0.2, 0);
    /* In a container the group's path is the host's: its own limit is at the top. */
    fixture_write("proc/self/cgroup", "0::/docker/0123\n");
    fixture_write("sys/fs/cgroup/cpu.max", "200000 100000\n");
    fixture_write("sys/fs/cgroup/memory.max", "300\n");
    fixture_write("sys/fs/cgroup/memory.current", "100\n");
    check_limits(2, 200);
}
END_TEST

START_TEST(test_version_1)
{
    fixture_write("proc/self/cgroup",
                  "12:cpuset:/x\n4:cpu,cpuacct:/job\n3:memory:/job\n1:name=systemd:/\n");
    fixture_write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "300000\n");
    fixture_write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    fixture_write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    fixture_write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    fixture_write("sys/fs/cgroup/memory/memory.usage_in_bytes", "77\n");
    check_limits(3, INT64_MAX);
    fixture_write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1000\n");
    fixture_write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "900\n");
    fixture_write("sys/fs/cgroup/memory/job/memory.stat", "cache 5\ntotal_inactive_file 40\n");
    check_limits(3, 140);
}
END_TEST

START_TEST(test_memory)
{
    ck_assert_int_eq(dho_machine_memory(fixture_root), INT64_MAX);
    fixture_write("proc/meminfo",
                  "MemTotal: 100 kB\nMemFree:  3 kB\nMemAvailable:   50 kB\nHugePages_Total: 0\n"
                  "SwapFree: 10 kB\n");
    ck_assert_int_eq(dho_machine_memory(fixture_root), 60 * 1024);
    fixture_write("proc/self/cgroup", "0::/\n");
    fixture_write("sys/fs/cgroup/memory.max", "50000\n");
    fixture_write("sys/fs/cgroup/memory.current", "10000\n");
    ck_assert_int_eq(dho_machine_memory(fixture_root), 40000);
    void *block;
    ck_assert_fails(dho_alloc(&block, (size_t)1 << 44, 1, "a test"), DHO_ERR_MEMORY,
                    "a test: cannot allocate 16384.0 GiB: this process can have");
    ck_assert_ptr_null(block);
    ck_assert_int_gt(dho_machine_disk("/"), 0);
    ck_assert_int_eq(dho_machine_disk("/nowhere/at/all"), INT64_MAX);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Two containers of one machine share no limit, two processes of one do. */
START_TEST(test_pool)
{
    dho_machine a, b, c;
    fixture_write("proc/sys/kernel/random/boot_id", "one\n");
    dho_machine_look(&a, fixture_root);
    dho_machine_look(&b, fixture_root);
    ck_assert_uint_eq(a.pool, b.pool);
    ck_assert_double_eq(a.quota, 0);
    fixture_write("proc/self/cgroup", "0::/x\n");
    fixture_write("sys/fs/cgroup/x/cpu.max", "100000 100000\n");
    dho_machine_look(&b, fixture_root);
    ck_assert_uint_ne(a.pool, b.pool);
    ck_assert_double_eq(b.quota, 1);
    fixture_write("proc/self/cgroup", "0::/y\n");
    fixture_write("sys/fs/cgroup/y/cpu.max", "100000 100000\n");
    dho_machine_look(&c, fixture_root);
    ck_assert_uint_ne(c.pool, b.pool);
    fixture_write("proc/sys/kernel/random/boot_id", "two\n");
    dho_machine_look(&b, fixture_root);
    ck_assert_uint_ne(c.pool, b.pool);
}
END_TEST

static void *count_cpus(void *out)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) *(int *)out = CPU_COUNT(&set);
    return NULL;
}

START_TEST(test_cpus)
{
    dho_machine machine;
    int seen = 0;
    pthread_t thread;
    dho_machine_look(&machine, "");
    const int all = dho_machine_count_cpus(machine.cpus);
    ck_assert_int_ge(all, 1);
    ck_assert_int_eq(dho_thread_start(&thread, count_cpus, &seen), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(seen, all < CPU_SETSIZE ? all : CPU_SETSIZE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("machine");
    TCase *tests = tcase_create("machine");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_no_limit);
    tcase_add_test(tests, test_version_2);
    tcase_add_test(tests, test_version_1);
    tcase_add_test(tests, test_memory);
    tcase_add_test(tests, test_pool);
    tcase_add_test(tests, test_cpus);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
