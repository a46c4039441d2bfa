package httpapi

// Codes are all codes and their statuses.
func Codes() map[string]int {
	out := map[string]int{failed.code: failed.status}
	for _, c := range classes {
		out[c.code] = c.status
	}
	return out
}
