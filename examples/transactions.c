/* Who:   a database: a transaction runs several queries; each query needs scratch memory of its own.
   Wants: a query's scratch gone when the query ends, the transaction's log kept until commit or abort.
   Watch: domains nest. Inside the inner one plain allocations are the query's; the log goes to the
          transaction's by name. Commit or abort, inner left first, and nothing is left alive.
   Build: cc -O2 -I.. transactions.c */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { TRANSACTIONS = 5000, ROWS = 400 };

typedef struct row {
    int key, value;
} row;

typedef struct change { /* the transaction's log */
    struct change *next;
    int key, before, after;
} change;

static row table[ROWS];

typedef struct found {
    struct found *next;
    row *row;
} found;

/* All rows whose key divides by n: a list that lives as long as the domain this thread is in. */
static found *select_rows(zslab *z, int n)
{
    found *list = NULL;
    for (int i = 0; i < ROWS; i++) {
        if (table[i].key % n) continue;
        found *f = (found *)zslab_malloc(z, sizeof *f);
        if (!f) return NULL;
        *f = (found){list, &table[i]};
        list = f;
    }
    return list;
}

/* UPDATE table SET value = value + 1 WHERE key % n = 0. The scratch is the query's, the log is not. */
static change *update(zslab *z, zslab_domain *transaction, int n, change *log)
{
    zslab_domain *query = zslab_domain_create(z);
    if (!query) return NULL;
    zslab_domain_enter(query);
    for (found *f = select_rows(z, n); f; f = f->next) {
        change *c = (change *)zslab_malloc_epoch(z, sizeof *c, zslab_domain_epoch(transaction));
        if (!c) break;
        *c = (change){log, f->row->key, f->row->value, f->row->value + 1};
        f->row->value = c->after;
        log = c;
    }
    zslab_domain_exit(query); /* the list of rows found is gone; the log is not */
    zslab_domain_destroy(query);
    return log;
}

static void roll_back(const change *log)
{
    for (; log; log = log->next) table[log->key].value = log->before; /* newest first */
}

/* 1: committed, 0: rolled back. *entries: what the log held. */
static int run(zslab *z, int number, size_t *entries)
{
    zslab_domain *transaction = zslab_domain_create(z);
    change *log = NULL;
    int commit = number % 3 != 0;
    if (!transaction) return 0;
    zslab_domain_enter(transaction);
    for (int query = 2; query < 6; query++) log = update(z, transaction, query, log);
    *entries = 0;
    for (change *c = log; c; c = c->next) ++*entries;
    if (!commit) roll_back(log);
    zslab_domain_exit(transaction);
    zslab_domain_destroy(transaction);
    return commit;
}

static int nesting_is_checked(zslab *z)
{
    zslab_domain *outer = zslab_domain_create(z), *inner = zslab_domain_create(z);
    zslab_domain_enter(outer);
    zslab_domain_enter(inner);
    int refused = zslab_domain_exit(outer) == ZSLAB_E_INVALID && zslab_domain_destroy(outer) == ZSLAB_E_BUSY;
    refused = refused && zslab_domain_current(z) == inner; /* and nothing changed */
    zslab_domain_exit(inner);
    zslab_domain_exit(outer);
    zslab_domain_destroy(inner);
    zslab_domain_destroy(outer);
    return refused;
}

static int count_live(void *user, const zslab_visit *object)
{
    (void)object;
    ++*(size_t *)user;
    return 0;
}

int main(void)
{
    zslab *z = zslab_create(NULL);
    size_t committed = 0, entries = 0, logged = 0, live = 0;
    int wrong = 0;
    if (!z) return 1;
    for (int i = 0; i < ROWS; i++) table[i] = (row){i, 0};
    for (int i = 0; i < TRANSACTIONS; i++) {
        committed += (size_t)run(z, i, &entries);
        logged += entries;
    }
    for (int i = 0; i < ROWS; i++) { /* each commit added one for each divisor of the key */
        int each = (i % 2 == 0) + (i % 3 == 0) + (i % 4 == 0) + (i % 5 == 0);
        wrong += table[i].value != (int)committed * each;
    }
    int checked = nesting_is_checked(z);
    zslab_result sound = zslab_check(z, count_live, &live);
    printf("%zu of %d transactions committed, %zu log entries, %d rows wrong, %zu objects left\n", committed,
           TRANSACTIONS, logged, wrong, live);
    printf("leaving the outer scope first: %s\n", checked ? "refused, nothing changed" : "NOT refused");
    zslab_destroy(z);
    return wrong || live || !checked || sound != ZSLAB_OK;
}
