//go:build !cuda

package kernels

// Fatbins is empty: this program was built without the tag cuda.
func Fatbins() map[string][]byte { return nil }
