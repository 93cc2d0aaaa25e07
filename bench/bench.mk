# The benches: included by the Makefile at the top, run from there.

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

bench-zns: build/bench/bench_zns ## the store against pwrite + crc, recovery against reading, amplification
	build/bench/bench_zns -o build/bench/zns.csv -s build/bench/zns.svg $(ARGS)
	@cat build/bench/zns.csv

.PHONY: bench bench-quick bench-tails bench-epochs bench-handles bench-zns churn soak
