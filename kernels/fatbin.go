//go:build cuda

package kernels

import (
	"embed"
	"path"
	"strings"
)

//go:embed fatbin
var fatbins embed.FS

// Fatbins returns the CUDA kernels that this program carries: what nvcc made of each family's .cu, by the family's name. It is
// empty where `make kernels` had not been run before the build.
func Fatbins() map[string][]byte {
	images := map[string][]byte{}
	entries, _ := fatbins.ReadDir("fatbin") // embedded: it cannot fail
	for _, e := range entries {
		if family, ok := strings.CutSuffix(e.Name(), ".fatbin"); ok {
			images[family], _ = fatbins.ReadFile(path.Join("fatbin", e.Name()))
		}
	}
	return images
}
