/* Preloaded before a program: makes its Nth call that changes a file fail, fall short, or be its last.
 *
 * CHUNK_FAULT_KIND  COUNT (tells each call on stderr), ENOSPC, EIO, EDQUOT, EINTR, SHORT, KILL (before the call), HALF (half
 *                   a write, then dead), TORN (the same, save that what lies in one sector is written whole, as disks and
 *                   page caches do)
 * CHUNK_FAULT_AT    which call, from 1 on
 * CHUNK_FAULT_ON    if set, all later calls too
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define SECTOR 512

static atomic_long calls;

static int is(const char *kind, const char *wanted) {
    return kind != NULL && strcmp(kind, wanted) == 0;
}

static int is_regular(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What befalls this call: nothing, or a kind. */
static const char *fate(const char *name) {
    const char *kind = getenv("CHUNK_FAULT_KIND"), *at = getenv("CHUNK_FAULT_AT");
    if (kind == NULL) return NULL;
    long call = atomic_fetch_add(&calls, 1) + 1;
    if (is(kind, "COUNT")) {
        dprintf(2, "call %s\n", name);
        return NULL;
    }
    long wanted = at == NULL ? 0 : atol(at);
    if (call != wanted && !(call > wanted && getenv("CHUNK_FAULT_ON") != NULL)) return NULL;
    if (is(kind, "KILL")) die();
    return kind;
}

static const char *fate_of(int fd, const char *name) {
    return is_regular(fd) ? fate(name) : NULL;
}

/* Whether the call fails, with errno set. */
static int fails(const char *kind) {
    if (is(kind, "ENOSPC")) errno = ENOSPC;
    else if (is(kind, "EIO")) errno = EIO;
    else if (is(kind, "EDQUOT")) errno = EDQUOT;
    else if (is(kind, "EINTR")) errno = EINTR;
    else return 0;
    return 1;
}

static int is_cut(const char *kind) {
    return is(kind, "HALF") || is(kind, "TORN");
}

/* How many bytes of a write are done. */
static size_t part(const char *kind, size_t count, int in_a_sector) {
    int halved = is(kind, "SHORT") || is(kind, "HALF") || (is(kind, "TORN") && !in_a_sector);
    return halved && count > 1 ? count / 2 : count;
}

static ssize_t done(const char *kind, ssize_t result) {
    if (is_cut(kind)) die();
    return result;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t count) {
    const char *kind = fate_of(fd, "write");
    if (fails(kind)) return -1;
    return done(kind, REAL(write)(fd, data, part(kind, count, 0)));
}

#define PWRITE(name, offset_t)                                                                      \
    ssize_t name(int fd, const void *data, size_t count, offset_t at) {                             \
        const char *kind = fate_of(fd, "pwrite");                                                   \
        if (fails(kind)) return -1;                                                                 \
        int in_a_sector = count > 0 && at / SECTOR == (at + (offset_t)count - 1) / SECTOR;          \
        return done(kind, REAL(name)(fd, data, part(kind, count, in_a_sector), at));                \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* Calls without halves: a writer that is to die in the middle of one dies before it. */
#define WHOLE(name, told, parameters, arguments, befalls)   \
    int name parameters {                                   \
        const char *kind = befalls(told);                   \
        if (fails(kind)) return -1;                         \
        if (is_cut(kind)) die();                            \
        return REAL(name) arguments;                        \
    }
#define OF_FD(told) fate_of(fd, told)
WHOLE(ftruncate, "ftruncate", (int fd, off_t length), (fd, length), OF_FD)
WHOLE(ftruncate64, "ftruncate", (int fd, off64_t length), (fd, length), OF_FD)
WHOLE(fsync, "fsync", (int fd), (fd), OF_FD)
WHOLE(fdatasync, "fdatasync", (int fd), (fd), OF_FD)
WHOLE(unlink, "unlink", (const char *path), (path), fate)
WHOLE(rename, "rename", (const char *from, const char *to), (from, to), fate)

/* Only opening that makes a file counts. */
#define OPEN(name)                                          \
    int name(const char *path, int flags, ...) {            \
        mode_t mode = 0;                                    \
        if (flags & O_CREAT) {                              \
            va_list list;                                   \
            va_start(list, flags);                          \
            mode = va_arg(list, mode_t);                    \
            va_end(list);                                   \
            const char *kind = fate("open");                \
            if (fails(kind)) return -1;                     \
            if (is_cut(kind)) die();                        \
        }                                                   \
        return REAL(name)(path, flags, mode);               \
    }
OPEN(open)
OPEN(open64)
