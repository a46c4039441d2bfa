package cli

import "path/filepath"

// locations are the directories of the platform that a command uses when it is
// not told others. Each is empty where the environment does not say.
type locations struct {
	home, data, config, cache string
	shown                     string // data, as help shows it: the same for everybody
}

// directories applies the platform's conventions. It takes the environment as
// a function, and the platform as a word, so that all of them can be tested
// anywhere; os.UserCacheDir and its kin read the process alone.
func directories(goos string, getenv func(string) string) locations {
	var l locations
	under := func(base string, elem ...string) string {
		if base == "" {
			return ""
		}
		return filepath.Join(append([]string{base}, elem...)...)
	}
	switch goos {
	case "windows":
		local := getenv("LocalAppData")
		l.home = getenv("USERPROFILE")
		l.data = under(local, "atocore")
		l.config = under(getenv("AppData"), "atocore")
		l.cache = under(local, "atocore", "cache", "wasm")
		l.shown = `%LocalAppData%\atocore`
	case "darwin":
		l.home = getenv("HOME")
		l.data = under(l.home, "Library", "Application Support", "atocore")
		l.config = l.data
		l.cache = under(l.home, "Library", "Caches", "atocore", "wasm")
		l.shown = "~/Library/Application Support/atocore"
	default:
		l.home = getenv("HOME")
		l.data = under(xdg(getenv("XDG_DATA_HOME"), under(l.home, ".local", "share")), "atocore")
		l.config = under(xdg(getenv("XDG_CONFIG_HOME"), under(l.home, ".config")), "atocore")
		l.cache = under(xdg(getenv("XDG_CACHE_HOME"), under(l.home, ".cache")), "atocore", "wasm")
		l.shown = "$XDG_DATA_HOME/atocore or ~/.local/share/atocore"
	}
	return l
}

// xdg is dir, or fallback where dir is not absolute: the XDG specification has
// relative paths ignored.
func xdg(dir, fallback string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	return fallback
}
