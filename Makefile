# The tasks of a day. Their commands are in .ci/run, which does without make.
.PHONY: test lint race bench bench-table eval drill fuzz cross benchmark ci
test:
	go test ./...
bench:
	go test -run '^$$' -bench . -benchmem ./...
bench-table: # builds stores of up to a million records, some 20 GB, and renews docs/performance.md
	go run -C internal/benchmark . -sizes 10000,100000,1000000 -docs ../../docs/performance.md
eval: # measures every set in a folder, for docs/evaluation.md: make eval EVAL=DIR
	go run ./internal/evaltable -page docs/evaluation.md "$(EVAL)"
drill: # the restore protections, killed and cut off more often than the tests do
	go test ./restore -run Kill -restore.kills=300
	go test ./internal/sqlite -run Kill -sqlite.kills=1000
lint race fuzz cross benchmark: # fuzz: FUZZTIME=1m make fuzz
	.ci/run $@
ci:
	.ci/run
