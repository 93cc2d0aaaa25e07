/* A plugin with its own zslab inside, loaded and unloaded 1,200 times (there are 1,024 pthread keys), beside threads
   that used it and outlive it; on glibc with both thread-local storage models, and on musl where there is musl-gcc. */
/* build: -ldl */
/* timeout: 300 */
#ifdef PLUGIN
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

int plugin_use(int destroy);
/* Allocates, frees, ends the allocator; 0 when all went well. */
int plugin_use(int destroy)
{
    static zslab *z;
    int i, wrong = 0;
    void *p;
    if (!z) z = zslab_create(NULL);
    for (i = 1; z && i < 300; i++) {
        p = zslab_malloc(z, (size_t)i * 5);
        wrong += !p || zslab_free(z, p) != ZSLAB_OK || zslab_free(z, p) != ZSLAB_E_DOUBLE_FREE;
    }
    wrong += !z || zslab_check(z, NULL, NULL) != ZSLAB_OK;
    if (destroy) {
        zslab_destroy(z);
        z = NULL;
    }
    return wrong;
}
#elif defined(PLUGIN_HOST)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef int use_fn(int destroy);
static use_fn *use;
static pthread_barrier_t meet;

/* Uses the plugin and ends only when it is long gone. */
static void *outlives(void *wrong)
{
    *(int *)wrong = use(0);
    pthread_barrier_wait(&meet);
    pthread_barrier_wait(&meet);
    return NULL;
}

static int once(const char *path)
{
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol;
    pthread_t thread;
    int wrong = 0;
    if (!plugin) {
        printf("%s\n", dlerror());
        return 1;
    }
    symbol = dlsym(plugin, "plugin_use");
    *(void **)&use = symbol;
    if (pthread_create(&thread, NULL, outlives, &wrong)) return 1;
    pthread_barrier_wait(&meet);
    wrong += use(1);
    dlclose(plugin);
#ifdef __GLIBC__ /* musl keeps what was loaded */
    if (dlopen(path, RTLD_NOW | RTLD_NOLOAD)) wrong += 1000;
#endif
    pthread_barrier_wait(&meet);
    pthread_join(thread, NULL); /* its exit calls nothing that was unloaded */
    return wrong;
}

int main(int argc, char **argv)
{
    int i, rounds = argc > 2 ? atoi(argv[2]) : 0, wrong = 0;
    pthread_key_t key;
    pthread_barrier_init(&meet, NULL, 2);
    for (i = 0; i < rounds && !wrong; i++) wrong = once(argv[1]);
    if (pthread_key_create(&key, NULL)) wrong = 2; /* keys were left behind */
    if (wrong) printf("round %d went wrong: %d\n", i, wrong);
    return wrong != 0;
}
#else
#include "tests/lib/test.h"

#include <unistd.h>

static int run(const char *command)
{
    fflush(stdout);
    return system(command);
}

/* Builds this file twice, as plugin and as host, and lets the host load the plugin. */
static void loaded_and_unloaded(const char *compiler, const char *model, const char *where, int rounds)
{
    char command[2048];
    test_at("%s, %s", compiler, model);
    snprintf(command, sizeof command,
             "%s -std=c11 -O1 -g -I. -fPIC -shared -pthread -DPLUGIN -DZSLAB_TLS_MODEL='\"%s\"' %s "
             "tests/unit/test_plugin.c -o %s-%s.so && "
             "%s -std=c11 -O1 -g -pthread -DPLUGIN_HOST tests/unit/test_plugin.c -ldl -o %s-host",
             compiler, model, ZSLAB_NO_TLS ? "-DZSLAB_NO_TLS=1" : "", where, model, compiler, where);
    if (!CHECK(run(command) == 0)) return;
    snprintf(command, sizeof command, "%s-host %s%s-%s.so %d", where, *where == '/' ? "" : "./", where, model, rounds);
    CHECK(run(command) == 0);
    printf("%s, %s: %d times\n", compiler, model, rounds);
}

int main(int argc, char **argv)
{
    int rounds = (int)test_amount(argc, argv, 1200);
    const char *compiler = getenv("CC") ? getenv("CC") : "cc";
    char musl[1024];
    if (access("tests/unit/test_plugin.c", R_OK) || run("command -v cc >/dev/null") != 0)
        return test_skip("needs a C compiler, and to be started from the repository's top");
    loaded_and_unloaded(compiler, "initial-exec", argv[0], rounds);
    loaded_and_unloaded(compiler, "global-dynamic", argv[0], rounds);
    snprintf(musl, sizeof musl, "%s-musl", argv[0]);
    if (run("command -v musl-gcc >/dev/null") == 0) /* whose loader refuses initial-exec in a plugin */
        loaded_and_unloaded("musl-gcc", "global-dynamic", musl, rounds);
    else
        printf("musl-gcc is not here\n");
    return test_summary("test_plugin");
}
#endif
