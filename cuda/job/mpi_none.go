//go:build !mpi

package job

import (
	"fmt"
	"sync/atomic"
)

func connect(size int, launcher string, _ *atomic.Uint64, _ func(error)) (ranks, error) {
	if size == 1 {
		return alone{}, nil
	}
	return nil, fmt.Errorf("%s started %d processes, but this program was built without MPI; install it (Debian: apt-get install libopenmpi-dev openmpi-bin pkg-config) and build again by make build, or start one process", launcher, size)
}
