package cli

import (
	"runtime"
	"runtime/debug"
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
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// buildVersion is what the program was built from.
func buildVersion() versionDoc {
	doc := versionDoc{"(devel)", "", runtime.Version(), runtime.GOOS, runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			doc.Version = info.Main.Version
		}
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				doc.Revision = setting.Value
			}
		}
	}
	return doc
}
