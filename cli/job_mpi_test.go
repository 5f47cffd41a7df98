//go:build mpi

package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mpirun is a command line of the program as so many processes on this machine.
func mpirun(t *testing.T, ranks int, args ...string) *exec.Cmd {
	t.Helper()
	launch := []string{"-np", strconv.Itoa(ranks)}
	text, err := exec.Command("mpirun", "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("mpirun --version: %v\n%s", err, text)
	}
	if strings.Contains(string(text), "Open MPI") {
		launch = append(launch, "--oversubscribe", "--bind-to", "none", "--allow-run-as-root")
	}
	return exec.Command("mpirun", append(append(launch, program), args...)...)
}

func mustRun(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// TestMPIEqualBits: 1, 2 and 4 processes with the same batch end in the same bits, with the same front.
func TestMPIEqualBits(t *testing.T) {
	images := noiseImages(t, 80)
	for name, args := range map[string][]string{
		"digits": {"--epochs", "3", "--pretrain-epochs", "3", "--batch", "64", "--etas", "8", "--threads", "1", "--random", "3",
			"--micro-batches", "4", "--pretrain-micro-batches", "4"},
		"20 steps of resnet20": {"--model", "resnet20", "--data", "folder:" + images, "--epochs", "5", "--pretrain-epochs", "1", "--batch", "32", "--hold-out", "0.2",
			"--etas", "3", "--recalibrate-images", "64", "--threads", "1", "--micro-batches", "4", "--pretrain-micro-batches", "4"},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(ranks int) string {
				dir := filepath.Join(t.TempDir(), "run")
				mustRun(t, mpirun(t, ranks, append([]string{"search", "--out", dir}, args...)...))
				return dir
			}
			alone := filepath.Join(t.TempDir(), "run")
			must(t, append([]string{"search", "--out", alone}, args...)...)
			want := results(t, alone)
			for _, ranks := range []int{2, 4} {
				mustEqual(t, fmt.Sprintf("%d processes", ranks), results(t, run(ranks)), want)
			}
			if name == "digits" {
				mustEqual(t, "one process of mpirun", results(t, run(1)), want)
			}
		})
	}
}

// TestMPIResumeWithFP32: of a run that has its fp32 net, processes need to share the system's steps alone.
func TestMPIResumeWithFP32(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, "search", "--out", dir, "--epochs", "2", "--pretrain-epochs", "1", "--batch", "60", "--micro-batches", "2", "--pretrain-micro-batches", "3", "--etas", "3", "--threads", "1")
	cmd := mpirun(t, 2, "search", "--out", dir, "--resume", "--etas", "3", "--threads", "1")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "fp32 net for itself") {
		t.Errorf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// noiseImages is a folder of 32x32 images of random pixels, so many of each of two classes to train on and a quarter of that to test on.
func noiseImages(t *testing.T, each int) string {
	t.Helper()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(7, 7))
	for part, count := range map[string]int{"train": each, "test": each / 4} {
		for _, class := range []string{"a", "b"} {
			for i := range count {
				picture := image.NewNRGBA(image.Rect(0, 0, 32, 32))
				for k := range picture.Pix {
					picture.Pix[k] = byte(random.UintN(256)) | byte(255*(k%4/3)) // opaque
				}
				writePNG(t, filepath.Join(dir, part, class, fmt.Sprintf("%03d.png", i)), picture)
			}
		}
	}
	return dir
}

// TestMPIKillAndResume kills one of the processes, another each time, at 10 moments. Each time the whole job ends with a line that names
// it, and what is resumed, by as many processes or fewer, has the bits of an undisturbed run in the end.
func TestMPIKillAndResume(t *testing.T) {
	args := func(dir string) []string {
		return []string{"search", "--out", dir, "--epochs", "30", "--pretrain-epochs", "10", "--batch", "64", "--etas", "8", "--threads", "1", "--save-every", "5",
			"--micro-batches", "4", "--pretrain-micro-batches", "4"}
	}
	undisturbed := filepath.Join(t.TempDir(), "run")
	must(t, args(undisturbed)...)
	random := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	run := filepath.Join(t.TempDir(), "run")
	line := args(run)
	for kill := range 10 {
		ranks := []int{2, 4}[kill%2]
		killRank(t, mpirun(t, ranks, line...), ranks, random)
		line = []string{"search", "--out", run, "--resume", "--etas", "8", "--threads", "1", "--save-every", "5"}
	}
	mustRun(t, mpirun(t, 2, line...))
	mustEqual(t, "after 10 kills", results(t, run), results(t, undisturbed))
}

