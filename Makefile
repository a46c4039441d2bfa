# The tasks of a day. Their commands are in .ci/run, which does without make.
.PHONY: test lint race bench fuzz cross ci
test:
	go test ./...
bench:
	go test -run '^$$' -bench . -benchmem ./...
lint race fuzz cross: # fuzz: FUZZTIME=1m make fuzz
	.ci/run $@
ci:
	.ci/run
