//go:build !unix

package hooks

// isMount reports whether a rename failed because of a mount.
func isMount(error) bool { return false }
