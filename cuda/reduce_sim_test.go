//go:build cuda

package cuda

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// answer is what a process of a test printed, and how it ended.
type answer struct {
	text string
	code int
}

// ranks runs a test of this binary in so many processes, which share an id and have a simulated GPU each; env gives a rank more of an
// environment.
func ranks(t *testing.T, test string, n int, env func(rank int) []string) []answer {
	t.Helper()
	id, err := NCCLID()
	if err != nil {
		t.Fatal(err)
	}
	outs, children := make([]bytes.Buffer, n), make([]*exec.Cmd, n)
	for rank := range children {
		c := exec.Command(os.Args[0], "-test.run=^"+test+"$")
		c.Env = append(os.Environ(), "VIMPS_TEST_RANK="+strconv.Itoa(rank), "VIMPS_TEST_RANKS="+strconv.Itoa(n), "VIMPS_TEST_ID="+hex.EncodeToString(id),
			"GORACE=atexit_sleep_ms=0")
		c.Env = append(c.Env, env(rank)...)
		c.Stdout, c.Stderr = &outs[rank], &outs[rank]
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children[rank] = c
	}
	answers := make([]answer, n)
	for rank, c := range children {
		_ = c.Wait() // its code tells
		answers[rank] = answer{outs[rank].String(), c.ProcessState.ExitCode()}
	}
	return answers
}

// thisRank is what ranks told this process; ok is false in the test itself.
func thisRank(t *testing.T) (rank, size int, id []byte, ok bool) {
	t.Helper()
	rank, err := strconv.Atoi(os.Getenv("VIMPS_TEST_RANK"))
	if err != nil {
		if os.Getenv("VIMPS_LIBNCCL") == "" || os.Getenv("VIMPS_LIBCUDA") == "" {
			t.Skip("needs VIMPS_LIBCUDA and VIMPS_LIBNCCL, the simulated GPU and the stand-in for NCCL: make test-sim sets them")
		}
		return 0, 0, nil, false
	}
	size, _ = strconv.Atoi(os.Getenv("VIMPS_TEST_RANKS"))
	if id, err = hex.DecodeString(os.Getenv("VIMPS_TEST_ID")); err != nil {
		t.Fatal(err)
	}
	return rank, size, id, true
}

// exit ends a process of a test with its one line.
func exit(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	os.Exit(0)
}

// rankValues are n numbers of which no two ranks have the same, and whose sum depends on the order.
func rankValues(rank, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Sin(float64(1+i+rank*7919))) * float32(math.Exp2(float64((i+3*rank)%9)))
	}
	return v
}

func rankSum(ranks, n int) []float32 {
	sum := rankValues(0, n)
	for r := 1; r < ranks; r++ {
		for i, v := range rankValues(r, n) {
			sum[i] += v
		}
	}
	return sum
}

// reduceOnce sums over the ranks what ops before it made, while another op works on, and has an op behind it read the sums.
func reduceOnce(rank, size int, id []byte, sync bool) error {
	dev, err := Open(Options{Device: "gpu:0", Sync: sync})
	if err != nil {
		return err
	}
	defer dev.Close()
	return Guard(func() error {
		r, err := dev.NewReducer(id, rank, size)
		if err != nil {
			return err
		}
		defer r.Free()
		lengths := []int{150_001, 1, 3000}
		var given, reduced, read []*Tensor
		for _, n := range lengths {
			given = append(given, dev.From(rankValues(rank, n), n))
			reduced, read = append(reduced, dev.New(Float32, n)), append(read, dev.New(Float32, n))
		}
		beside := dev.New(Float32, lengths[0])
		make := dev.Record(func() {
			for i := range given {
				Zero(reduced[i])
				AddScaled(reduced[i], given[i], nil)
				Zero(read[i])
			}
		})
		defer make.Free()
		other := dev.Record(func() { Zero(beside); AddScaled(beside, given[0], nil) })
		defer other.Free()
		readAll := dev.Record(func() {
			for i := range read {
				AddScaled(read[i], reduced[i], nil)
			}
		})
		defer readAll.Free()
		for range 3 { // as steps do
			make.Launch()
			r.Start(reduced[0])
			other.Launch()
			r.Start(reduced[1:]...)
			r.Wait()
			readAll.Launch()
			for i, n := range lengths {
				if !slices.Equal(read[i].Get(nil), rankSum(size, n)) {
					return fmt.Errorf("rank %d: tensor %d of %d numbers is not the sum", rank, i, n)
				}
			}
			if !slices.Equal(beside.Get(nil), rankValues(rank, lengths[0])) {
				return fmt.Errorf("rank %d: the work beside the sum went wrong", rank)
			}
		}
		return nil
	})
}

