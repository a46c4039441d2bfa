module github.com/atocore/atocore/internal/benchmark

go 1.26.0

require (
	github.com/atocore/atocore v0.0.0
	github.com/philippgille/chromem-go v0.7.0
)

require (
	github.com/BurntSushi/toml v1.6.0 // indirect
	github.com/asg017/sqlite-vec-go-bindings v0.1.6 // indirect
	github.com/ncruces/go-sqlite3 v0.21.3 // indirect
	github.com/ncruces/julianday v1.0.0 // indirect
	github.com/oklog/ulid/v2 v2.1.2 // indirect
	github.com/tetratelabs/wazero v1.12.0 // indirect
	github.com/yuin/goldmark v1.8.7 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/atocore/atocore => ../..
