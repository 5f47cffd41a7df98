//go:build cuda

package driver

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// answer is what a process of a test printed, and how it ended.
type answer struct {
	text string
	code int
}

// ranks runs a case of TestSimComm's processes in n of them, which share an id and have a simulated GPU each.
func ranks(t *testing.T, name string, n int, env func(rank int) []string) []answer {
	t.Helper()
	id, err := NCCLID()
	ok(t, err)
	outs, children := make([]bytes.Buffer, n), make([]*exec.Cmd, n)
	for rank := range children {
		c := exec.Command(os.Args[0], "-test.run=^TestSimComm$")
		c.Env = append(os.Environ(), "VIMPS_TEST_CASE="+name, "VIMPS_TEST_RANK="+strconv.Itoa(rank), "VIMPS_TEST_RANKS="+strconv.Itoa(n),
			"VIMPS_TEST_ID="+hex.EncodeToString(id), "GORACE=atexit_sleep_ms=0")
		c.Env = append(c.Env, env(rank)...)
		c.Stdout, c.Stderr = &outs[rank], &outs[rank]
		ok(t, c.Start())
		children[rank] = c
	}
	answers := make([]answer, n)
	for rank, c := range children {
		_ = c.Wait() // its code tells
		answers[rank] = answer{outs[rank].String(), c.ProcessState.ExitCode()}
	}
	return answers
}

// oneLine tells whether a process ended with an error, in one line that begins so.
func (a answer) oneLine(begin string) bool {
	return a.code == 3 && strings.Count(a.text, "\n") == 1 && strings.HasPrefix(a.text, begin)
}

// commCases are what a rank does.
var commCases = map[string]func(rank, size int, id []byte) error{
	"sums":   sums,
	"own id": func(rank, size int, _ []byte) error { return sums(rank, size, nil) },
	// The second sum of rank 1 is of another length, or it dies before it.
	"length": func(rank, size int, id []byte) error { return twice(rank, size, id, func() int { return 10 - rank }) },
	"dies": func(rank, size int, id []byte) error {
		return twice(rank, size, id, func() int {
			if rank == 1 {
				os.Exit(0)
			}
			return 10
		})
	},
	// The first sum never comes back.
	"wedged": func(rank, size int, id []byte) error {
		c, err := Open(0, nil)
		if err != nil {
			return err
		}
		m, err := c.NewComm(id, rank, size)
		if err != nil {
			return err
		}
		c.SetPatience(20 * time.Millisecond)
		err = m.AllReduce(Floats{nil, 0})
		if later := cmp.Or(m.Join(), m.Free()); later != err || c.Close() != nil {
			return fmt.Errorf("after %w: %w", err, later)
		}
		return err
	},
}

// sums sums twice over the ranks, what is copied in before, and copies it out, what was between in the meantime as well.
func sums(rank, size int, id []byte) (err error) {
	if id == nil {
		if id, err = NCCLID(); err != nil {
			return err
		}
	}
	c, err := Open(0, nil)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, c.Close()) }()
	m, err := c.NewComm(id, rank, size)
	if err != nil {
		return err
	}
	const n = 150_001
	var p [3]unsafe.Pointer
	for i := range p {
		if p[i], err = c.Alloc(4 * n); err != nil {
			return err
		}
		defer c.Free(p[i])
	}
	for i := range 2 {
		x, y, sum := ramp(n, float32(rank+i)), make([]float32, n), float32(size*(size-1)/2)
		err := cmp.Or(
			c.CopyIn(p[0], unsafe.Pointer(&x[0]), 4*n), c.CopyOnDevice(p[1], p[0], 4*n),
			m.AllReduce(Floats{p[0], n}), c.CopyOnDevice(p[2], p[1], 4*n),
			m.AllReduce(Floats{p[1], 100}, Floats{unsafe.Add(p[1], 4*100), n - 100}), m.Join())
		if err != nil {
			return err
		}
		for _, at := range []unsafe.Pointer{p[1], p[0]} {
			if err := c.CopyOut(unsafe.Pointer(&y[0]), at, 4*n); err != nil {
				return err
			}
			for k, v := range y {
				if v != float32(size*(k+i))+sum {
					return fmt.Errorf("rank %d: sum %d is %g", rank, k, v)
				}
			}
		}
		if err := c.CopyOut(unsafe.Pointer(&y[0]), p[2], 4*n); err != nil || !slices.Equal(x, y) {
			return fmt.Errorf("rank %d: what was copied beside the sum went wrong: %w", rank, err)
		}
	}
	return m.Free()
}

