//go:build cuda

package cuda

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vimps-gpu/cuda/simcount"
)

// A syncPoint is a barrier or a wait in the PTX of a kernel; at line 0 the kernel itself.
type syncPoint struct {
	kernel string
	line   int
	text   string
}

// parityTests are the tests that run kernels, of every family.
const parityTests = "^Test(Sim|Small)|OnGPU$"

// verdicts are how sure it is that a point is needed, rising; see cuda/sim/driver_mutate.cpp.
var verdicts = []string{"never run", "run", "missed", "caught"}

func rank(verdict string) int {
	return slices.IndexFunc(verdicts, func(v string) bool { return strings.HasPrefix(verdict, v) })
}

// readMutations gives the best verdict on each point in a report of VIMPS_SIM_MUTATE.
func readMutations(report []byte) (map[syncPoint]string, error) {
	best := map[syncPoint]string{}
	for lines := bufio.NewScanner(bytes.NewReader(report)); lines.Scan(); {
		field := strings.SplitN(lines.Text(), "\t", 4)
		if len(field) != 4 {
			return nil, fmt.Errorf("line %q: want kernel, line, text and verdict", lines.Text())
		}
		line, err := strconv.Atoi(field[1])
		if err != nil || rank(field[3]) < 0 {
			return nil, fmt.Errorf("line %q: unknown line or verdict", lines.Text())
		}
		p := syncPoint{field[0], line, field[2]}
		if was, seen := best[p]; !seen || rank(field[3]) >= rank(was) {
			best[p] = field[3]
		}
	}
	return best, nil
}

// Every kernel of the program is run by the tests of this package, and each of its barriers and cp.async waits is needed: without it the
// simulated GPU reports a fault, or the kernel's results are others.
func TestSimMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while: it runs the package's tests of kernels with each kernel's mutants")
	}
	_, gpu := onBoth(t, "tf32")
	if _, simulated := simcount.Counter("launches"); !simulated {
		skipUnlessSet(t, "needs the simulated GPU of make sim in VIMPS_LIBCUDA, this is "+gpu.Name())
	}
	points := runMutants(t)
	counts := map[string]int{}
	for _, p := range slices.SortedFunc(maps.Keys(points), func(a, b syncPoint) int {
		return cmp.Or(cmp.Compare(a.kernel, b.kernel), cmp.Compare(a.line, b.line))
	}) {
		verdict := points[p]
		kind, _, _ := strings.Cut(verdict, ":")
		counts[kind]++
		switch {
		case verdict == "never run":
			t.Errorf("no test runs the kernel %s", p.kernel)
		case kind == "missed" && points[syncPoint{p.kernel, 0, "kernel"}] == "run":
			t.Errorf("%s, PTX line %d, %s: %s", p.kernel, p.line, p.text, verdict)
		}
	}
	t.Log(counts)
	if counts["run"] == 0 || counts["caught by fault"] == 0 {
		t.Errorf("the report holds %v", counts)
	}
}

// runMutants runs the tests of kernels in a process of their own that asks for mutants.
func runMutants(t *testing.T) map[syncPoint]string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if end, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-5*time.Second))
		defer cancel()
	}
	report := filepath.Join(t.TempDir(), "mutants")
	child := exec.CommandContext(ctx, program, "-test.run="+parityTests, "-test.skip=^TestSimMutations$", "-test.timeout=0")
	child.Env = append(os.Environ(), "VIMPS_SIM_MUTATE="+report)
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("the tests with mutants: %v\n%s", err, out[max(0, len(out)-4000):])
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal("the tests with mutants wrote no report: ", err)
	}
	points, err := readMutations(text)
	if err != nil {
		t.Fatal(err)
	}
	return points
}
