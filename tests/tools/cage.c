/*
 * cage -- runs an untrusted program with few rights
 *
 * usage: cage [-u UID] [-d DIR] [-x DIR]... COMMAND...
 *
 * -u UID  runs it as that user and group, who can't become another
 * -d DIR  runs it in that folder
 * -x DIR  hides that folder behind an empty one that nobody may enter
 *
 * Exits with 126 if that fails. The fault shim is loaded into this program
 * too, so it calls no malloc, read, write or fcntl, which the shim might make
 * fail.
 */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

const char tool[] = "cage";

/* Writes to a file of /proc. Returns false if that fails. */
static bool put(const char *path, const char *text)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    struct iovec all = {(void *)(uintptr_t)text, strlen(text)};
    long n;

    if (fd == -1)
        return false;
    /* Not write: a test may have strace make the program's nth write fail. */
    n = syscall(SYS_writev, fd, &all, 1);
    syscall(SYS_close, fd);
    return n != -1;
}

/* Gives this process mounts of its own. Without root that takes a user
   namespace, in which the user keeps its id. */
static void own_mounts(void)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (unshare(CLONE_NEWNS) == -1) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1)
            die_errno("unshare");
        snprintf(map, sizeof(map), "%u %u 1", (unsigned)uid, (unsigned)uid);
        if (!put("/proc/self/uid_map", map))
            die_errno("uid_map");
        put("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "%u %u 1", (unsigned)gid, (unsigned)gid);
        put("/proc/self/gid_map", map);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
        die_errno("mount /");
}

/* One that isn't there, maybe as it is within another, needs no hiding. */
static void hide(const char *dir)
{
    static bool own;

    if (!own)
        own_mounts();
    own = true;
    if (mount("none", dir, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV,
              "size=4k,mode=0") == -1 &&
        errno != ENOENT && errno != EACCES)
        die_errno(dir);
}

static void limit(int what, rlim_t most)
{
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)what, &now) == -1)
        die_errno("getrlimit");
    if (now.rlim_max > most)
        now.rlim_max = most;
    if (now.rlim_cur > now.rlim_max)
        now.rlim_cur = now.rlim_max;
    setrlimit((__rlimit_resource_t)what, &now);
}

static void become(uid_t id)
{
    static const char *const files[] = {"SHIM_COUNT", "SHIM_LOG"};

    /* The shim has made these files as root; the program will use them. */
    for (int i = 0; i < 2; i++) {
        const char *file = getenv(files[i]);
        if (file != NULL && lchown(file, id, id) == -1 && errno != ENOENT)
            die_errno(file);
    }
    /* For each user, and so not for one who has other programs. */
    limit(RLIMIT_NPROC, 4096);
    if (setgroups(0, NULL) == -1 || setresgid(id, id, id) == -1 ||
        setresuid(id, id, id) == -1)
        die_errno("setresuid");
}

int main(int argc, char *argv[])
{
    const char *dir = NULL;
    uid_t id = 0;

    die_status = 126;
    for (int option; (option = getopt(argc, argv, "+u:d:x:")) != -1;) {
        if (option == 'u')
            id = (uid_t)number(optarg, 1, 1LL << 31);
        else if (option == 'd')
            dir = optarg;
        else if (option == 'x')
            hide(optarg);
        else
            die("usage: cage [-u UID] [-d DIR] [-x DIR]... COMMAND...");
    }
    /* What holds a descriptor of a folder, as a working directory does, sees
       through what hides it. */
    if (dir != NULL && chdir(dir) == -1)
        die_errno(dir);
    /* If memory runs out, the kernel kills this program first. */
    put("/proc/self/oom_score_adj", "1000");
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, 300);
    limit(RLIMIT_FSIZE, 1 << 30);
    if (id != 0)
        become(id);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (optind == argc)
        die("no command");
    execvp(argv[optind], argv + optind);
    die_status = 127;
    die_errno(argv[optind]);
}
