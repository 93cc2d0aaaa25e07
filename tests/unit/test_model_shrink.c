/* The model test finds a planted bug and cuts the tape that shows it down to the few operations that it takes. */
/* timeout: 300 */
#define MODEL_PLANTED 1
#include "test_model.c"

int main(void)
{
    const test_mode *m = test_next_mode(NULL);
    player by = {m, PLAIN, NULL, NULL, 0, 0};
    tape_player p = PLAYER(&by);
    tape t = tape_random(1, 20000), again, shorter;
    tape_result r;
    char text[4096];
    FILE *f = tmpfile();
    size_t i, length;
    if (!TAPE_FORKS) return test_skip("tapes are cut down where a child process can play them");
    MUST(f);
    CHECK(!tape_holds(&p, &t, 0, &r) && r.step > 0);
    tape_shrink(&p, &t, r.step + 1);
    tape_print(stdout, &p, &t);
    printf("\n");
    CHECK(t.count <= 5);            /* a domain, inside it, an object, its free by the second thread; a look */
    for (i = 0; i < t.count; i++) { /* none can go */
        shorter = tape_copy(&t);
        CHECK(!tape_cut(&p, &shorter, i, i + 1, &r));
        free(shorter.op);
    }
    tape_print(f, &p, &t); /* what is printed plays again */
    rewind(f);
    length = fread(text, 1, sizeof text - 1, f);
    text[length] = 0;
    fclose(f);
    again = tape_read(&p, text);
    CHECK(again.count == t.count);
    for (i = 0; i < t.count && i < again.count; i++)
        CHECK(again.op[i].kind == t.op[i].kind && again.op[i].thread == t.op[i].thread &&
              again.op[i].number == t.op[i].number);
    CHECK(!tape_holds(&p, &again, 0, &r));
    planted = 0;
    CHECK(tape_holds(&p, &again, 0, &r)); /* and without the bug nothing is wrong with it */
    free(again.op);
    again = tape_read(&p, "no_such_operation@0:1");
    CHECK(again.count == 0);
    free(again.op);
    free(t.op);
    return test_summary("test_model_shrink");
}
