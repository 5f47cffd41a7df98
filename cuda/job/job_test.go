package job

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv(actVariable) != "" {
		act()
	}
	os.Exit(m.Run())
}

// TestAlone: a World of one gives back what it gets, sums in order, and leaves nothing to leave.
func TestAlone(t *testing.T) {
	for name := range map[string]bool{"OMPI_COMM_WORLD_SIZE": true, "PMI_SIZE": true, "SLURM_STEP_NUM_TASKS": true} {
		t.Setenv(name, "")
	}
	w, err := Join(Options{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if r, n := w.Local(); w.Rank() != 0 || w.Size() != 1 || r != 0 || n != 1 || w.Host(0) != host {
		t.Errorf("rank %d of %d, %d of %d on %s", w.Rank(), w.Size(), r, n, w.Host(0))
	}
	if b := w.Broadcast([]byte("abc")); string(b) != "abc" {
		t.Errorf("Broadcast gave %q", b)
	}
	if all := w.Gather([]byte("abc")); len(all) != 1 || string(all[0]) != "abc" {
		t.Errorf("Gather gave %q", all)
	}
	if w.Any(false) || !w.Any(true) {
		t.Error("Any is not its flag")
	}
	sum := []float32{1e8, 1}
	w.SumOrdered([][]float32{sum, {-1e8, 2}, {1, 3}}, sum)
	if sum[0] != 1 || sum[1] != 6 {
		t.Errorf("the sum is %v", sum)
	}
	w.Advise("")
	w.Leave()
}

func TestMistakesPanic(t *testing.T) {
	for want, call := range map[string]func(w *World){
		"job.SumOrdered: no terms":                         func(w *World) { w.SumOrdered(nil, nil) },
		"job.SumOrdered: term 1 has 3 elements, the sum 2": func(w *World) { w.SumOrdered([][]float32{{1, 2}, {1, 2, 3}}, make([]float32, 2)) },
		"job.Fail: in a World of one":                      func(w *World) { w.Fail(1, "no") },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}()
			call(Alone())
		}()
	}
}

func TestLocal(t *testing.T) {
	for rank, want := range [][2]int{{0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}} {
		w := &World{ranks: fileRanks{rank: rank, size: 5}, hosts: []string{"a", "b", "a", "b", "b"}}
		if r, n := w.Local(); r != want[0] || n != want[1] {
			t.Errorf("rank %d: %d of %d, want %d of %d", rank, r, n, want[0], want[1])
		}
	}
}

func TestStarted(t *testing.T) {
	for _, c := range []struct {
		env      map[string]string
		size     int
		launcher string
		first    bool
	}{
		{map[string]string{}, 1, "", true},
		{map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0", "SLURM_PROCID": "2"}, 4, "mpirun", true},
		{map[string]string{"OMPI_COMM_WORLD_SIZE": "1", "SLURM_STEP_NUM_TASKS": "3"}, 1, "", true},
		{map[string]string{"PMI_SIZE": "4", "PMI_RANK": "1"}, 4, "mpirun", false},
		{map[string]string{"PMI_SIZE": "4", "PMI_RANK": "0", "SLURM_STEP_NUM_TASKS": "4"}, 4, "srun", true},
		// MPICH's mpirun that started one of its own on each of two hosts by srun.
		{map[string]string{"PMI_SIZE": "8", "PMI_RANK": "3", "SLURM_STEP_NUM_TASKS": "2"}, 8, "mpirun", false},
		{map[string]string{"PMIX_RANK": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3"}, 4, "srun", false},
		{map[string]string{"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"}, 4, "srun", true},
		// A batch script's own shell, in an allocation for eight.
		{map[string]string{"SLURM_NTASKS": "8", "SLURM_NPROCS": "8", "SLURM_PROCID": "0"}, 1, "", true},
		{map[string]string{"OMPI_COMM_WORLD_SIZE": "x"}, 1, "", true},
	} {
		env := func(name string) string { return c.env[name] }
		if size, launcher := started(env); size != c.size || launcher != c.launcher || first(env) != c.first {
			t.Errorf("%v: %d by %q, first %v", c.env, size, launcher, first(env))
		}
	}
}

// TestJoinSaysWhatToDo: where a launcher's variables are there but the program cannot be a rank, the error says what to do.
func TestJoinSaysWhatToDo(t *testing.T) {
	t.Setenv("OMPI_COMM_WORLD_SIZE", "")
	t.Setenv("PMI_SIZE", "")
	t.Setenv("PMI_RANK", "")
	t.Setenv("PMIX_RANK", "")
	t.Setenv("SLURM_STEP_NUM_TASKS", "4")
	var log bytes.Buffer
	_, err := Join(Options{Patience: time.Second, Log: &log})
	if err == nil || err.Error() != withoutPMI {
		t.Errorf("got %v, want %s", err, withoutPMI)
	}
	if log.Len() > 0 {
		t.Errorf("logged %q", log.String())
	}
}
