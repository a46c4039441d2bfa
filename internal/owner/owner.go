// Package owner leaves to a service what the superuser does on its behalf.
package owner
