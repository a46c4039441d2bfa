package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

type composeService struct {
	Build    struct{ Context, Dockerfile string }
	Command  []string
	User     string
	ReadOnly bool     `yaml:"read_only"`
	CapDrop  []string `yaml:"cap_drop"`
	Security []string `yaml:"security_opt"`
	Ports    []string
	Volumes  []any
	Env      map[string]string `yaml:"environment"`
	Secrets  []string
	Profiles []string
}

// TestCompose holds what keeps a container harmless, and that it fits the image.
func TestCompose(t *testing.T) {
	var file struct {
		Services map[string]composeService
		Volumes  map[string]any
		Secrets  map[string]struct{ File string }
	}
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Services) != 2 {
		t.Fatalf("services %v", file.Services)
	}
	for name, s := range file.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.Security, "no-new-privileges:true") || strings.HasPrefix(s.User, "0") || s.User == "" {
			t.Errorf("%s is not hardened: %+v", name, s)
		}
		var targets []string
		for _, v := range s.Volumes {
			switch v := v.(type) {
			case string:
				source, target, _ := strings.Cut(v, ":")
				if _, ok := file.Volumes[source]; !ok {
					t.Errorf("%s: volume %s is not declared", name, source)
				}
				targets = append(targets, target)
			case map[string]any:
				targets = append(targets, v["target"].(string))
			}
		}
		slices.Sort(targets)
		if want := []string{"/backups", "/cache", "/data", "/tmp"}; !slices.Equal(targets, want) {
			t.Errorf("%s mounts %q, want %q: with a read-only root all that is written to has to be mounted", name, targets, want)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") || !strings.HasSuffix(p, ":8766") {
				t.Errorf("%s publishes %s", name, p)
			}
		}
	}
	s := file.Services["atocore"]
	if len(s.Ports) != 1 || len(s.Secrets) != 1 || s.Env["ATOCORE_TOKEN_FILE"] != "/run/secrets/"+s.Secrets[0] || file.Secrets[s.Secrets[0]].File == "" {
		t.Errorf("ports %q, secrets %q, environment %v", s.Ports, s.Secrets, s.Env)
	}
	if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	if !slices.Equal(file.Services["drill"].Profiles, []string{"drill"}) {
		t.Error("a drill would be started with the service")
	}
}

// An instruction of a Dockerfile.
type instruction struct{ word, rest string }

// dockerfile reads the instructions, each on one line.
func dockerfile(t *testing.T) (list []instruction) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(read(t, "Dockerfile"), "")
	text = regexp.MustCompile(`[ \t]*\\\n[ \t]*`).ReplaceAllString(text, " ")
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "":
		case "FROM", "WORKDIR", "COPY", "RUN", "ARG", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD", "LABEL":
			list = append(list, instruction{word, strings.TrimSpace(rest)})
		default:
			t.Errorf("instruction %q", line)
		}
	}
	return list
}

// TestDockerfile holds the last stage to what it is to be.
func TestDockerfile(t *testing.T) {
	last := map[string][]string{}
	for _, in := range dockerfile(t) {
		if in.word == "FROM" {
			clear(last)
		}
		// A default is taken for what somebody has asked for: Docker's own value, of the
		// platform that the image is for, would never be seen.
		if in.word == "ARG" && strings.HasPrefix(in.rest, "TARGET") && strings.Contains(in.rest, "=") {
			t.Errorf("ARG %s has a default", in.rest)
		}
		last[in.word] = append(last[in.word], in.rest)
	}
	for word, want := range map[string]string{
		"FROM": "scratch", "USER": "10001:10001", "VOLUME": `["/data", "/backups"]`, "EXPOSE": "8766",
		"ENTRYPOINT": `["/usr/local/bin/atocore"]`, "CMD": `["serve"]`,
	} {
		if got := last[word]; len(got) != 1 || got[0] != want {
			t.Errorf("%s %q, want %s", word, got, want)
		}
	}
	if len(last["RUN"]) > 0 {
		t.Error("scratch has nothing to run")
	}
	if got := last["HEALTHCHECK"]; len(got) != 1 || !strings.Contains(got[0], `"/usr/local/bin/atocore"`) {
		t.Errorf("HEALTHCHECK %q", got)
	}
	// Beside deploy.sh, which takes the revision from there.
	if got := last["LABEL"]; len(got) != 1 || !strings.Contains(got[0], `org.opencontainers.image.revision="$BUILD_SHA"`) || !strings.Contains(got[0], `org.opencontainers.image.title="atocore"`) {
		t.Errorf("LABEL %q", got)
	}
}

// TestUnits has systemd read the units, with a program in the place of atocore that is
// there.
func TestUnits(t *testing.T) {
	units, err := filepath.Glob("systemd/*.[st]*e*")
	if err != nil || len(units) < 5 {
		t.Fatal(units, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for _, name := range units {
		text := read(t, name)
		unit := filepath.Join(dir, filepath.Base(name))
		if filepath.Ext(name) == ".conf" {
			continue
		}
		if filepath.Ext(name) == ".timer" {
			if !strings.Contains(text, "Persistent=true") || !strings.Contains(text, "RandomizedDelaySec=") {
				t.Errorf("%s does not catch up, or not at random", name)
			}
			if _, err := os.Stat(strings.TrimSuffix(name, ".timer") + ".service"); err != nil {
				t.Error(err)
			}
		} else {
			for _, want := range []string{"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=\n", "SystemCallFilter=@system-service", "User=atocore", "StateDirectory=atocore", "MemoryDenyWriteExecute=no"} {
				if !strings.Contains(text, "\n"+want) {
					t.Errorf("%s has no %s", name, want)
				}
			}
		}
		if err := os.WriteFile(unit, []byte(strings.ReplaceAll(text, "/usr/local/bin/atocore", self)), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, unit)
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") != "" && runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		t.Skip("not verified: ", err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
