package job

import (
	"os"
	"strconv"
)

// Started says of how many processes the job consists that this one was started in, and by what: "mpirun" or "srun";
// 1 and "" where no launcher started it. It reads the environment alone, so it needs no MPI.
func Started() (size int, launcher string) { return started(os.Getenv) }

// First says whether this process is the job's rank 0 by what the environment says; true where no launcher started it.
// It serves before [Join], and where Join fails, so that one process says why.
func First() bool { return first(os.Getenv) }

func first(env func(string) string) bool {
	for _, name := range []string{"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"} {
		if rank := env(name); rank != "" {
			return rank == "0"
		}
	}
	return true
}

// started reads only what a launcher sets for each process that it starts. SLURM_NTASKS is not of these: a batch
// script's own shell has it too.
func started(env func(string) string) (size int, launcher string) {
	number := func(name string) int {
		n, err := strconv.Atoi(env(name))
		if err != nil {
			return 0
		}
		return n
	}
	step := number("SLURM_STEP_NUM_TASKS")
	if n := number("OMPI_COMM_WORLD_SIZE"); n > 0 { // Open MPI's mpirun, which may itself use srun
		size, launcher = n, "mpirun"
	} else if n := number("PMI_SIZE"); n > 0 { // MPICH's mpirun, or srun --mpi=pmi2
		size, launcher = n, "mpirun"
		if n == step {
			launcher = "srun"
		}
	} else {
		size, launcher = step, "srun" // with PMIX_RANK; or without any PMI, which Join finds out
	}
	if size <= 1 {
		return 1, ""
	}
	return size, launcher
}
