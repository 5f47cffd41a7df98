package job

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const stillHere = -2 // instead of an exit code: the rank was stopped, and the test ended it

// TestWatchdog: what the ranks of a job print and how they end, whatever becomes of one of them.
func TestWatchdog(t *testing.T) {
	dies, soon := "vimps-gpu: rank %d on host n%d died; go on by --resume", 5*time.Second
	silent, late := "vimps-gpu: rank %d on host n%d has not been heard of for 2 s; go on by --resume", 9*time.Second
	for _, c := range []struct {
		act   string
		want  string // on standard error of all ranks together
		codes []int
		limit time.Duration // from the first collective to the last exit
	}{
		{"all leave", "", []int{0, 0, 0}, soon},
		{"1 late", "", []int{0, 0, 0}, 2 * late},
		{"2 kill", fmt.Sprintf(dies, 2, 3), []int{1, 1, -1}, soon},
		{"1 exit", fmt.Sprintf(dies, 1, 2), []int{1, 0, 1}, soon},
		{"0 kill", fmt.Sprintf(dies, 0, 1), []int{-1, 1, 1}, soon},
		{"2 stop", fmt.Sprintf(silent, 2, 3), []int{1, 1, stillHere}, late},
		{"0 stop", fmt.Sprintf(silent, 0, 1), []int{stillHere, 1, 1}, late},
		{"1 fail", "vimps-gpu: rank 1 on host n2: no file on n2; go on by --resume", []int{4, 4, 4}, soon + grace},
		{"0 fail", "vimps-gpu: rank 0 on host n1: no file on n1; go on by --resume", []int{4, 4, 4}, soon + grace},
		{"all fail alike", "vimps-gpu: no such file", []int{4, 4, 4}, soon},
		{"1 wedge", "vimps-gpu: the all-reduce has been under way for 2 s; %s; go on by --resume", []int{1, 1, 1}, late},
	} {
		t.Run(c.act, func(t *testing.T) {
			t.Parallel()
			said, codes, took := startRanks(t, 3, c.act)
			if strings.HasSuffix(c.act, "wedge") {
				// The others wait for rank 1 in the same one.
				c.want = fmt.Sprintf(c.want, "rank 0 on host n1, rank 1 on host n2, rank 2 on host n3 are still in it")
			}
			if c.want != "" {
				c.want += "\n"
			}
			if said != c.want {
				t.Errorf("said %q, want %q", said, c.want)
			}
			if !slices.Equal(codes, c.codes) {
				t.Errorf("exit codes %v, want %v", codes, c.codes)
			}
			if took > c.limit {
				t.Errorf("it took %v, want at most %v", took, c.limit)
			}
		})
	}
	t.Run("1 panic", func(t *testing.T) {
		t.Parallel()
		said, codes, _ := startRanks(t, 3, "1 panic")
		if line := fmt.Sprintf(dies, 1, 2) + "\n"; strings.Count(said, line) != 1 || strings.Count(said, "vimps-gpu: ") != 1 {
			t.Errorf("said %q, want %q once among what Go says", said, line)
		}
		if want := []int{1, 2, 1}; !slices.Equal(codes, want) {
			t.Errorf("exit codes %v, want %v", codes, want)
		}
	})
}

// startRanks runs the ranks of a job without MPI to their end. What they say on standard error comes in the order in
// which it was said.
func startRanks(t *testing.T, size int, act string) (said string, codes []int, took time.Duration) {
	dir := t.TempDir()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var ranks []*exec.Cmd
	var here bytes.Buffer
	ready := make(chan struct{})
	for r := range size {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), actVariable+"="+act, rankVariable+"="+fmt.Sprintf("%d %d %s", r, size, dir))
		c.Stderr = writer
		if r == 0 {
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			go func() { io.CopyN(&here, out, 1); close(ready) }()
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ranks = append(ranks, c)
	}
	writer.Close()
	<-ready
	start := time.Now()
	stopped, hung := -1, time.AfterFunc(time.Minute, func() {
		for _, c := range ranks {
			c.Process.Kill()
		}
	})
	defer hung.Stop()
	codes = make([]int, size)
	for r := range ranks {
		if act == fmt.Sprint(r)+" stop" {
			stopped = r
			continue
		}
		ranks[r].Wait()
		codes[r] = ranks[r].ProcessState.ExitCode()
	}
	took = time.Since(start)
	if stopped >= 0 {
		codes[stopped] = stillHere
		if !isStopped(t, ranks[stopped].Process.Pid) {
			t.Errorf("rank %d is not stopped", stopped)
		}
		ranks[stopped].Process.Kill()
		ranks[stopped].Wait()
	}
	all, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(all), codes, took
}

func isStopped(t *testing.T, pid int) bool {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, syscall.WUNTRACED|syscall.WNOHANG, nil); err != nil {
		t.Fatal(err)
	}
	return status.Stopped()
}

// TestStrangersAreDropped: a connection without the token gets no answer and no place, one with it gets rank 0's.
func TestStrangersAreDropped(t *testing.T) {
	h, err := newHub(&watch{hosts: []string{"a", "b"}, patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer h.listener.Close()
	greet := func(token []byte, rank byte) []byte {
		conn, err := net.Dial("tcp", h.meeting.Addresses[0])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		conn.Write(append(slices.Clone(token), rank, 0, 0, 0))
		answer := make([]byte, tokenSize)
		n, _ := io.ReadFull(conn, answer)
		return answer[:n]
	}
	if got := greet(make([]byte, tokenSize), 1); len(got) > 0 {
		t.Errorf("a stranger was answered %x", got)
	}
	if got := greet(h.meeting.Token, 1); !bytes.Equal(got, h.meeting.Answer) {
		t.Errorf("a rank was answered %x, want %x", got, h.meeting.Answer)
	}
	if h.lines[1] != nil {
		t.Error("a connection that said nothing has a place")
	}
}

// TestNobodyThere: where rank 0 cannot be reached, or another program answers, the error says where it was sought.
func TestNobodyThere(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			conn.Write(make([]byte, tokenSize))
			conn.Close()
		}
	}()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	w := &watch{rank: 1, hosts: []string{"a", "b"}, patience: time.Second, moved: func() uint64 { return 0 }}
	m := meeting{[]string{other.Addr().String(), closed.Addr().String()}, random(), random()}
	_, err = newSpoke(w, m)
	if want := "rank 1 on host b cannot reach rank 0 on host a by TCP, at " + strings.Join(m.Addresses, ", ") + ": "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s...", err, want)
	}
}
