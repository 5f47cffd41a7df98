//go:build !mpi

package cli

// programTags are what the program under test is built with.
const programTags = ""
