package cli

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// What the linker can set, with -ldflags "-X 'github.com/atocore/atocore/adapters/cli.buildSHA=…'",
// where the build does not see the repository. Empty is what Go's build information says.
var (
	version   string // v0.3.1
	buildSHA  string // the revision
	buildTime string // RFC 3339
)

type versionCmd struct{}

func (versionCmd) Help() string { return examples(`atocore version`) }

func (versionCmd) Run(s *session) error {
	doc := buildVersion()
	return s.out.put(doc, func() {
		s.out.line("atocore %s (%s %s/%s)", doc.Version, doc.Go, doc.OS, doc.Arch)
	})
}

type versionDoc struct {
	Version   string `json:"version"`
	Revision  string `json:"revision,omitempty"`
	BuildTime string `json:"build_time,omitempty"`
	Go        string `json:"go"`
	OS        string `json:"os"`
	Arch      string `json:"arch"`
}

// buildVersion is what the program was built from.
func buildVersion() versionDoc {
	info, _ := debug.ReadBuildInfo()
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) versionDoc {
	doc := versionDoc{"(devel)", buildSHA, buildTime, runtime.Version(), runtime.GOOS, runtime.GOARCH}
	settings := map[string]string{}
	if info != nil {
		doc.Version = cmp.Or(info.Main.Version, doc.Version)
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
	}
	doc.Version = cmp.Or(version, doc.Version)
	doc.BuildTime = cmp.Or(doc.BuildTime, settings["vcs.time"])
	if doc.Revision == "" && settings["vcs.revision"] != "" {
		doc.Revision = settings["vcs.revision"]
		if settings["vcs.modified"] == "true" {
			doc.Revision += "+dirty"
		}
	}
	return doc
}
