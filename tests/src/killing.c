/* Preloaded into an engine that is to die: counts the points of its life, and at one of them it kills itself.
 *
 * A point lies before and after everything by which the engine touches what outlives it: a file that is made durable or gets
 * its name, a socket that is connected or written to. Between two points it only thinks.
 *
 *   KILL_AT=point:17    dies at the 17th of all points
 *   KILL_AT=append:17   dies when the 17th append to its store has just become durable
 *   KILL_COUNTS=FILE    writes "points appends" there when it ends by itself
 *
 * The processes that the engine starts are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long points, appends;
static long last_point = -1, last_append = -1;
static const char *counts;

__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("KILL_AT");
    if (at && !strncmp(at, "point:", 6)) last_point = atol(at + 6);
    if (at && !strncmp(at, "append:", 7)) last_append = atol(at + 7);
    const char *file = getenv("KILL_COUNTS");
    counts = file ? strdup(file) : NULL;
    unsetenv("KILL_AT");
    unsetenv("KILL_COUNTS");
    unsetenv("LD_PRELOAD");
}

__attribute__((destructor)) static void finish(void) {
    FILE *out = counts ? fopen(counts, "w") : NULL;
    if (!out) return;
    fprintf(out, "%ld %ld\n", atomic_load(&points), atomic_load(&appends));
    fclose(out);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void point(void) {
    if (atomic_fetch_add(&points, 1) + 1 == last_point) die();
}

/* Whether it is the log of the store. */
static int is_log(int fd) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 4) return 0;
    path[length] = 0;
    return !strcmp(path + length - 4, "-wal");
}

static void durable(int fd) {
    if (is_log(fd) && atomic_fetch_add(&appends, 1) + 1 == last_append) die();
}

static int is_socket(int fd) {
    struct stat found;
    return !fstat(fd, &found) && S_ISSOCK(found.st_mode);
}

/* Calls the function of the C library with a point before and one after. */
#define BETWEEN(type, name, parameters, arguments, is_point, then)           \
    type name parameters {                                                   \
        static type(*real) parameters;                                       \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);                \
        int counted = (is_point);                                            \
        if (counted) point();                                                \
        type answer = real arguments;                                        \
        then;                                                                \
        if (counted) point();                                                \
        return answer;                                                       \
    }

BETWEEN(int, fsync, (int fd), (fd), 1, durable(fd))
BETWEEN(int, fdatasync, (int fd), (fd), 1, durable(fd))
BETWEEN(int, rename, (const char *from, const char *to), (from, to), 1, )
BETWEEN(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), 1, )
BETWEEN(int, renameat2, (int a, const char *from, int b, const char *to, unsigned how), (a, from, b, to, how), 1, )
BETWEEN(int, link, (const char *from, const char *to), (from, to), 1, )
BETWEEN(int, linkat, (int a, const char *from, int b, const char *to, int how), (a, from, b, to, how), 1, )
BETWEEN(int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size), 1, )
BETWEEN(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size), is_socket(fd), )
BETWEEN(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), is_socket(fd), )
BETWEEN(ssize_t, send, (int fd, const void *bytes, size_t size, int how), (fd, bytes, size, how), 1, )
BETWEEN(ssize_t, sendto, (int fd, const void *bytes, size_t size, int how, const struct sockaddr *to, socklen_t length),
        (fd, bytes, size, how, to, length), 1, )
BETWEEN(ssize_t, sendmsg, (int fd, const struct msghdr *message, int how), (fd, message, how), 1, )
