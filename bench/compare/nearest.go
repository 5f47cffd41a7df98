package compare

import (
	"fmt"

	"vimps-gpu/onesot/method"
)

// unknown is the error of a word that is not among those known.
func unknown(what, word string, known []string) error {
	if len(known) == 0 {
		return fmt.Errorf("%s %q is unknown", what, word)
	}
	return fmt.Errorf("%s %q is unknown; the nearest is %q", what, word, method.Nearest(word, known))
}
