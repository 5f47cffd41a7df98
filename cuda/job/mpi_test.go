//go:build mpi

package job

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const withoutPMI = "srun started 4 processes but told MPI nothing; use srun --mpi=pmix (srun --mpi=list says what there is), or mpirun"

// shrink makes a rank's collectives go by many small exchanges, as only the largest do.
func shrink(w *World) {
	if m, ok := w.ranks.(*mpi); ok {
		m.stage, m.reducer.block = m.stage[:4096], 5000
	}
}

// TestMPICollectives: every rank finds what it was given, and in sums the bits of one process.
func TestMPICollectives(t *testing.T) {
	for _, size := range []int{1, 2, 3, 4} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			if said, code, _ := mpirun(t, size, "all collectives"); code != 0 || said != "" {
				t.Errorf("exit code %d, said %q", code, said)
			}
		})
	}
}

// TestMPIDeath: our line stands once on standard error, whatever mpirun says around it, and mpirun's exit code is not 0.
func TestMPIDeath(t *testing.T) {
	const advice, soon, late = "; " + adviceTest, 6 * time.Second, 12 * time.Second
	for act, c := range map[string]struct {
		want  string // without the host, which is HOST
		limit time.Duration
	}{
		"2 kill":         {"rank 2 on host HOST died" + advice, soon},
		"0 kill":         {"rank 0 on host HOST died" + advice, soon},
		"1 panic":        {"rank 1 on host HOST died" + advice, soon},
		"1 exit":         {"rank 1 on host HOST died" + advice, soon},
		"2 stop":         {"rank 2 on host HOST has not been heard of for 2 s" + advice, late},
		"0 stop":         {"rank 0 on host HOST has not been heard of for 2 s" + advice, late},
		"1 fail":         {"rank 1 on host HOST: no file on HOST" + advice, soon},
		"all fail alike": {"no such file", soon},
		"1 wedge":        {"the all-reduce has been under way for 2 s; rank 0 on host HOST, rank 1 on host HOST, rank 2 on host HOST are still in it" + advice, late},
	} {
		t.Run(act, func(t *testing.T) {
			host, err := os.Hostname()
			if err != nil {
				t.Fatal(err)
			}
			said, code, took := mpirun(t, 3, act)
			line := "vimps-gpu: " + strings.ReplaceAll(c.want, "HOST", host)
			t.Logf("exit code %d after %v:\n%s", code, took, said)
			// MPICH's mpirun kills the other ranks by SIGKILL at once when one dies, so that rank 0 may not come to say why.
			killed := strings.HasSuffix(act, "kill") || strings.HasSuffix(act, "panic") || strings.HasSuffix(act, "exit")
			if killed && !openMPI(t) && !strings.Contains(said, "vimps-gpu: ") {
				t.Skip("MPICH's mpirun killed rank 0 before it could say why")
			}
			if code == 0 {
				t.Error("mpirun's exit code is 0")
			}
			if strings.Count("\n"+said, "\n"+line+"\n") != 1 || strings.Count(said, "vimps-gpu: ") != 1 {
				t.Errorf("want once, and no other: %s", line)
			}
			if took > c.limit {
				t.Errorf("it took %v, want at most %v", took, c.limit)
			}
		})
	}
}

// TestMPIAlone: without a launcher, and as the only rank of one, MPI is not initialised: else it would print what it was
// told to.
func TestMPIAlone(t *testing.T) {
	if !openMPI(t) {
		t.Skip("only Open MPI can be told to print something at MPI_Init")
	}
	t.Setenv("OMPI_MCA_mpi_show_mca_params", "all")
	t.Setenv(actVariable, "all leave")
	out, err := exec.Command(os.Args[0]).CombinedOutput()
	if err != nil || string(out) != "all are here\n" {
		t.Errorf("%v: %q", err, out)
	}
	if said, code, _ := mpirun(t, 1, "all leave"); code != 0 || said != "" {
		t.Errorf("one rank: exit code %d, said %q", code, said)
	}
	if said, code, _ := mpirun(t, 2, "all leave"); code != 0 || !strings.Contains(said, "mpi_show_mca_params") {
		t.Errorf("two ranks, which must initialise it: exit code %d, said %q", code, said)
	}
}

// TestMPIForeignLauncher: a launcher that this MPI does not know makes worlds of one, which is an error.
func TestMPIForeignLauncher(t *testing.T) {
	if !openMPI(t) {
		t.Skip("MPICH looks for a server where its launcher's variables are set")
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "PMI_SIZE=4", "PMI_RANK=0", actVariable+"=all leave")
	out, err := c.CombinedOutput()
	want := "vimps-gpu: mpirun started 4 processes, but Open MPI v"
	if err == nil || !strings.HasPrefix(string(out), want) || !strings.Contains(string(out), " sees 1: ") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v: %q, want %s...", err, out, want)
	}
}

func openMPI(t *testing.T) bool {
	out, err := exec.Command("mpirun", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(out, []byte("Open MPI"))
}

// mpirun runs a job of this test binary; took is from the first collective to the end.
func mpirun(t *testing.T, size int, act string) (said string, code int, took time.Duration) {
	args := []string{"-np", fmt.Sprint(size), os.Args[0]}
	if openMPI(t) {
		args = append([]string{"--oversubscribe"}, args...)
		if os.Getuid() == 0 {
			args = append([]string{"--allow-run-as-root"}, args...)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "mpirun", args...)
	c.Env = append(os.Environ(), actVariable+"="+act)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 1))
	start := time.Now()
	c.Wait()
	if ctx.Err() != nil {
		t.Fatalf("mpirun hung: %s", stderr.String())
	}
	return stderr.String(), c.ProcessState.ExitCode(), time.Since(start)
}
