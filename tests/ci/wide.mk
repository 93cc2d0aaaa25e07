# The wider checks, beside `make test`: included by the Makefile at the top, run from there.

# asan: -O0, where every access is the source's and compiling takes a third
ASAN = -O0 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
# race: the compiler's hooks show plain accesses too; interleave.h answers them, not the sanitizer's runtime
RACE = -fsanitize=thread $(if $(findstring clang,$(shell $(CC) --version)),-fno-sanitize-link-runtime)
TSAN = -O1 -fno-omit-frame-pointer -fsanitize=thread
MSAN = -O1 -fno-omit-frame-pointer -fsanitize=memory -fsanitize-memory-track-origins
$(eval $(call flavour,race,$(RACE)))
$(eval $(call flavour,asan,$(ASAN)))
$(eval $(call flavour,tsan,$(TSAN)))
$(eval $(call flavour,msan,$(MSAN)))
# coverage: -O0 and nothing inlined, so that every branch is the source's and counted once; NDEBUG, since an assert's other
# branch is never taken; atomic, or threads would lose counts and what follows from them
COV = -O0 -g0 -D__always_inline__= --coverage -fprofile-update=atomic -DNDEBUG -DTEST_COVERAGE=1
COVERED = $(filter-out test_plugin test_shim test_quiet test_steady test_reclaim,$(TESTS)) $(RACES) # tests/ci/matrix.txt says why
# without thread-local storage not the variants of a test, nor what has none
COVERED_NOTLS = $(filter-out %_shift12 %_shift20 test_class test_zns% misuse_% test_pool% race_%,$(COVERED))
$(eval $(call flavour,cov,$(COV)))
$(eval $(call flavour,covnotls,$(COV) -DZSLAB_NO_TLS=1))
FLAVOUR =
$(if $(FLAVOUR),$(eval $(call flavour,$(FLAVOUR),))) # one of tests/ci/matrix.sh

asan: ## the tests under AddressSanitizer and UBSan
	$(call run,asan,$(TESTS))

tsan: ## the tests under ThreadSanitizer
	$(call run,tsan,$(TESTS),-r 'setarch -R')

build/msan/%: override CC = clang
# not the variants of a test, nor programs whose other half is not instrumented
MSANS = $(filter-out %_shift12 %_shift20 %_none %_totals %_static %_untagged %_no_os %_bare test_plugin test_shim% \
        misuse_%,$(TESTS))
msan: ## the tests under MemorySanitizer (clang)
	$(call run,msan,$(MSANS),-x 5)

# report_*.c: user code does one wrong thing, the library linked to it. Each checker runs those that name what it says.
define reports
build/reports/zslab.$(1).o: zslab.h Makefile tests/ci/wide.mk
	@mkdir -p $$(@D)
	$(2) $$(STRICT) $$(CFLAGS) $(3) -Wno-unused-function -DZSLAB_IMPLEMENTATION -x c -c $$< -o $$@
build/reports/%.$(1): tests/memcheck/%.c build/reports/zslab.$(1).o tests/memcheck/report.h
	@mkdir -p $$(@D)
	$(2) $$(STRICT) $$(CFLAGS) $(3) $$< build/reports/zslab.$(1).o -o $$@
endef
$(eval $(call reports,asan,$(CC),$(ASAN)))
$(eval $(call reports,msan,clang,$(MSAN)))
$(eval $(call reports,memcheck,$(CC),-O1 -DZSLAB_VALGRIND=1))
told = $(patsubst tests/memcheck/%.c,build/reports/%.$(1),$(call pick,$(shell grep -l '^/\* $(1): ' tests/memcheck/report_*.c)))
reports: $(foreach c,asan msan memcheck,$(call told,$(c))) ## wrong user code: what memory checkers report, and where
	@tests/ci/run.sh -j $(JOBS) -l build/log/reports -r tests/ci/report.sh $^

analyze: ## clang-tidy, cppcheck and gcc's analyzer over the headers and the examples
	@tests/ci/analyze.sh build/analyze

# fuzz_*.c: libFuzzer's targets (clang); each begins with the inputs in tests/fuzz
FUZZ = -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZERS = $(call names,fuzz/fuzz_*)
SECONDS_EACH = 600
$(eval $(call flavour,fuzz,$(FUZZ)))
build/fuzz/%: override CC = clang
fuzz: ## every fuzz target for SECONDS_EACH (600), at random, on what earlier runs found
	$(call run,fuzz,$(FUZZERS),-r 'tests/ci/fuzz.sh -max_total_time=$(SECONDS_EACH)')

fuzz-quick: ## the same, 2,000 inputs each from a fixed seed
	@rm -rf build/fuzz/corpus
	$(call run,fuzz,$(FUZZERS),-r 'tests/ci/fuzz.sh -runs=2000 -seed=1')

