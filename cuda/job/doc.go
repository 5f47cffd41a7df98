// Package job runs one search as N processes, its ranks, started by mpirun or srun. A [World] gives them four
// collectives over MPI, of which [World.SumOrdered] gives the same bits for any split of its terms over ranks, and ends
// the whole job with one line when a rank dies, stops, hangs or fails.
//
// MPI is in the program where it was built with the tag mpi (and mpich for MPICH; make build finds which); it is
// initialised only where a launcher started more than one process.
//
// A rank's death is not left to MPI, which may wait for ever for one that is gone. Beside MPI, every rank keeps a TCP
// connection to rank 0 and sends a heartbeat a second over it, and rank 0 judges.
//
// Read in this order: job.go, started.go, sum.go and mpi.go, then judge.go (when is a job dead, and what is said),
// watch.go, hub.go and spoke.go (how ranks hear of each other).
package job
