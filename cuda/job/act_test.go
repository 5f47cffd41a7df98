package job

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The test binary is also a rank of the jobs that the tests start: actVariable says what the ranks do.
const (
	actVariable  = "JOB_TEST_ACT"      // "RANK ACTION", or "all ACTION"; the others go on
	rankVariable = "JOB_TEST_RANK"     // without MPI: "RANK SIZE DIR"
	patienceTest = 2 * time.Second     // of the ranks
	adviceTest   = "go on by --resume" // of the ranks
)

// act is a rank's life. It does not return.
func act() {
	w := actor()
	w.Advise(adviceTest)
	who, action, _ := strings.Cut(os.Getenv(actVariable), " ")
	chosen := who == "all" || who == strconv.Itoa(w.Rank())
	if w.Rank() == 0 {
		fmt.Println("all are here")
	}
	if action == "collectives" {
		checkCollectives(w)
		shrink(w)
		checkCollectives(w)
		w.Leave()
		os.Exit(0)
	}
	list := terms(w.Size(), 1000)
	for step := 0; ; step++ {
		if chosen && step == 3 {
			do(w, action)
		}
		if (action == "leave" || action == "late") && step == 5 {
			w.Leave()
			os.Exit(0)
		}
		w.SumOrdered(list[w.Rank():][:1], make([]float32, 1000))
	}
}

func do(w *World, action string) {
	switch action {
	case "leave":
	case "kill": // from beside the collectives, so that it dies in one of them
		time.AfterFunc(300*time.Millisecond, func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) })
	case "stop":
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "panic":
		panic("on purpose")
	case "exit": // as if the work were done
		os.Exit(0)
	case "fail":
		w.Fail(4, "no file on "+w.Host(w.Rank()))
	case "fail alike":
		w.Fail(4, "no such file")
	case "wedge": // in a collective, and never out of it
		w.enter("all-reduce")
		select {}
	case "late": // out of the collectives for longer than patience, which is no crime
		time.Sleep(patienceTest + patienceTest/2)
	default:
		panic("unknown action " + action)
	}
}

// actor makes this process a rank: by MPI where mpirun started it, by files where the test did.
func actor() *World {
	o := Options{Patience: patienceTest, Log: os.Stderr}
	if os.Getenv(rankVariable) == "" {
		w, err := Join(o)
		if err != nil {
			fmt.Fprintln(os.Stderr, "vimps-gpu:", err)
			os.Exit(1)
		}
		return w
	}
	var r fileRanks
	if _, err := fmt.Sscan(os.Getenv(rankVariable), &r.rank, &r.size, &r.dir); err != nil {
		panic(err)
	}
	r.count = new(int)
	w := &World{ranks: r}
	for rank := range r.size {
		w.hosts = append(w.hosts, fmt.Sprintf("n%d", rank+1))
	}
	var err error
	if w.watch, err = w.startWatch(o); err != nil {
		panic(err)
	}
	return w
}

// fileRanks is the ranks of a job without MPI: what a rank has to say it puts into a file, and the others wait for it.
type fileRanks struct {
	rank, size int
	dir        string
	count      *int // collectives so far
}

func (f fileRanks) number() (rank, size int) { return f.rank, f.size }
func (f fileRanks) leave()                   {}

func (f fileRanks) gather(b []byte) [][]byte {
	name := func(rank int) string { return filepath.Join(f.dir, fmt.Sprintf("%d.%d", *f.count, rank)) }
	defer func() { *f.count++ }()
	if err := os.WriteFile(name(f.rank)+".new", b, 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(name(f.rank)+".new", name(f.rank)); err != nil {
		panic(err)
	}
	all := make([][]byte, f.size)
	for r := range all {
		for all[r] == nil {
			b, err := os.ReadFile(name(r))
			if err == nil {
				all[r] = append([]byte{}, b...)
			} else {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	return all
}

func (f fileRanks) broadcast(b []byte) []byte { return f.gather(b)[0] }

func (f fileRanks) sumOrdered(terms [][]float32, sum []float32) { f.gather(nil) }

// checkCollectives ends the process with a line where a collective is wrong.
func checkCollectives(w *World) {
	wrong := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "WRONG: rank %d: "+format+"\n", append([]any{w.Rank()}, args...)...)
		os.Exit(1)
	}
	for _, n := range []int{0, 1, 1000, 100_000} {
		var b []byte
		if w.Rank() == 0 {
			b = pattern(n, 99)
		}
		if b = w.Broadcast(b); !bytes.Equal(b, pattern(n, 99)) {
			wrong("Broadcast of %d bytes", n)
		}
		all := w.Gather(pattern(n*w.Rank(), w.Rank()))
		if len(all) != w.Size() {
			wrong("Gather gave %d", len(all))
		}
		for r, b := range all {
			if !bytes.Equal(b, pattern(n*r, r)) {
				wrong("Gather of %d bytes from rank %d", n*r, r)
			}
		}
	}
	for r := range w.Size() {
		if !w.Any(w.Rank() == r) {
			wrong("Any, where rank %d says true", r)
		}
	}
	if w.Any(false) {
		wrong("Any, where nobody says true")
	}
	for _, n := range []int{0, 1, 2, 3, 1001, 50_000} {
		list, each := terms(12, n), 12/w.Size()
		own := list[w.Rank()*each:][:each]
		sum := make([]float32, n)
		w.SumOrdered(own, sum)
		want := serial(list)
		if !sameBits(sum, want) {
			wrong("SumOrdered of %d elements", n)
		}
		w.SumOrdered(own, own[0])
		if !sameBits(own[0], want) {
			wrong("SumOrdered of %d elements in place", n)
		}
	}
}

func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed)
	}
	return b
}