coverage: ## lines and branches of the headers that the tests run, with and without thread-local storage (deps-all)
	@mkdir -p build/coverage && tests/ci/matrix.sh notes coverage $(COVERED) >build/coverage/notes
	@find build/cov build/covnotls -name '*.gcda' -delete 2>/dev/null || true
	$(call run,cov,$(COVERED),-x 5 -n build/coverage/notes)
	$(call run,covnotls,$(COVERED_NOTLS),-x 5 -n build/coverage/notes)
	@tests/ci/coverage.py $(if $(ONLY),-n) build/coverage build/cov build/covnotls

race: ## every interleaving of small scenarios, up to a bound, then at random
	$(call run,race,$(if $(named),$(TESTS),$(RACES)))

# stress_oracle.c: long random runs against an oracle; each build has its share of MINUTES, SEED begins
$(eval $(call flavour,chunk12,-DZSLAB_CHUNK_SHIFT=12))
$(eval $(call flavour,chunk20,-DZSLAB_CHUNK_SHIFT=20))
SEED =
STRESSES = tests chunk12 chunk20 notls
stress = @tests/ci/stress.sh -m $(MINUTES) $(if $(SEED),-b $(SEED)) $(2) $(1:%=build/%/stress_oracle)
stress: $(STRESSES:%=build/%/stress_oracle) ## threads and the whole interface against an oracle, for MINUTES from SEED
	$(call stress,$(STRESSES))
stress-tsan: build/tsan/stress_oracle ## the same under ThreadSanitizer
	$(call stress,tsan,-r 'setarch -R')
stress-asan: build/asan/stress_oracle ## the same under AddressSanitizer and UBSan
	$(call stress,asan)

# each a run of its own: another SEED, or N of them, goes to build/mutate
mutate: ## 200 single-line changes of zslab.h, each built and run against the tests of its room; tests/ci/mutants.txt
	@tests/ci/mutate.py --jobs $(JOBS) --seed $(or $(SEED),20261130) --count $(or $(N),200) \
	    --out $(if $(SEED)$(N),build/mutate/mutants.txt,tests/ci/mutants.txt)

matrix: ## the tests on other compilers, 32-bit, big-endian, ARM, RISC-V, Windows, wasm (deps-all)
	@tests/ci/matrix.sh -j $(JOBS) $(ARGS)

flags: ## both headers under every compiler here, standard and a stranger's warnings: a table, all zero
	@tests/ci/flags.sh

instructions: ## what statistics, tags and probes cost on the fast path; the default ones must cost nothing
	@tests/ci/instructions.sh $(CC)

test-zns: ## the store on a real kernel's zoned drive: crashes, media errors, dead zones (QEMU, deps-all)
	@CC="$(CC)" tests/zns/guest/run.sh build/zns

$(eval $(call flavour,sick,))
doctor: build/examples/stats_dump $(patsubst tests/doctor/%.c,build/sick/%,$(wildcard tests/doctor/sick_*.c)) ## stats_dump --doctor on sick programs (it names the cause) and cured ones (silent)
	@tests/ci/doctor.sh $^

tenants: build/tests/test_tenants build/tests/test_group build/tests/test_walk ## ten thousand groups, two threads at the edge, a cache twice its limit, walks beside churn: five minutes
	build/tests/test_tenants 20
	build/tests/test_group 24000
	build/tests/test_walk 6000000

top: build/examples/zslab_top build/sick/sick_straggler build/sick/sick_pool ## zslab_top: what one look says, and its keys on a terminal
	@tests/ci/top.sh $^

pictures: build/examples/pictures ## the heap map and timeline that README shows, into build/pictures; checked
	@mkdir -p build/pictures
	build/examples/pictures build/pictures
	@tests/ci/pictures.sh build/examples/pictures build/pictures

.PHONY: asan tsan msan stress stress-tsan stress-asan mutate reports fuzz fuzz-quick race tenants analyze coverage doctor matrix pictures top test-zns instructions flags

# The malloc shim, and the programs that prove it (tests/unit/test_shim.c, run with it by `make test`).
SHIM = -O2 -g -DNDEBUG -fPIC -fvisibility=hidden -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
build/libzslab_malloc.so: examples/shim/zslab_malloc.c zslab.h tests/ci/wide.mk
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(SHIM) -shared $< -o $@ -ldl
$(patsubst %,build/%/test_shim,tests notls asan tsan): build/%/test_shim: build/libzslab_malloc.so build/%/shim_cpp
build/%/shim_cpp: tests/unit/shim_cpp.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 $(WARN) $(CXXFLAGS) -pthread $< -o $@

shim: build/libzslab_malloc.so ## the whole malloc family: LD_PRELOAD=build/libzslab_malloc.so program

real: build/libzslab_malloc.so build/bench/pairs_malloc ## unmodified programs under it, libc and the peers: output, time, memory (deps-all)
	bench/real/real.py -r $(ROUNDS) -p "$(PEERS)" -o build/bench/real.csv $(ARGS) build/libzslab_malloc.so

same: build/libzslab_malloc.so ## more programs under it, image, video, database and JavaScript among them: the same output (deps-all)
	@tests/ci/same.sh $< $(ONLY)

real-results: real ## takes its figures over into bench/results and writes its table from them
	bench/readme.py take build/bench/real.csv
	bench/readme.py write

.PHONY: shim real same real-results
