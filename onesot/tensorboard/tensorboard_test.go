package tensorboard

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The real tensorboard package reads what was written, and leaves out what a resumed run does anew.
func TestTensorBoardReads(t *testing.T) {
	python := os.Getenv("VIMPS_PYTHON")
	if python == "" {
		t.Skip("needs a Python that has tensorboard, named by VIMPS_PYTHON (make onnxruntime)")
	}
	dir := filepath.Join(t.TempDir(), "search")
	now := time.Unix(1_700_000_000, 5e8)
	first := written(t, dir, 10, now)
	for step := int64(10); step <= 40; step += 10 {
		if err := first.Scalars(step, now, []Scalar{{"loss", 1 / float64(step)}, {"entropy", math.NaN()}}); err != nil {
			t.Fatal(err)
		}
	}
	second := written(t, dir, 30, now.Add(time.Hour)) // killed after 40, its state was of 20
	if err := second.Scalars(30, now.Add(time.Hour), []Scalar{{"loss", 0.5}, {"entropy", 2}}); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, filepath.Join("testdata", "read_events.py"), dir).Output()
	if err != nil {
		t.Fatal(err, string(out))
	}
	var got map[string][][2]float64
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string][][2]float64{"loss": {{10, float64(float32(0.1))}, {20, float64(float32(0.05))}, {30, 0.5}}, "entropy": {{30, 2}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func written(t *testing.T, dir string, firstStep int64, now time.Time) *Writer {
	t.Helper()
	w, err := Create(dir, firstStep, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// The checksum of the standard's test vector (RFC 3720, B.4: 32 zero bytes).
func TestMaskedChecksum(t *testing.T) {
	crc := uint32(0x8a9136aa)
	if got, want := masked(make([]byte, 32)), (crc>>15|crc<<17)+0xa282ead8; got != want {
		t.Errorf("%08x, want %08x", got, want)
	}
}