// killRank kills a random rank of a job within some 200 ms of the second epoch that the job reports.
func killRank(t *testing.T, cmd *exec.Cmd, ranks int, random *rand.Rand) {
	t.Helper()
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	victim := random.IntN(ranks)
	killed := time.Time{}
	for lines, epochs := bufio.NewScanner(output), 0; lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), "images/s") {
			epochs++
		}
		if epochs == 2 && killed.IsZero() {
			time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond) // the moment is random, nothing waits for it
			if err := syscall.Kill(pidOfRank(t, cmd.Process.Pid, victim), syscall.SIGKILL); err != nil {
				t.Fatalf("rank %d: %v\n%s", victim, err, &said)
			}
			killed = time.Now()
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("the job ended with %v\n%s", err, &said)
	}
	if took := time.Since(killed); took > 8*time.Second {
		t.Errorf("the job ended %v after rank %d was killed", took, victim)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("vimps-gpu: rank %d on host %s died; go on with: vimps-gpu search --out", victim, host)
	if strings.Count(said.String(), want) != 1 || strings.Count(said.String(), "vimps-gpu: ") != 1 {
		t.Errorf("want the line %q once, and no other, in\n%s", want, &said)
	}
}

// pidOfRank is the process of a rank of a job on this machine.
func pidOfRank(t *testing.T, launcher, rank int) int {
	t.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", launcher))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			continue // it has ended
		}
		for _, v := range strings.Split(string(environment), "\x00") {
			if v == fmt.Sprintf("OMPI_COMM_WORLD_RANK=%d", rank) || v == fmt.Sprintf("PMI_RANK=%d", rank) {
				return pid
			}
		}
	}
	t.Fatalf("rank %d has no process", rank)
	return 0
}

// TestMPIRefusals: what a job cannot do is one line and an exit code.
func TestMPIRefusals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, short(dir, "--micro-batches", "2")...)
	for name, c := range map[string]struct {
		ranks int
		args  []string
		want  string
	}{
		"micro-batches":      {3, []string{"search", "--out", dir + "3"}, "3 processes cannot share --micro-batches 2 equally: start 1 or 2, or give a multiple of 3"},
		"one micro-batch":    {2, []string{"search", "--out", dir + "1", "--micro-batches", "1"}, "2 processes cannot share --micro-batches 1 equally: start 1, or give a multiple of 2"},
		"resumed by three":   {3, []string{"search", "--out", dir, "--resume"}, "3 processes cannot share --micro-batches 2 equally"},
		"one process":        {2, []string{"pick", "--run", dir, "--max-drop", "1"}, "pick is work for one process, and the job has 2"},
		"one process, bench": {2, []string{"bench", "run", "none.toml"}, "bench run is work for one process, and the job has 2"},
		"a run already":      {2, []string{"search", "--out", dir, "--micro-batches", "2"}, "holds a run already"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			cmd := mpirun(t, c.ranks, c.args...)
			cmd.Stderr = &stderr
			if err := cmd.Run(); err == nil {
				t.Error("the job ended well")
			}
			if text := stderr.String(); strings.Count(text, "vimps-gpu: ") != 1 || !strings.Contains(text, "vimps-gpu: "+c.want) && !strings.Contains(text, c.want) {
				t.Errorf("want one line with %q in\n%s", c.want, text)
			}
		})
	}
}

// TestMPIFineTunePoints: children fine-tuned by two processes are what one makes of them.
func TestMPIFineTunePoints(t *testing.T) {
	search, alone, out := filepath.Join(t.TempDir(), "search"), filepath.Join(t.TempDir(), "alone"), filepath.Join(t.TempDir(), "out")
	must(t, short(search)...)
	must(t, pointsOf(search, alone)...)
	mustRun(t, mpirun(t, 2, pointsOf(search, out)...))
	for _, point := range []string{"point-0", "point-1"} {
		mustEqual(t, point, results(t, filepath.Join(out, point)), results(t, filepath.Join(alone, point)))
	}
}
