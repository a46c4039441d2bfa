package backup

// Encode gives the bytes of the manifest's file, for tests that write their own.
func (m *Manifest) Encode() ([]byte, string, error) { return m.encode() }

// ParseManifest reads a manifest's bytes.
func ParseManifest(data []byte) (Manifest, string, *Finding) { return parseManifest(data) }

// CheckPath says whether a snapshot may have a file with the path.
func CheckPath(name string, kind Kind) error { return checkPath(name, kind) }

// The bounds on manifests.
const (
	MaxManifest = maxManifest
	SumBefore   = sumBefore
	SumAfter    = sumAfter
)
