/* A signal after every instruction: the processor's trap flag delivers SIGTRAP, so no timer and no luck is involved. */
#ifndef STEP_H
#define STEP_H

#if defined(__linux__) && defined(__x86_64__) && defined(__GNUC__) && !TEST_EMULATED
#define STEP_HERE 1
#include <signal.h>
#include <sys/ucontext.h>

#define STEP_TRAP_FLAG 0x100

/* The 128 bytes below the stack pointer may be the compiler's. */
#define STEP_ON()                                                                                                      \
    __asm__ volatile("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq; add $128, %%rsp" ::: "memory", "cc")
#define STEP_OFF()                                                                                                     \
    __asm__ volatile("sub $128, %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; add $128, %%rsp" ::: "memory", "cc")
#define STEPPED(call)                                                                                                  \
    do {                                                                                                               \
        STEP_ON();                                                                                                     \
        call;                                                                                                          \
        STEP_OFF();                                                                                                    \
    } while (0)

/* In the handler: no more steps from where it interrupts. */
static inline void step_no_more(void *context)
{
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~STEP_TRAP_FLAG;
}

static inline void step_handler(void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction act;
    memset(&act, 0, sizeof act);
    act.sa_sigaction = handler;
    act.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &act, NULL);
}
#else
#define STEP_HERE 0
#endif

#endif
