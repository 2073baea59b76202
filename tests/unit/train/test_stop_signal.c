/* What a signal does to a run: before its first step, between steps, twice, and after its end. */
#include "check_main.h"
#include "train/stop_signal.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LEFT_ALONE = 7, NOTED = 8 };

static void pause_ms(int milliseconds)
{
    struct timespec left = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0) { /* interrupted by the signal */
    }
}

/* A process that is sent `first` and, after a pause, `second`; 0: none. */
static int run_child(bool stepping, bool ended, int first, int milliseconds, int second)
{
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dho_stop_signal_install(false);
        if (stepping) dho_stop_signal_wait_for_step();
        if (ended) dho_stop_signal_ignore();
        raise(first);
        pause_ms(milliseconds);
        if (second != 0) raise(second);
        _exit(dho_stop_signal_received() ? NOTED : LEFT_ALONE);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static void check_exit(int status, int code)
{
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), code);
}

START_TEST(test_before_the_first_step)
{
    check_exit(run_child(false, false, SIGTERM, 0, 0), 75);
    check_exit(run_child(false, false, SIGUSR1, 0, 0), 75);
}
END_TEST

START_TEST(test_between_steps)
{
    check_exit(run_child(true, false, SIGTERM, 0, 0), NOTED);
    check_exit(run_child(true, false, SIGUSR1, 0, 0), NOTED);
    check_exit(run_child(true, false, SIGUSR1, 700, SIGUSR1),
               NOTED); /* a batch system's lead ... */
    check_exit(run_child(true, false, SIGUSR1, 700, SIGTERM), NOTED); /* ... and its end */
}
END_TEST

START_TEST(test_second_term)
{
    check_exit(run_child(true, false, SIGTERM, 5, SIGTERM), NOTED); /* one order, sent twice */
    const int status = run_child(true, false, SIGTERM, 700, SIGTERM);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGTERM);
}
END_TEST

START_TEST(test_after_the_end)
{
    check_exit(run_child(true, true, SIGTERM, 5, SIGTERM), LEFT_ALONE);
    check_exit(run_child(true, true, SIGTERM, 700, SIGUSR1), LEFT_ALONE);
    const int status = run_child(true, true, SIGTERM, 700, SIGTERM);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGTERM);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stop_signal");
    TCase *tests = tcase_create("stop_signal");
    tcase_add_test(tests, test_before_the_first_step);
    tcase_add_test(tests, test_between_steps);
    tcase_add_test(tests, test_second_term);
    tcase_add_test(tests, test_after_the_end);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
