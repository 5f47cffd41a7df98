//go:build mpi && mpich

package job

// MPICH; for the other see mpi_openmpi.go. These are files, not two lines of mpi.go, since Go's build cache looks at which files a
// package has but not at what pkg-config says.

// #cgo pkg-config: mpich
import "C"
