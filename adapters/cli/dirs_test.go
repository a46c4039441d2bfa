package cli_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/atocore/atocore/adapters/cli"
)

func TestDirectories(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the expectations are written with slashes")
	}
	tests := []struct {
		name, goos          string
		env                 map[string]string
		data, config, cache string
	}{
		{
			"linux", "linux", map[string]string{"HOME": "/home/ada"},
			"/home/ada/.local/share/atocore", "/home/ada/.config/atocore", "/home/ada/.cache/atocore/wasm",
		},
		{
			"linux with XDG", "linux", map[string]string{"HOME": "/home/ada", "XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c", "XDG_CACHE_HOME": "/k"},
			"/d/atocore", "/c/atocore", "/k/atocore/wasm",
		},
		{
			"a relative XDG directory does not count", "linux", map[string]string{"HOME": "/home/ada", "XDG_DATA_HOME": "d"},
			"/home/ada/.local/share/atocore", "/home/ada/.config/atocore", "/home/ada/.cache/atocore/wasm",
		},
		{
			"darwin", "darwin", map[string]string{"HOME": "/Users/ada", "XDG_DATA_HOME": "/d"},
			"/Users/ada/Library/Application Support/atocore", "/Users/ada/Library/Application Support/atocore", "/Users/ada/Library/Caches/atocore/wasm",
		},
		{
			"windows", "windows", map[string]string{"LocalAppData": "/ada/Local", "AppData": "/ada/Roaming", "HOME": "/home/ada"},
			"/ada/Local/atocore", "/ada/Roaming/atocore", "/ada/Local/atocore/cache/wasm",
		},
		{"no home", "linux", nil, "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data, config, cache := cli.Directories(test.goos, func(key string) string { return test.env[key] })
			if data != test.data || config != test.config || cache != test.cache {
				t.Errorf("got %q, %q, %q; want %q, %q, %q", data, config, cache, test.data, test.config, test.cache)
			}
		})
	}
}

// TestDirectoriesAgree holds the conventions against the standard library's.
func TestDirectoriesAgree(t *testing.T) {
	_, config, _ := cli.Directories(runtime.GOOS, os.Getenv)
	want, err := os.UserConfigDir()
	if err != nil {
		t.Skipf("no configuration directory here: %v", err)
	}
	if want = filepath.Join(want, "atocore"); config != want {
		t.Errorf("configuration directory %q, want %q", config, want)
	}
}
