package httpapi

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// find returns an operation of the document.
func find(doc *huma.OpenAPI, method, path string) *huma.Operation {
	item := doc.Paths[path]
	switch method {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	case http.MethodDelete:
		return item.Delete
	}
	panic("httpapi: no such method: " + method)
}

// declare documents the problems that an operation can answer with.
func declare(api huma.API, method, path string, statuses []int) {
	registry := api.OpenAPI().Components.Schemas
	problem := registry.Schema(reflect.TypeFor[Problem](), true, "")
	op := find(api.OpenAPI(), method, path)
	delete(op.Responses, "default")
	for _, status := range statuses {
		key := strconv.Itoa(status)
		if op.Responses[key] != nil {
			continue
		}
		op.Responses[key] = &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{problemType: {Schema: problem}},
		}
	}
	// huma's own form of errors, which no client sees.
	delete(registry.Map(), "ErrorModel")
	delete(registry.Map(), "ErrorDetail")
}

// specRoutes serves the document, as it is when all operations are there.
func (s *server) specRoutes() {
	for path, form := range map[string]struct {
		media  string
		encode func(*huma.OpenAPI) ([]byte, error)
	}{
		"GET /openapi.json": {"application/openapi+json", (*huma.OpenAPI).MarshalJSON},
		"GET /openapi.yaml": {"application/openapi+yaml", (*huma.OpenAPI).YAML},
	} {
		body, err := form.encode(s.api.OpenAPI())
		if err != nil {
			panic(err) // it is the same on each run, and tested
		}
		s.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", form.media)
			_, _ = w.Write(body)
		})
	}
}
