# The benches: included by the Makefile at the top, run from there.

# A bench is bench/bench_<question>.c, or bench/<question>.c built once for each form of an allocator (allocator.h).
MINUTES = 5
BENCH_FORMS = $(addprefix build/bench/,$(foreach q,pairs calls large tails threads memory replay,$(q)_malloc $(q)_inline) \
              pairs_bump pairs_static pairs_called trace_record.so) build/libzslab_malloc.so
BENCHES = $(BENCH_FORMS) $(addprefix build/bench/bench_,epochs handles pool stats walk)
BENCH_FROM = bench/%.c $(HEADERS) $(wildcard bench/*.h) Makefile bench/bench.mk
BENCH_CC = mkdir -p $(@D) && $(CC) $(STRICT) $(CFLAGS) -DNDEBUG
build/bench/%: $(BENCH_FROM)
	$(BENCH_CC) $< -o $@ $(extra)
build/bench/%_malloc: $(BENCH_FROM)
	$(BENCH_CC) -fno-builtin-malloc -fno-builtin-free -DBENCH_LIBC=1 $< -o $@ $(extra)
build/bench/%_bump: $(BENCH_FROM)
	$(BENCH_CC) -DBENCH_BUMP=1 $< -o $@ $(extra)
build/bench/%_static: $(BENCH_FROM)
	$(BENCH_CC) -DZSLAB_STATIC=1 -DZSLAB_IMPLEMENTATION $< -o $@ $(extra)
build/bench/%_inline: $(BENCH_FROM) build/bench/zslab.o
	$(BENCH_CC) -DZSLAB_INLINE=1 $< build/bench/zslab.o -o $@ $(extra)
build/bench/%_called: $(BENCH_FROM) build/bench/zslab.o
	$(BENCH_CC) $< build/bench/zslab.o -o $@ $(extra)
build/bench/%.so: $(BENCH_FROM)
	$(BENCH_CC) $< -o $@ $(extra)
build/bench/zslab.o: zslab.h Makefile
	$(BENCH_CC) -DZSLAB_IMPLEMENTATION -x c -c $< -o $@

BENCH = bench/run.py --peers "$(PEERS)"
bench: $(BENCHES) ## everything against every allocator present, five minutes; build/bench/bench.csv and report.html
	$(BENCH) --minutes $(MINUTES) $(ARGS)

bench-quick: $(BENCHES) ## one short round of the same: shows that it runs
	$(BENCH) --quick --out build/bench/quick $(ARGS)

bench-pairs bench-calls bench-large bench-tails bench-threads bench-memory bench-traces: $(BENCH_FORMS)
	$(BENCH) --minutes $(MINUTES) --only $(@:bench-%=%) --out build/bench/$(@:bench-%=%) $(ARGS)
bench-pairs: ## ns per allocate+free pair
bench-calls: ## calloc, realloc, aligned_alloc, batches, heaps, domains
bench-large: ## objects of 16 KiB to 25 MiB: pairs of one thread and of two, realloc that grows
bench-tails: ## how long a single call can take
bench-threads: ## what more threads gain
bench-memory: ## peak, fragmentation, startup, threads, the way back
bench-traces: ## calls recorded from cc, python3 and sqlite3, replayed

readme-results: $(BENCHES) ## measures, takes the figures over into bench/results and writes their tables from them
	$(BENCH) --minutes $(MINUTES) --out build/bench/readme $(ARGS)
	bench/readme.py take build/bench/readme/bench.csv
	bench/readme.py write

bench-epochs: build/bench/bench_epochs ## what it costs to drop all objects of an epoch; against a bump arena
	build/bench/bench_epochs -o build/bench/epochs.csv $(ARGS)

bench-handles: build/bench/bench_handles ## following a handle against a pointer and a plain slot map
	build/bench/bench_handles -o build/bench/handles.csv $(ARGS)

build/bench/%: bench/%.cc zslab.h Makefile bench/bench.mk
	mkdir -p $(@D) && $(CXX) -std=c++17 $(WARN) -I. -pthread $(CXXFLAGS) -DNDEBUG $< -o $@ $(extra)

bench-containers: build/bench/bench_containers ## std containers over zslab, over a pmr pool resource, over malloc (deps-all)
	build/bench/bench_containers --benchmark_repetitions=$(ROUNDS) --benchmark_enable_random_interleaving=true \
	    --benchmark_display_aggregates_only=true --benchmark_out=build/bench/containers.csv --benchmark_out_format=csv $(ARGS)

bench-walk: build/bench/bench_walk ## walking entities by their handles against an array
	build/bench/bench_walk $(ARGS)

bench-stats: build/bench/bench_stats ## what zslab_stats_* cost
	build/bench/bench_stats $(ARGS)

churn: build/bench/churn ## 100 million cycles over rotating epochs; memory must stay flat
	build/bench/churn -o build/bench/churn.csv $(ARGS)

soak: build/bench/soak ## everything at once for a minute (ARGS="-s 36000": ten hours), invariants checked
	build/bench/soak -o build/bench/soak.csv $(ARGS)

bench-zns: build/bench/bench_zns ## the store against pwrite + crc, recovery against reading, amplification
	build/bench/bench_zns -o build/bench/zns.csv -s build/bench/zns.svg $(ARGS)
	@cat build/bench/zns.csv

bench-zns-peers: build/bench/bench_zns_peers ## generations in the store, SQLite, LMDB and RocksDB: speed, CPU, written, space
	build/bench/bench_zns_peers -o build/bench/zns_peers.csv $(ARGS)
	@cat build/bench/zns_peers.csv

.PHONY: bench bench-quick bench-pairs bench-calls bench-large bench-tails bench-threads bench-memory bench-traces \
        bench-epochs bench-handles bench-containers bench-stats readme-results bench-zns bench-zns-peers churn soak
