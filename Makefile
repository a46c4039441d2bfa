# The tasks of a day. Their commands are in .ci/run, which does without make.
.PHONY: test lint race bench drill fuzz cross ci
test:
	go test ./...
bench:
	go test -run '^$$' -bench . -benchmem ./...
drill: # the restore protections, killed and cut off more often than the tests do
	go test ./restore -run Kill -restore.kills=300
	go test ./internal/sqlite -run Kill -sqlite.kills=1000
lint race fuzz cross: # fuzz: FUZZTIME=1m make fuzz
	.ci/run $@
ci:
	.ci/run
