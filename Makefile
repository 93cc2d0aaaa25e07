# zslab: `make` prints what there is to do. Everything built goes under build/.
CC       = cc
CXX      = c++
CFLAGS   = -O2 -g
CXXFLAGS = $(CFLAGS)
PREFIX   = /usr/local
JOBS     = 2
ONLY     =
ROUNDS   = 9
PEERS    =

WARN    = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
STRICT  = -std=c11 $(WARN) -I. -pthread
HEADERS = $(wildcard zslab.h zslab_zns.h)
# /* build: -lfoo -DBAR */ among a source's first ten lines adds flags, put after the source.
extra   = $$(sed -n '1,10s|^/\* build: \(.*[^ ]\) *\*/.*|\1|p' $<)
pick    = $(if $(ONLY),$(foreach f,$(1),$(if $(findstring $(ONLY),$(f)),$(f))),$(1))

TESTS    = $(basename $(notdir $(call pick,$(wildcard tests/test_*.c tests/misuse_*.c tests/fault_*.c))))
RACES    = $(basename $(notdir $(call pick,$(wildcard tests/race_*.c))))
CELLS    = $(addprefix build:,$(call pick,$(shell tests/build.sh list)))
EXAMPLES = $(basename $(notdir $(wildcard examples/*.c)))

# What the tests need (Debian names). deps-all adds what only the wide targets need.
PACKAGES = gcc g++ clang clang-format libclang-rt-14-dev libc6-dev binutils make git musl-tools util-linux \
           libmimalloc-dev libjemalloc-dev libgoogle-perftools-dev jq
PACKAGES_ALL = valgrind libc6-dbg gcc-multilib g++-multilib $(shell cat tests/zns/packages.txt 2>/dev/null)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18 | sed 's/^/  /'
	@echo "  knobs: CC CXX CFLAGS PREFIX JOBS, ONLY=word picks tests, ROUNDS and PEERS=name=path.so,... for benches"

# install_packages <names>: nothing to do and no network needed when all are there
define install_packages
	@set -e; missing=; for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; $$sudo apt-get update -q; \
	DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -q --no-install-recommends $$missing; fi; \
	echo "packages: all there"
endef

deps: ## install what the tests need (Debian packages)
	$(call install_packages,$(PACKAGES))

deps-all: deps ## also what the wide targets need
	$(call install_packages,$(PACKAGES_ALL))

demo: build/examples/demo ## index real text with libc malloc and with zslab; table and build/demo/rss.svg
	@mkdir -p build/demo
	build/examples/demo -o build/demo/rss.svg $(ARGS)

# flavour <name>, <flags>: every test built into build/<name>/
define flavour
build/$(1)/%: tests/%.c $(HEADERS) $(wildcard tests/*.h tests/test_*.c) Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(STRICT) $$(CFLAGS) $(2) $$< -o $$@ $$(extra)
endef
ASAN = -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
# race: the compiler's hooks show plain accesses too; interleave.h answers them, not the sanitizer's runtime
RACE = -fsanitize=thread $(if $(findstring clang,$(shell $(CC) --version)),-fno-sanitize-link-runtime)
TSAN = -O1 -fno-omit-frame-pointer -fsanitize=thread
$(eval $(call flavour,tests,))
$(eval $(call flavour,race,$(RACE)))
$(eval $(call flavour,notls,-DZSLAB_NO_TLS=1))
$(eval $(call flavour,asan,$(ASAN)))
$(eval $(call flavour,tsan,$(TSAN)))
$(eval $(call flavour,cov,-O1 --coverage -DNDEBUG))
.SECONDARY:

test: $(TESTS:%=build/tests/%) ## build and run all tests; the last line counts them
	@tests/run.sh -j $(JOBS) -l build/log/tests $(TESTS:%=build/tests/%) $(CELLS)

test-notls: $(TESTS:%=build/notls/%) ## the tests without thread-local storage (shared mode)
	@tests/run.sh -j $(JOBS) -l build/log/notls $^

asan: $(TESTS:%=build/asan/%) ## the tests under AddressSanitizer and UBSan
	@tests/run.sh -j $(JOBS) -l build/log/asan $^

tsan: $(TESTS:%=build/tsan/%) ## the tests under ThreadSanitizer
	@tests/run.sh -j $(JOBS) -l build/log/tsan -r 'setarch -R' $^

coverage: $(TESTS:%=build/cov/%) ## which lines of the headers no test runs
	-@tests/run.sh -j $(JOBS) -l build/log/cov $^
	@tests/coverage.sh build/cov

race: $(RACES:%=build/race/%) ## every interleaving of small scenarios, up to a bound, then at random
	@tests/run.sh -j $(JOBS) -l build/log/race $^

test-zns: ## the store on a real kernel's zoned drive: crashes, media errors, dead zones (QEMU, deps-all)
	@CC="$(CC)" tests/zns/run.sh build/zns

demo-zns: build/examples/demo_zns ## 1 GiB to a file that acts as a zoned drive, killed midway, recovered, verified
	@mkdir -p build/demo
	build/examples/demo_zns build/demo/zns.img $(ARGS)

bench-zns: build/bench/bench_zns ## the store against pwrite + crc, recovery against reading, amplification
	build/bench/bench_zns -o build/bench/zns.csv -s build/bench/zns.svg $(ARGS)
	@cat build/bench/zns.csv

build/examples/%: examples/%.c $(HEADERS) $(wildcard examples/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $< -o $@ $(extra)

examples: $(EXAMPLES:%=build/examples/%) ## build and run every example
	@tests/run.sh -j 1 -l build/log/examples $(filter-out build/examples/demo%,$^)

# A bench is bench/bench_<question>.c; bench_pairs drives the pairs_* programs, one process per figure.
PAIRS = $(addprefix build/bench/,bench_pairs pairs_malloc pairs_bump pairs_static pairs_inline pairs_called)
build/bench/%: bench/%.c $(HEADERS) $(wildcard bench/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $< -o $@ $(extra)
build/bench/pairs_malloc: bench/pairs.c bench/pairs.h Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -fno-builtin-malloc -fno-builtin-free -DPAIRS_LIBC=1 $< -o $@
build/bench/pairs_bump: bench/pairs.c bench/pairs.h Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -DPAIRS_BUMP=1 $< -o $@
build/bench/pairs_static: bench/pairs.c bench/pairs.h zslab.h Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -DZSLAB_STATIC=1 -DZSLAB_IMPLEMENTATION $< -o $@
build/bench/pairs_inline build/bench/pairs_called: FORM = $(if $(findstring inline,$@),-DZSLAB_INLINE=1)
build/bench/pairs_inline build/bench/pairs_called: bench/pairs.c bench/pairs.h zslab.h Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -DZSLAB_IMPLEMENTATION -x c -c zslab.h -o $@.impl.o
	$(CC) $(STRICT) $(CFLAGS) $(FORM) $< $@.impl.o -o $@

bench: $(PAIRS) ## allocate+free pairs against every allocator present (minutes); CSV and table in build/bench
	build/bench/bench_pairs -r $(ROUNDS) -p "$(PEERS)" -o build/bench/pairs.csv $(ARGS)

bench-quick: $(PAIRS) ## the same, 3 short rounds
	build/bench/bench_pairs -r 3 -m 15 -p "$(PEERS)" -o build/bench/pairs-quick.csv $(ARGS)

bench-tails: $(PAIRS) ## p50 to p99.99 of allocate and of free, against the same allocators
	build/bench/bench_pairs -t -r $(ROUNDS) -p "$(PEERS)" $(ARGS)

bench-epochs: build/bench/bench_epochs ## what it costs to drop all objects of an epoch; against a bump arena
	build/bench/bench_epochs -o build/bench/epochs.csv $(ARGS)

bench-handles: build/bench/bench_handles ## following a handle against a pointer and a plain slot map; CSV in build/bench
	build/bench/bench_handles -o build/bench/handles.csv $(ARGS)

churn: build/bench/churn ## 100 million cycles over rotating epochs; memory must stay flat
	build/bench/churn -o build/bench/churn.csv $(ARGS)

soak: build/bench/soak ## everything at once for a minute (ARGS="-s 36000": ten hours), invariants checked
	build/bench/soak -o build/bench/soak.csv $(ARGS)

lint: ## layout, names, room map, doc comments, line lengths
	@tests/lint.sh

map: ## the rooms of the headers with their line counts
	@for h in $(HEADERS); do awk -v h=$$h 'function out() { if (n) printf "  %-16s %5d  from line %d\n", n, NR - at, at } \
	    BEGIN { print h } /^\/\* ---- >>/ { out(); n = $$3; at = NR } END { NR++; out() }' $$h; done

asm: ## the inlined fast paths, disassembled
	@mkdir -p build/bench
	@$(CC) $(STRICT) $(CFLAGS) -c bench/fast_paths.c -o build/bench/fast_paths.o
	@for f in fast_malloc_64 fast_malloc fast_free; do \
	    objdump -d --no-show-raw-insn --disassemble=$$f build/bench/fast_paths.o | sed '1,5d'; done

install: ## copy the headers to PREFIX/include
	install -d "$(DESTDIR)$(PREFIX)/include"
	install -m 644 $(HEADERS) "$(DESTDIR)$(PREFIX)/include"

clean: ## remove build/
	rm -rf build

.DEFAULT_GOAL = help
.PHONY: help deps deps-all demo demo-zns bench-zns test test-notls race coverage test-zns asan tsan examples bench bench-quick bench-tails \
        bench-epochs bench-handles churn soak lint map asm install clean
