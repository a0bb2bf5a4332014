/*
 * pty -- runs a command on a terminal, types at it, and looks at the answers
 *
 * usage: pty COMMAND...
 *
 * Does what someone at a keyboard does with an echo client: types a line and
 * waits until it has come back, presses Ctrl-Z, says fg, types another line,
 * and presses Ctrl-D. Exits with the command's exit status, or with 99 and a
 * message if an answer hasn't come within PATIENCE seconds (10). The command
 * has our stderr; its stdin and stdout are the terminal.
 */
#define _XOPEN_SOURCE 700
#include "common.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_D "\004"
#define CTRL_Z "\032"

const char tool[] = "pty";

/* Plays the shell: runs the command in the foreground, and continues it (fg)
 * as soon as it has stopped. Writes a byte to told_fd for each stop. */
static void play_shell(int tty_fd, int told_fd, char *argv[])
{
    int status;

    signal(SIGTTOU, SIG_IGN); /* tcsetpgrp from the background */
    pid_t pid = fork();
    if (pid == -1)
        die_errno("fork");
    if (pid == 0) {
        setpgid(0, 0);
        tcsetpgrp(tty_fd, getpid());
        signal(SIGTTOU, SIG_DFL);
        signal(SIGTSTP, SIG_DFL);
        signal(SIGPIPE, SIG_DFL);
        dup2(tty_fd, STDIN_FILENO);
        dup2(tty_fd, STDOUT_FILENO);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    for (;;) {
        if (waitpid(pid, &status, WUNTRACED) == -1)
            die_errno("waitpid");
        if (!WIFSTOPPED(status))
            break;
        if (write(told_fd, "", 1) != 1)
            die_errno("write");
        kill(-pid, SIGCONT);
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void type(int pty_fd, const char *keys)
{
    if (write(pty_fd, keys, strlen(keys)) == -1)
        die_errno("write");
}

/* Waits until fd is readable, or exits with a message that names what. */
static void await(int fd, const char *what)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    if (poll(&pfd, 1, patience() * 1000) == 1)
        return;
    die_status = 99;
    die("%s: not within %d s", what, patience());
}

/* Exits with a message unless these n bytes come next. */
static void expect(int fd, const char *bytes, size_t n, const char *what)
{
    for (size_t seen = 0; seen < n; seen++) {
        char byte;

        await(fd, what);
        if (read(fd, &byte, 1) == 1 && byte == bytes[seen])
            continue;
        die_status = 99;
        die("%s: something else came", what);
    }
}

int main(int argc, char *argv[])
{
    int told[2];
    int status;

    if (argc < 2) {
        fprintf(stderr, "usage: pty COMMAND...\n");
        exit(98);
    }
    die_status = 98;
    int pty_fd = posix_openpt(O_RDWR | O_NOCTTY);
    if (pty_fd == -1 || grantpt(pty_fd) == -1 || unlockpt(pty_fd) == -1)
        die_errno("posix_openpt");
    open_pipe(told);
    pid_t shell = fork();
    if (shell == -1)
        die_errno("fork");
    if (shell == 0) {
        setsid();
        /* Ours from now on. */
        int tty_fd = open(ptsname(pty_fd), O_RDWR | O_CLOEXEC);
        struct termios mode;

        if (tty_fd == -1 || tcgetattr(tty_fd, &mode) == -1)
            die_errno("tty");
        /* What is typed shall come from the client only, and as it is. */
        mode.c_lflag &= ~(tcflag_t)ECHO;
        mode.c_oflag &= ~(tcflag_t)OPOST;
        if (tcsetattr(tty_fd, TCSANOW, &mode) == -1)
            die_errno("tcsetattr");
        close(pty_fd);
        if (write(told[1], "", 1) != 1)
            die_errno("write");
        play_shell(tty_fd, told[1], argv + 1);
    }
    close(told[1]);
    expect(told[0], "", 1, "the terminal");
    type(pty_fd, "first\n");
    expect(pty_fd, "first\n", 6, "the first line");
    type(pty_fd, CTRL_Z);
    expect(told[0], "", 1, "the stop after Ctrl-Z");
    type(pty_fd, "second\n");
    expect(pty_fd, "second\n", 7, "the line after fg");
    type(pty_fd, CTRL_D);
    await(told[0], "the client's exit after Ctrl-D");
    if (waitpid(shell, &status, 0) == -1)
        die_errno("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
