# zslab: `make` prints what there is to do. Everything built goes under build/.
CC       = cc
CXX      = c++
CFLAGS   = -O2 -g
CXXFLAGS = $(CFLAGS)
PREFIX   = /usr/local
JOBS     = 2
ONLY     =
SKIP     =
ROUNDS   = 9
PEERS    =

WARN    = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
STRICT  = -std=c11 $(WARN) -I. -pthread
HEADERS = $(wildcard zslab.h zslab_zns.h)
# /* build: -lfoo -DBAR */ among a source's first ten lines adds flags, put after the source.
extra   = $$(sed -n '1,10s|^/\* build: \(.*[^ ]\) *\*/.*|\1|p' $<)
pick    = $(if $(ONLY),$(foreach f,$(1),$(if $(findstring $(ONLY),$(f)),$(f))),$(1))

# A test is known by its name alone: its source is tests/*/NAME.c, or that of the test which its row in the table names.
names    = $(call pick,$(sort $(basename $(notdir $(wildcard $(1:%=tests/%.c))))))
VARIANTS := $(shell sed -n 's/^\(test_[a-z0-9_]*\) *| *\([a-z0-9_]*\) .*/\1:\2/p' tests/ci/variants.txt)
FORMS    := $(foreach v,$(VARIANTS),$(firstword $(subst :, ,$(v))))
source   = $(or $(wildcard tests/*/$(or $(patsubst $(1):%,%,$(filter $(1):%,$(VARIANTS))),$(1)).c),tests/$(1).c)
variant  = $$(sed -n 's/^$(@F) *|[^|]*| *\([^|]*[^ |]\) *|.*/\1/p' tests/ci/variants.txt)
TESTS    = $(filter-out $(SKIP),$(call names,unit/test_* unit/fault_* misuse/misuse_* zns/test_*) \
           $(call pick,$(FORMS)))
RACES    = $(call names,race/race_*)
CELLS    = $(filter-out $(SKIP),$(addprefix build:,$(call pick,$(shell tests/ci/build.sh list))))
# What test-wide runs and test does not: programs of more than some seconds, other forms of a test, most ways of building.
LONG     = $(FORMS) fault_os fault_system test_close_stress test_fork test_fork_step test_group test_handle test_large test_model \
           test_lua test_model_shrink test_plugin test_pool_threads test_quiet test_reclaim test_shared test_shim test_signal \
           test_small_epochs test_stats test_steady test_stress test_threads test_zns_race test_zns_seam
EXAMPLES = $(basename $(notdir $(wildcard examples/*.c examples/tools/*.c)))
SOME     = $(addprefix build:,gcc-c11 g++-c++11 readme typed)

# What the tests need (Debian names). deps-all adds what only the wide targets need.
PACKAGES = gcc g++ clang clang-format libclang-rt-14-dev libc++-14-dev libc++abi-14-dev libc6-dev binutils make git musl-tools util-linux \
           libmimalloc-dev libjemalloc-dev libgoogle-perftools-dev jq libjansson-dev libncurses-dev libxml2-utils \
           python3 gnuplot-nox sqlite3 liblua5.4-0 systemtap-sdt-dev valgrind libc6-dbg \
           clang-tidy cppcheck cmake pkg-config meson ninja-build doxygen
PACKAGES_ALL = gcovr libbenchmark-dev $(shell sed -n 's/^packages *| *//p' tests/ci/matrix.txt; cat tests/zns/guest/packages.txt bench/real/packages.txt)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18 | sed 's/^/  /'
	@echo "  knobs: CC CXX CFLAGS PREFIX JOBS, ONLY=word picks tests, ROUNDS, MINUTES, PEERS=name=path.so,... for benches"

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
.SECONDEXPANSION:
define flavour
build/$(1)/%: $$$$(call source,$$$$*) $(HEADERS) $(wildcard tests/*/*.h) tests/unit/test_model.c tests/ci/variants.txt Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(STRICT) $$(CFLAGS) $(2) $$(variant) $$< -o $$@ $$(extra)
endef
$(eval $(call flavour,tests,$$(if $$(filter $$(LONG),$$*),-O1,-O0))) # compiling with more takes longer than running with less
$(eval $(call flavour,notls,-DZSLAB_NO_TLS=1))
.SECONDARY:

# $(call run,<flavour>,<programs>,<more for run.sh>): build that many at a time, then run them
run = +@$(MAKE) -s --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j $(JOBS)) Makefile $(2:%=build/$(1)/%) && \
	tests/ci/run.sh -j $(JOBS) -l build/log/$(1) $(3) $(2:%=build/$(1)/%)

# who names TESTS gets those, long or not, and no ways of building
named = $(findstring command,$(origin TESTS))
test: ## build and run the tests, but for what takes long (TESTS="name name": those); the last line counts them
	$(call run,tests,$(if $(named),$(TESTS),$(filter-out $(LONG),$(TESTS)))) $(if $(named),,$(filter $(SOME),$(CELLS)))

test-wide: ## build and run the others: long ones, other forms, every way of building
	$(call run,tests,$(filter $(LONG),$(TESTS))) $(filter-out $(SOME),$(CELLS))

test-notls: ## the tests without thread-local storage (shared mode)
	$(call run,notls,$(TESTS))

demo-zns: build/examples/demo_zns ## 1 GiB to a file that acts as a zoned drive, killed midway, recovered, verified
	@mkdir -p build/demo
	build/examples/demo_zns build/demo/zns.img $(ARGS)

build/examples/%: $$(wildcard examples/$$*.c examples/tools/$$*.c) $(HEADERS) $(wildcard examples/*.h examples/tools/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $< -o $@ $(extra)

examples: $(filter build/examples/demo%,$(EXAMPLES:%=build/examples/%)) ## build every example, run all but the demos
	$(call run,examples,$(filter-out demo%,$(EXAMPLES)),-j 1)

format: ## write all C and C++ in the repository's one dialect, .clang-format
	clang-format -i $$(git ls-files '*.h' '*.c' '*.cc')

lint: ## layout, names, room map, doc comments, format
	@tests/ci/lint.sh

map: ## the rooms of the headers with their line counts
	@for h in $(HEADERS); do awk -v h=$$h 'function out() { if (n) printf "  %-16s %5d  from line %d\n", n, NR - at, at } \
	    BEGIN { print h } /^\/\* ---- >>/ { out(); n = $$3; at = NR } END { NR++; out() }' $$h; done

invariants: ## the lemmas of the headers: where each stands, which code cites it, which tests
	@tests/ci/invariants.py

asm: ## the inlined fast paths, disassembled
	@mkdir -p build/bench
	@$(CC) $(STRICT) $(CFLAGS) -DNDEBUG -c bench/fast_paths.c -o build/bench/fast_paths.o
	@for f in fast_malloc_64 fast_malloc fast_free; do \
	    objdump -d --no-show-raw-insn --disassemble=$$f build/bench/fast_paths.o | sed '1,5d'; done

VERSION := $(shell sed -n 's/^\#define ZSLAB_VERSION_M[AI][JN]OR //p; s/^\#define ZSLAB_VERSION_PATCH //p' zslab.h | paste -sd.)
PACKAGE = $(DESTDIR)$(PREFIX)/lib/cmake/zslab
install: ## headers, zslab.pc and CMake's package to PREFIX (and DESTDIR)
	install -d "$(DESTDIR)$(PREFIX)/include" "$(DESTDIR)$(PREFIX)/lib/pkgconfig" "$(PACKAGE)"
	install -m 644 $(HEADERS) "$(DESTDIR)$(PREFIX)/include"
	install -m 644 examples/cmake/zslab-config.cmake "$(PACKAGE)"
	printf 'set(PACKAGE_VERSION %s)\nif(PACKAGE_FIND_VERSION VERSION_LESS_EQUAL PACKAGE_VERSION)\n%s\nendif()\n' \
	    $(VERSION) '  set(PACKAGE_VERSION_COMPATIBLE TRUE)' >"$(PACKAGE)/zslab-config-version.cmake"
	printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$${prefix}/include' '' 'Name: zslab' 'Version: $(VERSION)' \
	    'Description: lifetime-aware slab allocator in one header' 'Cflags: -I$${includedir} -pthread' 'Libs: -pthread' \
	    >"$(DESTDIR)$(PREFIX)/lib/pkgconfig/zslab.pc"

uninstall: ## remove what install put there
	rm -f $(HEADERS:%="$(DESTDIR)$(PREFIX)/include/%") "$(DESTDIR)$(PREFIX)/lib/pkgconfig/zslab.pc"
	rm -rf "$(PACKAGE)"

first: ## a stranger's first program from a clean clone: by copying, pkg-config, CMake, Meson
	@tests/ci/first.sh

docs: ## reference of every public call as HTML, by Doxygen: build/docs/html/index.html
	@tests/ci/docs.sh

clean: ## remove build/
	rm -rf build

.DEFAULT_GOAL = help
.PHONY: help deps deps-all demo demo-zns test test-wide test-notls examples format lint map invariants asm install uninstall first docs clean

include tests/ci/wide.mk bench/bench.mk
