/* Preloaded before a program: makes its Nth call that changes a regular file fail, fall short, or be its last.
 *
 * CHUNK_FAULT_KIND  COUNT (prints the calls at exit), ENOSPC, EIO, EDQUOT, EINTR, SHORT, KILL, TORN (half a write, then
 *                   dead; what lies in one sector is written whole, as disks and page caches do)
 * CHUNK_FAULT_AT    which call, from 1 on
 * CHUNK_FAULT_ON    if set, all later calls too
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define SECTOR 512

static long calls;

static int is(const char *kind, const char *wanted) {
    return kind != NULL && strcmp(kind, wanted) == 0;
}

static int is_regular(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* What befalls this call: nothing, or a kind. */
static const char *fate(int fd, const char *name) {
    const char *kind = getenv("CHUNK_FAULT_KIND"), *at = getenv("CHUNK_FAULT_AT");
    if (kind == NULL || !is_regular(fd)) return NULL;
    calls++;
    if (is(kind, "COUNT")) {
        dprintf(2, "call %s\n", name);
        return NULL;
    }
    long wanted = at == NULL ? 0 : atol(at);
    int befalls = calls == wanted || (calls > wanted && getenv("CHUNK_FAULT_ON") != NULL);
    if (!befalls) return NULL;
    if (is(kind, "KILL")) kill(getpid(), SIGKILL);
    return kind;
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

/* How many bytes of a write are done. */
static size_t cut(const char *kind, size_t count) {
    int halved = is(kind, "SHORT") || is(kind, "TORN");
    return halved && count > 1 ? count / 2 : count;
}

static ssize_t done(const char *kind, ssize_t result) {
    if (is(kind, "TORN")) kill(getpid(), SIGKILL);
    return result;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t count) {
    const char *kind = fate(fd, "write");
    if (fails(kind)) return -1;
    return done(kind, REAL(write)(fd, data, cut(kind, count)));
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) {
    const char *kind = fate(fd, "pwrite");
    if (fails(kind)) return -1;
    int in_a_sector = count > 0 && at / SECTOR == (at + (off64_t)count - 1) / SECTOR;
    size_t part = is(kind, "TORN") && in_a_sector ? count : cut(kind, count);
    return done(kind, REAL(pwrite64)(fd, data, part, at));
}

int ftruncate64(int fd, off64_t length) {
    const char *kind = fate(fd, "ftruncate");
    if (fails(kind)) return -1;
    return (int)done(kind, REAL(ftruncate64)(fd, length));
}

int fsync(int fd) {
    const char *kind = fate(fd, "fsync");
    if (fails(kind)) return -1;
    return (int)done(kind, REAL(fsync)(fd));
}

int fdatasync(int fd) {
    const char *kind = fate(fd, "fdatasync");
    if (fails(kind)) return -1;
    return (int)done(kind, REAL(fdatasync)(fd));
}
