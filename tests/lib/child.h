/* A part of a test in a forked child. */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `body` in a child; it must end, and end well. */
static inline void in_a_child(void (*body)(int), int arg)
{
    int status = -1;
    pid_t child;
    fflush(stdout);
    child = fork();
    MUST(child >= 0);
    if (child == 0) {
        test_failed = 0;
        alarm(250); /* a lock that nobody will drop ends the test */
        body(arg);
        fflush(stdout);
        test_leave(test_failed ? 1 : 0);
    }
    MUST(waitpid(child, &status, 0) == child);
    if (!CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        printf("child %d: %s %d\n", (int)child, WIFSIGNALED(status) ? "signal" : "status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

#endif
