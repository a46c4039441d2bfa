// Package docs holds the pages for users and operators, embedded, so that the
// tour has real documents to work on wherever it runs.
package docs

import (
	"embed"
	"io/fs"
)

//go:embed *.md
var pages embed.FS

// Pages returns the pages, in Markdown.
func Pages() fs.FS { return pages }