func twice(rank, size int, id []byte, second func() int) error {
	c, err := Open(0, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.NewComm(id, rank, size)
	if err != nil {
		return err
	}
	p, err := c.Alloc(40)
	if err != nil {
		return err
	}
	return cmp.Or(m.AllReduce(Floats{p, 10}), m.AllReduce(Floats{p, second()}), m.Join(), c.Synchronize())
}

func TestSimComm(t *testing.T) {
	if name := os.Getenv("VIMPS_TEST_CASE"); name != "" {
		rank, _ := strconv.Atoi(os.Getenv("VIMPS_TEST_RANK"))
		size, _ := strconv.Atoi(os.Getenv("VIMPS_TEST_RANKS"))
		id, _ := hex.DecodeString(os.Getenv("VIMPS_TEST_ID"))
		if err := commCases[name](rank, size, id); err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	needsNCCL(t)
	for _, c := range []struct {
		n   int
		env string
	}{{1, ""}, {2, ""}, {2, "VIMPS_SIM_ORDER=early"}, {4, ""}} {
		for rank, a := range ranks(t, "sums", c.n, func(int) []string { return []string{c.env} }) {
			if a != (answer{}) {
				t.Errorf("%+v: rank %d: %+v", c, rank, a)
			}
		}
	}
}

func needsNCCL(t *testing.T) {
	t.Helper()
	if os.Getenv(NCCLVariable) == "" || os.Getenv(LibraryVariable) == "" {
		t.Skip("needs VIMPS_LIBCUDA and VIMPS_LIBNCCL, the simulated GPU and the stand-in for NCCL: make test-sim sets them")
	}
}

const gone = "an all-reduce under way: remote process exited or there was a network error (ncclRemoteError, 6); NCCL_DEBUG=WARN makes NCCL tell more\n"

// Whatever call of NCCL fails, the rank ends with one line that names it, and the other with one that says that it waits in vain.
func TestSimCommCallsFail(t *testing.T) {
	needsNCCL(t)
	const before, after = "gpu:0: ncclCommInitRank: remote process exited", "gpu:0: " + gone
	for _, c := range []struct{ inject, name, want, other string }{
		{"ncclGetVersion:1:3", "sums", "ncclGetVersion: internal error (ncclInternalError, 3); NCCL_DEBUG=WARN makes NCCL tell more\n", before},
		{"ncclGetUniqueId:1:2", "own id", "ncclGetUniqueId: unhandled system error (ncclSystemError, 2)", before},
		{"ncclCommInitRank:1:5", "sums", "gpu:0: ncclCommInitRank: invalid usage (ncclInvalidUsage, 5)", before},
		{"ncclGroupStart:1:3", "sums", "gpu:0: ncclGroupStart: internal error", after},
		{"ncclAllReduce:1:1", "sums", "gpu:0: ncclAllReduce: unhandled cuda error (ncclUnhandledCudaError, 1)", after},
		{"ncclAllReduce:3:4", "sums", "gpu:0: ncclAllReduce: invalid argument (ncclInvalidArgument, 4)", after},
		{"ncclAllReduce:2:99", "sums", "gpu:0: ncclAllReduce: unknown result code (ncclResult_t, 99)", after},
		{"ncclGroupEnd:2:2", "sums", "gpu:0: ncclGroupEnd: unhandled system error", after},
		{"ncclCommGetAsyncError:2:3", "sums", "gpu:0: ncclCommGetAsyncError: internal error", after},
		{"async:2:6", "sums", after, after},
		{"ncclCommDestroy:1:3", "sums", "gpu:0: ncclCommDestroy: internal error", ""},
		// What NCCL is told when all is lost may fail too.
		{"ncclAllReduce:1:1,ncclCommAbort:0:3", "sums", "gpu:0: ncclAllReduce: unhandled cuda error", after},
	} {
		answers := ranks(t, c.name, 2, func(rank int) []string {
			if rank == 0 {
				return []string{"VIMPS_TEST_CASE=sums", "VIMPS_NCCL_PATIENCE=2"}
			}
			return []string{"VIMPS_NCCL_FAIL=" + c.inject}
		})
		if !answers[1].oneLine(c.want) {
			t.Errorf("%s: %+v, want %s", c.inject, answers[1], c.want)
		}
		if a := answers[0]; c.other == "" && a != (answer{}) || c.other != "" && !a.oneLine(c.other) {
			t.Errorf("%s: the other rank: %+v, want %s", c.inject, a, c.other)
		}
	}
}

// Driver calls on behalf of a communicator fail as others do.
func TestSimCommDriverFails(t *testing.T) {
	needsNCCL(t)
	for _, inject := range []string{"cuStreamCreate:3", "cuEventRecord:3", "cuStreamWaitEvent:1", "cuStreamWaitEvent:3"} {
		a := ranks(t, "sums", 1, func(int) []string { return []string{"VIMPS_SIM_FAIL=" + inject + ":719"} })[0]
		if a.code != 3 || strings.Count(a.text, "\n") != 1 || !strings.Contains(a.text, "CUDA_ERROR_LAUNCH_FAILED, 719)") {
			t.Errorf("%s: %+v", inject, a)
		}
	}
}

// A rank that dies, one that sums something else and one that hangs end the wait.
func TestSimCommNoticesOthers(t *testing.T) {
	needsNCCL(t)
	for _, c := range []struct{ name, env, want string }{
		{"dies", "VIMPS_NCCL_PATIENCE=2", "gpu:0: " + gone},
		{"length", "VIMPS_NCCL_PATIENCE=2", "gpu:0: an all-reduce under way: invalid usage (ncclInvalidUsage, 5)"},
		{"wedged", "VIMPS_NCCL_WEDGE=ncclAllReduce:1", "gpu:0: ncclAllReduce: the GPU does not answer: no progress for 200ms\n"},
	} {
		if a := ranks(t, c.name, 2, func(int) []string { return []string{c.env} })[0]; !a.oneLine(c.want) {
			t.Errorf("%s: %+v, want %s", c.name, a, c.want)
		}
	}
}

// A machine without NCCL, with something else of its name or with one that is too old hears what to do about it.
func TestSimWithoutNCCL(t *testing.T) {
	needsNCCL(t)
	library := func(name, code string) string {
		path := filepath.Join(t.TempDir(), name)
		ok(t, os.WriteFile(path+".c", []byte(code), 0o600))
		if out, err := exec.Command("gcc", "-shared", "-fPIC", path+".c", "-o", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return path
	}
	none, empty := "/nonexistent/libnccl.so.2", library("empty", "")
	old := "int ncclGetVersion(int *v) { return *v = 2307, 0; }\n"
	for _, name := range []string{"GetUniqueId", "CommInitRank", "AllReduce", "GroupStart", "GroupEnd", "CommGetAsyncError", "CommDestroy", "CommAbort", "GetErrorString"} {
		old += "int nccl" + name + "(void) { return 0; }\n"
	}
	old = library("old", old)
	for path, want := range map[string]string{
		none: none + " cannot be loaded: " + none + ": cannot open shared object file: No such file or directory; " +
			"NCCL sums over GPUs: pip install nvidia-nccl-cu13 brings it, and VIMPS_LIBNCCL=/path/to/libnccl.so.2 says where it is\n",
		empty: empty + " cannot be loaded: it has no function ncclGetVersion; ",
		old:   old + " is NCCL 2.3.7; 2.4 or newer is needed\n",
	} {
		for _, name := range []string{"sums", "own id"} {
			if a := ranks(t, name, 1, func(int) []string { return []string{"VIMPS_LIBNCCL=" + path} })[0]; !a.oneLine(want) {
				t.Errorf("%+v, want %s", a, want)
			}
		}
	}
}
