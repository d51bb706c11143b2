/* A slow disk, on demand: loaded with LD_PRELOAD, it delays open, write and fsync of files below SLOW_UNDER by as
   many milliseconds as the file SLOW_SWITCH holds, while that file is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* 0 without the switch: then nothing else is looked at. */
static long delay(void) {
    const char *file = getenv("SLOW_SWITCH");
    char text[16] = "";
    if (!file) return 0;
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    return length > 0 ? atol(text) : 0;
}

static int under(const char *path) {
    const char *folder = getenv("SLOW_UNDER");
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

static void wait_for(long milliseconds) {
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *buffer, size_t size) {
    long milliseconds = delay();
    if (milliseconds && under_fd(fd)) wait_for(milliseconds);
    return REAL(ssize_t (*)(int, const void *, size_t), "write")(fd, buffer, size);
}

int fsync(int fd) {
    long milliseconds = delay();
    if (milliseconds && under_fd(fd)) wait_for(milliseconds);
    return REAL(int (*)(int), "fsync")(fd);
}

static int opened(const char *symbol, const char *path, int flags, mode_t mode) {
    long milliseconds = under(path) ? delay() : 0;
    if (milliseconds) wait_for(milliseconds);
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
