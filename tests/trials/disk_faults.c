/* Faults of a disk, on demand: loaded with LD_PRELOAD, it fails calls of libc on files below FAULTS_UNDER.

   The file FAULTS holds "CALL ERRNO SKIP": calls named CALL fail with ERRNO after the first SKIP of them, while the
   file is there. The names: open, creat (open of a new file), read, write, short (writes one byte, then fails), fsync
   (of a file), syncdir (of a folder), link, rename, unlink. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int calls;
static char last[128];

static int under(const char *path) {
    const char *folder = getenv("FAULTS_UNDER");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int under_fd(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return under(path);
}

/* The errno to fail with, 0 for none. */
static int fault(const char *call) {
    const char *file = getenv("FAULTS");
    char text[128] = "", name[32];
    int number = 0, skip = 0;
    if (!file) return 0;
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length <= 0 || sscanf(text, "%31s %d %d", name, &number, &skip) < 2 || strcmp(name, call)) return 0;
    if (strcmp(last, text)) {
        strcpy(last, text);
        calls = 0;
    }
    return calls++ < skip ? 0 : number;
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))
#define FAIL(concerned, call)                        \
    do {                                             \
        int number = (concerned) ? fault(call) : 0;  \
        if (number) { errno = number; return -1; }   \
    } while (0)

ssize_t read(int fd, void *buffer, size_t size) {
    FAIL(under_fd(fd), "read");
    return REAL(ssize_t (*)(int, void *, size_t), "read")(fd, buffer, size);
}

ssize_t write(int fd, const void *buffer, size_t size) {
    if (under_fd(fd)) {
        FAIL(1, "write");
        int number = fault("short");
        if (number) {
            if (size > 1) return REAL(ssize_t (*)(int, const void *, size_t), "write")(fd, buffer, 1);
            errno = number;
            return -1;
        }
    }
    return REAL(ssize_t (*)(int, const void *, size_t), "write")(fd, buffer, size);
}

int fsync(int fd) {
    struct stat about;
    int folder = fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
    FAIL(under_fd(fd), folder ? "syncdir" : "fsync");
    return REAL(int (*)(int), "fsync")(fd);
}

int link(const char *from, const char *to) {
    FAIL(under(to), "link");
    return REAL(int (*)(const char *, const char *), "link")(from, to);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    FAIL(under(to), "link");
    return REAL(int (*)(int, const char *, int, const char *, int), "linkat")(a, from, b, to, flags);
}

int rename(const char *from, const char *to) {
    FAIL(under(to), "rename");
    return REAL(int (*)(const char *, const char *), "rename")(from, to);
}

int unlink(const char *path) {
    FAIL(under(path), "unlink");
    return REAL(int (*)(const char *), "unlink")(path);
}

static int opened(const char *symbol, const char *path, int flags, mode_t mode) {
    FAIL(under(path), flags & O_CREAT ? "creat" : "open");
    return REAL(int (*)(const char *, int, ...), symbol)(path, flags, mode);
}

#define MODE(mode)                         \
    mode_t mode = 0;                       \
    if (flags & O_CREAT) {                 \
        va_list more;                      \
        va_start(more, flags);             \
        mode = va_arg(more, mode_t);       \
        va_end(more);                      \
    }

int open(const char *path, int flags, ...) {
    MODE(mode)
    return opened("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(mode)
    return opened("open64", path, flags, mode);
}