// Every rank gets the sums, in whatever order a GPU does what no event keeps back.
func TestSimReducerSums(t *testing.T) {
	if rank, size, id, ok := thisRank(t); ok {
		exit(reduceOnce(rank, size, id, os.Getenv("VIMPS_TEST_SYNC") != ""))
	}
	for _, c := range []struct {
		n   int
		env string
	}{{2, ""}, {2, "VIMPS_SIM_ORDER=early"}, {1, "VIMPS_TEST_SYNC=1"}} {
		for rank, a := range ranks(t, "TestSimReducerSums", c.n, func(int) []string { return []string{c.env} }) {
			if a != (answer{}) {
				t.Errorf("%+v: rank %d: %+v", c, rank, a)
			}
		}
	}
}

// A failure on the way is an error of Guard, and what comes after it on the way out says nothing.
func TestSimReducerFails(t *testing.T) {
	if rank, size, id, ok := thisRank(t); ok {
		exit(reduceOnce(rank, size, id, false))
	}
	const want = "gpu:0: an all-reduce under way: remote process exited or there was a network error (ncclRemoteError, 6); NCCL_DEBUG=WARN makes NCCL tell more\n"
	if a := ranks(t, "TestSimReducerFails", 1, func(int) []string { return []string{"VIMPS_NCCL_FAIL=async:4:6"} })[0]; a != (answer{want, 3}) {
		t.Error(a)
	}
}

// What Start and Wait put on the streams, in order: the sum is on its own stream, behind an event of the compute stream, where the next
// graph goes without waiting; and that one waits for the sums where Wait says so.
func TestSimReducerOrder(t *testing.T) {
	if rank, size, id, ok := thisRank(t); ok {
		exit(reduceOnce(rank, size, id, false))
	}
	log := filepath.Join(t.TempDir(), "log")
	if a := ranks(t, "TestSimReducerOrder", 1, func(int) []string { return []string{"VIMPS_SIM_TRACE=" + log, "VIMPS_NCCL_LOG=" + log} })[0]; a != (answer{}) {
		t.Fatal(a)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	streams := map[string]string{}
	var calls []string
	for _, m := range regexp.MustCompile(`(?m)^(cuGraphLaunch|cuEventRecord|cuStreamWaitEvent|ncclAllReduce|ncclGroupEnd)\((?:.*, )?(0x\w+)?(?:, 0x\w+, 0)?\)`).FindAllStringSubmatch(string(text), -1) {
		name, stream := m[1], m[2]
		if name == "cuStreamWaitEvent" {
			stream = regexp.MustCompile(`\((0x\w+)`).FindStringSubmatch(m[0])[1]
		}
		if name == "cuGraphLaunch" && streams[stream] == "" {
			streams[stream] = "compute"
		}
		if name == "ncclAllReduce" && streams[stream] == "" {
			streams[stream] = "sums"
		}
		calls = append(calls, name+" "+stream)
	}
	for i, c := range calls {
		name, stream, _ := strings.Cut(c, " ")
		calls[i] = strings.TrimSpace(name + " " + streams[stream])
	}
	first := slices.Index(calls, "cuGraphLaunch compute")
	want := []string{"cuGraphLaunch compute",
		"cuEventRecord compute", "cuStreamWaitEvent sums", "ncclAllReduce sums", "ncclGroupEnd",
		"cuGraphLaunch compute",
		"cuEventRecord compute", "cuStreamWaitEvent sums", "ncclAllReduce sums", "ncclAllReduce sums", "ncclGroupEnd",
		"cuEventRecord sums", "cuStreamWaitEvent compute", "cuGraphLaunch compute"}
	if got := calls[max(0, first):]; len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(got[:min(len(got), len(want))], "\n"), strings.Join(want, "\n"))
	}
}

// Within a recording, and with a tensor that is not what NCCL sums, Start is a programmer's mistake.
func TestSimReducerRefuses(t *testing.T) {
	if rank, size, id, ok := thisRank(t); ok {
		dev, err := Open(Options{Device: "gpu:0"})
		if err != nil {
			exit(err)
		}
		r, err := dev.NewReducer(id, rank, size)
		if err != nil {
			exit(err)
		}
		x := dev.New(Float32, 4)
		mustPanic(t, func() { dev.Record(func() { r.Start(x) }) }, "Reducer.Start", "recording")
		mustPanic(t, func() { dev.Record(func() { r.Wait() }) }, "Reducer.Wait", "recording")
		mustPanic(t, func() { r.Start(dev.New(Int32, 4)) }, "Reducer.Start", "i32[4]")
		mustPanic(t, func() { r.Start(dev.NewAct(1, 1, 2, 2, 3)) }, "Reducer.Start", "f32[1 2 2 3]", "border of 1")
		host := open(t, Options{Device: "host"})
		mustPanic(t, func() { r.Start(host.New(Float32, 4)) }, "Reducer.Start", "device")
		mustPanic(t, func() { _, _ = host.NewReducer(id, 0, 1) }, "NewReducer", "host")
		mustPanic(t, func() { _, _ = dev.NewReducer(id, 1, 1) }, "NewReducer", "rank 1 of 1")
		r.Free()
		return
	}
	if a := ranks(t, "TestSimReducerRefuses", 1, func(int) []string { return nil })[0]; a.code != 0 {
		t.Error(a.text)
	}
}
