//go:build !unix

package restore

// isMount is false: single files cannot be mounted there.
func isMount(error) bool { return false }
