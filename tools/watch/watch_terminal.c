#define _GNU_SOURCE
#include "watch/watch_terminal.h"

#include "base/text.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const char ENTER[] = "\033[?1049h\033[?25l"; /* a screen of its own, no cursor */
static const char LEAVE[] = "\033[?25h\033[?1049l";

static struct termios before; /* how the terminal was */
static bool has_keys;         /* standard input is a terminal */
static volatile sig_atomic_t end_asked, stop_asked, resized;

bool dho_terminal_is_live(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDOUT_FILENO) && kind != NULL && kind[0] != '\0' && strcmp(kind, "dumb") != 0;
}

bool dho_terminal_is_utf8(void)
{
    const locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (locale == (locale_t)0) return false;
    const bool utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return utf8;
}

static int number_of(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    const long value = text != NULL ? strtol(text, NULL, 10) : 0;
    return value > 0 && value < 10000 ? (int)value : otherwise;
}

void dho_terminal_size(int *width, int *height)
{
    struct winsize size;
    const bool known =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    *width = known ? size.ws_col : number_of("COLUMNS", 80);
    *height = known ? size.ws_row : number_of("LINES", 24);
}

static void put(const char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t written = write(STDOUT_FILENO, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) { /* the terminal is gone */
            end_asked = 1;
            return;
        }
        bytes += written;
        count -= (size_t)written;
    }
}

static void handle(int signal_number)
{
    if (signal_number == SIGWINCH)
        resized = 1;
    else if (signal_number == SIGTSTP)
        stop_asked = 1;
    else
        end_asked = 1;
}

static void take(void)
{
    has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (has_keys) { /* keys at once, and not shown; Ctrl-C stays a signal */
        struct termios keys = before;
        keys.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
        keys.c_cc[VMIN] = 1;
        keys.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &keys);
    }
    put(ENTER, sizeof ENTER - 1);
}

static void give_back(void)
{
    put(LEAVE, sizeof LEAVE - 1);
    if (has_keys) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

void dho_terminal_enter(void)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
    struct sigaction action = {.sa_handler = handle}; /* they end poll */
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) sigaction(caught[i], &action, NULL);
    take();
}

void dho_terminal_leave(void)
{
    give_back();
}

/* Ctrl-Z: the shell gets its screen back, and gives it again with fg. */
static void stop(void)
{
    stop_asked = 0;
    give_back();
    raise(SIGSTOP);
    take();
}

static dho_key read_key(void)
{
    char bytes[16];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes - 1);
    if (count <= 0) {
        has_keys = false; /* its end */
        return DHO_KEY_NONE;
    }
    bytes[count] = '\0';
    if (strcmp(bytes, "q") == 0 || strcmp(bytes, "Q") == 0 || strcmp(bytes, "\003") == 0)
        return DHO_KEY_QUIT;
    if (strcmp(bytes, "k") == 0 || strcmp(bytes, "\033[A") == 0 || strcmp(bytes, "\033OA") == 0)
        return DHO_KEY_UP;
    if (strcmp(bytes, "j") == 0 || strcmp(bytes, "\033[B") == 0 || strcmp(bytes, "\033OB") == 0)
        return DHO_KEY_DOWN;
    return DHO_KEY_NONE;
}

dho_key dho_terminal_wait(int milliseconds)
{
    struct pollfd keys = {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN};
    if (!end_asked && !stop_asked && !resized) poll(&keys, 1, milliseconds);
    resized = 0;
    if (end_asked) return DHO_KEY_QUIT;
    if (stop_asked) stop();
    return keys.revents != 0 ? read_key() : DHO_KEY_NONE;
}

void dho_terminal_show(const char *text, size_t first, size_t lines, const char *last)
{
    dho_text screen = {0};
    dho_text_add(&screen, "\033[H");
    for (size_t line = 0; line < first + lines; line++) {
        const char *end = strchr(text, '\n');
        const size_t bytes = end != NULL ? (size_t)(end - text) : strlen(text);
        if (line >= first) {
            dho_text_append(&screen, text, bytes);
            dho_text_add(&screen, "\033[K\r\n");
        }
        text += end != NULL ? bytes + 1 : bytes;
    }
    dho_text_add(&screen, "\033[2m%s\033[0m\033[J", last);
    if (screen.status == DHO_OK) put(screen.data, screen.used);
    dho_text_free(&screen);
}
