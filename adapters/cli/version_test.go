package cli_test

import (
	"runtime/debug"
	"testing"

	"github.com/atocore/atocore/adapters/cli"
)

func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-03-01T12:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	info.Main.Version = "v1.2.3"
	for _, test := range []struct {
		name                           string
		info                           *debug.BuildInfo
		linked                         [3]string
		wantVersion, wantSHA, wantTime string
	}{
		{"nothing known", nil, [3]string{}, "(devel)", "", ""},
		{"from the build", info, [3]string{}, "v1.2.3", "abc+dirty", "2026-03-01T12:00:00Z"},
		{"from the linker", info, [3]string{"v2", "def", "2027"}, "v2", "def", "2027"},
		{"the revision from the linker", info, [3]string{"", "def", ""}, "v1.2.3", "def", "2026-03-01T12:00:00Z"},
	} {
		version, sha, at := cli.Linked(test.linked, test.info)
		if version != test.wantVersion || sha != test.wantSHA || at != test.wantTime {
			t.Errorf("%s: %q %q %q, want %q %q %q", test.name, version, sha, at, test.wantVersion, test.wantSHA, test.wantTime)
		}
	}
}
