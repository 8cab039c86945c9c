/* Preloaded into a process under test: counts the calls that change files, and at one of them kills the process, before
 * the call or in the middle of it, or lets calls fail.
 *
 * FAULT_KILL=n     kill before call n            FAULT_TEAR=n   do half of call n if it writes, then kill
 * FAULT_FAIL=n:e   call n fails with errno e     FAULT_FAIL_ALL=n:e  all from call n on
 * FAULT_COUNT=path write the number of calls there at the end */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static long number(const char *name, int *error) {
    const char *text = getenv(name);
    char *end;
    if (!text) return -1;
    long value = strtol(text, &end, 10);
    if (error && *end == ':') *error = atoi(end + 1);
    return value;
}

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

/* 0: go on; 1: fail, errno is set; 2: do half and die. */
static int met(void) {
    long call = atomic_fetch_add(&calls, 1);
    int error = EIO;
    if (call == number("FAULT_KILL", NULL)) die();
    if (call == number("FAULT_TEAR", NULL)) return 2;
    long all = number("FAULT_FAIL_ALL", &error);
    if (all >= 0 && call >= all) { errno = error; return 1; }
    if (call == number("FAULT_FAIL", &error)) { errno = error; return 1; }
    return 0;
}

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("FAULT_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) { fprintf(file, "%ld", atomic_load(&calls)); fclose(file); }
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define PWRITE(name, offset_t)                                                   \
    ssize_t name(int fd, const void *data, size_t size, offset_t offset) {       \
        switch (met()) {                                                         \
            case 1: return -1;                                                   \
            case 2: REAL(name)(fd, data, size / 2, offset); die();               \
        }                                                                        \
        return REAL(name)(fd, data, size, offset);                               \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define SIMPLE(name, parameters, arguments)              \
    int name parameters {                                \
        switch (met()) {                                 \
            case 1: return -1;                           \
            case 2: die();                               \
        }                                                \
        return REAL(name) arguments;                     \
    }
SIMPLE(ftruncate, (int fd, off_t length), (fd, length))
SIMPLE(ftruncate64, (int fd, off64_t length), (fd, length))
SIMPLE(fsync, (int fd), (fd))
SIMPLE(fdatasync, (int fd), (fd))
SIMPLE(unlink, (const char *path), (path))
SIMPLE(rename, (const char *from, const char *to), (from, to))

/* Only opening that makes a file counts. */
#define OPEN(name)                                                   \
    int name(const char *path, int flags, ...) {                     \
        mode_t mode = 0;                                             \
        if (flags & O_CREAT) {                                       \
            va_list list;                                            \
            va_start(list, flags);                                   \
            mode = va_arg(list, mode_t);                             \
            va_end(list);                                            \
            switch (met()) {                                         \
                case 1: return -1;                                   \
                case 2: die();                                       \
            }                                                        \
        }                                                            \
        return REAL(name)(path, flags, mode);                        \
    }
OPEN(open)
OPEN(open64)
